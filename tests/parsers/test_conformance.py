"""llama.cpp's own chat tests, where they lie beside the project: prompts, outputs and what these must mean.

The cases and templates belong to their makers and are not part of the project. They are looked for in
`../shared/data` beside the repository, or where M3STUDIO_CONFORMANCE points.
"""

import json
import os
from functools import cache
from pathlib import Path

import pytest

from m3studio import parsers

DATA = Path(os.environ.get("M3STUDIO_CONFORMANCE") or Path(__file__).parents[3] / "shared" / "data")
FILE = DATA / "toolcalls.jsonl"
pytestmark = pytest.mark.skipif(not FILE.is_file(), reason=f"no conformance data in {DATA}; set M3STUDIO_CONFORMANCE")
CASES = [json.loads(line) for line in FILE.read_text("utf-8").splitlines()] if FILE.is_file() else []
each_case = pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])


@cache
def template(name):
    return (DATA / "templates" / f"{name}.jinja").read_text("utf-8")


def read(case, pieces, prompt):
    parser = parsers.for_template(
        template(case["template"]),
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
