"""Expected tokens per second of an answer: the bytes a token touches over what their memory delivers.

A token reads every weight outside the routed experts, and of these the used share. On a CPU the cores can be slower
than the memory: packed types must be unpacked. Knows no placement rule; estimates hold for short conversations.
"""

from collections.abc import Sequence
from typing import NamedTuple

from m3studio.hardware import Device, Hardware
from m3studio.hardware.machine import GPU_BANDWIDTH, RAM_BANDWIDTH
from m3studio.offload.facts import ModelFacts

# Bytes per second of devices by a part of their description, from the makers' data sheets; the first match counts.
BANDWIDTHS: Sequence[tuple[str, float]] = (
    ("B200", 8000e9),
    ("H200", 4800e9),
    ("H100", 3350e9),
    ("A100", 1935e9),
    ("MI300", 5300e9),
    ("RTX 5090", 1792e9),
    ("RTX PRO 6000", 1792e9),
    ("RTX 4090", 1008e9),
    ("RTX 3090", 936e9),
    ("7900 XTX", 960e9),
    ("L40", 864e9),
    ("RTX A6000", 768e9),
    ("RTX 4080", 717e9),
    ("RTX 4070", 504e9),
    ("RTX 3060", 360e9),
    ("RTX 4060", 272e9),
    ("M3 Ultra", 819e9),
    ("M2 Ultra", 800e9),
    ("M1 Ultra", 800e9),
    ("M4 Max", 546e9),
    ("M3 Max", 400e9),
    ("M2 Max", 400e9),
    ("M1 Max", 400e9),
    ("M4 Pro", 273e9),
    ("Ryzen AI MAX", 256e9),
)
GPU_SHARE = 0.65  # of the data sheet's bandwidth that decode reaches
RAM_SHARE = 0.95  # of a measured copy's bandwidth that reading weights reaches
LAYER_SECONDS = 40e-6  # synchronising the threads of a CPU or starting the kernels of a GPU, for each layer
MEASURED, GUESSED = 0.25, 0.5  # how far off an estimate may be


class Speed(NamedTuple):
    """Tokens per second, between which a short conversation is expected."""

    low: float
    high: float


def device_bandwidth(device: Device) -> float:
    """Bytes per second of a GPU's memory."""
    found = (speed for name, speed in BANDWIDTHS if name.lower() in device.description.lower())
    return next(found, GPU_BANDWIDTH)


def expected(model: ModelFacts, hardware: Hardware, on_gpus: Sequence[tuple[Device, int]], in_ram: int) -> Speed:
    """Speed when a token touches `in_ram` bytes in RAM and so many on each GPU."""
    seconds = LAYER_SECONDS * len(model.layers)
    for device, touched in on_gpus:
        seconds += touched / (GPU_SHARE * device_bandwidth(device))
    memory = RAM_SHARE * (hardware.bandwidth or RAM_BANDWIDTH)
    cores = hardware.threads * model.core_rate
    seconds += in_ram / min(memory, cores)
    rate = 1 / seconds if seconds else 0.0
    off = MEASURED if hardware.bandwidth and not any(touched for _, touched in on_gpus) else GUESSED
    return Speed(rate * (1 - off), rate * (1 + off))
