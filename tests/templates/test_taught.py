"""Tools explained to a model whose template knows none: any template can render it, and our parser reads it back."""

import json

from m3studio import parsers, templates
from m3studio.messages import Message, Role, Tool, ToolCall

TOOL = Tool("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
TALK = (
    Message(Role.SYSTEM, "Be kind."),
    Message(Role.USER, "Add {1} and 2."),
    Message(Role.ASSISTANT, "Sure.", "", (ToolCall("add", '{"a": 1}', "c1"), ToolCall("add", "{broken", "c2"))),
    Message(Role.TOOL, "3", tool_call_id="c1", name="add"),
    Message(Role.TOOL, "The arguments are wrong.", tool_call_id="c2", name="add"),
    Message(Role.ASSISTANT, "It is 3."),
)


def test_users_and_answers_take_turns_and_nothing_is_lost():
    said = templates.taught(TALK, [TOOL])
    assert [message.role for message in said] == [Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.USER, Role.ASSISTANT]
    assert said[0].content.startswith("Be kind.\n\nYou can call tools.")
    assert json.dumps(TOOL.parameters) in said[0].content and "{{" not in said[0].content
    assert said[1] == TALK[1] and said[4] == TALK[5]
    assert said[3].content.count("<tool_response>") == 2 and "The arguments are wrong." in said[3].content
    assert not any(message.tool_calls for message in said)


def test_without_a_system_prompt_one_is_made():
    said = templates.taught(TALK[1:2], [TOOL])
    assert [message.role for message in said] == [Role.SYSTEM, Role.USER]


def test_a_call_as_it_stands_in_the_prompt_is_read_again():
    said = templates.taught(TALK, [TOOL])[2].content
    parser = parsers.for_template(templates.CHATML, tools=[TOOL], taught=True)
    parser.feed(said.split("</tool_call>")[0] + "</tool_call>")
    message = parser.finish()
    assert message.content == "Sure."
    assert [(call.name, call.arguments, call.repaired) for call in message.tool_calls] == [("add", '{"a": 1}', "")]


def test_a_family_that_was_taught_keeps_its_own_thoughts():
    parser = parsers.for_template("[/INST] [THINK]", tools=[TOOL], taught=True)
    parser.feed('[THINK]Hm.[/THINK]<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>')
    message = parser.finish()
    assert (message.reasoning_content, message.tool_calls[0].repaired) == ("Hm.", "")
