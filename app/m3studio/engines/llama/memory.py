"""How a model is laid out over devices, and what llama.cpp's log says of the memory it took. Knows no native code."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MIB = 2**20
# load_tensors: CUDA0 model buffer size, llama_kv_cache: CPU KV buffer size, llama_memory_recurrent: CPU RS buffer
# size, sched_reserve: CUDA_Host compute buffer size, llama_context: CPU output buffer size
_BUFFER = re.compile(r"(\S+) +(model|KV|RS|compute|output) buffer size = +([\d.]+) MiB")
_KINDS = {"model": "weights", "KV": "kv", "RS": "kv", "compute": "compute", "output": "output"}


@dataclass(frozen=True, slots=True)
class Layout:
    """What goes where, beyond `LoadSettings`: layers for each GPU in llama.cpp's order (empty: its own choice), and
    the layers on GPUs whose routed experts stay in RAM."""

    tensor_split: tuple[int, ...] = ()
    experts_in_ram: tuple[int, ...] = ()

    @property
    def pattern(self) -> str:
        """The regular expression for the names of tensors that stay in RAM; empty for none."""
        layers = "|".join(map(str, self.experts_in_ram))
        return rf"blk\.({layers})\.ffn_(up|down|gate_up|gate)_(ch|)exps" if layers else ""


def layout_of(values: Mapping[str, object]) -> Layout:
    """The layout in plain values, as it travels to a model's process."""
    found = {name: value for name, value in values.items() if isinstance(value, (list, tuple))}
    return Layout(**{name: tuple(map(int, numbers)) for name, numbers in found.items()})


def buffers(log: Iterable[str]) -> dict[str, dict[str, int]]:
    """Bytes by device (`CPU` is RAM, however it is pinned or mapped) and by kind: weights, kv, compute, output.

    The log has two decimals of a MiB. A model may have several caches; a compute buffer that is made anew replaces
    the one before.
    """
    found: dict[str, dict[str, int]] = {}
    for line in log:
        for name, kind, size in _BUFFER.findall(line):
            device = "CPU" if "CPU" in name or name.endswith("Host") else name.partition("_")[0]
            sizes = found.setdefault(device, dict.fromkeys(_KINDS.values(), 0))
            before = 0 if kind in ("compute", "output") else sizes[_KINDS[kind]]
            sizes[_KINDS[kind]] = before + round(float(size) * MIB)
    return found
