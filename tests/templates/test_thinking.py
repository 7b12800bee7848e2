"""How thinking is controlled is found out by trying."""

from datetime import datetime

import pytest

from m3studio.templates.environment import Template
from m3studio.templates.shape import probe
from m3studio.templates.thinking import Capabilities, ThinkingKind, examine
from templates import samples


def examined(source):
    template = Template(source)
    return examine(template, probe(template))


@pytest.mark.parametrize(
    ("source", "kind", "usual", "settings"),
    [
        (samples.PLAIN, ThinkingKind.NONE, "off", {}),
        (samples.ALWAYS, ThinkingKind.ALWAYS, "on", {}),
        (
            samples.MODES,
            ThinkingKind.SWITCH,
            "auto",
            {"on": {"thinking_mode": "enabled"}, "off": {"thinking_mode": "disabled"}},
        ),
        (
            samples.FLAG,
            ThinkingKind.SWITCH,
            "on",
            {"on": {"enable_thinking": True}, "off": {"enable_thinking": False}},
        ),
        (
            samples.STEPS,
            ThinkingKind.SWITCH,
            "off",
            {
                "on": {"enable_thinking": True},
                "off": {"enable_thinking": False},
                "max": {"enable_thinking": True, "reasoning_effort": "max"},
            },
        ),
        (
            samples.LEVELS,
            ThinkingKind.LEVELS,
            "on",
            {level: {"reasoning_effort": level} for level in ("low", "medium", "high")},
        ),
        (
            samples.EFFORTS,
            ThinkingKind.SWITCH,
            "off",
            {"on": {"reasoning_effort": "high"}, "off": {"reasoning_effort": "none"}},
        ),
        (
            samples.WORDS,
            ThinkingKind.SWITCH,
            "on",
            {"on": {"thinking_words": "/think"}, "off": {"thinking_words": "/no_think"}},
        ),
    ],
    ids=["none", "always", "modes", "flag", "steps", "levels", "efforts", "words"],
)
def test_the_control_is_found_by_trying(source, kind, usual, settings):
    thinking = examined(source).thinking
    assert (thinking.kind, thinking.usual, thinking.settings) == (kind, usual, settings)
    assert thinking.modes == ("auto", *settings)
    assert thinking.variables_for("auto") == {}
    assert thinking.variables_for("no such mode") == {}


def test_a_mode_does_what_it_says():
    thinking = examined(samples.MODES).thinking
    template = Template(samples.MODES)
    tails = {}
    for mode in thinking.modes:
        variables = {"messages": [{"role": "user", "content": ""}], "add_generation_prompt": True}
        text = template.text({**variables, **thinking.variables_for(mode)}, datetime(2026, 1, 1))
        tails[mode] = text.rpartition("[assistant]")[2]
    assert tails == {"auto": "", "on": "<mm:think>", "off": "</mm:think>"}


def test_tools_and_system_prompts():
    assert examined(samples.MODES).tools
    assert not examined(samples.PLAIN).tools
    assert not examined(samples.STRICT).system


def test_capabilities_travel_as_json():
    for source in (samples.MODES, samples.PLAIN):
        found = examined(source)
        assert Capabilities.from_json(found.to_json()) == found
