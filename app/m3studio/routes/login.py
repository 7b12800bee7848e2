"""The first password, signing in and signing out, for a plain form and for JSON. Knows no page behind them."""

import html
import json
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from m3studio import paths
from m3studio.auth import Auth
from m3studio.errors import BadInput, NotAllowed, StudioError
from m3studio.routes import error_answer, retry_after

if TYPE_CHECKING:
    from m3studio.studio import Studio

LONGEST_BODY = 16 * 1024
COOKIE_SECONDS = 90 * 86400  # no session lives longer; the server ends it earlier
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
NO_STORE = {"cache-control": "no-store"}


class Login:
    """What the routes do, on `Auth`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth
        self._login, self._setup = paths.login_page("login.html"), paths.login_page("setup.html")

    async def show_login(self, request: Request) -> Response:
        """The form; whoever is signed in goes on to the app."""
        if not await run_in_threadpool(self._auth.has_password):
            return RedirectResponse("setup", 303, headers=NO_STORE)
        if request.state.session:
            return RedirectResponse("./", 303, headers=NO_STORE)
        # A link on another site leads here without the Strict cookie; asked for once more by our own page, it comes.
        again = request.headers.get("sec-fetch-site") == "cross-site"
        return _shown(self._login, flags="again" if again else "")

    async def show_setup(self, request: Request) -> Response:
        """The form for the first password; from another machine it asks for the token too."""
        if await run_in_threadpool(self._auth.has_password):
            return RedirectResponse("login", 303, headers=NO_STORE)
        return _shown(self._setup, flags=_setup_flags(request))

    async def login(self, request: Request) -> Response:
        """Sign in with `password`."""
        try:
            fields = await _fields(request)
            token = await run_in_threadpool(self._auth.login, _text(fields, "password"), *_who(request))
            return await self._signed_in(request, token)
        except NotAllowed as error:
            return _failed(request, self._login, error, status=401)
        except StudioError as error:
            return _failed(request, self._login, error)

    async def setup(self, request: Request) -> Response:
        """Set the first password, with `token` from another machine, and sign in with it."""
        try:
            fields = await _fields(request)
            if not is_local(request) and not await run_in_threadpool(self._auth.has_password):
                self._auth.check_setup_token(_text(fields, "token"))
            password = _text(fields, "password")
            await run_in_threadpool(self._auth.set_first_password, password)
            token = await run_in_threadpool(self._auth.login, password, *_who(request))
            return await self._signed_in(request, token)
        except StudioError as error:
            return _failed(request, self._setup, error, flags=_setup_flags(request))

    async def logout(self, request: Request) -> Response:
        """End this browser's session."""
        await run_in_threadpool(self._auth.logout, request.state.token)
        answer = JSONResponse({"ok": True}) if _wants_json(request) else RedirectResponse("login", 303)
        _set_cookie(request, answer, "", 0)
        return answer

    async def _signed_in(self, request: Request, token: str) -> Response:
        await run_in_threadpool(self._auth.logout, request.state.token)  # what this browser had before
        answer = JSONResponse({"ok": True}) if _wants_json(request) else RedirectResponse("./", 303)
        _set_cookie(request, answer, token, COOKIE_SECONDS)
        return answer


def router(studio: "Studio") -> APIRouter:
    """`/login`, `/setup` and `/logout`; the gate leaves the first two open."""
    api, login = APIRouter(), Login(studio.auth)
    api.get("/login")(login.show_login)
    api.post("/login")(login.login)
    api.get("/setup")(login.show_setup)
    api.post("/setup")(login.setup)
    api.post("/logout")(login.logout)
    return api


def is_local(request: Request) -> bool:
    """Whether a browser on this very machine asks, with no proxy between that would make every client look local."""
    if any(name in request.headers for name in FORWARDED):
        return False
    host = request.state.host
    return _is_loopback(client_address(request)) and (host == "localhost" or _is_loopback(host))


def _setup_flags(request: Request) -> str:
    return "" if is_local(request) else "token"


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def client_address(request: Request) -> str:
    """The address that tries are counted by; empty behind a unix socket."""
    return request.client.host if request.client else ""


def _who(request: Request) -> tuple[str, str]:
    return client_address(request), request.headers.get("user-agent", "")


async def _fields(request: Request) -> dict[str, object]:
    """The fields of a form or of a JSON object. Raises `BadInput`."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_BODY:
            raise BadInput("This request is too long for a password.")
    try:
        if _sends_json(request):
            values = json.loads(body)
            return values if isinstance(values, dict) else {}
        return {name: found[0] for name, found in parse_qs(body.decode("utf-8"), max_num_fields=10).items()}
    except (ValueError, RecursionError) as error:  # ValueError: bad JSON, bad UTF-8, too many fields
        raise BadInput("This request could not be read. Reload the page and try again.") from error


def _text(fields: dict[str, object], name: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise BadInput(f"The {name} must be a text.")
    return value


def _sends_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _wants_json(request: Request) -> bool:
    return _sends_json(request) or "text/html" not in request.headers.get("accept", "")


def _failed(request: Request, page: str, error: StudioError, *, status: int = 0, flags: str = "") -> Response:
    if _wants_json(request):
        return error_answer(error, status or error.status)
    return _shown(page, error, status or error.status, flags=flags)


def _shown(page: str, error: StudioError | None = None, status: int = 200, *, flags: str = "") -> HTMLResponse:
    headers = {**NO_STORE, **(retry_after(error) if error else {})}
    wait = headers.get("retry-after", "")
    text = page.replace("<!--error-->", html.escape(error.message) if error else "")
    text = text.replace('data-flags=""', f'data-flags="{flags}" data-wait="{wait}"')
    return HTMLResponse(text, status, headers=headers)


def _set_cookie(request: Request, answer: Response, token: str, seconds: int) -> None:
    secure = request.url.scheme == "https"
    # The name __Host- demands the path /.  Without https two apps below one host keep their cookies apart.
    path = "/" if secure else request.scope.get("root_path", "").rstrip("/") or "/"
    answer.set_cookie(
        request.state.cookie_name,
        token,
        max_age=seconds,
        path=path,
        secure=secure,
        httponly=True,
        samesite="strict",
    )
