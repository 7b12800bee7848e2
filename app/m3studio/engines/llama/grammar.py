"""Holds an answer to a grammar: its sampler's choice is tested, and chosen anew among what is allowed if it is not.

Testing one token takes microseconds; only a choice that is refused costs a look at the whole vocabulary. Knows no tool.
"""

import ctypes
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from m3studio.engines.llama.bindings import Context, Vocab, native

LONGEST = 1_000_000  # characters of a grammar
DEEPEST = 500  # brackets within each other: the library reads them by calling itself
MOST_BANS = 8  # tokens that are put aside at one place because they run over a trigger's end in a wrong way


class Guard:
    """The grammar of one answer. With `triggers` it sleeps until the answer contains one, and holds what follows it.

    Raises `ValueError` with a sentence for a grammar that cannot be used. `free` it, or its native memory stays.
    """

    def __init__(self, vocab: Vocab, gbnf: str, triggers: Sequence[str]) -> None:
        self._vocab = vocab
        self._triggers = tuple(trigger.encode() for trigger in triggers)
        self._awake = not self._triggers
        self._tail = b""
        self._candidates = Candidates(vocab.size)
        self._handle = None
        if len(gbnf) > LONGEST or _depth(gbnf) > DEEPEST:
            raise ValueError("The grammar for this answer is too large.")
        self._handle = native.llama_sampler_init_grammar(vocab.handle, gbnf.encode("utf-8", "replace"), b"root")
        if not self._handle:
            raise ValueError("The grammar for this answer cannot be read; the model's log names the place.")

    def choose(self, context: Context, chain: Any, row: int, *, thinking: bool) -> int:
        """The next token after `row` by the samplers of `chain`; while `thinking` it is free."""
        rows = self._candidates
        banned: list[int] = []
        logits = native.llama_get_logits_ith(context.handle, row)
        while True:
            token = rows.pick(logits, chain, banned)
            if thinking or self._allows(token):
                break
            if self._awake:
                token = rows.pick(logits, chain, (), self._handle)
                if not self._allows(token):  # nothing in this vocabulary can go on: end rather than break the rules
                    token = self._vocab.eos
                break
            if len(banned) == MOST_BANS:
                break
            banned.append(token)
        native.llama_sampler_accept(chain, token)
        if not thinking:
            self._take(token)
        return token

    def free(self) -> None:
        if self._handle:
            native.llama_sampler_free(self._handle)
            self._handle = None

    def _allows(self, token: int) -> bool:
        if self._awake:
            return self._candidates.allowed(token, self._handle)
        behind = self._behind(self._vocab.piece(token))
        if not behind:
            return True
        woken = self._woken(behind)
        if woken:
            native.llama_sampler_free(woken)
        return bool(woken)

    def _take(self, token: int) -> None:
        if self._vocab.ends(token):
            return
        if self._awake:
            native.llama_sampler_accept(self._handle, token)
            return
        piece = self._vocab.piece(token)
        behind = self._behind(piece)
        self._tail = (self._tail + piece)[-max(map(len, self._triggers)) :]
        if behind is not None and (woken := self._woken(behind)):
            native.llama_sampler_free(self._handle)
            self._handle, self._awake = woken, True

    def _woken(self, behind: bytes) -> Any:
        """The grammar once it has read what stands behind a trigger within its token; None if that is not allowed."""
        try:
            tokens = self._vocab.tokens(behind.decode(), begins=False)
        except UnicodeDecodeError:  # half a character
            return None
        woken = native.llama_sampler_clone(self._handle)
        for token in tokens:
            if not self._candidates.allowed(int(token), woken):
                native.llama_sampler_free(woken)
                return None
            native.llama_sampler_accept(woken, int(token))
        return woken

    def _behind(self, piece: bytes) -> bytes | None:
        """What would stand behind the first trigger that `piece` completes; None if it completes none."""
        text = self._tail + piece
        for trigger in self._triggers:
            at = text.find(trigger, max(0, len(self._tail) - len(trigger) + 1))
            if at >= 0:
                return text[at + len(trigger) :]
        return None


class Candidates:
    """Room for one choice among all tokens, used again and again."""

    def __init__(self, size: int) -> None:
        self._rows = np.zeros(size, dtype=[("id", np.int32), ("logit", np.float32), ("p", np.float32)])
        self._ids = np.arange(size, dtype=np.int32)
        self._pointer = self._rows.ctypes.data_as(ctypes.POINTER(native.llama_token_data))
        self._one = (native.llama_token_data * 1)()

    def pick(self, logits: Any, chain: Any, banned: Sequence[int], grammar: Any = None) -> int:
        """The token that `chain` chooses, among what `grammar` allows if one is given."""
        rows = self._rows
        rows["id"], rows["p"] = self._ids, 0
        rows["logit"] = np.ctypeslib.as_array(logits, (len(rows),))
        for token in banned:
            rows["logit"][token] = -math.inf
        found = native.llama_token_data_array(self._pointer, len(rows), -1, False)
        if grammar:
            native.llama_sampler_apply(grammar, ctypes.byref(found))
        native.llama_sampler_apply(chain, ctypes.byref(found))
        return int(found.data[found.selected].id)

    def allowed(self, token: int, grammar: Any) -> bool:
        """Whether `grammar` allows the token next."""
        one = self._one
        one[0].id, one[0].logit, one[0].p = token, 1.0, 0.0
        found = native.llama_token_data_array(ctypes.cast(one, ctypes.POINTER(native.llama_token_data)), 1, -1, False)
        native.llama_sampler_apply(grammar, ctypes.byref(found))
        return bool(one[0].logit > -math.inf)


def _depth(gbnf: str) -> int:
    """How deep brackets stand within each other, at most; those in texts count as well."""
    depth = deepest = 0
    for char in gbnf:
        if char == "(":
            depth += 1
            deepest = max(deepest, depth)
        elif char == ")":
            depth = max(0, depth - 1)
        elif char == "\n":
            depth = 0
    return deepest
