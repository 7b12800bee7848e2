"""What the user saved under a name to use again: presets of settings, system prompts. Shared as JSON."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from m3studio.errors import BadInput, NotFound
from m3studio.store import Store
from m3studio.turns.history import plain, wishes

# What a preset holds. Never which tools may run unasked: a preset can come from a stranger.
SHARED = frozenset(
    {"system_prompt", "sampling", "variables", "max_tokens", "stop", "thinking", "thinking_budget", "response_format"}
)
LONGEST_NAME = 80
LONGEST_PROMPT = 200_000
MOST = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One saved thing. `content` is a preset's settings (as in `history.Wishes`) or a prompt's text."""

    id: str
    name: str
    content: object


class Shelf:
    """Saved things of one kind: "preset" or "prompt"."""

    def __init__(self, store: Store, kind: str) -> None:
        self._values = store.values
        self._kind = kind

    def all(self) -> list[Entry]:
        """Every entry, by name."""
        found = self._values.all(f"{self._kind}:")
        entries = [self._entry(key.partition(":")[2], value) for key, value in found.items()]
        return sorted(entries, key=lambda entry: (entry.name.casefold(), entry.id))

    def get(self, id: str) -> Entry:
        """Raises `NotFound`."""
        found = self._values.get(f"{self._kind}:{id}")
        if found is None:
            raise NotFound(f"This {self._kind} was deleted. Reload the page.")
        return self._entry(id, found)

    def add(self, name: object, content: object) -> Entry:
        """Save under a new id. Raises `BadInput`."""
        if len(self._values.all(f"{self._kind}:")) >= MOST:
            raise BadInput(f"There are {MOST} saved already. Delete some first.")
        return self._put(secrets.token_urlsafe(8), name, content)

    def change(self, id: str, name: object = None, content: object = None) -> Entry:
        """Rename, or save something else under the same name."""
        old = self.get(id)
        return self._put(id, old.name if name is None else name, old.content if content is None else content)

    def delete(self, id: str) -> None:
        """Nothing happens if it is gone."""
        self._values.delete(f"{self._kind}:{id}")

    def exported(self, entry: Entry) -> dict[str, object]:
        """The entry as a file to share; `imported` reads it."""
        return {"m3studio": self._kind, "version": 1, "name": entry.name, "content": entry.content}

    def imported(self, data: object) -> Entry:
        """Save what somebody shared. Raises `BadInput`."""
        if not isinstance(data, Mapping) or data.get("m3studio") != self._kind:
            raise BadInput(f"This file is no {self._kind} of M3 Studio. Choose one that was exported here.")
        return self.add(data.get("name"), data.get("content"))

    def _put(self, id: str, name: object, content: object) -> Entry:
        words = " ".join(name.split()) if isinstance(name, str) else ""
        if not words or len(words) > LONGEST_NAME:
            raise BadInput(f"Give it a name of up to {LONGEST_NAME} characters.")
        checked = self._checked(content)
        self._values.set(f"{self._kind}:{id}", {"name": words, "content": checked})
        return Entry(id, words, checked)

    def _checked(self, content: object) -> object:
        if self._kind == "preset":
            settings = {name: value for name, value in plain(wishes(content)).items() if name in SHARED}
            if not settings:
                raise BadInput("There is nothing to save: every value is the recommended one. Change one first.")
            return settings
        if not isinstance(content, str) or not content.strip() or len(content) > LONGEST_PROMPT:
            raise BadInput("A system prompt is text. Write something first.")
        return content

    def _entry(self, id: str, value: object) -> Entry:
        found = value if isinstance(value, Mapping) else {}
        return Entry(id, str(found.get("name", "")), found.get("content"))
