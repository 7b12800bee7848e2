"""Every rendered prompt of llama.cpp's own chat tests, where their data are at hand."""

from datetime import datetime

import pytest

import conformance
from m3studio.messages import Message, Role
from m3studio.templates.environment import Template
from m3studio.templates.prompts import build
from m3studio.templates.shape import probe

DAY = datetime(2026, 11, 20)  # of the dump
EXCEPTIONS: dict[str, str] = {}  # case -> why ours differs; at most ten


# Templates that put the system prompt or the tools before the last question, and so move them at every turn.
MOVING = {
    "CohereForAI-c4ai-command-r-plus-tool_use",
    "CohereForAI-c4ai-command-r7b-12-2024-tool_use",
    "mistralai-Mistral-Nemo-Instruct-2407",
}
pytestmark = pytest.mark.skipif(not conformance.cases(), reason=conformance.MISSING)


@pytest.fixture(scope="module")
def known():
    sources = conformance.templates()
    return {name: (template := Template(source), probe(template)) for name, source in sources.items()}


def test_prompts_are_llama_cpps_byte_for_byte(known):
    cases = conformance.cases()
    assert len(cases) >= 220
    wrong = {
        case["id"]
        for case in cases
        if (case["prompt"], case["generation_prompt"]) != rendered(case, *known[case["template"]])
    }
    assert wrong == set(EXCEPTIONS)
    assert len(EXCEPTIONS) <= 10


def rendered(case, template, shape):
    variables = {**case["kwargs"], "now": DAY}
    prompt = build(template, shape, case["messages"], case["tools"], variables, case["continue_final_message"] or False)
    return prompt.text, prompt.generation_prompt


def test_a_turn_is_the_beginning_of_the_next_one(known):
    talk = [
        Message(Role.SYSTEM, "Be brief."),
        Message(Role.USER, "One?"),
        Message(Role.ASSISTANT, "Two.", reasoning_content="Hm."),
        Message(Role.USER, "Three?"),
    ]
    moving = set()
    for name, (template, shape) in known.items():
        first, second = (build(template, shape, messages, (), {"now": DAY}) for messages in (talk[:2], talk))
        if not second.text.startswith(first.text.removesuffix(first.generation_prompt)):
            moving.add(name)
    assert moving == MOVING
