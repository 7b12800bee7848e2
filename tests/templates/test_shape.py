"""What form of messages a template wants, and messages in that form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m3studio.messages import Message, Role, Tool, ToolCall
from m3studio.templates.environment import Template, TemplateFailed
from m3studio.templates.shape import Shape, conversation, definitions, probe
from templates import samples

FIELDS = st.sampled_from(
    ["role", "content", "tool_calls", "function", "arguments", "name", "type", "text", "reasoning_content", "tool"]
)
CALL = Message(Role.ASSISTANT, "", tool_calls=(ToolCall("clock", '{"zone": "UTC"}', "c1"),))


def shape(source):
    return probe(Template(source))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (samples.PLAIN, Shape(reasoning="")),
        (samples.STRICT, Shape(system=False, reasoning="")),
        (samples.MODES, Shape(tools=True)),
        (samples.LEVELS, Shape(reasoning="thinking", either=True)),
        (samples.PARTS, Shape(texts=False, parts=True, reasoning="parts")),
        (samples.PASTED, Shape(object_arguments=False, reasoning="", bare=True)),
        (samples.GATHERED, Shape(reasoning="", gathered=True)),
    ],
    ids=["plain", "strict", "modes", "levels", "parts", "pasted", "gathered"],
)
def test_probing_finds_the_shape(source, expected):
    assert shape(source) == expected


def test_a_system_prompt_goes_into_the_first_message_where_there_is_no_such_role():
    talk = [Message(Role.SYSTEM, "Be brief."), Message(Role.USER, "Hi")]
    assert conversation(Shape(system=False), talk) == [{"role": "user", "content": "Be brief.\nHi"}]
    assert conversation(Shape(system=False), talk[:1]) == []
    assert len(conversation(Shape(), talk)) == 2


def test_arguments_become_what_the_template_takes():
    def arguments(shape, message=CALL):
        return conversation(shape, [message])[0]["tool_calls"][0]["function"]["arguments"]

    assert arguments(Shape()) == {"zone": "UTC"}
    assert arguments(Shape(object_arguments=False)) == '{"zone": "UTC"}'
    plain = {"role": "assistant", "tool_calls": [{"function": {"name": "clock", "arguments": {"zone": "ü"}}}]}
    assert arguments(Shape(object_arguments=False), plain) == '{"zone": "ü"}'
    for broken in ('{"zone": ', "[1]", "null", "[" * 100_000):
        faulty = Message(Role.ASSISTANT, tool_calls=(ToolCall("clock", broken),))
        assert set(arguments(Shape(), faulty)) == {"arguments"}


def test_contents_are_texts_or_parts_and_never_none():
    none = {"role": "assistant", "content": None}
    assert conversation(Shape(), [none]) == [{"role": "assistant", "content": ""}]
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}, {"type": "text", "text": "b"}]
    listed = {"role": "user", "content": parts}
    assert conversation(Shape(), [listed])[0]["content"] == "a\nb"
    assert conversation(Shape(parts=True), [listed])[0]["content"] == parts
    typed = conversation(Shape(texts=False, parts=True), [Message(Role.USER, "a")])
    assert typed[0]["content"] == [{"type": "text", "text": "a"}]


def test_thinking_goes_where_the_template_looks_for_it():
    answer = Message(Role.ASSISTANT, "So.", reasoning_content="Hm.")
    assert conversation(Shape(), [answer])[0]["reasoning_content"] == "Hm."
    assert conversation(Shape(reasoning="thinking"), [answer])[0]["thinking"] == "Hm."
    (typed,) = conversation(Shape(texts=False, parts=True, reasoning="parts"), [answer])
    assert typed["content"] == [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "So."}]
    both = Message(Role.ASSISTANT, "So.", reasoning_content="Hm.", tool_calls=CALL.tool_calls)
    (kept,) = conversation(Shape(reasoning="thinking", either=True), [both])
    assert "content" not in kept
    assert "reasoning_content" not in conversation(Shape(), [Message(Role.ASSISTANT, "So.")])[0]


def test_calls_beside_no_text_have_none():
    assert conversation(Shape(bare=True), [CALL])[0]["content"] is None
    assert conversation(Shape(), [CALL])[0]["content"] == ""


def test_results_are_gathered_where_the_template_wants_them_beside_the_calls():
    two = Message(Role.ASSISTANT, tool_calls=(*CALL.tool_calls, ToolCall("dice", "{}", "c2")))
    results = [Message(Role.TOOL, '{"hour": 12}', tool_call_id="c1"), Message(Role.TOOL, "four", tool_call_id="c2")]
    ask, answer = Message(Role.USER, "Hi"), Message(Role.ASSISTANT, "Noon, and a four.")
    question, turn, other = conversation(Shape(gathered=True), [ask, two, *results, answer, ask])
    assert turn["tool_responses"] == [{"name": "clock", "response": {"hour": 12}}, {"name": "dice", "response": "four"}]
    assert turn["content"] == "Noon, and a four."
    assert question == other == {"role": "user", "content": "Hi"}


def test_the_developer_is_the_system_but_for_templates_that_know_it():
    talk = [{"role": "developer", "content": "a"}]
    assert conversation(Shape(), talk)[0]["role"] == "system"
    assert conversation(Shape(developer=True), talk)[0]["role"] == "developer"


def test_a_tool_result_keeps_its_id_and_name():
    result = Message(Role.TOOL, "noon", tool_call_id="c1", name="clock")
    expected = {"role": "tool", "content": "noon", "tool_call_id": "c1", "name": "clock"}
    assert conversation(Shape(), [result]) == [expected]


def test_a_message_without_a_role_is_refused():
    with pytest.raises(TemplateFailed, match="a message has no role"):
        conversation(Shape(), [{"content": "a"}])


def test_tools_have_the_fields_that_templates_know():
    schema = {"type": "object", "properties": {}}
    expected = {"type": "function", "function": {"name": "a", "description": "", "parameters": schema}}
    given = {"type": "function", "function": {"name": "a", "parameters": schema, "strict": True}}
    assert definitions([Tool("a", "", schema), given, {"name": "a", "parameters": schema}]) == [expected] * 3


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.sampled_from(["system", "assistant", "tool"])
        | st.lists(inner, max_size=3)
        | st.dictionaries(FIELDS, inner, max_size=4)
    ),
    max_leaves=12,
)
SHAPES = st.builds(
    Shape,
    system=st.booleans(),
    texts=st.booleans(),
    parts=st.booleans(),
    object_arguments=st.booleans(),
    reasoning=st.sampled_from(["reasoning_content", "thinking", "parts", ""]),
    either=st.booleans(),
    bare=st.booleans(),
    gathered=st.booleans(),
    trimmed=st.booleans(),
)


@given(SHAPES, st.lists(st.dictionaries(FIELDS, JSON), max_size=4))
def test_no_message_breaks_it(shape, messages):
    try:
        found = conversation(shape, messages)
    except TemplateFailed:
        return
    assert len(found) <= len(messages)
    assert all(isinstance(message["role"], str) for message in found)
