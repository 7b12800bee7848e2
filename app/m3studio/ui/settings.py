"""The form of what counts for every model: system prompt, longest answer. Each change is kept at once. Knows no chat.

What depends on the model, sampling above all, is set beside it for a model or a chat, see static/knobs.js.
"""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from m3studio.studio import Studio

KEY = "defaults"  # in the store; its shape is that of a chat's settings


def form(studio: Studio, blocks: gr.Blocks) -> None:
    """Add the form to the page. It is filled at each page load, so that a second device sees what the first one set."""
    prompt = gr.Textbox(
        label="System prompt for every model",
        placeholder="What the model's makers recommend",
        lines=3,
        max_lines=10,
        interactive=True,
        elem_id="m3-system-prompt",
    )
    longest = gr.Number(
        label="Longest answer of every model, in tokens",
        precision=0,
        minimum=0,
        interactive=True,
        placeholder="No limit",
        elem_id="m3-longest",
    )
    fields = [prompt, longest]

    def save(*values: Any) -> None:
        new = settings_of(_stored(studio), values)
        if new != _stored(studio):
            studio.store.values.set(KEY, new)

    blocks.load(lambda: fill(_stored(studio)), None, fields, show_progress="hidden", api_visibility="private")
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


def fill(stored: Mapping[str, Any]) -> list[Any]:
    """What the fields show, in their order."""
    return [stored.get("system_prompt") or "", stored.get("max_tokens")]


def settings_of(stored: Mapping[str, Any], values: tuple[Any, ...]) -> dict[str, Any]:
    """The settings that the fields' values mean. What the form does not show is kept as it was stored."""
    prompt, longest = values
    new = {
        **stored,
        "system_prompt": str(prompt or "").strip() or None,
        "max_tokens": int(longest) if longest else None,
    }
    return {name: value for name, value in new.items() if value not in (None, {})}


def _stored(studio: Studio) -> dict[str, Any]:
    stored = studio.store.values.get(KEY, {})
    return stored if isinstance(stored, dict) else {}
