"""The form of general settings: system prompt, thinking, sampling. Each change is kept at once. Knows no chat."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from m3studio.sampling import Sampling
from m3studio.studio import Studio

KEY = "defaults"  # in the store; its shape is that of a chat's settings
AUTO, ON, OFF = "Auto", "On", "Off"
# Template variables differ by family: Qwen, GLM and others read the first name, MiniMax M3 the second.
THINKING: Mapping[str, dict[str, object]] = {
    AUTO: {},
    ON: {"enable_thinking": True, "thinking_mode": "enabled"},
    OFF: {"enable_thinking": False, "thinking_mode": "disabled"},
}
SLIDERS = {  # name: label, least, most, step
    "temperature": ("Temperature", 0, 2, 0.01),
    "top_p": ("Top-p", 0, 1, 0.01),
    "top_k": ("Top-k", 0, 200, 1),
    "min_p": ("Min-p", 0, 1, 0.01),
    "repeat_penalty": ("Repeat penalty", 1, 2, 0.01),
}


def form(studio: Studio, blocks: gr.Blocks) -> None:
    """Add the form to the page. It is filled at each page load, so that a second device sees what the first one set."""
    prompt = gr.Textbox(
        label="System prompt",
        placeholder="What the model's makers recommend",
        lines=3,
        max_lines=10,
        interactive=True,
        elem_id="m3-system-prompt",
    )
    thinking = gr.Radio(list(THINKING), value=AUTO, label="Thinking", interactive=True, elem_id="m3-thinking")
    longest = gr.Number(
        label="Longest answer, in tokens", precision=0, minimum=0, interactive=True, placeholder="No limit"
    )
    recommended = gr.Checkbox(True, label="Sampling as the model's makers recommend", interactive=True)
    sliders = [
        gr.Slider(low, high, getattr(Sampling(), name), step=step, label=label, interactive=False, buttons=[])
        for name, (label, low, high, step) in SLIDERS.items()
    ]
    fields = [prompt, thinking, longest, recommended, *sliders]

    def load() -> list[Any]:
        return fill(_stored(studio), studio.library.recommended())

    def save(*values: Any) -> None:
        new = settings_of(_stored(studio), values)
        if new != _stored(studio):
            studio.store.values.set(KEY, new)

    blocks.load(load, None, fields, show_progress="hidden", api_visibility="private")
    gr.on(
        # Not `change`: filling the form would save it half filled. What is pasted or dictated is seen by `blur`.
        [*(field.input for field in fields), prompt.blur, longest.blur],
        save,
        fields,
        None,
        show_progress="hidden",
        trigger_mode="always_last",
        api_visibility="private",
    )
    recommended.input(
        lambda on: [gr.update(interactive=not on) for _ in sliders],
        recommended,
        sliders,
        show_progress="hidden",
        api_visibility="private",
    )


def fill(stored: Mapping[str, Any], recommended: Mapping[str, object]) -> list[Any]:
    """What the fields show, in their order: the user's own values, over the model's, over neutral ones."""
    own = dict(stored.get("sampling") or {})
    neutral = Sampling()
    values = [own.get(name, recommended.get(name, getattr(neutral, name))) for name in SLIDERS]
    return [
        stored.get("system_prompt") or "",
        thinking_of(stored.get("variables") or {}),
        stored.get("max_tokens"),
        not own,
        *(gr.update(value=value, interactive=bool(own)) for value in values),
    ]


def settings_of(stored: Mapping[str, Any], values: tuple[Any, ...]) -> dict[str, Any]:
    """The settings that the fields' values mean. What the form does not show is kept as it was stored."""
    prompt, thinking, longest, recommended, *numbers = values
    named = {name for variables in THINKING.values() for name in variables}
    variables = {name: value for name, value in (stored.get("variables") or {}).items() if name not in named}
    kept = {name: value for name, value in (stored.get("sampling") or {}).items() if name not in SLIDERS}
    new = {
        **stored,
        "system_prompt": str(prompt or "").strip() or None,
        "variables": {**variables, **THINKING.get(thinking, {})},
        "max_tokens": int(longest) if longest else None,
        "sampling": {} if recommended else {**kept, **dict(zip(SLIDERS, numbers, strict=True))},
    }
    return {name: value for name, value in new.items() if value not in (None, {})}


def thinking_of(variables: Mapping[str, object]) -> str:
    """The choice whose template variables these are."""
    if variables.get("enable_thinking") is None:
        return AUTO
    return ON if variables["enable_thinking"] else OFF


def _stored(studio: Studio) -> dict[str, Any]:
    stored = studio.store.values.get(KEY, {})
    return stored if isinstance(stored, dict) else {}
