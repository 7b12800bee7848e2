import time
from types import SimpleNamespace

import pytest
from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocketDisconnect

from m3studio import gate, routes, store
from m3studio.auth import Auth, Hasher
from m3studio.errors import StoreError
from m3studio.gate import CSP, OPEN, Gate, host_name, own_hosts, up
from m3studio.routes import login, sessions

GOOD = "correct horse"
BASE = "http://localhost:8888"
HTML = {"accept": "text/html,*/*"}
# What Gradio 6.31 registers beside its pages; with its own `auth_dependency` many of these stay open.
GRADIO = [
    "/gradio_api/user",
    "/gradio_api/token",
    "/gradio_api/app_id",
    "/gradio_api/startup-events",
    "/gradio_api/info",
    "/config",
    "/gradio_api/heartbeat/x",
    "/gradio_api/queue/data",
    "/gradio_api/queue/join",
    "/gradio_api/upload",
    "/gradio_api/run/x",
    "/gradio_api/cancel",
    "/gradio_api/reset",
    "/gradio_api/stream/x",
    "/gradio_api/call/x",
    "/gradio_api/file=x",
    "/theme.css",
    "/robots.txt",
    "/static/x",
    "/assets/x",
    "/svelte/x",
    "/monitoring",
    "/pwa_icon",
    "/login_check",
    "/gradio_api/deep_link",
]
CLOSED = [
    "/gradio_api/file=http://evil.example/x",
    "/gradio_api/file=HTTPS://evil.example",
    "/gradio_api/file/https://e.x",
    "/gradio_api/proxy=http://evil.example",
    "/gradio_api/vibe-edit",
    "/gradio_api/vibe-code",
    "/gradio_api/undo-vibe-edit",
    "/gradio_api/run-history/buckets",
    "/gradio_api/custom_component/x",
    "/gradio_api/dev/reload",
    "//gradio_api//file=http://x",
    "/gradio_api/file=%68ttp://evil.example",
]


@pytest.fixture
def opened(tmp_path):
    opened = store.open(tmp_path / "chat.db")
    yield opened
    opened.close()


@pytest.fixture
def auth(opened):
    auth = Auth(opened, hasher=Hasher(memory_kib=64, passes=1, lanes=1))
    auth.set_first_password(GOOD)
    return auth


def build(auth):
    """The real routers, and Gradio's paths behind them."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    routes.install_error_handler(app)
    for module in (login, sessions):
        app.include_router(module.router(SimpleNamespace(auth=auth)))

    @app.get("/api/chats/{id}/events")
    @app.get("/v1/models")
    @app.post("/v1/chat/completions")
    @app.get("/healthz")
    def answer(request: Request) -> PlainTextResponse:
        session, key = request.state.session, request.state.api_key
        return PlainTextResponse(session.id if session else key.name if key else "open")

    async def rest(scope, receive, send):
        await PlainTextResponse("inside")(scope, receive, send)

    app.mount("/", rest)
    return app


def client(auth, *, root_path="", base="http://localhost:8888", **more):
    app = Gate(build(auth), auth, allowed_hosts=frozenset({"localhost", "chat.example", "127.0.0.1"}))
    return TestClient(app, base_url=base, root_path=root_path, follow_redirects=False, **more)


@pytest.fixture
def anonymous(auth):
    return client(auth)


@pytest.fixture
def signed_in(auth):
    signed_in = client(auth)
    signed_in.cookies.set("m3_session", auth.login(GOOD, "127.0.0.1", "pytest"))
    return signed_in


def every_route(auth):
    """Method and path of each route, its parameters filled in; and Gradio's."""
    routers = [module.router(SimpleNamespace(auth=auth)) for module in (login, sessions)]
    for route in [route for holder in (build(auth), *routers) for route in holder.routes]:
        if isinstance(route, APIRoute):
            yield from ((method, route.path.replace("{id}", "x")) for method in route.methods)
    for path in GRADIO:
        yield from (("GET", path), ("POST", path))


def test_every_route_is_shut_without_a_sign_in(auth, anonymous):
    walked = set()
    for method, path in {*every_route(auth), ("GET", "/"), ("GET", "/nothing/here"), ("HEAD", "/")}:
        answer = anonymous.request(method, path)
        page = anonymous.request(method, path, headers=HTML)
        walked.add(path)
        if path in OPEN:
            assert "authentication_error" not in answer.text, path
        elif method in ("GET", "HEAD"):
            assert answer.status_code == 401, (method, path)
            assert page.status_code == 303, (method, path)
            assert str(page.next_request.url) == "http://localhost:8888/login", path
        else:
            assert (answer.status_code, page.status_code) == (401, 401), (method, path)
    assert walked >= {"/logout", "/api/keys", "/api/sessions/x", "/config", "/v1/models"}
    assert len(walked) > 35


def test_every_route_refuses_a_foreign_host_and_a_foreign_page(auth, signed_in):
    for method, path in every_route(auth):
        for host in ("evil.example", "localhost.evil.example", "", "evil.example:8888", "[::2]", "127.0.0.2:1"):
            assert signed_in.request(method, path, headers={"host": host}).status_code == 421, (path, host)
        if method not in ("GET", "HEAD"):
            for headers in (
                {"origin": "http://evil.example"},
                {"origin": "null"},
                {"origin": "http://localhost:3000"},
                {"origin": "http://localhost"},
                {"origin": "http://[broken"},
                {"sec-fetch-site": "cross-site"},
                {"sec-fetch-site": "same-site"},
                {"sec-fetch-site": "cross-site", "origin": "http://localhost:8888"},
                {"sec-fetch-site": "same-origin", "origin": "http://evil.example"},
            ):
                assert signed_in.request(method, path, headers=headers).status_code == 403, (path, headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://localhost:8888"},
        {"sec-fetch-site": "same-origin", "origin": "http://localhost:8888"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-origin", "origin": "https://chat.example"},  # a proxy that changes the host header
    ],
)
def test_our_own_page_may_write(signed_in, headers):
    assert signed_in.post("/gradio_api/queue/join", headers=headers).status_code == 200


def test_a_foreign_page_cannot_listen_to_an_answer(signed_in):
    foreign = {"sec-fetch-site": "same-site"}
    assert signed_in.get("/api/chats/1/events", headers=foreign).status_code == 403
    assert (
        signed_in.get("/x", headers={"accept": "text/event-stream", "origin": "http://evil.example"}).status_code == 403
    )
    assert signed_in.get("/api/chats/1/events").status_code == 200
    assert signed_in.get("/x", headers=foreign).status_code == 200


@pytest.mark.parametrize("path", CLOSED)
def test_dangerous_parts_of_gradio_are_shut_for_all(signed_in, auth, path):
    assert signed_in.get(BASE + path).status_code == 403
    assert signed_in.post(BASE + path).status_code == 403
    _, key = auth.create_key("root", ["admin"])
    assert client(auth).get(BASE + path, headers={"x-api-key": key}).status_code == 403


def test_every_answer_carries_the_safety_headers(anonymous, signed_in):
    for answer in (anonymous.get("/"), anonymous.get("/", headers=HTML), anonymous.get("/login"), signed_in.get("/")):
        assert answer.headers["content-security-policy"] == CSP
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert anonymous.get("/api/sessions").headers["cache-control"] == "no-store"
    assert signed_in.get("/api/sessions").headers["cache-control"] == "no-store"
    assert "default-src 'self'" in CSP
    assert "frame-ancestors 'none'" in CSP


def test_the_session_reaches_the_route(signed_in, auth):
    assert signed_in.get("/api/chats/1/events").text == auth.sessions()[0].id


def test_a_stale_or_stolen_cookie_opens_nothing(signed_in, auth, anonymous):
    auth.revoke(auth.sessions()[0].id)
    assert signed_in.get("/api/sessions").status_code == 401
    for cookie in ("m3_session=", "m3_session=x", "m3_session=" + "x" * 5000, "=;;;m3_session", "\xff"):
        assert anonymous.get("/api/sessions", headers={"cookie": cookie.encode("latin-1")}).status_code == 401


def test_with_https_only_the_guarded_cookie_counts(auth):
    secure, token = client(auth, base="https://chat.example"), auth.login(GOOD, "::1", "")
    assert secure.get("/x", headers={"cookie": f"m3_session={token}"}).status_code == 401
    assert secure.get("/x", headers={"cookie": f"__Host-m3_session={token}"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/x", "/a/b/c", "/a/"])
@pytest.mark.parametrize("root", ["", "/studio", "/deep/studio"])
def test_the_way_to_the_login_page_works_below_a_path(auth, root, path):
    answer = client(auth, root_path=root, base="http://localhost").get(root + path, headers=HTML)
    assert answer.status_code == 303
    assert str(answer.next_request.url) == f"http://localhost{root}/login"
    assert client(auth, root_path=root).get(root + "/healthz").text == "open"


def test_without_a_password_the_way_leads_to_the_first_one(opened):
    answer = client(Auth(opened)).get("/", headers=HTML)
    assert answer.headers["location"] == "./setup"


# --------------------------------------------------------------------------------------------------------- API keys


def test_a_key_in_any_header_form_opens_v1_and_no_more(auth, anonymous):
    _, key = auth.create_key("laptop")
    for headers in ({"authorization": f"Bearer {key}"}, {"authorization": f"bearer  {key} "}, {"x-api-key": key}):
        assert anonymous.get("/v1/models", headers=headers).text == "laptop"
        assert anonymous.post("/v1/chat/completions", headers=headers).status_code == 200
        for path in ("/api/sessions", "/", "/config", "/v1", "/v1x"):
            assert anonymous.get(path, headers=headers).status_code == 403, path
    _, admin = auth.create_key("root", ["chat", "admin"])
    assert anonymous.get("/api/sessions", headers={"x-api-key": admin}).status_code == 200


def test_a_wrong_key_is_refused_even_beside_a_good_cookie(signed_in, anonymous):
    for headers in ({"authorization": "Bearer m3-wrong"}, {"x-api-key": "sk-1"}, {"authorization": "Bearer x"}):
        assert anonymous.get("/v1/models", headers=headers).status_code == 401
        assert signed_in.get("/v1/models", headers=headers).status_code == 401
    assert anonymous.get("/v1/models", headers={"authorization": "Basic bTM6"}).status_code == 401
    answer = anonymous.get("/v1/models")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "API key" in answer.json()["error"]["message"]
    assert signed_in.get("/v1/models").status_code == 200


def test_a_program_with_a_key_may_send_any_origin(auth, anonymous):
    _, key = auth.create_key("app")
    headers = {"authorization": f"Bearer {key}", "origin": "app://notes"}
    assert anonymous.post("/v1/chat/completions", headers=headers).status_code == 200
    assert anonymous.post("/v1/chat/completions", headers={**headers, "host": "evil.example"}).status_code == 421


# ------------------------------------------------------------------------------------------------------- other scopes


def test_websockets_are_shut(signed_in):
    with pytest.raises(WebSocketDisconnect), signed_in.websocket_connect("/gradio_api/queue/join"):
        pass


class Broken:
    """An `Auth` whose database does not answer."""

    def known_session(self, token):
        return None

    def session(self, token):
        raise StoreError("The chat database did not answer.")


def test_a_database_that_fails_is_a_sentence_and_shuts_the_door():
    app = Gate(FastAPI(), Broken(), allowed_hosts={"localhost"})
    answer = TestClient(app, base_url="http://localhost").get("/x", headers={"cookie": "m3_session=x"})
    assert answer.status_code == 500
    assert answer.json()["error"]["message"] == "The chat database did not answer."


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost", "localhost"), ("LocalHost:80", "localhost"), ("[::1]:8888", "::1"), ("[::1]", "::1"), ("", ""),
        ("::1", "::1"), ("a.example.", "a.example"), ("a.example.:1", "a.example"), ("evil@localhost", "evil@localhost"),
    ],
)  # fmt: skip
def test_the_name_in_a_host_header(header, name):
    assert host_name(header) == name


def test_own_names():
    allowed = own_hosts("chat.example, Other.example:443")
    for name in ("localhost", "127.0.0.1", "127.8.8.8", "::1", "chat.example", "other.example"):
        assert allowed(name), name
    for name in ("", "evil.example", "8.8.8.8", "0.0.0.0", "localhost.evil.example", "x.chat.example"):
        assert not allowed(name), name


@pytest.mark.parametrize(("path", "way"), [("/", "./"), ("/x", "./"), ("/x/", "../"), ("/a/b/c", "../../")])
def test_the_way_up(path, way):
    assert up(path) == way


async def nothing(scope, receive, send):
    pass


def test_a_warm_look_costs_far_less_than_a_request(auth):
    token = auth.login(GOOD, "::1", "")
    door = Gate(nothing, auth, allowed_hosts={"localhost"})
    headers = [(b"host", b"localhost:1"), (b"cookie", f"m3_session={token}".encode())]

    def once():
        scope = {"type": "http", "method": "GET", "path": "/api/x", "headers": headers}
        with pytest.raises(StopIteration):  # it never had to wait for a thread
            door(scope, None, None).send(None)

    once()
    started = time.perf_counter()
    for _ in range(200):
        once()
    assert (time.perf_counter() - started) / 200 < 0.002
    assert gate.COOKIE == "m3_session"
