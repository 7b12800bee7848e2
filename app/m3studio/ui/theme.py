"""Colours and type of Gradio's own parts, the same as those of static/tokens.css. Knows no component."""

import gradio as gr


def theme() -> gr.themes.Base:
    """A warm neutral theme with system fonts: nothing of it is fetched from anywhere."""
    base = gr.themes.Base(
        primary_hue=gr.themes.colors.orange,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_lg,
        text_size=gr.themes.sizes.text_md,
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    return base.set(
        body_background_fill="#faf9f6",
        body_background_fill_dark="#1b1a18",
        body_text_color="#2b2926",
        body_text_color_dark="#ece9e2",
        body_text_color_subdued="#6b675f",
        body_text_color_subdued_dark="#a19c91",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#282623",
        background_fill_secondary="#f3f1ea",
        background_fill_secondary_dark="#211f1d",
        border_color_primary="#e3dfd5",
        border_color_primary_dark="#3b3834",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_label_text_color="#6b675f",
        block_label_text_color_dark="#a19c91",
        block_title_text_weight="500",
        input_background_fill="#ffffff",
        input_background_fill_dark="#282623",
        input_border_width="1px",
        input_border_color_focus="#c2562d",
        input_border_color_focus_dark="#e07a4f",
        color_accent="#c2562d",
        slider_color="#c2562d",
        slider_color_dark="#e07a4f",
        checkbox_background_color_selected="#c2562d",
        checkbox_background_color_selected_dark="#c2562d",
        checkbox_border_color_selected="#c2562d",
        checkbox_border_color_selected_dark="#c2562d",
        checkbox_label_background_fill="transparent",
        checkbox_label_background_fill_dark="transparent",
    )
