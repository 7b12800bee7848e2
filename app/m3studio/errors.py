"""Everything that can go wrong and that a user should hear of.

    StudioError                what the user reads: a sentence that names the next step
    |-- BadInput               the request makes no sense (HTTP 400)
    |   `-- BadModelFile       a model file that cannot be used: no GGUF, cut short, unknown architecture
    |-- NotAllowed             not signed in, or not yours (HTTP 403)
    |-- NotFound               no such chat, turn, model, file (HTTP 404)
    |-- Busy                   something else is in the way; try again (HTTP 409)
    |-- TooManyTries           throttled; `retry_after` says for how many seconds (HTTP 429)
    |-- NoRoom                 the disk is full (HTTP 507)
    |-- EngineError            the model's process failed, died or refused (HTTP 503)
    |   |-- OutOfMemory        the model or its context does not fit
    |   `-- ContextFull        the conversation does not fit into the context
    |-- NetworkError           a host was not reachable, or answered nonsense (HTTP 502)
    |-- StoreError             the data folder or the database cannot be used (HTTP 500)
    `-- ToolError              a tool failed; its text is for the model as well

Foreign exceptions are translated at the door where their library enters. The text of a `StudioError` is shown as it is.
"""

from collections.abc import Mapping, Sequence


class StudioError(Exception):
    """A sentence for the user. `details` holds what helps a developer (a log's last lines), never needed to act."""

    status = 500

    def __init__(self, message: str, *, details: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class BadInput(StudioError):
    """The request makes no sense."""

    status = 400


class BadModelFile(BadInput):
    """A model file that cannot be used."""


class NotAllowed(StudioError):
    """Not signed in, or not yours."""

    status = 403


class NotFound(StudioError):
    """No such thing."""

    status = 404


class Busy(StudioError):
    """Something else is in the way; trying again later can work."""

    status = 409


class TooManyTries(StudioError):
    """Throttled for `retry_after` seconds."""

    status = 429

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NoRoom(StudioError):
    """The disk is full."""

    status = 507


class EngineError(StudioError):
    """The model's process failed, died or refused."""

    status = 503


class OutOfMemory(EngineError):
    """The model or its context does not fit into memory.

    `alternatives` would fit: each has a `label` for a button and the load `settings` behind it.
    """

    def __init__(self, message: str, *, details: str = "", alternatives: Sequence[Mapping[str, object]] = ()) -> None:
        super().__init__(message, details=details)
        self.alternatives: tuple[Mapping[str, object], ...] = tuple(alternatives)


class ContextFull(EngineError):
    """The conversation does not fit into the context."""

    status = 400


class NetworkError(StudioError):
    """A host was not reachable, or answered nonsense."""

    status = 502


class StoreError(StudioError):
    """The data folder or the database cannot be used."""


class ToolError(StudioError):
    """A tool failed; the text goes to the model as well as to the user."""
