"""A machine as frozen values, real or made up. Knows neither how they were found nor what will run on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from m3studio.errors import BadInput

GIB = 2**30
# Share of a Mac's memory that Metal may use as it comes. Seen: 75 to 84 %, depending on macOS and size; a real
# machine is asked, this is for made-up ones.
METAL_SHARE = 0.8
# Bytes per second of machines that nobody measured: two channels of DDR4, and a mid-range graphics card or Apple Ultra.
RAM_BANDWIDTH = 40e9
GPU_BANDWIDTH = 800e9


class Kind(StrEnum):
    """ggml_backend_dev_type."""

    CPU = "cpu"
    GPU = "gpu"
    IGPU = "igpu"
    ACCEL = "accel"
    META = "meta"


@dataclass(frozen=True, slots=True)
class Device:
    """A device under llama.cpp's own name (CUDA0, MTL0). `unified`: its memory is the machine's RAM."""

    name: str
    description: str
    kind: Kind
    free: int
    total: int
    unified: bool = False


@dataclass(frozen=True, slots=True)
class Hardware:
    """A machine.

    `ram_available` is what can be used now, within the limits of a container. `threads` are worth using for decode.
    `bandwidth` is measured for RAM in bytes per second; 0 is unknown. `wired_limit` is macOS's `iogpu.wired_limit_mb`
    in bytes where it was set, else 0. `note` says in a sentence what could not be found out.
    """

    ram_total: int
    ram_available: int
    devices: tuple[Device, ...] = ()
    threads: int = 1
    bandwidth: float = 0.0
    wired_limit: int = 0
    note: str = ""

    @property
    def gpus(self) -> tuple[Device, ...]:
        """The devices that llama.cpp puts layers on: all GPUs, or else the first integrated one."""
        found = tuple(device for device in self.devices if device.kind is Kind.GPU)
        return found or tuple(device for device in self.devices if device.kind is Kind.IGPU)[:1]

    @property
    def unified(self) -> bool:
        """True when layers on the GPU take the machine's own RAM."""
        return any(device.unified for device in self.gpus)

    @property
    def memory(self) -> int:
        """Bytes of RAM and graphics memory together; what is shared counts once."""
        return self.ram_total + sum(device.total for device in self.gpus if not device.unified)

    def room(self, device: Device) -> int:
        """Bytes free on a GPU now; on unified memory never more than RAM has left."""
        return min(device.free, self.ram_available) if device.unified else device.free


def imagined(
    ram: float = 0, vram: Sequence[float] = (), *, unified: float = 0, wired: float = 0, threads: int = 8
) -> Hardware:
    """A made-up machine of so many GiB: RAM and graphics cards, or `unified` memory of which `wired` is for Metal.

    A small part of its RAM is taken by the system. Raises `BadInput` for sizes that no machine has.
    """
    sizes = (ram, unified, wired, *vram)
    if not all(0 <= size <= 2**20 for size in sizes) or not (ram or unified):  # NaN is refused too
        raise BadInput("Say how much memory the machine has: --ram GIB with --vram GIB,GIB, or --unified GIB.")
    if unified and (ram or vram):
        raise BadInput("Unified memory is RAM and graphics memory in one: use --unified alone, or --ram with --vram.")
    total = int((unified or ram) * GIB)
    available = total - min(total // 10, 4 * GIB)
    if unified:
        metal = int(wired * GIB) or int(total * METAL_SHARE)
        gpus: tuple[Device, ...] = (Device("MTL0", "Apple GPU", Kind.GPU, metal, metal, unified=True),)
    else:
        gpus = tuple(_card(index, int(size * GIB)) for index, size in enumerate(vram))
    cpu = Device("CPU", "CPU", Kind.CPU, total, total)
    return Hardware(total, available, (*gpus, cpu), threads, wired_limit=int(wired * GIB))


def _card(index: int, total: int) -> Device:
    # a driver and a screen take some hundred MB of a card before anything runs on it
    return Device(f"CUDA{index}", "NVIDIA GPU", Kind.GPU, total - min(total // 20, 512 * 2**20), total)
