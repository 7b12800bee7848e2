"""The whole app as a process, with the real starter model: first run, turns that survive, crashes, offline."""

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from running import App

pytestmark = pytest.mark.model
SOON = 3.0  # seconds: on a busy machine; tests/bench/stop.py measures it
STORY = "Write a very long story about a dragon and a small robot who travel through every country of the world."
LONG = {"max_tokens": 1500, "sampling": {"temperature": 0.9, "seed": 3}}


@pytest.fixture(scope="module")
def app(tmp_path_factory, starter):
    running = App(tmp_path_factory.mktemp("running")).start().sign_in()
    running.load(starter)
    yield running
    running.stop()


def worker(app):
    """The process of the loaded model."""
    workers = [p for p in psutil.Process(app.process.pid).children() if "engines.llama.worker" in " ".join(p.cmdline())]
    assert len(workers) == 1
    return workers[0]


def said(app, chat):
    return app.messages(chat)[-1]["content"]


def test_an_answer_streams_and_is_kept(app):
    chat, turn = app.ask("Say hello.", max_tokens=20, sampling={"temperature": 0})
    events = list(app.events(turn))
    assert next(kind for _, kind, _ in events) == "MessageStarted"
    assert events[-1][1] == "TurnFinished"
    text = "".join(data["text"] for _, kind, data in events if kind == "TextDelta")
    assert text.strip() and text == said(app, chat)
    usage = events[-1][2]["usage"]
    assert usage["prompt_tokens"] > 5 and 0 < usage["completion_tokens"] <= 20
    assert [number for number, _, _ in events] == sorted({number for number, _, _ in events})


def test_the_second_question_of_a_chat_does_not_compute_the_first_again(app):
    chat, turn = app.ask("Tell me about the sea. " * 20, max_tokens=8)
    first = list(app.events(turn))[-1][2]["usage"]
    app.wait(lambda: app.get(f"/api/chats/{chat}")["turn_id"] is None)
    _, turn = app.ask("And the sky?", chat)
    second = list(app.events(turn))[-1][2]["usage"]
    assert second["cached_tokens"] >= first["prompt_tokens"]


def test_followers_from_any_event_see_the_same_text(app):
    chat, turn = app.ask(STORY, max_tokens=60)
    with ThreadPoolExecutor(3) as pool:
        whole, *parts = pool.map(lambda after: list(app.events(turn, after)), [0, 5, 40])
    text = "".join(data["text"] for _, kind, data in whole if kind == "TextDelta")
    for part in parts:
        tail = "".join(data["text"] for _, kind, data in part if kind == "TextDelta")
        assert tail and text.endswith(tail)
    assert text == said(app, chat)


def test_stop_stops_at_once_and_keeps_the_text(app):
    chat, turn = app.ask(STORY, **LONG)
    app.wait(lambda: said(app, chat))
    began = time.monotonic()
    app.post(f"/api/turns/{turn}/stop")
    app.wait(lambda: app.get(f"/api/chats/{chat}")["turn_id"] is None)
    assert time.monotonic() - began < SOON
    assert app.messages(chat)[-1]["state"] == "stopped" and said(app, chat)


def test_stop_stops_at_once_during_a_long_prefill(app):
    _chat, turn = app.ask("word " * 3300, max_tokens=5)
    events = app.events(turn)
    for _, kind, _ in events:
        if kind in ("PromptProgress", "TextDelta"):
            assert kind == "PromptProgress"
            break
    began = time.monotonic()
    app.post(f"/api/turns/{turn}/stop")
    *_, last = events
    assert time.monotonic() - began < SOON
    assert last[1] == "TurnFinished" and last[2]["finish_reason"] == "cancelled"


def test_text_is_in_the_store_a_quarter_of_a_second_after_it_was_generated(app):
    chat, turn = app.ask(STORY, **LONG)
    text = ""
    for _, kind, data in app.events(turn):
        text += data["text"] if kind == "TextDelta" else ""
        if len(text) > 300:
            break
    time.sleep(0.25)
    assert said(app, chat).startswith(text)
    app.post(f"/api/turns/{turn}/stop")
    app.wait(lambda: app.get(f"/api/chats/{chat}")["turn_id"] is None)


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGABRT])
def test_a_dead_worker_costs_one_message_and_the_next_starts_it_again(app, way):
    chat, turn = app.ask(STORY, **LONG)
    app.wait(lambda: said(app, chat))
    worker(app).send_signal(way)
    *_, (_, kind, data) = app.events(turn)
    assert kind == "TurnFailed" and data["message"].endswith(".")
    last = app.messages(chat)[-1]
    assert last["state"] == "error" and last["content"] and last["error"] == data["message"]
    _, turn = app.ask("Are you there?", max_tokens=5)
    *_, (_, kind, _) = app.events(turn)
    assert kind == "TurnFinished"


def test_a_chat_is_one_turn_at_a_time_and_others_go_on(app):
    chat, turn = app.ask(STORY, max_tokens=60)
    refused = app.client.post(f"/api/chats/{chat}/turns", json={"text": "and?"})
    assert refused.status_code == 409 and "still being answered" in refused.json()["error"]["message"]
    _, other = app.ask("Say hello.", max_tokens=5)
    assert list(app.events(other))[-1][1] == "TurnFinished"
    assert list(app.events(turn))[-1][1] == "TurnFinished"


def test_regenerate_edit_continue_and_switch(app):
    chat, turn = app.ask("Name a colour.", max_tokens=6, sampling={"temperature": 1.5, "seed": 1})
    list(app.events(turn))
    question, answer = app.messages(chat)
    begin = f"/api/chats/{chat}/turns"
    app.wait(lambda: app.get(f"/api/chats/{chat}")["turn_id"] is None)
    list(app.events(app.post(begin, {"regenerate": answer["id"]})["turn_id"]))
    again = app.messages(chat)[-1]
    assert again["siblings"] == [answer["id"], again["id"]]
    app.wait(lambda: app.get(f"/api/chats/{chat}")["turn_id"] is None)
    list(app.events(app.post(begin, {"continue": again["id"]})["turn_id"]))
    longer = app.messages(chat)[-1]
    assert longer["id"] == again["id"] and longer["content"].startswith(again["content"].rstrip())
    assert len(longer["content"]) > len(again["content"])
    app.wait(lambda: app.get(f"/api/chats/{chat}")["turn_id"] is None)
    list(app.events(app.post(begin, {"text": "Name a city.", "parent_id": None})["turn_id"]))
    assert app.messages(chat)[0]["siblings"] == [question["id"], app.messages(chat)[0]["id"]]
    changed = app.client.patch(f"/api/chats/{chat}", json={"head_id": question["id"]}).json()
    assert [message["id"] for message in changed["messages"]] == [question["id"], longer["id"]]


def test_the_end_of_a_chat_can_be_read_alone(app):
    chat, turn = app.ask("One.", max_tokens=3)
    list(app.events(turn))
    app.wait(lambda: app.get(f"/api/chats/{chat}")["turn_id"] is None)
    list(app.events(app.ask("Two.", chat)[1]))
    whole = app.get(f"/api/chats/{chat}")
    ids = [message["id"] for message in whole["messages"]]
    end = app.get(f"/api/chats/{chat}?since={ids[2]}")
    assert (whole["since"], end["since"]) == (None, ids[2])
    assert [message["id"] for message in end["messages"]] == ids[2:]
    assert app.get(f"/api/chats/{chat}?since=999999")["messages"] == whole["messages"]


def test_an_answer_keeps_the_response_format(app):
    schema = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12}}, "required": ["name"]}
    settings = {"max_tokens": 60, "sampling": {"temperature": 0}}
    for form in ("json", json.dumps(schema)):
        chat, turn = app.ask("Who are you?", **settings, response_format=form)
        list(app.events(turn))
        answer = app.messages(chat)[-1]
        if form != "json" or answer["stats"]["finish_reason"] == "stop":
            assert isinstance(json.loads(answer["content"]), dict)
        assert answer["content"].lstrip().startswith("{")
    for form in ("{", "[]", "no"):
        assert app.client.post("/api/chats", json={"settings": {"response_format": form}}).status_code == 400


def test_a_deleted_chat_comes_back(app):
    chat = app.post("/api/chats", {"title": "Keep me"})["id"]
    assert app.client.delete(f"/api/chats/{chat}").status_code == 200
    assert chat not in [line["id"] for line in app.get("/api/chats")["chats"]]
    app.post(f"/api/chats/{chat}/restore")
    assert [line["title"] for line in app.get("/api/chats?q=keep")["chats"]] == ["Keep me"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "exactly one of"),
        ({"text": "a", "regenerate": 1}, "exactly one of"),
        ({"text": ""}, "empty"),
        ({"text": 5}, "must be text"),
        ({"regenerate": "x"}, "whole number"),
        ({"regenerate": 99999999}, ""),
    ],
)
def test_bad_input_gets_a_sentence(app, body, sentence):
    chat = app.post("/api/chats")["id"]
    answer = app.client.post(f"/api/chats/{chat}/turns", json=body)
    assert 400 <= answer.status_code < 500
    assert sentence in answer.json()["error"]["message"]
    assert app.client.post("/api/chats/nothing/turns", json={"text": "x"}).status_code == 404
    assert app.client.patch(f"/api/chats/{chat}", json={"settings": {"sampling": {"top_p": 7}}}).status_code == 400


def test_bad_model_files_get_a_sentence_and_the_loaded_model_stays(app, tmp_path, starter):
    text = tmp_path / "notes.gguf"
    text.write_text("not a model")
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(starter.read_bytes()[: 5 * 2**20])
    strange = tmp_path / "strange.gguf"
    strange.write_bytes(
        starter.read_bytes()[: 6 * 2**20].replace(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0lamma")
    )
    for path in (text, cut, strange, tmp_path / "nothing.gguf"):
        answer = app.client.post("/api/models/load", json={"ref": str(path)})
        if answer.status_code == 200:  # found out while loading
            failed = app.wait(lambda: (e := app.get("/api/models")["engine"])["state"] == "failed" and e)
            assert failed["error"].endswith(".")
        else:
            assert answer.json()["error"]["message"].endswith(".")
    app.load(starter)


def test_a_power_cut_leaves_the_partial_answer_marked_and_continuable(app):
    chat, _ = app.ask(STORY, **LONG)
    app.wait(lambda: len(said(app, chat)) > 200)
    before = said(app, chat)
    orphan = worker(app)
    app.kill()
    orphan.wait(5)  # the model's process ends with the server
    app.start().sign_in()
    last = app.messages(chat)[-1]
    assert last["state"] == "interrupted" and last["content"].startswith(before)
    app.client.patch(f"/api/chats/{chat}", json={"settings": {"max_tokens": 8}})
    turn = app.post(f"/api/chats/{chat}/turns", {"continue": last["id"]})["turn_id"]  # loads the last model by itself
    assert list(app.events(turn))[-1][1] == "TurnFinished"
    assert app.messages(chat)[-1]["content"].startswith(last["content"].rstrip())
    assert app.messages(chat)[-1]["state"] == "done"


def test_it_ends_cleanly_in_the_middle_of_an_answer(app):
    chat, _ = app.ask(STORY, **LONG)
    app.wait(lambda: said(app, chat))
    model = worker(app)
    assert app.stop() in (0, -signal.SIGTERM)
    model.wait(5)
    app.start().sign_in()
    assert app.messages(chat)[-1]["state"] == "interrupted"


def test_no_outside_host_is_looked_up(tmp_path, starter):
    watched = tmp_path / "sockets.txt"
    app = App(tmp_path / "home", "--model", str(starter), watched=watched).start().sign_in()
    try:
        app.wait(lambda: app.get("/api/models")["engine"]["state"] == "ready")
        _, turn = app.ask("Say hello.", max_tokens=10)
        assert list(app.events(turn))[-1][1] == "TurnFinished"
        app.wait(lambda: "gradio" in app.client.get("/", headers={"accept": "text/html"}).text.lower())
    finally:
        app.stop()
    lines = watched.read_text().splitlines() if watched.exists() else []
    outside = [
        line for line in lines if not any(own in line for own in ("127.0.0.1", "localhost", "::1", "None", os.sep))
    ]
    assert outside == []
