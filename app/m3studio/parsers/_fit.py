"""Makes values fit a JSON schema where their meaning is plain: numbers in quotes, keys in another spelling. Pure."""

import difflib
import json
import re
from collections.abc import Mapping, Sequence

from m3studio.parsers._schema import Schema, mismatch, properties, resolve, types

_INTEGER = re.compile(r"\s*[-+]?\d{1,300}(?:\.0+)?\s*")
_WORDS = {"true": True, "false": False}
_DEEPEST = 20
_MOST_KEYS = 50  # of an object in which misspelt ones are looked for


def fitted(value: object, schema: Schema) -> tuple[object, list[str]]:
    """`value` as `schema` wants it, and notes on what was changed. What cannot be made to fit stays as it is."""
    notes: list[str] = []
    return _fit(value, schema, schema, notes, 0), list(dict.fromkeys(notes))


def same_name(one: str, other: str) -> bool:
    """Whether two names differ in case and separators only."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _fit(value: object, schema: Schema, root: Schema, notes: list[str], depth: int) -> object:
    if depth > _DEEPEST:
        return value
    if isinstance(reference := schema.get("$ref"), str):
        schema = resolve(reference, root)
    for key in ("anyOf", "oneOf"):
        choices = schema.get(key)
        if isinstance(choices, Sequence) and not isinstance(choices, str):
            return _fit_any(value, [one for one in choices if isinstance(one, Mapping)], root, notes, depth)
    value = _retyped(value, types(schema, root), notes)
    if isinstance(value, dict):
        return _fit_members(value, schema, root, notes, depth)
    if isinstance(value, list) and isinstance(items := schema.get("items"), Mapping):
        return [_fit(item, items, root, notes, depth + 1) for item in value]
    return _fit_choice(value, schema, notes)


def _fit_any(value: object, choices: list[Schema], root: Schema, notes: list[str], depth: int) -> object:
    """The first choice that takes the value as it is, else the first that it can be made to fit."""
    if any(not mismatch(value, choice, "") for choice in choices):
        return value
    for choice in choices:
        tried: list[str] = []
        changed = _fit(value, choice, root, tried, depth + 1)
        if not mismatch(changed, choice, ""):
            notes += tried
            return changed
    return value


def _fit_members(
    value: dict[str, object], schema: Schema, root: Schema, notes: list[str], depth: int
) -> dict[str, object]:
    known = properties(schema)
    out: dict[str, object] = {}
    for key, member in value.items():
        name = key if key in known or len(value) > _MOST_KEYS else _meant_key(key[:100], known, value)
        if name != key:
            notes.append(f"read the argument “{key}” as “{name}”")
        out[name] = _fit(member, known[name], root, notes, depth + 1) if name in known else member
    return out


def _meant_key(key: str, known: Mapping[str, Schema], given: Mapping[str, object]) -> str:
    """The one property that is not given yet and that `key` may be a spelling of; else `key`."""
    free = [name for name in known if name not in given]
    same = [name for name in free if same_name(name, key)]
    near = same or difflib.get_close_matches(key, free, n=2, cutoff=0.85)
    return near[0] if len(near) == 1 else key


def _fit_choice(value: object, schema: Schema, notes: list[str]) -> object:
    """A text that is one of the allowed values but for its case."""
    choices = schema.get("enum")
    if not isinstance(value, str) or not isinstance(choices, Sequence) or value in choices:
        return value
    same = [choice for choice in choices if isinstance(choice, str) and choice.lower() == value.strip().lower()]
    if len(same) != 1:
        return value
    notes.append(f"read “{value}” as “{same[0]}”")
    return same[0]


def _retyped(value: object, allowed: frozenset[str], notes: list[str]) -> object:
    """`value` in a type that is allowed, if it says the same in it."""
    changed = value
    if isinstance(value, str) and allowed and "string" not in allowed:
        changed = _from_text(value, allowed)
    elif isinstance(value, float) and "integer" in allowed and "number" not in allowed and value.is_integer():
        changed = int(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and allowed == {"string"}:
        changed = json.dumps(value)
    elif allowed == {"array"} and value is not None and not isinstance(value, list):
        changed = [value]
    if changed is not value:
        notes.append("changed a value to the type that the tool wants")
    return changed


def _from_text(text: str, allowed: frozenset[str]) -> object:
    """What a text means as a number, a truth value, nothing, a list or an object; else the text."""
    word = text.strip()
    if "integer" in allowed and _INTEGER.fullmatch(word):
        return int(word.partition(".")[0])
    if "boolean" in allowed and word.lower() in _WORDS:
        return _WORDS[word.lower()]
    if "null" in allowed and word.lower() in ("", "null", "none"):
        return None
    try:
        found = json.loads(word, strict=False)
    except (ValueError, RecursionError):
        return [text] if allowed == {"array"} else text
    wanted: dict[str, tuple[type, ...]] = {"array": (list,), "object": (dict,), "number": (int, float)}
    fits = any(isinstance(found, wanted[name]) for name in allowed & wanted.keys()) and not isinstance(found, bool)
    return found if fits else [text] if allowed == {"array"} else text
