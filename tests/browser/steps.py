"""What a person does on the page, in the words of the tests."""

import re

from playwright.sync_api import expect

SECONDS = 1000
STORY = "Tell me a very long story about a lighthouse keeper and his dog, with many details."


def answers(page):
    return page.locator("[data-testid=message][data-role=assistant]")


def questions(page):
    return page.locator("[data-testid=message][data-role=user]")


def prose(page):
    """The text of the last answer."""
    return answers(page).last.locator(":scope > .prose").text_content()


def send(page, text):
    page.get_by_test_id("composer").fill(text)
    page.get_by_test_id("composer").press("Enter")


def wait_for_answer(page, number=1, state="done"):
    expect(answers(page)).to_have_count(number, timeout=60 * SECONDS)
    expect(answers(page).last).to_have_attribute("data-state", state, timeout=90 * SECONDS)


def ask(page, text="Say hello."):
    """Send a message and wait for the whole answer."""
    before = answers(page).count()
    send(page, text)
    wait_for_answer(page, before + 1)


def wait_for_text(page, least=60):
    """Until the running answer has some text."""
    page.wait_for_function(
        """(least) => {
            const root = document.querySelector('#m3-chat .m3-host').shadowRoot;
            const all = root.querySelectorAll('[data-testid=message][data-role=assistant] > .prose');
            return all.length && all[all.length - 1].textContent.length > least;
        }""",
        arg=least,
        timeout=90 * SECONDS,
    )


def chat_id(page):
    found = re.search(r"chat=([\w-]+)", page.url)
    return found.group(1) if found else None


def item(page, title):
    return page.get_by_test_id("chat-item").filter(has_text=title)
