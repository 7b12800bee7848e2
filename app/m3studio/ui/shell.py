"""The page's frame: chat list, chat, settings. Knows only the places of our surfaces; what they do is in static/."""

import gradio as gr

from m3studio.paths import static_dir
from m3studio.studio import Studio
from m3studio.ui import settings

STYLES = ("tokens.css", "shell.css", "vendor/katex/katex.min.css")  # KaTeX's fonts work only from the document
LIBRARIES = ("vendor/marked.esm.js", "vendor/purify.es.mjs", "vendor/highlight.min.js")  # KaTeX comes with a formula
OTHER_PAGES = ("login", "setup")


def head() -> str:
    """What the page's head needs. Every URL is relative to the page: the app also works below a proxy's sub-path."""
    modules = sorted(path.name for path in static_dir().glob("*.js") if not path.name.startswith(OTHER_PAGES))
    return "\n".join(
        [
            '<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover, '
            'interactive-widget=resizes-content">',
            '<link rel="icon" href="static/favicon.svg" type="image/svg+xml">',
            *(f'<link rel="stylesheet" href="static/{name}">' for name in STYLES),
            '<script type="module" src="static/theme.js"></script>',
            *(f'<link rel="modulepreload" href="static/{name}">' for name in [*modules, *LIBRARIES]),
        ]
    )


MOUNT = "import(new URL('static/{module}.js', document.baseURI)).then((module) => module.mount(element))"


def surface(module: str, elem_id: str) -> gr.HTML:
    """The place of one of our own surfaces. Its ES module is loaded by the browser and draws into a shadow root.

    A function and no subclass: Gradio writes a .pyi file beside the source of each subclass of a component.
    """
    return gr.HTML(
        html_template="<div class='m3-host'></div>",
        js_on_load=MOUNT.format(module=module),
        apply_default_css=False,
        elem_id=elem_id,
    )


def lay_out(studio: Studio, blocks: gr.Blocks) -> None:
    """Fill the page: three columns of one grid, found by their ids in static/shell.css."""
    with gr.Row(elem_id="m3-shell"):
        with gr.Column(elem_id="m3-left"):
            surface("list", "m3-list")
        with gr.Column(elem_id="m3-main"):
            surface("chat", "m3-chat")
        with gr.Column(elem_id="m3-right"):
            surface("panels", "m3-settings-head")
            with gr.Column(elem_id="m3-form"):
                surface("knobs", "m3-knobs")
                settings.form(studio, blocks)
                surface("account", "m3-account")
