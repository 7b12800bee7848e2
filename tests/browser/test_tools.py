"""Tools on the page: a call that the model really makes, the question before it, the card, the choice per chat.

The model is a tiny MiniMax M3 that follows a script, in the real app with its real engine.
"""

import pytest
from playwright.sync_api import expect

import tiny_m3
from browser.conftest import DEADLINE
from browser.steps import answers, chat_id, send, wait_for_answer
from running import PASSWORD, App

NS = tiny_m3.SPACE
SCRIPT = {
    "<mm:think>": [
        *("I need", " to", " compute.", "</mm:think>Let me see."),
        *(f"{NS}<tool_call>\n", f'{NS}<invoke name="calculator">', f"{NS}<expression>", "6*7", f"{NS}</expression>"),
        *(f"{NS}</invoke>\n", f"{NS}</tool_call>", tiny_m3.END),
    ],
    "</mm:think>": ["The", " answer", " is", " **42**.", tiny_m3.END],
    "\n": ["Hello", " there.", tiny_m3.END],
}
# It thinks when it is asked, and answers at once when a result has come.
TEMPLATE = tiny_m3.TEMPLATE.replace("thinking_mode == 'enabled'", "messages[-1].role == 'user'").replace(
    "thinking_mode == 'disabled'", "messages[-1].role == 'tool'"
)


@pytest.fixture(scope="module")
def studio(tmp_path_factory, chromium):
    home = tmp_path_factory.mktemp("tools")
    (home / "models").mkdir()
    tiny_m3.write(home / "models" / "tiny-m3.gguf", SCRIPT, template=TEMPLATE)
    app = App(home).start().sign_in()
    app.load(home / "models" / "tiny-m3.gguf")
    yield app
    assert app.stop() == 0


@pytest.fixture(scope="module")
def cookies(studio, chromium):
    context = chromium.new_context()
    page = context.new_page()
    page.goto(studio.url)
    page.get_by_test_id("login-password").fill(PASSWORD)
    page.get_by_test_id("login-submit").click()
    page.wait_for_selector("[data-testid=composer]", timeout=DEADLINE * 1000)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def page(studio, chromium, cookies):
    context = chromium.new_context(storage_state=cookies, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(30_000)
    errors = []
    context.on("console", lambda message: message.type == "error" and errors.append(message.text))
    context.on("weberror", lambda error: errors.append(str(error.error)))
    page = context.new_page()
    page.goto(studio.url)
    page.wait_for_selector("[data-testid=composer]")
    expect(page.get_by_test_id("tools")).to_contain_text("Tools ·")
    yield page
    context.close()
    assert not errors


def card(page):
    return page.get_by_test_id("tool-call")


def ask_first(page):
    """Choose that the calculator asks, in the list of tools."""
    page.get_by_test_id("tools").click()
    page.get_by_test_id("toolbox").locator("input[name=ask-calculator]").check()
    page.keyboard.press("Escape")


def test_a_call_runs_and_its_card_says_what_was_asked_and_what_came_out(page):
    send(page, "What is six times seven?")
    wait_for_answer(page, 2)
    expect(card(page)).to_have_attribute("data-state", "done")
    expect(card(page)).to_contain_text("Ran calculator")
    expect(answers(page).last).to_contain_text("The answer is 42.")
    card(page).locator("summary").click()
    expect(card(page).locator("pre").first).to_have_text("6*7")
    expect(card(page).locator("pre").last).to_have_text("42")
    page.reload()
    expect(card(page)).to_contain_text("Ran calculator")
    expect(card(page)).to_have_attribute("data-state", "done")


def test_a_question_waits_over_a_reload_and_the_keyboard_answers_it(page):
    ask_first(page)
    send(page, "What is six times seven?")
    expect(card(page)).to_contain_text("May calculator run?")
    expect(card(page).get_by_role("button")).to_have_count(3)
    page.reload()
    expect(card(page)).to_contain_text("May calculator run?")
    page.get_by_test_id("approve-once").focus()
    page.keyboard.press("Enter")
    wait_for_answer(page, 2)
    expect(card(page)).to_have_attribute("data-state", "done")
    expect(page.get_by_test_id("approve-once")).to_have_count(0)


def test_always_asks_no_more_in_this_chat(page, studio):
    ask_first(page)
    send(page, "What is six times seven?")
    page.get_by_test_id("approve-always").click()
    wait_for_answer(page, 2)
    send(page, "And once more?")
    wait_for_answer(page, 4)
    assert studio.get(f"/api/chats/{chat_id(page)}")["settings"]["tools"]["always"] == ["calculator"]


def test_what_is_not_allowed_does_not_run(page):
    ask_first(page)
    send(page, "What is six times seven?")
    page.get_by_test_id("approve-deny").click()
    wait_for_answer(page, 2)
    expect(card(page)).to_have_attribute("data-state", "failed")
    card(page).locator("summary").click()
    expect(card(page)).to_contain_text("The user did not allow this call.")


def test_stop_ends_a_turn_that_waits_for_an_answer(page):
    ask_first(page)
    send(page, "What is six times seven?")
    expect(card(page)).to_contain_text("May calculator run?")
    page.get_by_test_id("stop").click()
    expect(page.get_by_test_id("send")).to_be_visible()
    expect(card(page)).to_have_attribute("data-state", "failed")


def test_a_mended_call_says_so(page, studio):
    mended = {
        begin: [piece.replace("calculator", "Calculator") for piece in pieces] for begin, pieces in SCRIPT.items()
    }
    studio.load(tiny_m3.write(studio.home / "models" / "mended.gguf", mended, template=TEMPLATE))
    send(page, "What is six times seven?")
    wait_for_answer(page, 2)
    card(page).locator("summary").click()
    expect(card(page)).to_contain_text("The call was mended before it ran: read the name “Calculator” as “calculator”.")
    studio.load(studio.home / "models" / "tiny-m3.gguf")


def test_tools_are_chosen_per_chat(page, studio):
    page.get_by_test_id("tools").click()
    box = page.get_by_test_id("toolbox")
    expect(box.get_by_test_id("taught")).to_have_count(0)
    for name in [tool["name"] for tool in studio.get("/api/tools")["tools"] if tool["default"]]:
        box.locator(f"input[name={name}]").uncheck()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("tools")).to_have_text("Tools off")
    send(page, "What is six times seven?")
    wait_for_answer(page)
    assert studio.get(f"/api/chats/{chat_id(page)}")["settings"]["tools"]["enabled"] == []
    page.get_by_test_id("new-chat").click()
    expect(page.get_by_test_id("tools")).to_contain_text("Tools ·")


def test_a_model_without_tool_support_says_so_and_starts_without_tools(page, studio, starter):
    studio.load(starter)
    page.reload()
    expect(page.get_by_test_id("tools")).to_have_text("Tools off")
    page.get_by_test_id("tools").click()
    expect(page.get_by_test_id("taught")).to_contain_text("not trained on tools")
    page.get_by_test_id("toolbox").locator("input[name=calculator]").check()
    expect(page.get_by_test_id("tools")).to_have_text("Tools · 1")
