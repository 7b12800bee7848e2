"""Turns a native log and an exit status into one sentence for the user. Knows llama.cpp's words, and no process."""

import re
import signal
from collections.abc import Sequence

from m3studio.errors import BadModelFile, EngineError, OutOfMemory

LINES = 40  # of the log, for whoever looks at the details

_MEMORY = (
    r"failed to allocate|unable to allocate|out of memory|cudaMalloc|OutOfDeviceMemory|OutOfHostMemory|bad_alloc"
    r"|cannot allocate memory|insufficient memory"
)
# llama.cpp's words for what is wrong with a file, and ours. The first that is found counts.
_FILE = (
    (
        r"unknown model architecture: '([^']*)'",
        "The model's architecture “{0}” is not known to this version of llama.cpp. Update M3 Studio, or choose another "
        "model.",
    ),
    (
        r"invalid magic characters",
        "{name} is not a GGUF file. Choose a file that ends in .gguf, from a repository with GGUF in its name.",
    ),
    (
        r"not within the file bounds|corrupted or incomplete|failed to read key-value|failed to read tensor",
        "{name} is cut short or damaged. Download it again.",
    ),
    (
        r"tensor '([^']*)' not found|missing tensor '([^']*)'",
        "{name} lacks the tensor {0}, which this version of llama.cpp needs. Choose a newer conversion of the model.",
    ),
    (r"No such file or directory", "{name} is not there any more. Check the path."),
    (r"[Pp]ermission denied", "{name} may not be read. Mend its permissions."),
)


def refused(name: str, stage: str, reason: str, log: Sequence[str]) -> EngineError | BadModelFile:
    """Why the model could not be loaded. `stage` is `model` or `context`; `reason` a sentence, if there is one."""
    text, details = "\n".join(log), tail(log)
    if reason:
        return BadModelFile(reason, details=details)
    if re.search(_MEMORY, text, re.IGNORECASE):
        return OutOfMemory(_too_big(name, stage), details=details)
    if stage == "model":
        for pattern, sentence in _FILE:
            if found := re.search(pattern, text):
                words = [word for word in found.groups() if word]
                return BadModelFile(sentence.format(*words, name=name), details=details)
        said = re.findall(r"error loading model: (.*)", text) or ["no reason given"]
        return BadModelFile(
            f"llama.cpp cannot load {name} ({said[-1][:200]}). Download it again, or choose another conversion.",
            details=details,
        )
    return EngineError(
        f"No context could be made for {name}. Set n_ctx, flash_attn, type_k and type_v back to automatic.",
        details=details,
    )


def died(name: str, exit_code: int, loading: bool, log: Sequence[str]) -> EngineError:
    """What to say of a process that ended by itself; `exit_code` as `subprocess` gives it, less than 0 for a signal."""
    doing = "while loading" if loading else "in the middle of its work"
    details = tail(log)
    cause = _signal(exit_code)
    if re.search(_MEMORY, "\n".join(log[-LINES:]), re.IGNORECASE):
        return OutOfMemory(
            f"The process of {name} ran out of memory {doing} ({cause}). Load it with a smaller n_ctx, or choose a "
            "smaller model.",
            details=details,
        )
    if cause == "SIGKILL":
        hint = "Something ended it, most often the system when memory runs out: a smaller n_ctx or model needs less."
        kind = OutOfMemory if loading else EngineError
        return kind(f"The process of {name} was ended {doing} ({cause}). {hint}", details=details)
    hint = (
        "The file may be damaged: download it again, or choose another model."
        if loading
        else "Your chat is kept. Send the message again; the model is loaded anew."
    )
    return EngineError(f"The process of {name} crashed {doing} ({cause}). {hint}", details=details)


def tail(log: Sequence[str]) -> str:
    """The log's last lines."""
    return "\n".join(log[-LINES:])


def _too_big(name: str, stage: str) -> str:
    if stage == "model":
        return f"{name} does not fit into memory. Choose a smaller quant, or close other programs."
    return f"The context for {name} does not fit into memory. Load it with a smaller n_ctx, or with a q8_0 cache."


def _signal(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit code {exit_code}"
    known = {member.value: member.name for member in signal.Signals}
    return known.get(-exit_code, f"signal {-exit_code}")
