"""The tool loop in the real app with a tiny MiniMax M3 that follows a script: call, result, answer, store, prompt."""

import json

import pytest

import tiny_m3
from running import App

NS = tiny_m3.SPACE


def script(name, parameter, value):
    """It thinks, calls the tool, and answers when the result has come."""
    return {
        "<mm:think>": [
            *("I need", " to", " compute.", "</mm:think>Let me see."),
            *(f"{NS}<tool_call>\n", f'{NS}<invoke name="{name}">', f"{NS}<{parameter}>", value, f"{NS}</{parameter}>"),
            *(f"{NS}</invoke>\n", f"{NS}</tool_call>", tiny_m3.END),
        ],
        "</mm:think>": ["The", " answer", " is", " **42**.", tiny_m3.END],
        "\n": ["Hello", " there.", tiny_m3.END],
    }


# It thinks first, again after an error of its call, and answers once a result has come.
AGAIN = "messages[-1].role == 'user' or 'There is no tool' in messages[-1].content"
TEMPLATE = tiny_m3.TEMPLATE.replace("thinking_mode == 'enabled'", AGAIN).replace(
    "thinking_mode == 'disabled'", "messages[-1].role == 'tool'"
)


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    running = App(tmp_path_factory.mktemp("tools")).start().sign_in()
    yield running
    running.stop()


def load(app, name, *call):
    path = app.home / f"{name}.gguf"
    tiny_m3.write(path, script(*call), template=TEMPLATE)
    app.load(path)


def told(app, **settings):
    chat, turn = app.ask("What is six times seven?", **settings)
    events = [(kind, data) for _, kind, data in app.events(turn)]
    app.wait(lambda: app.get(f"/api/chats/{chat}")["turn_id"] is None)
    return chat, events


def datas(events, kind):
    return [data for name, data in events if name == kind]


def test_a_call_runs_its_result_goes_back_and_all_of_it_is_kept(app):
    load(app, "good", "calculator", "expression", "6*7")
    chat, events = told(app)
    assert [data["call"]["name"] for data in datas(events, "ToolStarted")] == ["calculator"]
    assert datas(events, "ToolFinished")[0]["result"] == "42"
    question, called, result, answer = app.messages(chat)
    assert (question["role"], called["content"], called["reasoning_content"]) == (
        "user",
        "Let me see.",
        "I need to compute.",
    )
    (call,) = called["tool_calls"]
    assert (call["name"], json.loads(call["arguments"]), call["repaired"]) == ("calculator", {"expression": "6*7"}, "")
    assert (result["role"], result["content"], result["tool_call_id"]) == ("tool", "42", call["id"])
    assert answer["content"] == "The answer is **42**." and answer["state"] == "done"


def test_a_name_in_the_wrong_case_is_mended_and_says_so(app):
    load(app, "case", "Calculator", "expression", "6*7")
    chat, events = told(app)
    assert datas(events, "ToolFinished")[0]["result"] == "42"
    assert "Calculator" in app.messages(chat)[1]["tool_calls"][0]["repaired"]


def test_a_call_of_no_tool_is_asked_for_again_and_then_fits(app):
    """The script names a tool that is not there. The second time the grammar leaves it only the right name."""
    load(app, "wrong", "launch_rocket", "timezone", "UTC")
    chat, events = told(
        app, sampling={"temperature": 1.0, "seed": 5}, tools={"enabled": ["current_time"]}, max_tokens=400
    )
    started, finished = datas(events, "ToolStarted"), datas(events, "ToolFinished")
    assert [data["call"]["name"] for data in started] == ["launch_rocket", "current_time"]
    assert finished[0]["error"] and "There is no tool “launch_rocket”" in finished[0]["result"]
    assert finished[1]["error"] is False and "UTC" in finished[1]["result"]
    assert datas(events, "TurnFinished")[0]["finish_reason"] == "stop"
    assert app.messages(chat)[-1]["content"] == "The answer is **42**."


def test_tools_that_were_switched_off_are_not_offered(app):
    load(app, "good", "calculator", "expression", "6*7")
    _, events = told(app, tools={"enabled": []})
    assert all(data["error"] for data in datas(events, "ToolFinished"))


def test_the_list_of_tools(app):
    listed = {tool["name"]: tool for tool in app.get("/api/tools")["tools"]}
    assert {"calculator", "current_time"} <= listed.keys()
    assert listed["calculator"]["permission"] == "safe" and listed["calculator"]["default"] is True


def test_an_answer_for_a_call_that_does_not_wait_is_refused(app):
    _, turn = app.ask("What is six times seven?")
    list(app.events(turn))
    answer = app.client.post(f"/api/turns/{turn}/approve", json={"call_id": "no", "answer": "once"})
    assert answer.status_code == 404 and "does not wait" in answer.json()["error"]["message"]
    assert app.client.post(f"/api/turns/{turn}/approve", json={"call_id": "no", "answer": "maybe"}).status_code == 400
