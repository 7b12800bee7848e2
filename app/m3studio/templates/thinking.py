"""How a template lets thinking be controlled, and whether it takes tools: found out by trying it, not by its name."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from m3studio.templates.environment import Template
from m3studio.templates.shape import Fields, Shape, attempt

Variables = Mapping[str, object]


class ThinkingKind(StrEnum):
    """Who decides whether the model thinks."""

    NONE = "none"  # nothing in the template tells of thinking
    ALWAYS = "always"  # it thinks, and nothing in the template changes that
    SWITCH = "switch"  # on or off, perhaps with levels, perhaps left to the model
    LEVELS = "levels"  # always on, but more or less


@dataclass(frozen=True, slots=True)
class Thinking:
    """`modes` are what a person can choose: "auto" (the template's own way), "on", "off", and levels such as "high".

    `settings` maps each mode to the template variables that bring it about. "auto" needs none; `usual` says what it
    comes to: "on", "off", or "auto" where the model decides.
    """

    kind: ThinkingKind = ThinkingKind.NONE
    modes: tuple[str, ...] = ("auto",)
    settings: Mapping[str, Variables] = field(default_factory=dict)
    usual: str = "auto"

    def variables_for(self, mode: str) -> dict[str, object]:
        """The template variables of a mode; none for one that this template does not know."""
        return dict(self.settings.get(mode, {}))


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a template can do: describe tools to the model, control its thinking, show a system prompt."""

    tools: bool
    thinking: Thinking
    system: bool = True

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> "Capabilities":
        found: Mapping[str, object] = data["thinking"]  # type: ignore[assignment]
        thinking = Thinking(ThinkingKind(found["kind"]), tuple(found["modes"]), found["settings"], found["usual"])  # type: ignore[arg-type]
        return cls(bool(data["tools"]), thinking, bool(data["system"]))


# Variables by which templates switch thinking: what stands for on, and for off.
_SWITCHES: tuple[tuple[Variables, Variables], ...] = (
    ({"thinking_mode": "enabled"}, {"thinking_mode": "disabled"}),
    ({"enable_thinking": True}, {"enable_thinking": False}),
    ({"thinking": True}, {"thinking": False}),
    ({"thinking_option": "on"}, {"thinking_option": "off"}),
    ({"reasoning": True}, {"reasoning": False}),
    ({"skip_thinking": False}, {"skip_thinking": True}),
    ({"thinking_budget": -1}, {"thinking_budget": 0}),
    # Words that some templates look for in the system prompt.
    ({"thinking_words": "/think"}, {"thinking_words": "/no_think"}),
)
_EFFORTS = ("reasoning_effort", "thinking_effort", "reasoning_strength")
_OFF = "none"
_LEVELS = (_OFF, "minimal", "low", "medium", "high", "max")
_USUAL = ("low", "medium", "high")  # for a template that prints whatever it is given
_NONSENSE = "LEVELMARK"
_TAGS = ("<think>", "[THINK]", "<|START_THINKING|>", "<|channel|>analysis", "[BEGIN FINAL RESPONSE]")


def examine(template: Template, shape: Shape) -> Capabilities:
    """Try a template out. Some forty short renderings, a few tens of milliseconds."""
    return Capabilities(tools=shape.tools, thinking=_thinking(template, shape), system=shape.system)


def _thinking(template: Template, shape: Shape) -> Thinking:
    plain = _tried(template, {})
    switch = next((pair for pair in _SWITCHES if _differ(template, *pair)), None)
    on = switch[0] if switch else {}
    levels = next((found for name in _EFFORTS if (found := _levels(template, name, on))), {})
    off = levels.pop(_OFF, None)
    if switch is None and levels and off is not None:
        on = levels.popitem()[1]  # the highest one
        switch = (on, off)
    if switch:
        shown = (("on", _tried(template, on)), ("off", _tried(template, switch[1])))
        usual = next((mode for mode, text in shown if text == plain), "auto")
        settings = {"on": on, "off": switch[1], **levels}
        return Thinking(ThinkingKind.SWITCH, ("auto", *settings), settings, usual)
    if levels:
        return Thinking(ThinkingKind.LEVELS, ("auto", *levels), levels, "on")
    if shape.reasoning or any(tag in template.source for tag in _TAGS):
        return Thinking(ThinkingKind.ALWAYS, usual="on")
    return Thinking(usual="off")


def _differ(template: Template, on: Variables, off: Variables) -> bool:
    thinking, silent = _tried(template, on), _tried(template, off)
    return bool(thinking and silent) and thinking != silent


def _levels(template: Template, name: str, on: Variables) -> dict[str, Variables]:
    """The levels that a template tells apart, with the variables for each."""
    nonsense = _tried(template, {**on, name: _NONSENSE})
    shown = {level: _tried(template, {**on, name: level}) for level in _LEVELS}
    if _NONSENSE in nonsense:
        shown = {level: shown[level] for level in _USUAL}
    return {level: {**on, name: level} for level, text in shown.items() if text and text != nonsense}


def _tried(template: Template, variables: Variables) -> str:
    """A question with these variables, without and with a system prompt, as the template renders it."""
    given = dict(variables)
    words = str(given.pop("thinking_words", ""))
    system: Fields = {"role": "system", "content": f"Be brief. {words}".strip()}
    question: Fields = {"role": "user", "content": "Hello"}
    shown = (attempt(template, [*first, question], variables=given) for first in ([], [system]))
    text = "\n".join(shown)
    return text.replace(words, "").replace("Be brief. ", "Be brief.") if words else text
