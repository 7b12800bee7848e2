"""The house rules that a reader relies on: imports go one way, libraries enter by one door, files stay small.

The floors are drawn in docs/architecture.md.
"""

import ast
from pathlib import Path

import pytest

import m3studio

PACKAGE = Path(m3studio.__file__).parent
LONGEST = 400  # lines of a file, to be read in one sitting

# From the street to the cellar.  A room imports only from rooms below its own floor;
# rooms on one floor do not know each other.
FLOORS = [
    {"__main__"},
    {"cli"},
    {"server"},
    {"ui", "routes", "gate"},
    {"studio"},
    {"turns"},
    {"chat", "library"},
    {"engines", "tools", "store", "hub", "auth"},
    {"parsers", "sandbox", "offload", "presets", "templates"},
    {"gguf", "hardware"},
    {"messages", "sampling", "settings", "plugins", "log"},
    {"paths"},
    {"errors"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# A third-party library enters through one room, so that it can be exchanged there.
DOORS = {
    "gradio": {"ui", "server"},
    "fastapi": {"routes", "gate", "server"},
    "starlette": {"routes", "gate", "server"},
    "llama_cpp": {"engines"},
    "sqlalchemy": {"store"},
    "huggingface_hub": {"hub"},
    "passlib": {"auth"},
    "ddgs": {"tools"},
    "trafilatura": {"tools"},
    "jinja2": {"templates"},
}
MODULES = sorted(PACKAGE.rglob("*.py"))
each_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
# The only imports that may stand inside a function: heavy rooms that load behind a page or a command that already answers.
LATE = {
    ("cli", "server"),
    ("server", "server"),
    ("server", "ui"),
    ("library", "hub"),
    ("server", "gradio"),
    ("engines", "llama_cpp"),
    ("engines", "engines"),
}


def room_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(path):
    """Dotted names of everything the module imports, inside functions too."""
    here = ("m3studio", *path.relative_to(PACKAGE).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join((*here[: -node.level], *filter(None, [node.module]))) if node.level else node.module
            yield from (f"m3studio.{alias.name}" for alias in node.names) if base == "m3studio" else [base]


@each_module
def test_imports_go_down_and_libraries_enter_by_their_door(path):
    room = room_of(path)
    if room == "__init__":
        return
    assert room in FLOOR, f"give {room} a floor"
    for name in imports_of(path):
        top, _, rest = name.partition(".")
        if top == "m3studio" and rest and rest != "__version__":
            target = rest.split(".")[0]
            assert target == room or FLOOR[room] < FLOOR[target], f"{room} must not import {target}"
        elif top in DOORS:
            assert room in DOORS[top], f"{top} belongs in {DOORS[top]}, not in {room}"


@each_module
def test_files_stay_small_enough_to_read_in_one_sitting(path):
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


@each_module
def test_only_heavy_rooms_are_imported_inside_a_function(path):
    tree = ast.parse(path.read_text("utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    for function in functions:
        for node in ast.walk(function):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                name = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
                parts = (name or "").split(".")
                target = parts[1] if parts[0] == "m3studio" and len(parts) > 1 else parts[0]
                if parts == ["m3studio"]:
                    target = node.names[0].name
                assert (room_of(path), target) in LATE, f"line {node.lineno}: import {name} at the top of the file"
