"""The chain of samplers that `Sampling` asks for, in llama.cpp's own order. Knows no scheduler."""

import ctypes
import secrets
from collections.abc import Sequence
from typing import Any

from m3studio.engines.llama.bindings import Context, IntArray, Vocab, chain, native
from m3studio.engines.llama.grammar import Guard
from m3studio.sampling import Sampling

BREAKERS = (b"\n", b":", b'"', b"*")  # llama.cpp's default: where DRY takes no repetition to go on

Bias = Sequence[tuple[int, float]]  # tokens, and what is added to their logits


class Sampler:
    """Chooses the tokens of one answer, which `guard` may hold to a grammar. `free` it, or its native memory stays."""

    def __init__(
        self, sampling: Sampling, vocab: Vocab, n_ctx: int, guard: Guard | None = None, bias: Bias = ()
    ) -> None:
        self._guard = guard
        self.chain = chain([*_biased(bias, vocab), *_samplers(sampling, vocab, n_ctx)])
        looks_back = _penalizes(sampling) or sampling.dry_multiplier > 0
        # DRY has no length of its own in `Sampling`, so it sees as far as the penalties do.
        self._memory = _last_n(sampling, n_ctx) if looks_back else 0

    def accept(self, tokens: IntArray) -> None:
        """Tell the penalties of tokens that were not sampled: repeating the prompt counts as repeating."""
        if self._memory:
            for token in tokens[-self._memory :]:
                native.llama_sampler_accept(self.chain, int(token))

    def choose(self, context: Context, row: int, *, thinking: bool) -> int:
        """The next token after `row` of the last batch."""
        if self._guard is None:
            return context.sample(self.chain, row)
        return self._guard.choose(context, self.chain, row, thinking=thinking)

    def free(self) -> None:
        if self._guard is not None:
            self._guard.free()
        native.llama_sampler_free(self.chain)
        self.chain = None


def _biased(bias: Bias, vocab: Vocab) -> list[Any]:
    known = [(token, value) for token, value in bias if 0 <= token < vocab.size]
    if not known:
        return []
    rows = (native.llama_logit_bias * len(known))(*known)
    return [native.llama_sampler_init_logit_bias(vocab.size, len(known), rows)]


def _samplers(sampling: Sampling, vocab: Vocab, n_ctx: int) -> list[Any]:
    """Penalties, DRY, top_k, typical, top_p, min_p, XTC, temperature, and the throw of the dice."""
    found = []
    if _penalizes(sampling):
        found.append(
            native.llama_sampler_init_penalties(
                vocab.size,
                _last_n(sampling, n_ctx),
                sampling.repeat_penalty,
                sampling.frequency_penalty,
                sampling.presence_penalty,
            )
        )
    if sampling.dry_multiplier > 0:
        found.append(_dry(sampling, vocab, n_ctx))
    if sampling.temperature <= 0:
        return [*found, native.llama_sampler_init_greedy()]
    seed = secrets.randbits(32) if sampling.seed is None else sampling.seed
    if sampling.top_k > 0:
        found.append(native.llama_sampler_init_top_k(sampling.top_k))
    if sampling.typical_p < 1:
        found.append(native.llama_sampler_init_typical(sampling.typical_p, 1))
    if sampling.top_p < 1:
        found.append(native.llama_sampler_init_top_p(sampling.top_p, 1))
    if sampling.min_p > 0:
        found.append(native.llama_sampler_init_min_p(sampling.min_p, 1))
    if sampling.xtc_probability > 0:
        found.append(native.llama_sampler_init_xtc(sampling.xtc_probability, sampling.xtc_threshold, 1, seed))
    return [*found, native.llama_sampler_init_temp(sampling.temperature), native.llama_sampler_init_dist(seed)]


def _dry(sampling: Sampling, vocab: Vocab, n_ctx: int) -> Any:
    return native.llama_sampler_init_dry(
        vocab.handle,
        sampling.dry_multiplier,
        sampling.dry_base,
        sampling.dry_allowed_length,
        _last_n(sampling, n_ctx),
        (ctypes.c_char_p * len(BREAKERS))(*BREAKERS),
        len(BREAKERS),
    )


def _penalizes(sampling: Sampling) -> bool:
    neutral = (sampling.repeat_penalty, sampling.frequency_penalty, sampling.presence_penalty) == (1, 0, 0)
    return sampling.repeat_last_n != 0 and not neutral


def _last_n(sampling: Sampling, n_ctx: int) -> int:
    return n_ctx if sampling.repeat_last_n < 0 else min(sampling.repeat_last_n, n_ctx)
