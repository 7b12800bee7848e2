"""How values that SQLite does not know are kept in its columns: JSON, and text that is surely text."""

import json
from collections.abc import Mapping


def clean(text: str) -> str:
    """The text with lone surrogates (half of an emoji, as JSON can carry it) replaced: UTF-8 cannot hold them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def to_json(value: object) -> str:
    """Compact JSON, non-ASCII kept readable."""
    return clean(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def from_json(text: str, default: object = None) -> object:
    """The value, or `default` where the text is damaged: one bad field must not make a chat unreadable."""
    try:
        return json.loads(text)
    except ValueError:
        return default


def mapping(text: str) -> dict[str, object]:
    """A JSON object; empty where the text holds something else."""
    value = from_json(text)
    return value if isinstance(value, dict) else {}


def plain(value: Mapping[str, object]) -> str:
    """A mapping as a JSON object."""
    return to_json(dict(value))
