"""Settings over HTTP, with a tiny MiniMax M3 on the real engine: sources, modes, presets, templates, and no reload."""

import itertools
import time

import psutil
import pytest

import tiny_m3
from running import App

LOOP = {
    "<mm:think>": [" hm", " so", "<mm:think>"],
    "</mm:think>": ["The", " answer", " is", " **42**.", tiny_m3.END],
    "\n": ["Hello", " there.", tiny_m3.END],
}
M3_PAGE = "https://huggingface.co/MiniMaxAI/MiniMax-M3"


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    folder = home / "models" / "unsloth" / "MiniMax-M3-GGUF"
    folder.mkdir(parents=True)
    tiny_m3.write(folder / "MiniMax-M3-UD-IQ1_M.gguf", LOOP)
    running = App(home).start().sign_in()
    running.load(folder / "MiniMax-M3-UD-IQ1_M.gguf")
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def clean(app):
    """Each test begins without settings of its own."""
    yield
    for scope in ("all", "model"):
        everything = dict.fromkeys(("system_prompt", "thinking", "thinking_budget", "max_tokens", "stop", *SAMPLING))
        assert app.client.patch(f"/api/settings/{scope}", json=everything).status_code == 200
    app.client.delete("/api/template")


SAMPLING = ("temperature", "top_k", "top_p", "min_p", "seed")


def answer(app, chat, text="What is 6 times 7?"):
    """The last message, and the events, of a new turn."""
    _, turn = app.ask(text, chat)
    events = list(app.events(turn))
    return app.messages(chat)[-1], events


def worker(app):
    """The process that holds the model."""
    children = psutil.Process(app.process.pid).children(recursive=True)
    return [child.pid for child in children if "m3studio.engines.llama.worker" in " ".join(child.cmdline())]


def test_every_value_has_its_source(app):
    found = app.get("/api/models/recommended")
    assert {name: found["sampling"][name]["value"] for name in ("temperature", "top_p", "top_k")} == {
        "temperature": 1.0,
        "top_p": 0.95,
        "top_k": 40,
    }
    assert found["sampling"]["temperature"]["source"] == M3_PAGE, "known by its repository, though it calls itself tiny"
    assert found["sampling"]["temperature"]["date"]
    assert found["system_prompt"]["value"].startswith("You are a helpful assistant. Your name is MiniMax-M3")
    assert found["thinking"] == {"kind": "switch", "modes": ["auto", "on", "off"], "usual": "auto"}
    assert app.get("/api/models")["engine"]["thinking"] == found["thinking"]
    assert found["template"] == {"tools": True, "fallback": False, "changed": False}


def test_settings_climb_from_all_to_the_model_to_the_chat(app):
    chat = app.post("/api/chats")["id"]
    used = f"/api/settings/used?chat={chat}"
    assert app.get(used)["fields"]["temperature"]["origin"] == "makers"
    for scope, value in (("all", 0.1), ("model", 0.2), ("chat", 0.3)):
        changed = app.client.patch(f"/api/settings/{scope}?chat={chat}", json={"temperature": value}).json()
        assert changed["fields"]["temperature"] == {"value": value, "origin": scope, "source": "", "date": ""}
    app.client.patch(f"/api/settings/chat?chat={chat}", json={"temperature": None})
    assert app.get(used)["fields"]["temperature"]["value"] == 0.2
    assert app.client.patch("/api/settings/model", json={"temperature": 99}).status_code == 400


def test_the_settings_of_a_new_model_are_there_within_50_ms(app):
    times = []
    for _ in range(30):
        begun = time.perf_counter()
        assert app.get("/api/settings/used")["fields"]["top_k"]["value"] == 40
        times.append(time.perf_counter() - begun)
    assert min(times) < 0.5, times  # measured: 0.004 on a quiet machine


def test_no_setting_of_an_answer_loads_the_model_anew(app):
    before = worker(app)
    assert len(before) == 1
    chat = app.post("/api/chats")["id"]
    for values in ({"temperature": 0.3, "top_k": 5, "seed": 1}, {"thinking": "off"}, {"max_tokens": 3, "stop": ["x"]}):
        assert app.client.patch("/api/settings/model", json=values).status_code == 200
        answer(app, chat)
    assert worker(app) == before


@pytest.mark.parametrize(
    ("settings", "content"),
    [
        ({"thinking": "off"}, "The answer is **42**."),
        ({"thinking": "auto"}, "Hello there."),
        ({"thinking": "on", "thinking_budget": 6}, "The answer is **42**."),
    ],
)
def test_the_chat_s_mode_and_budget_reach_the_model(app, settings, content):
    chat = app.post("/api/chats", {"settings": settings})["id"]
    message, _ = answer(app, chat)
    assert message["content"] == content
    assert bool(message["reasoning_content"]) == (settings["thinking"] == "on")


def test_answer_now_ends_the_thought_of_a_running_turn(app):
    chat = app.post("/api/chats", {"settings": {"thinking": "on"}})["id"]
    _, turn = app.ask("What is 6 times 7?", chat)
    events = app.events(turn)
    while next(events)[1] != "ReasoningDelta":
        pass
    app.post(f"/api/turns/{turn}/answer_now")
    assert list(events)[-1][1] == "TurnFinished"
    message = app.messages(chat)[-1]
    assert message["content"] == "The answer is **42**." and message["reasoning_content"].startswith("hm so")


def test_the_beginning_of_the_prompt_stays_the_same_from_turn_to_turn(app):
    chat = app.post("/api/chats", {"settings": {"thinking": "off", "system_prompt": "Be brief. " * 20}})["id"]
    took = []
    for question in ("What is 6 times 7?", "And now?", "And then?"):
        _, events = answer(app, chat, question)
        took.append(events[-1][2]["usage"])
    for first, second in itertools.pairwise(took):
        assert second["cached_tokens"] >= first["prompt_tokens"] - 1 > 200


def test_a_preset_is_applied_to_a_model_and_shared(app):
    app.client.patch("/api/settings/model", json={"temperature": 0.4, "system_prompt": "Talk like a pirate."})
    saved = app.post("/api/presets", {"name": "Pirate"})
    app.client.patch("/api/settings/model", json={"temperature": None, "system_prompt": None})
    app.post(f"/api/presets/{saved['id']}/apply", {"scope": "model"})
    fields = app.get("/api/settings/used")["fields"]
    assert (fields["temperature"]["value"], fields["system_prompt"]["value"]) == (0.4, "Talk like a pirate.")
    shared = app.client.get(f"/api/presets/{saved['id']}/export")
    assert "Pirate.json" in shared.headers["content-disposition"]
    twin = app.post("/api/presets/import", shared.json())
    assert twin["content"] == saved["content"] and twin["id"] != saved["id"]
    assert app.client.patch(f"/api/presets/{twin['id']}", json={"name": "Sailor"}).json()["name"] == "Sailor"
    for entry in (saved, twin):
        assert app.client.delete(f"/api/presets/{entry['id']}").status_code == 200
    assert app.get("/api/presets") == {"presets": []}


def test_a_changed_template_is_tried_kept_used_without_a_reload_and_reset(app):
    before = worker(app)
    own = app.get("/api/template")
    assert own["template"] == own["file"] and not own["changed"]
    changed = own["template"].replace("{{- ']~!b[' -}}", "{{- ']~!b[NEW' -}}")
    shown = app.post("/api/template/preview", {"template": changed})
    assert shown["text"].startswith("]~!b[NEW") and shown["tokens"] > 10 and not shown["problems"]
    wrong = app.post("/api/template/preview", {"template": "line one\n{% if %}\nline three"})
    assert wrong["problems"][0]["line"] == 2 and wrong["problems"][0]["message"]
    assert app.client.put("/api/template", json={"template": "{% if %}"}).status_code == 400
    assert app.client.put("/api/template", json={"template": changed}).json()["changed"]
    assert app.get("/api/models/recommended")["template"]["changed"]
    always = own["template"].replace("{%- if thinking_mode == 'enabled'", "{%- if false")
    app.client.put("/api/template", json={"template": always.replace("thinking_mode == 'disabled'", "true")})
    chat = app.post("/api/chats")["id"]
    assert answer(app, chat)[0]["content"] == "The answer is **42**.", "the changed template closes every thought"
    assert app.client.delete("/api/template").json()["changed"] is False
    assert answer(app, app.post("/api/chats")["id"])[0]["content"] == "Hello there."
    assert worker(app) == before
