"""A finished plan, in Python and as JSON. Knows not how it was made."""

from dataclasses import asdict, dataclass
from enum import StrEnum

from m3studio.offload.place import Placement, Share
from m3studio.offload.speed import Speed
from m3studio.settings import LoadSettings


class Verdict(StrEnum):
    """`tight`: it fits, but something was given up for it, or little memory is left."""

    FITS = "fits"
    TIGHT = "tight"
    TOO_BIG = "too_big"


@dataclass(frozen=True, slots=True)
class OffloadPlan:
    """How a model is loaded, what it takes in bytes, and why.

    `reasons` and `suggestions` are sentences for the user; `speed` is for a short conversation; `shortfall` is what
    is missing in the scarcest memory when the verdict is `too_big`.
    """

    verdict: Verdict
    placement: Placement
    load: LoadSettings
    reasons: tuple[str, ...]
    suggestions: tuple[str, ...]
    speed: Speed
    shortfall: int = 0

    @property
    def devices(self) -> tuple[Share, ...]:
        """What each device takes: GPUs in llama.cpp's order, then RAM as `CPU`."""
        return self.placement.devices

    @property
    def weights_bytes(self) -> int:
        return sum(share.weights for share in self.devices)

    @property
    def kv_bytes(self) -> int:
        return sum(share.kv for share in self.devices)

    @property
    def compute_bytes(self) -> int:
        return sum(share.compute for share in self.devices)

    @property
    def total_bytes(self) -> int:
        return self.weights_bytes + self.kv_bytes + self.compute_bytes

    @property
    def tensor_split(self) -> tuple[int, ...]:
        """Layers for each GPU in llama.cpp's order; empty when there is nothing to split."""
        split = list(self.placement.split)
        if len(split) < 2 or not any(split):
            return ()
        last = max(index for index, count in enumerate(split) if count)
        # layers that llama.cpp counts but does not load stand before the output
        split[last] += (self.load.n_gpu_layers or 0) - self.placement.n_gpu_layers
        return tuple(split)

    @property
    def tensor_buft_overrides(self) -> str:
        """Pattern of the tensors that stay in RAM though their layer is on a GPU; empty for none."""
        layers = "|".join(map(str, self.placement.experts_in_ram))
        return rf"blk\.({layers})\.ffn_(up|down|gate_up|gate)_(ch|)exps" if layers else ""

    def to_json(self) -> dict[str, object]:
        """The plan as `plan --json` and the API print it."""
        settings = {
            **asdict(self.load),
            "kv_unified": self.placement.cache.unified,
            "swa_full": self.placement.cache.swa_full,
            "tensor_split": list(self.tensor_split),
            "tensor_buft_overrides": self.tensor_buft_overrides,
            "experts_in_ram": list(self.placement.experts_in_ram),
        }
        return {
            "verdict": self.verdict.value,
            "total_bytes": self.total_bytes,
            "weights_bytes": self.weights_bytes,
            "kv_bytes": self.kv_bytes,
            "compute_bytes": self.compute_bytes,
            "shortfall_bytes": self.shortfall,
            "devices": [_device(share) for share in self.devices],
            **settings,
            "reasons": list(self.reasons),
            "suggestions": list(self.suggestions),
            "tokens_per_second": [round(self.speed.low, 1), round(self.speed.high, 1)],
        }


def _device(share: Share) -> dict[str, object]:
    return {
        "name": share.name,
        "description": share.description,
        "unified": share.unified,
        "total_bytes": share.bytes,
        "weights_bytes": share.weights,
        "kv_bytes": share.kv,
        "compute_bytes": share.compute,
        "margin_bytes": share.margin,
        "free_bytes": share.room,
        "memory_bytes": share.total,
    }
