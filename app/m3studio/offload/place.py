"""Where the parts of a model lie: layers on GPUs in llama.cpp's own order, experts and the rest in RAM.

Pure arithmetic for one cache layout: it decides nothing about what the user gives up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from m3studio.hardware import Device, Hardware
from m3studio.offload.compute import compute_bytes, host_bytes, logits_bytes
from m3studio.offload.facts import ModelFacts
from m3studio.offload.kv import Cache, cache_bytes

GIB = 2**30


def margin(total: int) -> int:
    """Bytes of a memory that stay free for drivers, the system and what grows: 5 %, a GiB at least."""
    return min(max(GIB, total // 20), total // 4)


@dataclass(frozen=True, slots=True)
class Share:
    """What one device takes, in bytes, and what it has: `room` is free now, of which `margin` must stay free."""

    name: str
    description: str
    weights: int
    kv: int
    compute: int
    room: int
    total: int
    margin: int
    unified: bool = False
    touched: int = 0  # of its weights, by one token

    @property
    def bytes(self) -> int:
        return self.weights + self.kv + self.compute

    @property
    def spare(self) -> int:
        """Bytes left beyond the margin; negative when it does not fit."""
        return self.room - self.margin - self.bytes


@dataclass(frozen=True, slots=True)
class Placement:
    """A layout: `n_gpu_layers` in llama.cpp's sense (the output counts as one), `split` of them over the GPUs.

    `experts_in_ram` names layers on GPUs whose routed experts are not.
    """

    cache: Cache
    n_gpu_layers: int
    split: tuple[int, ...]
    experts_in_ram: tuple[int, ...]
    gpus: tuple[Share, ...]
    ram: Share

    @property
    def spare(self) -> int:
        """Bytes left in the scarcest place; negative when it does not fit. Unified memory is one pool."""
        shared = sum(share.bytes for share in self.gpus if share.unified)
        return min(self.ram.spare - shared, *(share.spare for share in self.gpus), self.ram.spare)

    @property
    def devices(self) -> tuple[Share, ...]:
        return (*(share for share in self.gpus if share.bytes), self.ram)


@dataclass(frozen=True, slots=True)
class Board:
    """A model with one cache layout before the GPUs of a machine."""

    model: ModelFacts
    hardware: Hardware
    cache: Cache
    gpus: tuple[Device, ...]
    kv: tuple[int, ...]
    compute: int
    flash_attn: bool

    @property
    def slots(self) -> int:
        """Layers, and the output as one more."""
        return len(self.model.layers) + 1

    def fewest_experts_in_ram(self, n_gpu_layers: int) -> int | None:
        """Least number of layers, from the first on, whose experts must go to RAM; None when even all do not help."""
        if self._split(n_gpu_layers, 0) is not None:
            return 0
        most = len(self._with_experts(n_gpu_layers))
        if not most or self._split(n_gpu_layers, most) is None:
            return None
        low, high = 1, most
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self._split(n_gpu_layers, middle) is not None else (middle + 1, high)
        return low

    def most_layers(self) -> int:
        """Most `n_gpu_layers` that fit when all experts are in RAM."""
        low, high = 0, self.slots
        while low < high:
            middle = (low + high + 1) // 2
            fits = self._split(middle, len(self._with_experts(middle))) is not None
            low, high = (middle, high) if fits else (low, middle - 1)
        return low

    def place(self, n_gpu_layers: int, moved: int, *, force: bool = False) -> Placement | None:
        """The layout with the experts of the first `moved` layers in RAM; None when a GPU is too small.

        With `force` what fits nowhere is put on the last GPU.
        """
        split = self._split(n_gpu_layers, moved)
        if split is None:
            if not force:
                return None
            split = self._proportional(n_gpu_layers)
        in_ram = self._with_experts(n_gpu_layers)[:moved]
        first = self.slots - n_gpu_layers
        bounds = list(accumulate(split, initial=first))
        gpus = tuple(
            self._gpu_share(device, range(start, stop), set(in_ram), bool(moved))
            for device, start, stop in zip(self.gpus, bounds, bounds[1:], strict=False)
        )
        return Placement(self.cache, n_gpu_layers, split, in_ram, gpus, self._ram_share(n_gpu_layers, in_ram))

    def _with_experts(self, n_gpu_layers: int) -> tuple[int, ...]:
        first = self.slots - n_gpu_layers
        return tuple(index for index, layer in enumerate(self.model.layers) if index >= first and layer.experts)

    def _slot_sizes(self, n_gpu_layers: int, moved: int) -> Iterator[int]:
        in_ram = set(self._with_experts(n_gpu_layers)[:moved])
        for index in range(self.slots - n_gpu_layers, self.slots):
            yield self._weights(index, in_ram) + (self.kv[index] if index < len(self.kv) else 0)

    def _weights(self, index: int, in_ram: set[int]) -> int:
        if index == len(self.model.layers):
            return self.model.output + (self.model.embedding if self.model.tied else 0)
        layer = self.model.layers[index]
        return layer.weights + (0 if index in in_ram else layer.experts)

    def _overhead(self, moved: bool) -> int:
        # experts in RAM are still computed on the GPU for long prompts: it must hold a copy of one tensor at a time
        return self.compute + (self.model.widths.largest_expert if moved else 0)

    def _split(self, n_gpu_layers: int, moved: int) -> tuple[int, ...] | None:
        """Consecutive slots for each GPU, filled in order; None when they do not fit."""
        if not n_gpu_layers:
            return (0,) * len(self.gpus)
        rooms = [self.hardware.room(gpu) - margin(gpu.total) - self._overhead(moved > 0) for gpu in self.gpus]
        counts = [0] * len(rooms)
        device = 0
        for size in self._slot_sizes(n_gpu_layers, moved):
            while device < len(rooms) and size > rooms[device]:
                device += 1
            if device == len(rooms):
                return None
            rooms[device] -= size
            counts[device] += 1
        return tuple(counts)

    def _proportional(self, n_gpu_layers: int) -> tuple[int, ...]:
        total = sum(gpu.total for gpu in self.gpus) or 1
        counts = [n_gpu_layers * gpu.total // total for gpu in self.gpus]
        counts[-1] += n_gpu_layers - sum(counts)
        return tuple(counts)

    def _gpu_share(self, device: Device, slots: Sequence[int], in_ram: set[int], moved: bool) -> Share:
        weights = sum(self._weights(index, in_ram) for index in slots)
        return Share(
            name=device.name,
            description=device.description,
            weights=weights,
            kv=sum(self.kv[index] for index in slots if index < len(self.kv)),
            compute=self._overhead(moved) if slots else 0,
            room=self.hardware.room(device),
            total=device.total,
            margin=margin(device.total),
            unified=device.unified,
            touched=sum(self._touched(index, index not in in_ram) for index in slots),
        )

    def _touched(self, index: int, experts: bool) -> int:
        model = self.model
        if index == len(model.layers):
            return model.output + (model.embedding if model.tied else 0)
        layer = model.layers[index]
        routed = layer.experts * model.experts_used // model.experts if experts and model.experts else 0
        return layer.weights + routed

    def _ram_share(self, n_gpu_layers: int, in_ram: tuple[int, ...]) -> Share:
        model, first = self.model, self.slots - n_gpu_layers
        here = range(min(first, len(model.layers)))
        weights = model.embedding + sum(self._weights(index, set()) for index in here)
        weights += sum(model.layers[index].experts for index in in_ram)
        touched = sum(self._touched(index, True) for index in here)
        touched += sum(self._touched(index, True) - self._touched(index, False) for index in in_ram)
        if not n_gpu_layers:
            weights += model.output
            touched += self._touched(len(model.layers), True)
        compute = self.compute + logits_bytes(model, self.cache)
        if n_gpu_layers >= len(model.layers):
            compute = host_bytes(model, self.cache, experts=bool(in_ram), flash_attn=self.flash_attn)
        hardware = self.hardware
        return Share(
            name="CPU",
            description="RAM",
            weights=weights,
            kv=sum(self.kv[index] for index in here),
            compute=compute,
            room=hardware.ram_available,
            total=hardware.ram_total,
            margin=margin(hardware.ram_total),
            touched=touched,
        )


def board(
    model: ModelFacts,
    hardware: Hardware,
    cache: Cache,
    gpus: tuple[Device, ...],
    *,
    flash_attn: bool = True,
    compute_factor: float = 1.0,
) -> Board:
    """A model with its cache and compute sizes worked out once."""
    compute = round(compute_factor * compute_bytes(model, cache, flash_attn=flash_attn))
    return Board(model, hardware, cache, gpus, cache_bytes(model, cache), compute, flash_attn)
