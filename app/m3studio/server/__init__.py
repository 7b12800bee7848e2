"""Opens the port at once, brings the app in behind it, and serves until interrupted.

Binding comes first, so that a taken port is known in milliseconds; importing the rooms takes most of a second and
Gradio some more, so they load in a thread while the login page already answers. Knows no room by name but `assembly`.
"""

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
import webbrowser
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from m3studio import __version__, log
from m3studio.errors import BadInput, Busy, StudioError
from m3studio.paths import Home, default_home, login_page
from m3studio.server.starting import answer, answer_starting, wants_page
from m3studio.settings import Settings

if TYPE_CHECKING:
    from m3studio.server.assembly import LatePage
    from m3studio.studio import Studio


def main(settings: Settings) -> int:
    """Serve until interrupted. Returns the exit code; raises `StudioError` for what keeps it from starting."""
    home = Home(settings.data_dir or default_home())
    home.prepare()
    log.start(home.logs)
    with contextlib.closing(bind(settings.host, settings.port)) as listener:
        front = Front(settings, home)
        config = uvicorn.Config(
            front,
            root_path=settings.root_path,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        # After it has closed down uvicorn raises the signal once more: as an exception it lets the services close too.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        front.give_up = lambda: setattr(server, "should_exit", True)
        try:
            with contextlib.suppress(KeyboardInterrupt):
                asyncio.run(server.serve(sockets=[listener]))
        finally:
            front.close()
    if front.failure is not None:
        raise front.failure
    return 0


class Front:
    """The outermost app: a login page from the first moment, everything else as soon as it is built."""

    def __init__(self, settings: Settings, home: Home) -> None:
        self.failure: StudioError | None = None
        self.give_up: Callable[[], None] = lambda: None
        self._settings = settings
        self._home = home
        self._studio: Studio | None = None
        self._close: Callable[[Studio], None] | None = None
        self._app: ASGIApp | None = None
        self._built = asyncio.Event()
        self._leave = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if not self._built.is_set() and scope["type"] == "http" and wants_page(scope):
            await self._early_page(scope, send)
            return
        await self._built.wait()
        if self._app is not None:
            await self._app(scope, receive, send)

    async def _early_page(self, scope: Scope, send: Send) -> None:
        """The login form, if a password can have been set at all; else a page that looks again by itself."""
        if scope["path"].endswith("/login") and self._home.database.exists():
            await answer(send, 200, login_page("login.html").encode())
        else:
            await answer_starting(scope, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """The ASGI lifespan: started at once, built in the background."""
        await receive()
        await send({"type": "lifespan.startup.complete"})
        task = asyncio.create_task(self._build())
        await receive()
        self._leave.set()
        await task
        await send({"type": "lifespan.shutdown.complete"})

    async def _build(self) -> None:
        try:
            page = await asyncio.to_thread(self._assemble)
        except StudioError as error:
            self.failure = error
            self.give_up()
            return
        finally:
            self._built.set()
        if self._studio is not None:
            greet(self._studio)
            await page.serve(self._studio, self._leave)

    def _assemble(self) -> "LatePage":
        from m3studio.server import assembly

        self._studio = assembly.build(self._settings, self._home)
        page = assembly.LatePage()
        self._app = assembly.web(self._studio, page)
        self._close = assembly.close
        return page

    def close(self) -> None:
        """End every service; what runs is kept."""
        if self._studio is not None and self._close is not None:
            self._close(self._studio)


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


def greet(studio: "Studio") -> None:
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
