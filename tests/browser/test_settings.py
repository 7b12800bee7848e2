"""Settings as a person meets them, with a tiny MiniMax M3 that thinks for ever: the panel, presets, thinking, templates."""

import json

import pytest
from playwright.sync_api import expect

import tiny_m3
from browser.steps import SECONDS, answers, send, wait_for_answer
from running import PASSWORD, App

LOOP = {
    "<mm:think>": [" hm", " so", "<mm:think>"],
    "</mm:think>": ["The", " answer", " is", " **42**.", tiny_m3.END],
    "\n": ["Hello", " there.", tiny_m3.END],
}
FILLED = """() => {
    const start = performance.now();
    document.querySelector('#m3-chat .m3-host').shadowRoot.querySelector('[data-testid=show-settings]').click();
    const panel = document.querySelector('#m3-knobs .m3-host').shadowRoot;
    const value = panel.querySelector('#knob-temperature').value;
    panel.querySelector('#knob-temperature').getBoundingClientRect();  // laid out
    return [value, performance.now() - start];
}"""
PATCH = """async ([path, body]) => (await fetch(path, {method: 'PATCH', headers: {'content-type': 'application/json'},
    body: JSON.stringify(body)})).status"""
EVERYTHING = {"temperature": None, "thinking": None, "thinking_budget": None, "system_prompt": None, "seed": None}


@pytest.fixture(scope="module")
def m3(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    folder = home / "models" / "unsloth" / "MiniMax-M3-GGUF"
    folder.mkdir(parents=True)
    path = tiny_m3.write(folder / "MiniMax-M3-UD-IQ1_M.gguf", LOOP)
    running = App(home).start().sign_in()
    running.load(path)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def context(m3, chromium):
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(m3.url + "/login")
    page.get_by_test_id("login-password").fill(PASSWORD)
    page.get_by_test_id("login-submit").click()
    page.wait_for_selector("[data-testid=composer]", timeout=90 * SECONDS)
    page.close()
    yield context
    context.close()


@pytest.fixture
def page(m3, context, watch):
    watch.look_at(context)
    page = context.new_page()
    page.goto(m3.url)
    expect(page.get_by_test_id("thinking-mode")).to_be_visible(timeout=60 * SECONDS)
    yield page
    assert page.evaluate(PATCH, ["api/settings/model", EVERYTHING]) == 200
    page.evaluate("fetch('api/template', {method: 'DELETE'})")
    page.evaluate("localStorage.clear()")
    page.close()
    assert not watch.unexpected()


def knob(page, name):
    return page.locator(f".knob[data-name={name}]")


def panel(page):
    page.get_by_test_id("show-settings").click()
    expect(knob(page, "temperature")).to_be_in_viewport()


def wait_for(page, name, value):
    page.wait_for_function(
        "async ([name, value]) => (await (await fetch('api/settings/used')).json()).fields[name].value === value",
        arg=[name, value],
    )


def test_the_panel_is_filled_at_once_with_values_and_their_sources(page):
    expect(page.locator("#knob-top_k")).to_have_value("40")
    value, milliseconds = page.evaluate(FILLED)
    assert value == "1" and milliseconds < 500  # measured: 1 on a quiet machine
    expect(knob(page, "temperature").locator(".from")).to_have_text("From MiniMaxAI/MiniMax-M3 · June 2026")
    link = knob(page, "temperature").get_by_role("link")
    expect(link).to_have_attribute("href", "https://huggingface.co/MiniMaxAI/MiniMax-M3")
    expect(page.locator("#knob-system_prompt")).to_have_value(
        "You are a helpful assistant. Your name is MiniMax-M3 and is built by MiniMax."
    )


def test_an_own_value_is_kept_shown_as_such_and_reset(page):
    panel(page)
    field = page.locator("#knob-temperature")
    field.fill("0.35")
    wait_for(page, "temperature", 0.35)
    expect(knob(page, "temperature").locator(".from")).to_have_text("Yours, for this model")
    page.reload()
    expect(field).to_have_value("0.35")
    knob(page, "temperature").get_by_role("button", name="Reset").click()
    expect(field).to_have_value("1")
    expect(knob(page, "temperature").get_by_role("button", name="Reset")).to_be_hidden()
    wait_for(page, "temperature", 1.0)


def test_what_is_no_value_is_not_kept(page):
    panel(page)
    field = page.locator("#knob-top_p")
    field.fill("7")
    field.blur()
    expect(field).to_have_attribute("aria-invalid", "true")
    page.wait_for_timeout(600)
    wait_for(page, "top_p", 0.95)


def test_every_field_has_a_name_a_line_of_help_and_is_reached_by_keyboard(page):
    panel(page)
    for group in page.locator("details.group").all():
        group.locator("summary").click()
    names = page.locator(".knob").evaluate_all("(all) => all.map((one) => one.dataset.name)")
    assert len(names) == 21
    page.locator("#knob-system_prompt").focus()
    reached = set()
    for _ in range(80):
        reached.add(page.evaluate("document.querySelector('#m3-knobs .m3-host').shadowRoot.activeElement?.id"))
        page.keyboard.press("Tab")
    assert {f"knob-{name}" for name in names} <= reached
    for name in names:
        assert knob(page, name).locator(".help").text_content()
        assert knob(page, name).locator("label").text_content()


def test_a_chat_that_is_not_made_yet_has_settings_too(page):
    panel(page)
    page.get_by_role("button", name="This chat", exact=True).click()
    page.locator("#knob-thinking").select_option("off")
    expect(page.get_by_test_id("thinking-mode")).to_have_text("Thinking off")
    expect(knob(page, "thinking").locator(".from")).to_have_text("Yours, for this chat")
    send(page, "What is 6 times 7?")
    wait_for_answer(page)
    expect(answers(page).last).to_contain_text("The answer is 42.")
    expect(answers(page).last.get_by_test_id("thinking")).to_be_hidden()
    wait_for(page, "thinking", "auto")
    expect(knob(page, "thinking").locator(".from")).to_have_text("Yours, for this chat")


def test_answer_now_ends_a_thought_without_end(page):
    page.get_by_test_id("thinking-mode").click()
    expect(page.get_by_role("menuitemradio")).to_have_count(3)
    page.get_by_role("menuitemradio", name="On think").click()
    send(page, "What is 6 times 7?")
    page.get_by_test_id("answer-now").click(timeout=60 * SECONDS)
    wait_for_answer(page)
    expect(answers(page).last).to_contain_text("The answer is 42.")
    expect(page.get_by_test_id("answer-now")).to_be_hidden()


def test_a_budget_set_for_the_model_ends_thoughts(page):
    panel(page)
    page.locator("#knob-thinking").select_option("on")
    page.locator("#knob-thinking_budget").fill("12")
    wait_for(page, "thinking_budget", 12)
    expect(page.get_by_test_id("thinking-mode")).to_have_text("Thinking on")
    send(page, "What is 6 times 7?")
    wait_for_answer(page)
    expect(answers(page).last).to_contain_text("The answer is 42.")


def test_an_empty_answer_is_asked_for_again_and_says_so(page):
    assert page.evaluate(PATCH, ["api/settings/model", {"thinking": "on", "max_tokens": 20}]) == 200
    send(page, "What is 6 times 7?")
    wait_for_answer(page)
    expect(answers(page).last).to_contain_text("The answer is 42.")
    expect(answers(page).last.locator(".notice")).to_contain_text("without thinking")
    assert page.evaluate(PATCH, ["api/settings/model", {"max_tokens": None}]) == 200


def test_presets_are_saved_used_renamed_shared_and_deleted(page, tmp_path):
    panel(page)
    page.locator("#knob-temperature").fill("0.2")
    wait_for(page, "temperature", 0.2)
    page.get_by_test_id("presets").click()
    dialog = page.get_by_test_id("presets-dialog")
    dialog.get_by_label("Name to save under").fill("Precise")
    dialog.get_by_role("button", name="Save what is set now").click()
    dialog.get_by_role("button", name="Rename Precise").click()
    dialog.get_by_label("New name").fill("Exact")
    dialog.get_by_label("New name").press("Enter")
    with page.expect_download() as download:
        dialog.get_by_role("link", name="Share Exact as a file").click()
    file = tmp_path / "Exact.json"
    download.value.save_as(file)
    assert json.loads(file.read_text())["content"] == {"sampling": {"temperature": 0.2}}
    dialog.get_by_role("button", name="Delete Exact").click()
    expect(dialog.get_by_role("listitem")).to_have_count(0)
    dialog.locator("input[type=file]").set_input_files(file)
    assert page.evaluate(PATCH, ["api/settings/model", {"temperature": None}]) == 200
    dialog.get_by_role("button", name="Use Exact").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#knob-temperature")).to_have_value("0.2")
    page.get_by_test_id("presets").click()
    page.get_by_test_id("presets-dialog").get_by_role("button", name="Delete Exact").click()


def test_a_saved_prompt_is_used_again(page):
    panel(page)
    page.locator("#knob-system_prompt").fill("Talk like a pirate.")
    wait_for(page, "system_prompt", "Talk like a pirate.")
    page.get_by_test_id("prompts").click()
    dialog = page.get_by_test_id("prompts-dialog")
    dialog.get_by_label("Name to save under").fill("Pirate")
    dialog.get_by_role("button", name="Save the one in use").click()
    expect(dialog.get_by_role("listitem")).to_contain_text("Talk like a pirate.")
    page.keyboard.press("Escape")
    knob(page, "system_prompt").get_by_role("button", name="Reset").click()
    expect(page.locator("#knob-system_prompt")).to_have_value(
        "You are a helpful assistant. Your name is MiniMax-M3 and is built by MiniMax."
    )
    page.get_by_test_id("prompts").click()
    dialog.get_by_role("button", name="Use Pirate").click()
    expect(page.locator("#knob-system_prompt")).to_have_value("Talk like a pirate.")


def test_a_template_is_edited_with_problems_by_line_and_a_live_prompt(page):
    panel(page)
    page.get_by_test_id("template").click()
    dialog = page.get_by_test_id("template-dialog")
    field = dialog.get_by_label("Chat template", exact=True)
    expect(dialog.get_by_test_id("template-preview")).to_contain_text("What is 6 times 7?")
    expect(dialog.get_by_test_id("template-tokens")).to_contain_text("tokens")
    own = field.input_value()
    field.fill("one\n{% if %}")
    expect(dialog.get_by_test_id("template-problems")).to_contain_text("Line 2")
    expect(dialog.get_by_role("button", name="Keep")).to_be_disabled()
    field.fill(own.replace("']~!b['", "']~!b[HELLO'"))
    expect(dialog.get_by_test_id("template-preview")).to_contain_text("HELLO")
    dialog.get_by_role("button", name="Keep").click()
    expect(dialog).to_be_hidden()
    expect(page.locator(".whose").last).to_contain_text("Its chat template was changed here")
    page.get_by_test_id("template").click()
    dialog.get_by_role("button", name="Back to the model's own").click()
    expect(page.locator(".whose").last).not_to_contain_text("changed here")
