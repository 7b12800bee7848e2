"""Grammars under which a model can only make a call that fits: a family's syntax, filled with the tools' schemas.

One call an answer: weak models, who need this most, would repeat theirs without end, and others can make the next call
once they have the result. Knows how calls are written, and no sampler. A family names one of these makers in its file.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from m3studio.messages import Tool
from m3studio.parsers._gbnf import Rules, branches_of, choices, either, in_order, literal
from m3studio.parsers._schema import Schema, properties, resolve, types


@dataclass(frozen=True, slots=True)
class Grammar:
    """`gbnf` says what may follow one of `triggers`, up to the end of the answer; before, the model is free.

    No triggers: it says what the whole answer is.
    """

    gbnf: str
    triggers: tuple[str, ...] = ()

    def required(self, lead: str = "") -> "Grammar":
        """The same from the first character on: the answer is `lead`, a trigger and what follows it."""
        if not self.triggers:
            return self
        begin = " ".join(filter(None, [lead and literal(lead), either([literal(text) for text in self.triggers])]))
        return Grammar(f"root ::= {begin} behind\n{self.gbnf.replace('root ::=', 'behind ::=', 1)}")


# From the tools on offer and the chat template.
Maker = Callable[[Sequence[Tool], str], Grammar]


def tagged_json(begin: str, end: str, *, name: str = "name", arguments: str = "arguments") -> Maker:
    """`{"name": ..., "arguments": {...}}` between two tags."""

    def make(tools: Sequence[Tool], template: str) -> Grammar:
        rules = Rules()
        call = _json_calls(rules, tools, name, arguments)
        return Grammar(rules.text(f'"\\n"? {call} "\\n"? {literal(end)}'), (begin,))

    return make


def bare_json(name: str = "name", arguments: str = "parameters") -> Maker:
    """The answer is a call object. It is one as soon as it begins with its name."""

    def make(tools: Sequence[Tool], template: str) -> Grammar:
        rules, begin = Rules(), f'{{"{name}":'
        calls = [_json_call(rules, tool, name, arguments).removeprefix(literal(begin) + " ") for tool in tools]
        return Grammar(rules.text(either(calls)), (begin,))

    return make


def bracketed(begin: str) -> Maker:
    """Behind `begin` a JSON list of call objects, or a name, `[ARGS]` and JSON, as the template has it."""

    def make(tools: Sequence[Tool], template: str) -> Grammar:
        rules = Rules()
        if "[ARGS]" not in template:
            call = _json_calls(rules, tools, "name", "arguments")
            return Grammar(rules.text(f'"[" {call} "]"'), (begin,))
        calls = [f"{literal(f'{tool.name}[ARGS]')} {_object(rules, tool)}" for tool in tools]
        return Grammar(rules.text(either(calls)), (begin,))

    return make


@dataclass(frozen=True, slots=True)
class Markup:
    """Calls as tags. `begin` and `end` frame a call, `call` stands around its tool's name, `argument` around an
    argument's name, `close` ends its value, and `call_end` the call."""

    begin: str
    end: str
    call: tuple[str, str]
    argument: tuple[str, str]
    close: str
    call_end: str


def tags(markup: Markup) -> Maker:
    """Calls whose arguments are tags: texts as they are, anything else as JSON."""

    def make(tools: Sequence[Tool], template: str) -> Grammar:
        rules = Rules()
        calls = []
        for tool in tools:
            rules.root = tool.parameters
            values = {
                name: _text_or_json(rules, one, markup.close) for name, one in properties(tool.parameters).items()
            }
            before, after = markup.argument
            parts = {
                name: f'{literal(before + name + after)} {value} {literal(markup.close)} "\\n"?'
                for name, value in values.items()
            }
            head = literal(f"{markup.call[0]}{tool.name}{markup.call[1]}")
            end = [literal(markup.call_end)] if markup.call_end else []
            calls.append(" ".join([head, '"\\n"?', *_in_turn(tool.parameters, parts), *end]))
        return Grammar(rules.text(f'"\\n"? {either(calls)} "\\n"? {literal(markup.end)}'), (markup.begin,))

    return make


def nested(mark: str) -> Maker:
    """Calls as MiniMax M3 writes them: `mark` ahead of every tag, objects and lists as tags within tags."""

    def make(tools: Sequence[Tool], template: str) -> Grammar:
        rules = Rules()
        calls = []
        for tool in tools:
            rules.root = tool.parameters
            parts = {name: _nested(rules, name, one, mark, 0) for name, one in properties(tool.parameters).items()}
            head = literal(f'{mark}<invoke name="{tool.name}">')
            calls.append(" ".join([head, *_in_turn(tool.parameters, parts), literal(f"{mark}</invoke>")]))
        end = literal(f"{mark}</tool_call>")
        return Grammar(rules.text(f'"\\n"? {either(calls)} "\\n"? {end}'), (f"{mark}<tool_call>",))

    return make


def _object(rules: Rules, tool: Tool) -> str:
    rules.root = tool.parameters
    schema = tool.parameters if properties(tool.parameters) else {"type": "object", **tool.parameters}
    return rules.value(schema)


def _json_call(rules: Rules, tool: Tool, name: str, arguments: str) -> str:
    quoted = json.dumps(tool.name, ensure_ascii=False)
    return f"{literal(f'{{{json.dumps(name)}:')} ws {literal(f'{quoted}, {json.dumps(arguments)}:')} ws " + (
        f'{_object(rules, tool)} ws "}}"'
    )


def _json_calls(rules: Rules, tools: Sequence[Tool], name: str, arguments: str) -> str:
    return either([_json_call(rules, tool, name, arguments) for tool in tools])


def _in_turn(schema: Schema, parts: dict[str, str]) -> list[str]:
    """The required parts, then the optional ones, each of which may be left out."""
    required, optional = in_order(schema)
    return [*(parts[name] for name in required), *(f"({parts[name]})?" for name in optional)]


def _text_or_json(rules: Rules, schema: Schema, close: str) -> str:
    """A value between tags. A text stands there as it is."""
    listed = choices(schema)
    if types(schema, rules.root) == {"string"}:
        words = [literal(str(value)) for value in listed or ()]
        return either(words) if words else rules.until(close)
    return f'"\\n"? {rules.value(schema)} "\\n"?'


def _nested(rules: Rules, name: str, schema: Schema, mark: str, depth: int) -> str:
    begin, end = literal(f"{mark}<{name}>"), literal(f"{mark}</{name}>")
    return f"{begin} {_nested_value(rules, schema, mark, depth)} {end}"


def _nested_value(rules: Rules, schema: Schema, mark: str, depth: int) -> str:
    if isinstance(reference := schema.get("$ref"), str):
        schema = resolve(reference, rules.root)
    allowed = types(schema, rules.root)
    if allowed == {"string"} or depth > 6:
        return _text_or_json(rules, {"type": "string", **schema}, mark)
    if branches := branches_of(schema):
        return rules.add(either([_nested_value(rules, branch, mark, depth + 1) for branch in branches]))
    items = schema.get("items")
    if allowed == {"array"} and isinstance(items, dict):
        item = rules.add(_nested(rules, "item", items, mark, depth + 1))
        return f"{item}{'+' if schema.get('minItems') else '*'}"
    if allowed == {"object"} and (known := properties(schema)):
        parts = {name: _nested(rules, name, one, mark, depth + 1) for name, one in known.items()}
        return rules.add(" ".join(_in_turn(schema, parts)))
    return rules.value(schema)
