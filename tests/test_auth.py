from concurrent.futures import ThreadPoolExecutor

import pytest

from m3studio import store
from m3studio.auth import Auth, Hasher
from m3studio.errors import BadInput, Busy, NotAllowed, NotFound, StudioError, TooManyTries

QUICK = Hasher(memory_kib=64, passes=1, lanes=1)
GOOD = "correct horse"
DAY = 86400


class Clock:
    def __init__(self):
        self.now = 1_700_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def opened(tmp_path):
    opened = store.open(tmp_path / "chat.db")
    yield opened
    opened.close()


@pytest.fixture
def auth(opened, clock):
    return Auth(opened, clock=clock, hasher=QUICK)


@pytest.fixture
def ready(auth):
    auth.set_first_password(GOOD)
    return auth


def enter(auth, address="10.0.0.1"):
    return auth.login(GOOD, address, "Firefox")


# ------------------------------------------------------------------------------------------------------- passwords


def test_the_real_hash_is_argon2id_with_64_mib(opened):
    Auth(opened).set_first_password("pässwörd")
    assert opened.password.get().startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert Auth(opened).login("pa\u0308sswo\u0308rd", "::1", "")  # the same letters, as a Mac composes them


@pytest.mark.parametrize("password", ["", "seven77", "x" * 1025, "half \ud83d emoji"])
def test_a_bad_first_password_is_a_sentence_and_sets_nothing(auth, password):
    with pytest.raises(BadInput, match="password"):
        auth.set_first_password(password)
    assert not auth.has_password()


def test_only_one_of_fifty_racing_first_passwords_wins(auth):
    def race(number):
        try:
            auth.set_first_password(f"password {number}")
        except Busy:
            return None
        return number

    with ThreadPoolExecutor(50) as pool:
        winners = [number for number in pool.map(race, range(50)) if number is not None]
    assert len(winners) == 1
    assert auth.login(f"password {winners[0]}", "::1", "")


def test_an_unset_password_opens_nothing(auth):
    for guess in ("", "anything"):
        with pytest.raises(NotAllowed, match="No password is set"):
            auth.login(guess, "::1", "")


def test_a_wrong_or_endless_password_is_not_let_in(ready):
    for wrong in ("Correct horse", "", "x" * 5_000_000, "\ud83d", GOOD + "\0"):
        with pytest.raises(NotAllowed, match="wrong"):
            ready.login(wrong, f"10.0.0.{len(wrong) % 200}", "")


def test_a_damaged_hash_lets_nobody_in(ready, opened):
    opened.password.set("$argon2id$broken")
    with pytest.raises(NotAllowed):
        enter(ready)


def test_an_old_hash_is_renewed_at_sign_in(ready, opened, clock):
    stronger = Auth(opened, clock=clock, hasher=Hasher(memory_kib=128, passes=2, lanes=1))
    enter(stronger)
    assert "m=128,t=2" in opened.password.get()
    assert enter(stronger)


def test_changing_the_password_signs_the_others_out(ready):
    mine, other = enter(ready), enter(ready)
    keep = ready.session(mine).id
    with pytest.raises(NotAllowed, match="old password"):
        ready.change_password("wrong", "new password", keep=keep)
    with pytest.raises(BadInput):
        ready.change_password(GOOD, "short", keep=keep)
    assert ready.session(other)
    ready.change_password(GOOD, "new password", keep=keep)
    assert ready.session(mine)
    assert ready.session(other) is None
    assert ready.known_session(other) is None
    with pytest.raises(NotAllowed):
        enter(ready)
    ready.reset_password("third password")
    assert ready.session(mine) is None
    assert ready.login("third password", "::1", "")


# ------------------------------------------------------------------------------------------------------ setup token


def test_the_setup_token_is_good_for_half_an_hour(auth, clock):
    token = auth.setup_token()
    assert len(token) >= 22  # 128 bits
    clock.now += 29 * 60
    auth.check_setup_token(f" {token}\n")
    clock.now += 60
    with pytest.raises(NotAllowed, match="expired"):
        auth.check_setup_token(token)


def test_five_wrong_tries_void_the_setup_token(auth):
    token = auth.setup_token()
    for _ in range(5):
        with pytest.raises(NotAllowed, match="not right"):
            auth.check_setup_token("guess é \ud83d")
    with pytest.raises(NotAllowed, match="expired"):
        auth.check_setup_token(token)


def test_a_used_or_absent_setup_token_opens_nothing(auth):
    for absent in ("", "x"):
        with pytest.raises(NotAllowed):
            auth.check_setup_token(absent)
    token = auth.setup_token()
    auth.set_first_password(GOOD)
    with pytest.raises(NotAllowed):
        auth.check_setup_token(token)


# --------------------------------------------------------------------------------------------------------- throttle


def tries(auth, address, password="wrong"):
    """ "looked" if the password was looked at, else the seconds to wait."""
    try:
        auth.login(password, address, "")
    except TooManyTries as error:
        return error.retry_after
    except NotAllowed:
        return "looked"


def test_after_five_tries_the_waits_double_up_to_a_minute(ready, clock):
    assert [tries(ready, "10.0.0.1") for _ in range(6)] == ["looked"] * 5 + [1.0]
    waits = []
    for _ in range(9):
        wait = tries(ready, "10.0.0.1")
        waits.append(wait)
        clock.now += wait
        assert tries(ready, "10.0.0.1") == "looked"
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert tries(ready, "10.0.0.2") == "looked"
    clock.now += 3601
    assert tries(ready, "10.0.0.1") == "looked"


def test_ten_thousand_tries_in_ten_minutes_are_few_looks(ready, clock):
    looks = 0
    for _ in range(10_000):
        looks += tries(ready, "10.0.0.1") == "looked"
        clock.now += 0.06
    assert looks <= 5 + 6 + 10


def test_parallel_tries_count_as_well(ready):
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(lambda _: tries(ready, "10.0.0.1"), range(40))).count("looked") == 5


def test_a_network_of_ipv6_is_one_address(ready):
    assert [tries(ready, f"2001:db8:1:2::{number:x}") for number in range(6)].count("looked") == 5
    assert tries(ready, "2001:db8:1:3::1") == "looked"
    assert [tries(ready, f"::ffff:10.0.0.{number}") for number in (1, 2)] == ["looked", "looked"]


def test_the_right_password_ends_the_count(ready):
    for _ in range(3):
        for _ in range(4):
            assert tries(ready, "10.0.0.1") == "looked"
        assert enter(ready)


def test_many_addresses_meet_a_limit_that_spares_whoever_is_signed_in(ready):
    enter(ready, "192.168.1.7")
    results = [tries(ready, f"10.0.{number // 200}.{number % 200}") for number in range(60)]
    assert results.count("looked") == 50
    assert tries(ready, "10.9.9.9", GOOD) == 1.0
    assert enter(ready, "192.168.1.7")


# --------------------------------------------------------------------------------------------------------- sessions


def test_a_session_slides_for_thirty_days_and_ends_after_ninety(ready, clock):
    token = enter(ready)
    clock.now += 31 * DAY
    assert ready.session(token) is None
    token = enter(ready)
    for _ in range(4):
        clock.now += 20 * DAY
        assert ready.session(token)
    clock.now += 11 * DAY
    assert ready.session(token) is None
    assert ready.sessions() == []


def test_a_visit_is_noted_once_a_minute(ready, clock, opened):
    token = enter(ready)
    for seconds, noted in ((59, 0), (2, 61), (30, 61), (31, 122)):
        clock.now += seconds
        assert ready.session(token)
        assert opened.sessions.list(clock.now)[0].last_seen_at == 1_700_000_000.0 + noted


def test_memory_alone_knows_a_session_that_was_just_seen(ready, clock, opened):
    token = enter(ready)
    assert ready.known_session(token) == ready.session(token)
    clock.now += 61
    assert ready.known_session(token) is None
    assert ready.session(token)
    assert ready.known_session(token)
    again = Auth(opened, clock=clock, hasher=QUICK)
    assert again.known_session(token) is None
    assert again.session(token) == ready.session(token)


def test_signing_out_and_revoking(ready):
    mine, other = enter(ready), enter(ready, "10.0.0.2")
    assert {row.address for row in ready.sessions()} == {"10.0.0.1", "10.0.0.2"}
    ready.revoke(ready.session(other).id)
    assert ready.known_session(other) is None
    assert ready.session(other) is None
    ready.logout(mine)
    ready.logout(mine)
    assert ready.session(mine) is None
    with pytest.raises(NotFound):
        ready.revoke("nobody")
    for nonsense in ("", "x", "\ud83d", "0" * 10_000):
        assert ready.session(nonsense) is None


def test_a_token_is_kept_as_a_hash_only(ready, tmp_path, opened):
    token = enter(ready)
    _, key = ready.create_key("laptop")
    opened.close()
    data = (tmp_path / "chat.db").read_bytes()
    assert token.encode() not in data
    assert key.encode() not in data
    assert GOOD.encode() not in data


class Full:
    """Sessions on a disk that takes nothing more."""

    def __init__(self, sessions):
        self._sessions = sessions

    def __getattr__(self, name):
        return getattr(self._sessions, name)

    def touch(self, *values):
        raise StudioError("The disk is full.")


def test_a_full_disk_signs_nobody_out(ready, clock, opened):
    token = enter(ready)
    opened.sessions = Full(opened.sessions)
    clock.now += 3600
    assert ready.session(token)


# ------------------------------------------------------------------------------------------------------------- keys


def test_an_api_key_opens_until_it_is_revoked(ready, clock):
    row, text = ready.create_key(" laptop ", ("chat", "chat"))
    assert text.startswith("m3-")
    assert len(text) >= 46  # 256 bits
    assert (row.name, row.scopes, row.last_used_at) == ("laptop", ("chat",), None)
    assert ready.known_key(text) is None
    assert ready.key(text).id == row.id
    assert ready.known_key(text).last_used_at == clock.now
    assert [key.name for key in ready.api_keys()] == ["laptop"]
    ready.revoke_key(row.id)
    assert ready.known_key(text) is None
    assert ready.key(text) is None
    with pytest.raises(NotFound):
        ready.revoke_key(row.id)


@pytest.mark.parametrize(("name", "scopes"), [("", ("chat",)), ("x" * 101, ("chat",)), ("x", ()), ("x", ("root",))])
def test_a_bad_key_is_not_made(ready, name, scopes):
    with pytest.raises(BadInput):
        ready.create_key(name, scopes)


@pytest.mark.parametrize("text", ["", "m3-", "m3-wrong", "sk-x", "m3-\ud83d"])
def test_a_text_that_is_no_key_opens_nothing(ready, text):
    assert ready.key(text) is None
