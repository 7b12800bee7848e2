"""The composition root: builds every object once, mounts routes, page and static files, and serves them.

Knows every room; no room knows it but the command line.
"""

import asyncio
import contextlib
import errno
import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import AsyncIterator

import psutil
import uvicorn
from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from m3studio import __version__, log, plugins, routes, store
from m3studio.auth import Auth
from m3studio.errors import BadInput, Busy
from m3studio.gate import Gate, own_hosts
from m3studio.library import Library
from m3studio.paths import Home, default_home, static_dir
from m3studio.settings import Settings
from m3studio.studio import Studio
from m3studio.turns import Turns


def main(settings: Settings) -> int:
    """Serve until interrupted. Returns the exit code; raises `StudioError` for what keeps it from starting."""
    home = Home(settings.data_dir or default_home())
    home.prepare()
    log.start(home.logs)
    with contextlib.closing(bind(settings.host, settings.port)) as listener:
        studio = build(settings, home)
        try:
            first_password(studio)
            if settings.model:
                studio.library.load(settings.model)
            greet(studio)
            config = uvicorn.Config(
                front(studio),
                root_path=settings.root_path,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=2,
            )
            with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again after it has closed down
                asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))
        finally:
            close(studio)
    return 0


def build(settings: Settings, home: Home) -> Studio:
    """Every service, once, from the ground up. Raises `StoreError` for a data folder that cannot be used."""
    kept = store.open(home.database)
    kept.messages.mark_interrupted()
    library = Library(home, kept, settings.load)
    if not kept.values.get("instance"):
        kept.values.set("instance", secrets.token_hex(8))
    return Studio(str(kept.values.get("instance")), home, settings, kept, Auth(kept), library, Turns(kept, library, {}))


def close(studio: Studio) -> None:
    """The services again, from the top down."""
    studio.turns.close()
    studio.library.close()
    studio.store.close()


# ------------------------------------------------------------------------------------------------------- the web app


def front(studio: Studio) -> ASGIApp:
    """The app with its gate. Gradio takes seconds to import, so it comes in behind a page that already answers."""
    page = LatePage()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(page.load(studio))
        yield
        page.leave.set()
        await task

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    routes.install_error_handler(app)
    for module in plugins.collect(routes):
        app.include_router(module.router(studio))
    app.mount("/static", StaticFiles(directory=static_dir()))
    app.mount("/", page)
    hosts = own_hosts(f"{studio.settings.host},{studio.settings.allow_host}")
    return Gate(GZipMiddleware(app, minimum_size=1024), studio.auth, allowed_hosts=hosts)


class LatePage:
    """Gradio's app once it is there; until then a page that waits for it and moves on by itself."""

    def __init__(self) -> None:
        self.leave = asyncio.Event()
        self._app: FastAPI | None = None

    async def load(self, studio: Studio) -> None:
        """Import and build the page in a thread, then keep its own lifespan open until `leave` is set."""
        app = await asyncio.to_thread(build_page, studio)
        async with app.router.lifespan_context(app):
            self._app = app
            await self.leave.wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is not None:
            await self._app(scope, receive, send)
            return
        body = (static_dir() / "starting.html").read_bytes()
        headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"retry-after", b"1"),
        ]
        status = 200 if scope["path"].rstrip("/") == scope.get("root_path", "").rstrip("/") else 503
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def build_page(studio: Studio) -> FastAPI:
    """Gradio with our pages in it. Slow on its first call: it imports Gradio."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # all three are read when Gradio is imported
    os.environ["GRADIO_SSR_MODE"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(studio.home.temporary)
    from m3studio import ui

    return ui.mount(FastAPI(docs_url=None, redoc_url=None, openapi_url=None), studio)


# ------------------------------------------------------------------------------------------- addresses and the terminal


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `Busy` when the port is taken, `BadInput` when it cannot be had at all."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # on Windows this option would let two programs share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise Busy(f"Port {port} is taken by another program. Choose another one with -p {port + 1}.") from error
        raise BadInput(
            f"Cannot listen on {host} port {port}: {error.strerror}. Choose others with -H and -p."
        ) from error
    except OverflowError as error:
        listener.close()
        raise BadInput(f"{port} is no port number. Choose one from 1024 to 65535 with -p.") from error
    return listener


def addresses() -> list[str]:
    """The IP addresses of this machine's interfaces, IPv4 first."""
    found = [address for interface in psutil.net_if_addrs().values() for address in interface]
    four = [item.address for item in found if item.family == socket.AF_INET]
    six = [item.address.partition("%")[0] for item in found if item.family == socket.AF_INET6]
    return [*four, *six]


def urls(settings: Settings) -> list[str]:
    """Where the page can be reached, this machine first."""
    everywhere = settings.host in ("0.0.0.0", "::")
    hosts = ["127.0.0.1", *(a for a in addresses() if not a.startswith(("127.", "fe80", "::1")))]
    names = hosts if everywhere else [settings.host]
    root = settings.root_path.rstrip("/")
    return [f"http://{f'[{host}]' if ':' in host else host}:{settings.port}{root}/" for host in names]


def first_password(studio: Studio) -> None:
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


def greet(studio: Studio) -> None:
    """Say on the terminal where the page is, and how a first password is set from elsewhere."""
    say = sys.stdout.write
    first, *others = urls(studio.settings)
    say(f"M3 Studio {__version__}\n\n  Open  {first}\n")
    for url in others:
        say(f"        {url}\n")
    if not studio.auth.has_password():
        token = studio.auth.setup_token()
        say("\n  No password is set yet: the page asks for one.\n")
        say("  From another machine use this address, for the next 30 minutes:\n")
        say(f"        {(others or [first])[0]}setup#t={token}\n")
    for notice in studio.store.notices:
        say(f"\n  {notice}\n")
    say("\n  Stop with Ctrl+C.\n")
    sys.stdout.flush()
    if studio.settings.browser and has_desktop():
        webbrowser.open(first)


def has_desktop() -> bool:
    """True where opening a browser would show something to the person who typed the command."""
    if "SSH_CONNECTION" in os.environ or not sys.stdout.isatty():
        return False
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
