"""Plans how a model is loaded before it is loaded, or even downloaded: what fits, where, and how fast. Pure.

`facts` makes what must be known of a model from a GGUF header, `plan` decides, `largest_context` asks how far the
context can grow, `alternatives` what would fit instead. Knows no engine, no file and no page.
"""

from m3studio.offload.alternatives import Alternative, after_failure, alternatives, correction
from m3studio.offload.facts import Layer, ModelFacts, Widths, facts, minimax_m3
from m3studio.offload.known import known, of_quant
from m3studio.offload.kv import Cache, cache_bytes
from m3studio.offload.place import Placement, Share
from m3studio.offload.plan import Wishes, largest_context, plan
from m3studio.offload.result import OffloadPlan, Verdict
from m3studio.offload.speed import Speed

__all__ = [
    "Alternative",
    "Cache",
    "Layer",
    "ModelFacts",
    "OffloadPlan",
    "Placement",
    "Share",
    "Speed",
    "Verdict",
    "Widths",
    "Wishes",
    "after_failure",
    "alternatives",
    "cache_bytes",
    "correction",
    "facts",
    "known",
    "largest_context",
    "minimax_m3",
    "of_quant",
    "plan",
]
