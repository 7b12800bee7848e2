"""A call that was read from an answer stands in the next prompt exactly as the model wrote it."""

import pytest

import conformance
import tiny_m3
from m3studio import parsers, templates
from m3studio.messages import Message, Role, Tool

TOOLS = (
    Tool("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}),
    Tool("say", "Says.", {"type": "object", "properties": {"text": {"type": "string"}}}),
)
NS = tiny_m3.SPACE
HERMES = """{%- for message in messages -%}
{{- '<|im_start|>' ~ ('user' if message.role == 'tool' else message.role) ~ '\\n' -}}
{{- '<tool_response>\\n' ~ message.content ~ '\\n</tool_response>' if message.role == 'tool' else message.content -}}
{%- for call in message.tool_calls or [] -%}
{{- '\\n<tool_call>\\n{"name": "' ~ call.function.name ~ '", "arguments": ' ~ (call.function.arguments | tojson) -}}
{{- '}\\n</tool_call>' -}}
{%- endfor -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if tools -%}{{- tools | tojson -}}{%- endif -%}"""
HERMES_CALLS = """<tool_call>
{"name": "add", "arguments": {"a": 1, "b": -2}}
</tool_call>
<tool_call>
{"name": "say", "arguments": {"text": "ein \\"Wort\\", <b>ü</b>"}}
</tool_call>"""
M3_CALLS = (
    f'{NS}<tool_call>\n{NS}<invoke name="add">{NS}<a>1{NS}</a>{NS}<b>-2{NS}</b>{NS}</invoke>\n'
    f'{NS}<invoke name="say">{NS}<text>ein "Wort", <b>ü</b>{NS}</text>{NS}</invoke>\n{NS}</tool_call>'
)
CASES = {
    "hermes": (HERMES, HERMES_CALLS),
    "minimax m3": (tiny_m3.TEMPLATE, M3_CALLS),
    "MiniMax's own": ("MiniMax-M3", M3_CALLS),
    "NousResearch's own": ("NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use", HERMES_CALLS),
}


def source(template):
    if template.startswith("{"):
        return template
    if template not in conformance.templates():
        pytest.skip(conformance.MISSING)
    return conformance.template(template)


@pytest.mark.parametrize("name", CASES)
def test_calls_and_results_are_rendered_as_they_were_written(name):
    template, calls = CASES[name]
    template = source(template)
    parser = parsers.for_template(template, tools=TOOLS)
    parser.feed(f"Well.\n{calls}")
    said = parser.finish()
    assert len(said.tool_calls) == 2 and not parser.failed
    talk = [
        Message(Role.USER, "Go."),
        Message(Role.ASSISTANT, said.content, "", said.tool_calls),
        *(
            Message(Role.TOOL, f"result {n}", tool_call_id=f"c{n}", name=call.name)
            for n, call in enumerate(said.tool_calls)
        ),
    ]
    prompt = templates.render(template, talk, TOOLS)
    assert calls in prompt
    assert prompt.index(calls) < prompt.index("result 0") < prompt.index("result 1")
