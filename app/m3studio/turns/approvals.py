"""Questions of one turn to the user: may this call run? The turn's thread waits, any other thread answers."""

import queue
import threading

from m3studio.errors import NotFound
from m3studio.messages import Approval, Cancel, ToolCall


class Approvals:
    """The calls of a turn that wait for an answer. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # protects _waiting
        self._waiting: dict[str, tuple[ToolCall, queue.SimpleQueue[Approval]]] = {}

    def ask(self, call: ToolCall, cancel: Cancel) -> Approval:
        """Wait for the answer. A turn that is stopped meanwhile gets no."""
        answers: queue.SimpleQueue[Approval] = queue.SimpleQueue()
        with self._lock:
            self._waiting[call.id] = (call, answers)
        cancel.on_set(lambda: answers.put(Approval.DENY))
        try:
            return answers.get()
        finally:
            with self._lock:
                del self._waiting[call.id]

    def answer(self, call_id: str, answer: Approval) -> ToolCall:
        """Answer for a call, which is returned. Raises `NotFound` if it does not wait, or not any more."""
        with self._lock:
            if call_id not in self._waiting:
                raise NotFound("This call does not wait for an answer any more. Somebody answered, or it was stopped.")
            call, answers = self._waiting[call_id]
        answers.put(answer)
        return call
