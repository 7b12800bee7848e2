"""llama.cpp's own chat tests, where their data are at hand: prompts, outputs and what these must mean."""

import json

import pytest

import conformance
from m3studio import parsers

CASES = conformance.cases()
pytestmark = pytest.mark.skipif(not CASES, reason=conformance.MISSING)
each_case = pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])


def read(case, pieces, prompt):
    parser = parsers.for_template(
        conformance.template(case["template"]),
        tools=case["tools"] or (),
        prompt=case[prompt],
        reasoning=case["reasoning_format"] != "none",
    )
    for piece in pieces:
        parser.feed(piece)
    return parser.finish()


def fits(call, expected, partial):
    """Whether a call is the expected one; one that was cut short may hold more brackets or fewer blanks."""
    if (call.name, call.id) != (expected["name"], expected["id"] or ""):
        return False
    if partial:
        return call.arguments.replace(" ", "").startswith(expected["arguments"].replace(" ", ""))
    return json.loads(call.arguments) == json.loads(expected["arguments"])


@each_case
@pytest.mark.parametrize("prompt", ["prompt", "generation_prompt"])
def test_an_answer_means_what_llama_cpp_demands(case, prompt):
    message = read(case, [case["output"]], prompt)
    expected = case["expect"]
    assert message.content == (expected["content"] or "")
    assert message.reasoning_content == (expected["reasoning_content"] or "")
    assert len(message.tool_calls) == len(expected["tool_calls"])
    for call, wanted in zip(message.tool_calls, expected["tool_calls"], strict=True):
        assert fits(call, wanted, case["partial"]), (call, wanted)


@each_case
def test_it_means_the_same_wherever_it_is_cut(case):
    output = case["output"]
    whole = read(case, [output], "generation_prompt")
    assert read(case, output, "generation_prompt") == whole
    for place in range(1, len(output)):
        assert read(case, [output[:place], output[place:]], "generation_prompt") == whole, f"cut at {place}"
