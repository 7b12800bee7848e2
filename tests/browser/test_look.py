"""Sizes, colours, names of controls, safety of what a model writes, and very long chats."""

import time

from playwright.sync_api import expect

from browser.steps import answers, ask

UNNAMED = """() => {
    const found = [];
    const look = (root) => {
        for (const element of root.querySelectorAll('*')) {
            if (element.shadowRoot) look(element.shadowRoot);
            if (!element.matches('button, input, textarea, select, a[href], [role=button], summary') || element.type === 'hidden') continue;
            if (!element.checkVisibility()) continue;
            const label = element.labels?.[0]?.textContent ?? '';
            const name = element.getAttribute('aria-label') || element.textContent.trim() || label.trim() || element.getAttribute('aria-labelledby') || element.title;
            if (!name) found.push(element.outerHTML.slice(0, 160));
        }
    };
    look(document);
    return found;
}"""


def test_markdown_code_tables_and_formulas(app, browse):
    page = browse(f"?chat={app.chats['Rich']}")
    answer = answers(page).first
    expect(answer.locator("table td code")).to_have_text("two")
    expect(answer.locator(".katex").first).to_be_visible()
    assert answer.locator(".katex-display").count() == 1
    expect(answer.locator(".prose p").first).to_contain_text("a price of $5 and $10.")
    expect(answer.locator(".code-head")).to_contain_text("Python")
    assert answer.locator(".code .hljs-keyword").count() >= 2
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    answer.get_by_label("Copy code").click()
    assert page.evaluate("navigator.clipboard.readText()").startswith("def f(x):")


def test_what_a_model_writes_cannot_run_or_reach_another_host(app, browse):
    page = browse(f"?chat={app.chats['Hostile']}")
    answer = answers(page).first
    expect(answer).to_contain_text("https://example.invalid/pixel.png?secret=1")
    page.wait_for_timeout(500)
    assert page.evaluate("window.hacked") is None
    assert answer.locator("img, script, style, iframe").count() == 0
    links = answer.locator("a[href]")
    for link in links.all():
        assert link.get_attribute("href").startswith("https://")
        assert link.get_attribute("rel") == "noopener noreferrer"
        assert link.get_attribute("target") == "_blank"


def test_the_policy_blocks_a_foreign_image_even_if_one_got_in(browse, watch):
    watch.allowed = ("violates the following Content Security Policy",)
    page = browse()
    page.evaluate("document.body.append(Object.assign(new Image(), {src: 'https://example.invalid/?q=secret'}))")
    page.wait_for_timeout(300)
    assert any("example.invalid" in text for text in watch.errors)
    watch.hosts.discard("example.invalid")  # asked for, and refused by the browser itself


def test_every_control_has_a_name(page):
    ask(page)
    page.get_by_test_id("show-settings").click()
    page.get_by_test_id("model-bar").click()
    assert page.evaluate(UNNAMED) == []


def test_dark_follows_the_system_and_can_be_chosen(browse):
    page = browse(color_scheme="dark")
    background = "getComputedStyle(document.getElementById('m3-main')).backgroundColor"
    assert page.evaluate(background) == "rgb(27, 26, 24)"
    page.get_by_test_id("show-settings").click()
    page.get_by_role("button", name="Light", exact=True).click()
    assert page.evaluate(background) == "rgb(250, 249, 246)"
    page.reload()
    page.wait_for_selector("[data-testid=composer]")
    page.wait_for_timeout(500)
    assert page.evaluate(background) == "rgb(250, 249, 246)"


def test_phone(browse):
    page = browse(viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True)
    ask(page, "Say hello from a phone.")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_test_id("show-list").tap()
    expect(page.get_by_test_id("chat-item").first).to_be_in_viewport()
    page.get_by_test_id("new-chat").tap()
    expect(page.get_by_test_id("new-chat")).not_to_be_in_viewport()
    expect(page.get_by_test_id("composer")).to_be_in_viewport(ratio=1)
    page.get_by_test_id("show-settings").tap()
    expect(page.get_by_test_id("settings-panel")).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("settings-panel")).not_to_be_in_viewport()


def test_settings_are_kept_and_shown_again(page):
    page.get_by_test_id("show-settings").click()
    prompt = page.locator("#m3-system-prompt textarea")
    prompt.fill("Be brief.")
    prompt.blur()
    page.wait_for_function("async () => (await (await fetch('api/settings')).json()).system_prompt === 'Be brief.'")
    kept = page.evaluate("async () => (await fetch('api/settings')).json()")
    assert kept["max_tokens"] == 24, "what was not touched stays"
    page.reload()
    expect(prompt).to_have_value("Be brief.")
    prompt.fill("")
    prompt.blur()
    page.wait_for_function("async () => (await (await fetch('api/settings')).json()).system_prompt === undefined")


def test_the_model_bar_unloads_and_loads(page, watch):
    watch.allowed = ("404",)  # of the path that is not there
    ask(page)
    page.get_by_test_id("model-bar").click()
    page.get_by_label("Unload", exact=False).click()
    expect(page.get_by_test_id("models").get_by_label("Unload", exact=False)).to_have_count(0)
    page.get_by_test_id("model").locator("button.entry").first.click()
    expect(page.get_by_test_id("model-bar")).to_have_attribute("data-state", "ready", timeout=60_000)
    page.get_by_test_id("model-bar").click()
    page.get_by_test_id("models").get_by_test_id("model-path").fill("/no/such/file.gguf")
    page.get_by_test_id("models").get_by_role("button", name="Open").click()
    expect(page.get_by_test_id("models").get_by_role("alert")).to_contain_text("/no/such/file.gguf")


def test_a_thousand_messages_open_quickly_and_older_ones_come_without_a_jump(browse):
    page = browse()
    expect(page.get_by_test_id("chat-item").filter(has_text="A thousand messages")).to_have_count(1, timeout=10_000)
    start = time.monotonic()
    page.get_by_test_id("chat-item").filter(has_text="A thousand messages").get_by_role("link").click()
    expect(answers(page).last).to_contain_text("Answer 999")
    took = time.monotonic() - start
    assert took < 6  # the bench of the transcript measures it; on a busy machine it is slower
    drawn = page.get_by_test_id("message").count()
    assert drawn <= 60
    jumps = page.evaluate("""async () => {
        const scroll = document.querySelector('#m3-chat .m3-host').shadowRoot.querySelector('.scroll');
        const frame = () => new Promise(requestAnimationFrame);
        const jumps = [];
        for (let i = 0; i < 60; i += 1) {
            const before = [...scroll.querySelectorAll('article')].find((article) => article.getBoundingClientRect().bottom > 100);
            const top = before.getBoundingClientRect().top;
            scroll.scrollTop -= 300;
            await frame();
            await frame();
            await frame();
            jumps.push(Math.round(before.getBoundingClientRect().top - top - 300));
        }
        return jumps;
    }""")
    assert page.get_by_test_id("message").count() > drawn, "no older ones were drawn"
    assert sorted(map(abs, jumps))[-3] <= 60, f"the text jumped while older messages came: {jumps}"


# A source of events that keeps exact time: 4 s of 200 tokens a second in 33 messages a second, as the server batches them.
STEADY = """() => {
    const words = 'a word of the answer, with `code` and **more** in it; '.repeat(200);
    window.EventSource = class extends EventTarget {
        constructor() {
            super();
            const tell = (name, data) => this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
            setTimeout(() => {
                const start = performance.now();
                const gaps = [];
                let last = start, said = 0, running = true;
                const tick = (now) => { gaps.push(now - last); last = now; if (running) requestAnimationFrame(tick); };
                requestAnimationFrame(tick);
                tell('MessageStarted', { message_id: 9e9, content: '', reasoning_content: '' });
                const timer = setInterval(() => {
                    const due = Math.min(4000, performance.now() - start);
                    tell('TextDelta', { text: words.slice(said, said = Math.round(due * 0.8)) });
                    if (due < 4000) return;
                    clearInterval(timer);
                    requestAnimationFrame(() => requestAnimationFrame(() => {
                        running = false;
                        window.measured = { wall: performance.now() - start, gaps };
                    }));
                }, 30);
            });
        }
        close() {}
    };
}"""


def test_streaming_into_a_thousand_messages_costs_no_time(app, browse):
    page = browse(f"?chat={app.chats['A thousand messages']}")
    expect(answers(page).last).to_contain_text("Answer 999")
    page.evaluate(STEADY)
    turn = {"turn_id": "steady", "user_message_id": 8_000_000_000, "message_id": 9_000_000_000}
    page.route("**/api/chats/*/turns", lambda route: route.fulfill(json=turn))
    page.get_by_test_id("composer").fill("Stream.")
    page.get_by_test_id("composer").press("Enter")
    page.wait_for_function("window.measured", timeout=30_000)
    measured = page.evaluate("window.measured")
    assert measured["wall"] < 4000 * 1.5  # measured: 1.00; a busy machine adds its own share
    gaps = sorted(measured["gaps"])
    assert gaps[int(len(gaps) * 0.95)] < 400, "frames were dropped"  # measured: 17 ms
