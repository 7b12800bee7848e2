import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from m3studio import routes, store
from m3studio.auth import Auth, Hasher
from m3studio.errors import NetworkError
from m3studio.gate import Gate
from m3studio.routes import login, sessions

GOOD = "correct horse"
HERE, THERE = ("127.0.0.1", 50000), ("192.168.1.9", 50000)
HTML = {"accept": "text/html"}


@pytest.fixture
def opened(tmp_path):
    opened = store.open(tmp_path / "chat.db")
    yield opened
    opened.close()


@pytest.fixture
def auth(opened):
    return Auth(opened, hasher=Hasher(memory_kib=64, passes=1, lanes=1))


@pytest.fixture
def app(auth):
    app = FastAPI()
    routes.install_error_handler(app)
    for module in (login, sessions):
        app.include_router(module.router(SimpleNamespace(auth=auth)))

    @app.get("/api/boom")
    def boom():
        raise NetworkError("The host did not answer.", details="timeout")

    return Gate(app, auth, allowed_hosts={"localhost", "127.0.0.1", "studio.local"})


def browser(app, client=HERE, base="http://localhost:8888", **more):
    return TestClient(app, client=client, base_url=base, follow_redirects=False, **more)


@pytest.fixture
def here(app):
    return browser(app)


@pytest.fixture
def signed_in(here, auth):
    auth.set_first_password(GOOD)
    assert here.post("/login", json={"password": GOOD}).status_code == 200
    return here


# ----------------------------------------------------------------------------------------------------- first password


def test_a_browser_on_this_machine_sets_the_first_password_without_a_token(here, auth):
    assert here.get("/login").headers["location"] == "setup"
    page = here.get("/setup")
    assert page.status_code == 200
    assert 'data-flags=""' in page.text
    answer = here.post("/setup", data={"password": GOOD}, headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "./")
    assert here.get("/api/sessions").json()["sessions"][0]["current"] is True
    assert here.get("/setup").headers["location"] == "login"
    assert auth.has_password()


@pytest.mark.parametrize(
    ("client", "headers"),
    [
        (THERE, {}),
        (HERE, {"x-forwarded-for": "192.168.1.9"}),
        (HERE, {"forwarded": "for=192.168.1.9"}),
        (HERE, {"x-real-ip": "192.168.1.9"}),
        (HERE, {"host": "studio.local:8888"}),
        (("", 0), {}),
    ],
)
def test_any_other_needs_the_token_of_the_terminal(app, auth, client, headers):
    there, token = browser(app, client), auth.setup_token()
    assert 'data-flags="token"' in there.get("/setup", headers=headers).text
    refused = there.post("/setup", json={"password": GOOD}, headers=headers)
    assert refused.status_code == 403
    assert "terminal" in refused.json()["error"]["message"]
    assert there.post("/setup", json={"password": GOOD, "token": "x"}, headers=headers).status_code == 403
    assert not auth.has_password()
    assert there.post("/setup", json={"password": "short", "token": token}, headers=headers).status_code == 400
    assert there.post("/setup", json={"password": GOOD, "token": token}, headers=headers).json() == {"ok": True}


def test_a_page_that_only_pretends_to_be_here_cannot_set_it(here, auth):
    for headers, status in (({"host": "evil.example"}, 421), ({"origin": "http://evil.example"}, 403)):
        assert here.post("/setup", json={"password": GOOD}, headers=headers).status_code == status
    assert not auth.has_password()


def test_of_fifty_racing_clients_exactly_one_wins(app, auth):
    token = auth.setup_token()

    def race(number):
        there = browser(app, (f"10.0.0.{number}", 1))
        answer = there.post("/setup", json={"password": f"password {number}", "token": token})
        return number, answer.status_code

    with ThreadPoolExecutor(50) as pool:
        results = list(pool.map(race, range(50)))
    winners = [number for number, status in results if status == 200]
    assert len(winners) == 1
    assert {status for number, status in results if number not in winners} <= {403, 409}
    assert auth.login(f"password {winners[0]}", "::1", "")
    late = browser(app, THERE).post("/setup", json={"password": GOOD, "token": token})
    assert (late.status_code, "Sign in with it" in late.json()["error"]["message"]) == (409, True)


# ------------------------------------------------------------------------------------------------------------ sign-in


def test_a_form_leads_into_the_app_and_a_wrong_password_back(here, auth):
    auth.set_first_password(GOOD)
    wrong = here.post("/login", data={"password": "<wrong>"}, headers=HTML)
    assert wrong.status_code == 401
    assert "This password is wrong." in wrong.text
    assert "set-cookie" not in wrong.headers
    right = here.post("/login", data={"password": GOOD}, headers=HTML)
    assert (right.status_code, right.headers["location"]) == (303, "./")
    assert here.get("/login").headers["location"] == "./"


def test_json_in_json_out(here, auth):
    assert here.post("/login", json={"password": "x"}).status_code == 401
    auth.set_first_password(GOOD)
    wrong = here.post("/login", json={"password": "wrong"})
    assert wrong.status_code == 401
    assert wrong.json() == {"error": {"message": "This password is wrong.", "type": "NotAllowed"}}
    assert here.post("/login", json={"password": GOOD}).json() == {"ok": True}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "application/json"), (b"\xff", "application/json"), (b"[" * 15_000, "application/json"),
        (b'{"password": 7}', "application/json"), (b"password=" + b"x" * 20_000, "application/x-www-form-urlencoded"),
        (b"password=\xff", "application/x-www-form-urlencoded"), (b"&".join([b"a=1"] * 50), "text/plain"),
    ],
)  # fmt: skip
def test_a_body_that_makes_no_sense_is_a_sentence(here, auth, body, kind):
    auth.set_first_password(GOOD)
    answer = here.post("/login", content=body, headers={"content-type": kind})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].endswith(".")


@pytest.mark.parametrize("body", [b"[]", b"null", b"{}", b'"x"'])
def test_a_body_without_a_password_is_a_wrong_one(here, auth, body):
    auth.set_first_password(GOOD)
    assert here.post("/login", content=body, headers={"content-type": "application/json"}).status_code == 401


def test_a_throttled_client_is_told_for_how_long(here, auth):
    auth.set_first_password(GOOD)
    for _ in range(5):
        here.post("/login", json={"password": "wrong"})
    answer = here.post("/login", json={"password": GOOD})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert "Wait" in answer.json()["error"]["message"]
    page = here.post("/login", data={"password": GOOD}, headers=HTML)
    assert page.status_code == 429
    assert 'data-wait="1"' in page.text


def cookie_of(answer):
    name_value, *flags = answer.headers["set-cookie"].split("; ")
    return name_value.split("=")[0], {flag.lower() for flag in flags}


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(app, auth):
    auth.set_first_password(GOOD)
    name, flags = cookie_of(browser(app).post("/login", json={"password": GOOD}))
    assert name == "m3_session"
    assert flags >= {"httponly", "samesite=strict", "path=/", "max-age=7776000"}
    assert "secure" not in flags
    name, flags = cookie_of(browser(app, base="https://studio.local").post("/login", json={"password": GOOD}))
    assert name == "__Host-m3_session"
    assert flags >= {"httponly", "samesite=strict", "path=/", "secure"}
    assert not any(flag.startswith("domain") for flag in flags)


def test_below_a_path_the_cookie_and_the_redirects_stay_below_it(app, auth):
    auth.set_first_password(GOOD)
    below = browser(app, root_path="/studio")
    assert below.get("/studio/", headers=HTML).headers["location"] == "./login"
    answer = below.post("/studio/login", data={"password": GOOD}, headers=HTML)
    assert str(answer.next_request.url) == "http://localhost:8888/studio/"
    assert "path=/studio" in cookie_of(answer)[1]
    assert below.get("/studio/api/sessions").status_code == 200


def test_a_new_sign_in_replaces_the_old_one(signed_in, auth):
    before = signed_in.cookies["m3_session"]
    signed_in.post("/login", json={"password": GOOD})
    assert signed_in.cookies["m3_session"] != before
    assert auth.session(before) is None
    assert len(auth.sessions()) == 1


def test_signing_out_ends_the_session_and_clears_the_cookie(signed_in, auth):
    answer = signed_in.post("/logout", headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "login")
    assert "max-age=0" in cookie_of(answer)[1]
    assert auth.sessions() == []
    assert signed_in.post("/logout", json={}).status_code == 401


def test_a_link_on_another_site_asks_once_more(here, auth):
    auth.set_first_password(GOOD)
    assert 'data-flags="again"' in here.get("/login", headers={"sec-fetch-site": "cross-site"}).text
    assert 'data-flags=""' in here.get("/login", headers={"sec-fetch-site": "same-origin"}).text


def test_the_pages_bring_everything_themselves_and_are_not_kept(here, auth):
    for name in ("setup", "login"):
        page = here.get(f"/{name}")
        assert page.headers["cache-control"] == "no-store"
        for mark in ("/*style*/", "/*script*/", "<!--error-->", "//", "src="):
            text = page.text.replace("http://www.w3.org/2000/svg", "").replace("http:%2F%2F", "")
            without_comments = "\n".join(line for line in text.splitlines() if not line.strip().startswith("//"))
            found = [line for line in without_comments.splitlines() if mark in line and "; //" not in line]
            assert not found, (name, mark, found)
        assert 'data-testid="login-submit"' in page.text
        assert f'data-testid="{name}-password"' in page.text
        if name == "setup":
            auth.set_first_password(GOOD)


def test_an_error_cannot_bring_markup_into_the_page(here, auth):
    page = login._shown("<p><!--error--></p>", NetworkError("<script>alert(1)</script>"), 400)
    assert page.body == b"<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"


# ----------------------------------------------------------------------------------- devices, keys, changing the password


def test_devices_are_listed_and_revoked(signed_in, app, auth):
    other = browser(app, THERE, headers={"user-agent": "Phone"})
    other.post("/login", json={"password": GOOD})
    listed = {row["user_agent"]: row for row in signed_in.get("/api/sessions").json()["sessions"]}
    assert (listed["Phone"]["current"], listed["Phone"]["address"]) == (False, "192.168.1.9")
    assert listed["testclient"]["current"] is True
    assert not any("token" in name or "hash" in name for row in listed.values() for name in row)
    assert signed_in.delete(f"/api/sessions/{listed['Phone']['id']}").json() == {"ok": True}
    assert other.get("/api/sessions").status_code == 401
    assert signed_in.delete("/api/sessions/nobody").status_code == 404


def test_keys_are_made_listed_and_revoked(signed_in, app):
    made = signed_in.post("/api/keys", json={"name": "laptop"}).json()
    assert made["key"].startswith("m3-")
    assert made["scopes"] == ["chat"]
    (listed,) = signed_in.get("/api/keys").json()["keys"]
    assert listed["name"] == "laptop"
    assert "key" not in listed
    assert signed_in.delete(f"/api/keys/{made['id']}").json() == {"ok": True}
    assert signed_in.get("/api/keys").json() == {"keys": []}
    assert signed_in.post("/api/keys", json={"name": ""}).status_code == 400
    assert signed_in.post("/api/keys", json={"name": "x", "scopes": ["root"]}).status_code == 400


def test_the_password_is_changed_and_the_others_are_out(signed_in, app):
    other = browser(app, THERE)
    other.post("/login", json={"password": GOOD})
    wrong = signed_in.post("/api/password", json={"old": "x", "new": "new password"})
    assert (wrong.status_code, wrong.json()["error"]["message"]) == (403, "The old password is wrong.")
    assert signed_in.post("/api/password", json={"old": GOOD, "new": "new password"}).json() == {"ok": True}
    assert signed_in.get("/api/sessions").status_code == 200
    assert other.get("/api/sessions").status_code == 401
    assert other.post("/login", json={"password": "new password"}).status_code == 200


# ------------------------------------------------------------------------------------------------------------- errors


def test_every_error_is_the_same_kind_of_json(signed_in):
    answer = signed_in.get("/api/boom")
    assert answer.status_code == 502
    assert answer.json()["error"] == {
        "message": "The host did not answer.",
        "type": "NetworkError",
        "details": "timeout",
    }
    answer = signed_in.post("/api/keys", json={"nome": "x"})
    assert answer.status_code == 400
    assert "name" in answer.json()["error"]["message"]
    answer = signed_in.get("/api/nothing")
    assert (answer.status_code, answer.json()["error"]["message"]) == (404, "Not Found.")


def test_slow_hashing_does_not_hold_up_the_others(app, opened):
    slow = Auth(opened, hasher=Hasher(memory_kib=64 * 1024, passes=6, lanes=1))
    slow.set_first_password(GOOD)
    inner = FastAPI()
    inner.include_router(login.router(SimpleNamespace(auth=slow)))
    order = []

    async def post(client):
        await client.post("/login", json={"password": GOOD})
        order.append("slow")

    async def get(client):
        await asyncio.sleep(0.01)
        await client.get("/login")
        order.append("quick")

    async def both():
        transport = httpx.ASGITransport(Gate(inner, slow, allowed_hosts={"localhost"}))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await asyncio.gather(post(client), get(client))

    asyncio.run(both())
    assert order == ["quick", "slow"]
