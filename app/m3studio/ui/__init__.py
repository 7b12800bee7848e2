"""The page: a Gradio shell around the surfaces of `static/`. Knows the studio's services, no route and no engine."""

from typing import TypeVar

import gradio as gr

from m3studio.paths import static_dir
from m3studio.studio import Studio
from m3studio.ui.shell import head, lay_out
from m3studio.ui.theme import theme

App = TypeVar("App")
UPLOAD_LIMIT = "64mb"
TEMPORARY = (3600, 86400)  # look each hour for Gradio's temporary files that are older than a day, in seconds


def build(studio: Studio) -> gr.Blocks:
    """The whole page as Gradio sees it: three columns, the form of settings and the places of our own surfaces."""
    with gr.Blocks(
        title="M3 Studio", fill_width=True, fill_height=True, analytics_enabled=False, delete_cache=TEMPORARY
    ) as blocks:
        lay_out(studio, blocks)
    return blocks.queue(api_open=False)


def mount(app: App, studio: Studio) -> App:
    """Mount the page at the root of a FastAPI app and return the app. Everything that Gradio would fetch is off."""
    mounted: App = gr.mount_gradio_app(
        app,
        build(studio),
        "/",
        theme=theme(),
        head=head(),
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
        favicon_path=str(static_dir() / "favicon.svg"),
        allowed_paths=[],
        max_file_size=UPLOAD_LIMIT,
    )
    return mounted
