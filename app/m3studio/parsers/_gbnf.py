"""From a tool's JSON schema to rules of llama.cpp's grammar language (GBNF). Knows no family's syntax and no sampler.

What a rule cannot say (most patterns, bounds of numbers) is left to the check of the finished call.
"""

import json
import re
from collections.abc import Mapping, Sequence

from m3studio.parsers._schema import Schema, properties, resolve

_DEEPEST = 12  # levels of a schema that are spelled out; below, any JSON will do
# Patterns that only say which characters a text may have, and where, can be kept: `^[a-z][a-z0-9]*$`.
_CLASS = r"\[([^\]\[\\\"^][^\]\[\\\"]*)\]([+*]?)"
_CLASSES = re.compile(rf"\^(?:{_CLASS})+\$")
_MOST_REPEATS = 1000  # llama.cpp refuses grammars with more than 2000
_JSON = {
    "ws": '" "?',
    "char": '[^"\\\\\\x7F\\x00-\\x1F] | "\\\\" (["\\\\bfnrt/] | "u" [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F])',
    "string": '"\\"" char* "\\""',
    "integer": '"-"? ("0" | [1-9] [0-9]{0,15})',
    "number": '"-"? ("0" | [1-9] [0-9]{0,15}) ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,2})?',
    "boolean": '"true" | "false"',
    "null": '"null"',
    "any": "object | array | string | number | boolean | null",
    "object": '"{" ws (string ":" ws any ("," ws string ":" ws any)*)? ws "}"',
    "array": '"[" ws (any ("," ws any)*)? ws "]"',
}


def json_grammar(schema: Schema) -> str:
    """A grammar for an answer that is JSON text and keeps `schema`."""
    rules = Rules()
    rules.root = schema
    return rules.text(rules.value(schema))


def literal(text: str) -> str:
    """`text` as a literal of the grammar."""
    out = []
    for char in text:
        if char in '"\\':
            out.append("\\" + char)
        elif char < " " or char == "\x7f":
            out.append(f"\\x{ord(char):02X}")
        else:
            out.append(char)
    return f'"{"".join(out)}"'


def either(choices: Sequence[str]) -> str:
    """One of the expressions."""
    return choices[0] if len(choices) == 1 else f"({' | '.join(choices)})"


class Rules:
    """The rules of one grammar. Equal rules are written once."""

    def __init__(self) -> None:
        self.root: Schema = {}  # what references within a schema point into
        self._names: dict[str, str] = {}
        self._lines = dict(_JSON)
        self._references: dict[tuple[int, str], str] = {}

    def text(self, root: str) -> str:
        """The whole grammar, which begins with the expression `root`."""
        return "\n".join(f"{name} ::= {body}" for name, body in {"root": root, **self._lines}.items()) + "\n"

    def add(self, body: str) -> str:
        """The name of a rule with this body."""
        if body not in self._names:
            self._names[body] = f"r{len(self._lines)}"
            self._lines[self._names[body]] = body
        return self._names[body]

    # ----------------------------------------------------------------------------------------------- JSON values

    def value(self, schema: Schema, depth: int = 0) -> str:
        """The name of a rule for JSON text that keeps `schema`."""
        if depth > _DEEPEST:
            return "any"
        if isinstance(reference := schema.get("$ref"), str):
            return self._reference(reference, depth)
        if (values := choices(schema)) is not None:
            return self.add(" | ".join(literal(json.dumps(value, ensure_ascii=False)) for value in values))
        if branches := branches_of(schema):
            return self.add(" | ".join(dict.fromkeys(self.value(branch, depth + 1) for branch in branches)))
        return self._plain(schema, depth)

    def _reference(self, reference: str, depth: int) -> str:
        key = (id(self.root), reference)
        if key not in self._references:
            # The name stands before the rule is made: a schema may contain itself.
            name = self._references[key] = f"ref{len(self._references)}"
            self._lines[name] = "any"
            self._lines[name] = self.value(resolve(reference, self.root), depth + 1)
        return self._references[key]

    def _plain(self, schema: Schema, depth: int) -> str:
        kind = schema.get("type") or ("object" if "properties" in schema else "array" if "items" in schema else "")
        if kind == "string":
            return self._string(schema)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, depth)
        if kind in ("integer", "number"):
            return self._number(str(kind), schema.get("minimum", schema.get("exclusiveMinimum")))
        return str(kind) if kind in ("boolean", "null") else "any"

    def _string(self, schema: Schema) -> str:
        least, most = count(schema.get("minLength"), 0) or 0, schema.get("maxLength")
        pattern = str(schema.get("pattern", ""))
        if _CLASSES.fullmatch(pattern):
            return self.add(f'"\\"" {_by_pattern(pattern, least, most)} "\\""')
        bounds = repeats(least, most)
        return "string" if bounds == "*" else self.add(f'"\\"" char{bounds} "\\""')

    def _number(self, kind: str, low: object) -> str:
        if not isinstance(low, (int, float)) or low < 0:
            return kind
        if kind == "integer" and low >= 1:
            return self.add("[1-9] [0-9]{0,15}")
        return self.add(_JSON[kind].removeprefix('"-"? '))

    def _array(self, schema: Schema, depth: int) -> str:
        items = schema.get("items")
        item = self.value(items, depth + 1) if isinstance(items, Mapping) else "any"
        least, most = count(schema.get("minItems"), 0), count(schema.get("maxItems"), None)
        if most == 0:
            return self.add('"[" ws "]"')
        more = repeats(max(0, (least or 0) - 1), None if most is None else most - 1)
        inner = f'{item} ("," ws {item}){more}'
        return self.add(f'"[" ws {inner if least else f"({inner})?"} ws "]"')

    def _object(self, schema: Schema, depth: int) -> str:
        known = properties(schema)
        if not known:
            values = schema.get("additionalProperties")
            if not isinstance(values, Mapping) or not values:
                return "object" if values is not False else self.add('"{" ws "}"')
            pair = f'string ":" ws {self.value(values, depth + 1)}'
            return self.add(f'"{{" ws ({pair} ("," ws {pair})*)? ws "}}"')
        pairs = {
            name: f'{literal(json.dumps(name, ensure_ascii=False))} ":" ws {self.value(one, depth + 1)}'
            for name, one in known.items()
        }
        first, rest = in_order(schema)
        return self.add(f'"{{" ws {self._members([pairs[one] for one in first], [pairs[one] for one in rest])} ws "}}"')

    def _members(self, required: list[str], optional: list[str]) -> str:
        """The required members in their order, then any of the optional ones in theirs."""
        tails = [""]  # tails[i]: what may follow once the optional ones before i are decided
        for pair in reversed(optional):
            tails.insert(0, self.add(f'("," ws {pair})? {tails[0]}'.rstrip()))
        if required:
            together = ' "," ws '.join(required)
            return f"{together} {tails[0]}".rstrip()
        starts = [f"{pair} {tails[place + 1]}".rstrip() for place, pair in enumerate(optional)]
        return f"({' | '.join(starts)})?" if starts else ""

    # ----------------------------------------------------------------------------------------------- plain text

    def until(self, end: str) -> str:
        """The name of a rule for any text that does not contain `end`. One rule per character of `end`, as in the
        automaton of Knuth, Morris and Pratt."""
        names = [f"u{len(self._lines)}x{place}" for place in range(len(end))]
        key = f"until {end}"
        if key in self._names:
            return self._names[key]
        self._names[key] = names[0]
        letters = "".join(dict.fromkeys(end))
        for place, name in enumerate(names):
            others = "".join(_in_class(letter) for letter in letters)
            parts = [f"[^{others}] {names[0]}"]
            for letter in letters:
                reached = _overlap(end[:place] + letter, end)
                if reached < len(end):
                    parts.append(f"{literal(letter)} {names[reached]}")
            self._lines[name] = f"({' | '.join(parts)})?"
        return names[0]


def in_order(schema: Schema) -> tuple[list[str], list[str]]:
    """The names of an object's required members, and of the others."""
    known, required = properties(schema), schema.get("required")
    wanted = required if isinstance(required, Sequence) and not isinstance(required, str) else ()
    return [name for name in known if name in wanted], [name for name in known if name not in wanted]


def choices(schema: Schema) -> list[object] | None:
    """The values that a schema lists; None if it lists none."""
    if "const" in schema:
        return [schema["const"]]
    values = schema.get("enum")
    return list(values) if isinstance(values, Sequence) and not isinstance(values, str) and values else None


def branches_of(schema: Schema) -> list[Schema]:
    """The schemas of which one must hold, where a schema leaves a choice; empty where it does not."""
    for key in ("anyOf", "oneOf"):
        found = schema.get(key)
        if isinstance(found, Sequence) and not isinstance(found, str):
            return [branch for branch in found if isinstance(branch, Mapping)]
    if isinstance(every := schema.get("allOf"), Sequence) and not isinstance(every, str):
        return [_merged([schema, *(part for part in every if isinstance(part, Mapping))])]
    kinds = schema.get("type")
    if isinstance(kinds, Sequence) and not isinstance(kinds, str):
        return [{**schema, "type": kind} for kind in kinds]
    return []


def _merged(parts: Sequence[Schema]) -> Schema:
    """One schema with the members of all `parts`."""
    whole: dict[str, object] = {}
    members: dict[str, object] = {}
    required: list[object] = []
    for part in parts:
        whole |= {key: value for key, value in part.items() if key != "allOf"}
        members |= properties(part)
        found = part.get("required")
        required += found if isinstance(found, list) else []
    return {**whole, **({"properties": members} if members else {}), **({"required": required} if required else {})}


def _by_pattern(pattern: str, least: int, most: object) -> str:
    """The characters of a text whose pattern is a row of classes. The bounds of its length hold the last one."""
    classes = re.findall(_CLASS, pattern)
    high, out = count(most, None), []
    for place, (letters, repeated) in enumerate(classes):
        others = len(classes) - 1
        bounds = repeated
        if repeated and place == others:
            low = max(least - others, int(repeated == "+"))
            bounds = repeats(low, None if high is None else high - others)
        out.append(f"[{''.join(map(_in_class, letters))}]{bounds}")
    return " ".join(out)


def count(value: object, otherwise: int | None) -> int | None:
    """A bound of a schema, if it is one."""
    return value if isinstance(value, int) and value >= 0 else otherwise


def repeats(least: object, most: object) -> str:
    """How often, in the grammar's words. Bounds that it cannot hold are left out."""
    low, high = count(least, 0) or 0, count(most, None)
    low = low if low <= _MOST_REPEATS else 0
    if high is None or high > _MOST_REPEATS or high < low:
        return "*" if not low else f"{{{low},}}"
    return f"{{{low},{high}}}"


def _overlap(text: str, end: str) -> int:
    """The length of the longest end of `text` that is a beginning of `end`."""
    return next(size for size in range(min(len(text), len(end)), -1, -1) if text.endswith(end[:size]))


def _in_class(letter: str) -> str:
    """A character within brackets. The dash of a range stays what it is."""
    if letter == "-":
        return letter
    return f"\\x{ord(letter):02X}" if ord(letter) < 128 and not letter.isalnum() else letter
