"""Asks llama.cpp's libraries for their devices and prints them as JSON. Runs as a child: drivers can hang or crash.

Knows no more of llama.cpp than eight functions of ggml-backend.h.
"""

import ctypes
import json
import sys
from pathlib import Path

KINDS = ("cpu", "gpu", "igpu", "accel", "meta")  # enum ggml_backend_dev_type
FORMS = {"win32": "{}.dll", "darwin": "lib{}.dylib"}


def devices(folder: Path) -> list[dict[str, object]]:
    """Every ggml device of the libraries in `folder`. Raises `OSError` when they cannot be loaded."""
    form = FORMS.get(sys.platform, "lib{}.so")
    base = ctypes.CDLL(str(folder / form.format("ggml-base")))
    ggml = ctypes.CDLL(str(folder / form.format("ggml")))
    ggml.ggml_backend_dev_count.restype = ctypes.c_size_t
    ggml.ggml_backend_dev_get.restype = ctypes.c_void_p
    ggml.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    for function in (base.ggml_backend_dev_name, base.ggml_backend_dev_description):
        function.restype, function.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
    base.ggml_backend_dev_type.restype, base.ggml_backend_dev_type.argtypes = ctypes.c_int, [ctypes.c_void_p]
    sizes = ctypes.POINTER(ctypes.c_size_t)
    base.ggml_backend_dev_memory.restype = None
    base.ggml_backend_dev_memory.argtypes = [ctypes.c_void_p, sizes, sizes]
    if not ggml.ggml_backend_dev_count():  # a build with backends in libraries of their own
        ggml.ggml_backend_load_all_from_path.argtypes = [ctypes.c_char_p]
        ggml.ggml_backend_load_all_from_path(str(folder).encode())
    return [_device(base, ggml.ggml_backend_dev_get(index)) for index in range(ggml.ggml_backend_dev_count())]


def _device(base: ctypes.CDLL, device: int) -> dict[str, object]:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    base.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
    return {
        "name": base.ggml_backend_dev_name(device).decode(errors="replace"),
        "description": base.ggml_backend_dev_description(device).decode(errors="replace"),
        "kind": KINDS[base.ggml_backend_dev_type(device)],
        "free": free.value,
        "total": total.value,
    }


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(devices(Path(sys.argv[1]))) + "\n")
