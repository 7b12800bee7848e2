"""The door in front of everything, Gradio included: no sign-in or key, a foreign host, a foreign page: no entry.

A pure ASGI wrapper. Knows no route but the open ones.
"""

import json
import re
import socket
import time
from collections.abc import Callable, Collection
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

import psutil
from starlette._utils import get_route_path
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from m3studio.auth import ApiKey, Auth, Session
from m3studio.errors import StudioError

COOKIE = "m3_session"
# What may be shown without leaking: no image, font, script or connection of another host.
CSP = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "media-src 'self' data: blob:; object-src 'none'; base-uri 'self'; frame-ancestors 'none'; form-action 'self'"
)
HEADERS = (
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # no-referrer would make browsers send `Origin: null` with forms
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
OPEN = frozenset(("/login", "/setup", "/healthz", "/favicon.ico", "/manifest.json"))
READS = ("GET", "HEAD", "OPTIONS")
# Handlers of Gradio that this app does not use: some fetch foreign addresses, some write code.
CLOSED = tuple(
    f"/gradio_api/{name}"
    for name in (
        "file=http", "file/http", "proxy=", "vibe", "undo-vibe", "run-history", "custom_component", "dev/", "profiling"
    )
)  # fmt: skip


class Refused(Exception):
    """What the gate answers instead of the app."""

    def __init__(self, status: int, message: str, *, location: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.location = location


class Gate:
    """Wraps the whole app. `allowed_hosts` says which names the page may be opened under, without the port.

    Routes find in `request.state` who asks: `session` and `api_key` (or None), the cookie's `token` and `cookie_name`,
    and the `host` name that was asked for.
    """

    def __init__(self, app: ASGIApp, auth: Auth, *, allowed_hosts: Callable[[str], bool] | Collection[str]) -> None:
        self._app = app
        self._auth = auth
        self._allowed = allowed_hosts if callable(allowed_hosts) else allowed_hosts.__contains__

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, _with_headers(scope, send))
        elif scope["type"] == "websocket":  # nothing here uses them
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        path = get_route_path(scope) or "/"  # scope["path"] holds the root_path as well
        try:
            host = self._check_host(headers)
            key = await self._key(headers)
            if key is None:
                self._check_origin(scope, path, headers, host)
            if re.sub("/+", "/", unquote(path).lower()).startswith(CLOSED):
                raise Refused(403, "This part of the page is switched off.")
            await self._sign_in(scope, path, headers, key)
        except Refused as refused:
            await _refuse(path, refused, send)
            return
        except StudioError as error:  # the database did not answer
            await _refuse(path, Refused(error.status, error.message), send)
            return
        await self._app(scope, receive, send)

    def _check_host(self, headers: dict[str, str]) -> str:
        """A page of another name that leads here (DNS rebinding) is refused. Returns the host header."""
        host = headers.get("host", "")
        if not self._allowed(host_name(host)):
            raise Refused(
                421, f"M3 Studio does not know itself as “{host_name(host)[:100]}”. Start it with --allow-host."
            )
        return host

    def _check_origin(self, scope: Scope, path: str, headers: dict[str, str], host: str) -> None:
        """A page of another origin can neither change anything nor listen to an answer."""
        listens = "text/event-stream" in headers.get("accept", "") or path.endswith("/events")
        if scope["method"] in READS and not listens:
            return
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        foreign = site not in (None, "same-origin", "none")
        if origin is not None and not foreign:
            own = _authority(origin) == _authority(f"{scope.get('scheme', 'http')}://{host}")
            # A reverse proxy may change the host header; the browser then vouches for the page, and its name is known.
            foreign = not own and not (site == "same-origin" and self._allowed(host_name(urlsplit(origin).netloc)))
        if foreign:
            raise Refused(403, "This request comes from another web site, so it is refused.")

    async def _key(self, headers: dict[str, str]) -> ApiKey | None:
        """The API key of the request, whatever header it came in. Raises `Refused` for one that opens nothing."""
        kind, _, value = headers.get("authorization", "").partition(" ")
        text = value.strip() if kind.lower() == "bearer" else headers.get("x-api-key", "").strip()
        if not text:
            return None
        key = self._auth.known_key(text) or await run_in_threadpool(self._auth.key, text)
        if key is None:
            raise Refused(401, "This API key is not valid. Make a new one in the settings.")
        return key

    async def _sign_in(self, scope: Scope, path: str, headers: dict[str, str], key: ApiKey | None) -> None:
        state = scope.setdefault("state", {})
        token = cookie_of(scope, headers.get("cookie", ""))
        state["session"], state["api_key"] = None, key
        state["token"], state["cookie_name"], state["host"] = token, cookie_name(scope), host_name(headers["host"])
        if key:
            if not (path.startswith("/v1/") or "admin" in key.scopes or path in OPEN):
                raise Refused(403, "This API key opens /v1 alone. Make one with the scope admin for the rest.")
            return
        if token:
            state["session"] = await self._session(token)
        if state["session"] or path in OPEN:
            return
        if scope["method"] in ("GET", "HEAD") and "text/html" in headers.get("accept", ""):
            page = "login" if await run_in_threadpool(self._auth.has_password) else "setup"
            raise Refused(303, "Sign in first.", location=up(path) + page)
        raise Refused(401, "Sign in first, or send an API key.")

    async def _session(self, token: str) -> Session | None:
        return self._auth.known_session(token) or await run_in_threadpool(self._auth.session, token)


def cookie_name(scope: Scope) -> str:
    """With https the browser itself guards the cookie against other hosts and against plain http."""
    return f"__Host-{COOKIE}" if scope.get("scheme") == "https" else COOKIE


def cookie_of(scope: Scope, header: str) -> str:
    """The session's token from a Cookie header; empty if there is none."""
    wanted = cookie_name(scope)
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == wanted:
            return value.strip('"')[:200]
    return ""


def up(path: str) -> str:
    """The relative way from a route's path to the app's root, which works below a proxy's path as well."""
    return "../" * (path.count("/") - 1) or "./"


def host_name(host: str) -> str:
    """A Host header without port and brackets, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    name = host.rpartition(":")[0] if host.count(":") == 1 else host
    return name.rstrip(".").lower()


def own_hosts(extra: str = "") -> Callable[[str], bool]:
    """The names of this machine: localhost, its addresses and host name, and `extra` (separated by commas)."""
    machine = socket.gethostname().lower().partition(".")[0]
    named = {"localhost", machine, f"{machine}.local", socket.gethostname().lower()}
    named |= {host_name(name.strip()) for name in extra.split(",") if name.strip()}
    seen: tuple[float, frozenset[str]] = (-60.0, frozenset())

    def allowed(name: str) -> bool:
        nonlocal seen
        if name in named or _is_loopback(name):
            return True
        if name not in seen[1] and time.monotonic() - seen[0] > 5:  # a laptop changes its address
            seen = (time.monotonic(), _addresses())
        return name in seen[1]

    return allowed


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _addresses() -> frozenset[str]:
    return frozenset(
        entry.address.partition("%")[0].lower() for entries in psutil.net_if_addrs().values() for entry in entries
    )


def _authority(url: str) -> tuple[str, int | None]:
    """Host and port of an origin; (“”, None) for `null` and for nonsense, which no host header equals."""
    try:
        parts = urlsplit(url)
        default = {"http": 80, "https": 443}.get(parts.scheme)
        return (parts.hostname or "", parts.port or default)
    except ValueError:
        return ("", None)


def _with_headers(scope: Scope, send: Send) -> Send:
    """`send` that puts the safety headers on every answer; a route may set a stricter one itself."""

    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message.get("headers", ())}
            extra = [pair for pair in HEADERS if pair[0] not in present]
            if b"cache-control" not in present and get_route_path(scope).startswith(("/api/", "/v1/")):
                extra.append((b"cache-control", b"no-store"))
            message = {**message, "headers": [*message.get("headers", ()), *extra]}
        await send(message)

    return sender


async def _refuse(path: str, refused: Refused, send: Send) -> None:
    kind = "authentication_error" if refused.status == 401 else "permission_error"
    body = json.dumps({"error": {"message": refused.message, "type": kind}}).encode()
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    if refused.location:
        headers.append((b"location", refused.location.encode()))
        body = b""
    if refused.status == 401 and path.startswith("/v1/"):
        headers.append((b"www-authenticate", b"Bearer"))
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
