"""Finds the files of a folder that holds one variant a file (tools, parsers, pages, routers). Knows none of them."""

import importlib
import pkgutil
from types import ModuleType


def collect(package: ModuleType) -> list[ModuleType]:
    """Import every public module directly below `package`, in the order of their names.

    A module whose name starts with an underscore is the package's own and is left out.
    """
    names = sorted(info.name for info in pkgutil.iter_modules(package.__path__) if not info.name.startswith("_"))
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]
