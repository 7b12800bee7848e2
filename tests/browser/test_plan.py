"""The dialog in which a load is set up: numbers follow the sliders, and the model is loaded as they say."""

from playwright.sync_api import expect

SECONDS = 1000


def open_plan(page):
    page.get_by_test_id("model-bar").click()
    page.get_by_test_id("plan-open").first.click()
    expect(page.get_by_test_id("plan-verdict")).to_be_visible()


def test_numbers_follow_the_slider_and_the_model_is_loaded_so(page):
    open_plan(page)
    dialog = page.get_by_test_id("plan")
    expect(page.get_by_test_id("plan-verdict")).to_have_text("Fits")
    before = dialog.locator(".device").inner_text()
    context = page.get_by_test_id("plan-n_ctx")
    context.focus()
    page.keyboard.press("Home")
    expect(dialog.locator("output").first).to_have_text("1,024 tokens")
    page.wait_for_function(
        "(before) => document.querySelector('#m3-top-layer').shadowRoot.querySelector('.plan .device').innerText !== before",
        arg=before,
    )
    dialog.get_by_role("button", name="Half (q8_0)").click()
    expect(dialog.get_by_role("button", name="Half (q8_0)")).to_have_attribute("aria-pressed", "true")
    page.wait_for_timeout(300)
    page.get_by_test_id("plan-load").click()
    expect(page.get_by_test_id("model-bar")).to_contain_text("1,024 tokens", timeout=60 * SECONDS)
    engine = page.evaluate("async () => (await (await fetch('api/models')).json()).engine")
    assert (engine["n_ctx"], engine["settings"]["type_k"]) == (1024, "q8_0")
    open_plan(page)
    expect(dialog.locator("footer small")).to_contain_text("Last time it took")
    dialog.get_by_role("button", name="Automatic").first.click()
    dialog.locator(".segments").get_by_role("button", name="Automatic").click()
    page.wait_for_timeout(300)
    page.get_by_test_id("plan-load").click()
    expect(page.get_by_test_id("model-bar")).to_contain_text("4,096 tokens", timeout=60 * SECONDS)


def test_a_load_that_cannot_fit_is_refused_with_offers(page, watch):
    watch.allowed = ("503",)
    refused = page.evaluate(
        """async () => {
            const models = await (await fetch('api/models')).json();
            const body = JSON.stringify({ ref: models.models[0].ref, settings: { n_ctx: 16000000 } });
            const answer = await fetch('api/models/load', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
            return [answer.status, (await answer.json()).error];
        }"""
    )
    status, error = refused
    assert status == 503 and error["type"] == "OutOfMemory" and "does not fit: it needs" in error["message"]
    assert error["alternatives"] and all(one["label"] for one in error["alternatives"])
