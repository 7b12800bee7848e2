"""The chat list, and the keyboard."""

from playwright.sync_api import expect

from browser.steps import answers, ask, chat_id, item, send, wait_for_answer


def make(page, text):
    page.get_by_test_id("new-chat").click()
    ask(page, text)
    return chat_id(page)


def menu(page, title, entry):
    row = item(page, title)
    row.hover()
    row.get_by_role("button").click()
    page.get_by_role("menuitem", name=entry).click()


def rename(page, old, new):
    menu(page, old, "Rename")
    field = page.get_by_label("Title of the chat")
    field.fill(new)
    field.press("Enter")
    expect(item(page, new)).to_have_count(1)


def test_rename_in_place_lasts(page):
    make(page, "Say hello to the renamed one.")
    rename(page, "Say hello to the renamed", "Lighthouse plans")
    page.reload()
    expect(item(page, "Lighthouse plans")).to_have_count(1)
    page.wait_for_function("document.title.startsWith('Lighthouse plans')")


def test_delete_can_be_undone(page):
    chat = make(page, "Say hello to the deleted one.")
    rename(page, "Say hello to the deleted", "Soon gone")
    menu(page, "Soon gone", "Delete")
    expect(item(page, "Soon gone")).to_have_count(0)
    assert chat_id(page) is None
    page.get_by_role("button", name="Undo").click()
    expect(item(page, "Soon gone")).to_have_count(1)
    wait_for_answer(page)
    assert chat_id(page) == chat


def test_search_finds_a_title_and_says_when_there_is_none(page):
    make(page, "Say hello to the needle.")
    rename(page, "Say hello to the needle", "Needle in a haystack")
    page.keyboard.press("Control+k")
    search = page.get_by_test_id("chat-search")
    expect(search).to_be_focused()
    search.fill("haystack")
    expect(page.get_by_test_id("chat-item")).to_have_count(1)
    search.fill("no chat has this title")
    expect(page.get_by_test_id("chat-list")).to_contain_text("No chat is called")
    search.fill("")
    expect(item(page, "Needle in a haystack")).to_have_count(1)


def test_the_address_names_the_chat_and_back_goes_back(page):
    first = make(page, "Say hello, first.")
    second = make(page, "Say hello, second.")
    assert first != second
    page.go_back()  # the new chat
    page.go_back()
    expect(page.get_by_test_id("message").first).to_contain_text("first")
    assert chat_id(page) == first


def test_everything_by_keyboard(page):
    page.keyboard.press("Alt+n")
    expect(page.get_by_test_id("composer")).to_be_focused()
    page.keyboard.type("Say hello")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("twice.")
    expect(page.get_by_test_id("composer")).to_have_value("Say hello\ntwice.")
    page.keyboard.press("Enter")
    wait_for_answer(page)
    page.keyboard.press("Control+k")
    expect(page.get_by_test_id("chat-search")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_test_id("chat-item").first.get_by_role("link")).to_be_focused()
    page.keyboard.press("F2")
    page.keyboard.type("Named by keys")
    page.keyboard.press("Enter")
    expect(item(page, "Named by keys")).to_have_count(1)
    page.keyboard.press("Control+/")
    expect(page.get_by_test_id("shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("shortcuts")).to_have_count(0)
    page.keyboard.press("Control+Shift+O")
    expect(answers(page)).to_have_count(0)
    assert chat_id(page) is None


def test_enter_does_not_send_while_an_input_method_composes(page):
    field = page.get_by_test_id("composer")
    field.fill("こんにちは")
    field.evaluate(
        "(field) => field.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true, cancelable: true}))"
    )
    page.wait_for_timeout(300)
    expect(field).to_have_value("こんにちは")
    expect(page.get_by_test_id("message")).to_have_count(0)


def test_a_running_chat_is_marked_in_the_list(page, long_answers):
    send(page, "Tell me a very long story about a running dot.")
    expect(page.get_by_test_id("chat-item").first.get_by_label("Being answered")).to_be_visible()
    page.get_by_test_id("stop").click()
    wait_for_answer(page, 1, "stopped")
    expect(page.get_by_label("Being answered")).to_have_count(0)
