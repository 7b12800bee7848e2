"""Quants of MiniMax M3 by size, so that they can be planned offline, before anything is listed or downloaded.

From Unsloth's guide to running MiniMax-M3 (June 2026): file sizes where it gives them; for the 2, 5 and 8-bit ones, of
which it tells the memory they need, that number less the 5 GB by which it is larger than the file for the others.
"""

import re
from collections.abc import Mapping

from m3studio.offload.facts import ModelFacts, minimax_m3

REPOS = ("unsloth/MiniMax-M3-GGUF", "minimax-m3")
GB = 10**9
SIZES: Mapping[str, int] = {
    "UD-IQ1_M": 128 * GB,
    "2-bit": 143 * GB,
    "UD-IQ3_XXS": 159 * GB,
    "UD-IQ4_XS": 208 * GB,
    "UD-Q4_K_XL": 265 * GB,
    "5-bit": 320 * GB,
    "8-bit": 460 * GB,
}
BITS = re.compile(r"(\d)")


def known(repo: str) -> tuple[ModelFacts, ...]:
    """Every quant of a repository whose sizes are known, the smallest first; empty for others."""
    if repo.lower() not in {name.lower() for name in REPOS}:
        return ()
    return tuple(minimax_m3(size, quant) for quant, size in SIZES.items())


def of_quant(quants: tuple[ModelFacts, ...], name: str) -> ModelFacts | None:
    """The quant called `name`, or the one that is known by its bits alone (Q8_0 is the 8-bit one)."""
    wanted = name.lower()
    bits = BITS.search(wanted)
    by_bits = f"{bits[1]}-bit" if bits else ""
    return next((one for one in quants if one.quant.lower() in (wanted, by_bits)), None)
