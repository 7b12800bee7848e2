"""The composition root: builds every object once, and the web app around them. Importing it takes most of a second."""

import asyncio
import contextlib
import os
import secrets
import threading
import time

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from m3studio import plugins, routes, store
from m3studio.auth import Auth
from m3studio.errors import BadInput, OutOfMemory
from m3studio.gate import Gate, own_hosts
from m3studio.library import Library
from m3studio.paths import Home, static_dir
from m3studio.server.starting import answer_starting
from m3studio.settings import Settings
from m3studio.studio import Studio
from m3studio.tools import every_tool
from m3studio.turns import Turns

DELETED_SECONDS = 7 * 86400  # for so long a deleted chat can come back


def build(settings: Settings, home: Home) -> Studio:
    """Every service, once, from the ground up. Raises `StoreError` for a data folder that cannot be used."""
    kept = store.open(home.database)
    kept.messages.mark_interrupted()
    kept.chats.purge(time.time() - DELETED_SECONDS)
    if not kept.values.get("instance"):
        kept.values.set("instance", secrets.token_hex(8))
    library = Library(home, kept, settings.load)
    library.keep_states(kept.chats.ids())
    studio = Studio(
        instance=str(kept.values.get("instance")),
        home=home,
        settings=settings,
        store=kept,
        auth=Auth(kept),
        library=library,
        turns=Turns(kept, library, every_tool(), home.workspaces),
    )
    try:
        _first_password(studio)
        if settings.model:
            with contextlib.suppress(OutOfMemory):  # the page says so, and offers what would fit
                library.load(settings.model, force=settings.force)
    except BaseException:
        close(studio)
        raise
    return studio


def close(studio: Studio) -> None:
    """The services again, from the top down."""
    studio.turns.close()
    studio.library.close()
    studio.store.close()


def _first_password(studio: Studio) -> None:
    """Take the password from a file or from `M3STUDIO_PASSWORD`, if none is set yet."""
    file = studio.settings.password_file
    if studio.auth.has_password():
        return
    if file is not None:
        try:
            lines = file.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"The password file {file} cannot be read: {error}.") from error
        studio.auth.set_first_password(lines[0] if lines else "")
    elif word := os.environ.get("M3STUDIO_PASSWORD"):
        studio.auth.set_first_password(word)


class LatePage:
    """Gradio's app once it is there; until then a page that waits for it and moves on by itself."""

    def __init__(self) -> None:
        self.app: FastAPI | None = None

    async def serve(self, studio: Studio, leave: asyncio.Event) -> None:
        """Import and build the page in a thread, then keep its own lifespan open until `leave` is set."""
        loop, built = asyncio.get_running_loop(), asyncio.Event()
        made: list[FastAPI] = []

        def make() -> None:
            made.append(_page(studio))
            with contextlib.suppress(RuntimeError):  # the loop is gone: the app was stopped meanwhile
                loop.call_soon_threadsafe(built.set)

        # A daemon: whoever stops the app in its first seconds need not wait for the rest of Gradio.
        threading.Thread(target=make, name="page", daemon=True).start()
        ready = asyncio.create_task(built.wait())
        gone = asyncio.create_task(leave.wait())
        await asyncio.wait([ready, gone], return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if leave.is_set():
            return
        async with made[0].router.lifespan_context(made[0]):
            self.app = made[0]
            await leave.wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.app is None:
            await answer_starting(scope, send)
        else:
            await self.app(scope, receive, send)


def web(studio: Studio, page: LatePage) -> ASGIApp:
    """Every route, with the gate in front of them."""
    hosts = own_hosts(f"{studio.settings.host},{studio.settings.allow_host}")
    return Gate(GZipMiddleware(routed(studio, page), minimum_size=1024), studio.auth, allowed_hosts=hosts)


def routed(studio: Studio, page: LatePage) -> FastAPI:
    """Every route, open to whoever can call it: only `web` serves it."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    routes.install_error_handler(app)
    for module in plugins.collect(routes):
        app.include_router(module.router(studio))
    app.mount("/static", StaticFiles(directory=static_dir()))
    app.mount("/", page)
    return app


def _page(studio: Studio) -> FastAPI:
    """Gradio with our pages in it. Slow on its first call: it imports Gradio."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # all three are read when Gradio is imported
    os.environ["GRADIO_SSR_MODE"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(studio.home.temporary)
    from m3studio import ui

    return ui.mount(FastAPI(docs_url=None, redoc_url=None, openapi_url=None), studio)
