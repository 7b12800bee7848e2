"""What the server answers before its rooms are there: a page that waits, and the login form. Knows no room."""

from starlette.types import Scope, Send

from m3studio.paths import static_dir

HEADERS = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'self' 'unsafe-inline'; frame-ancestors 'none'; form-action 'self'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
]


def wants_page(scope: Scope) -> bool:
    """A browser that opens a page, rather than a script that calls a route."""
    accept = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    return scope["method"] == "GET" and b"text/html" in accept


async def answer_starting(scope: Scope, send: Send) -> None:
    """A page that moves on by itself; 503 for everything that is no page."""
    if wants_page(scope):
        await answer(send, 200, (static_dir() / "starting.html").read_bytes())
    else:
        await answer(send, 503, b"M3 Studio is starting. Try again in a moment.", (b"retry-after", b"1"))


async def answer(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """One whole answer."""
    await send({"type": "http.response.start", "status": status, "headers": [*HEADERS, *headers]})
    await send({"type": "http.response.body", "body": body})
