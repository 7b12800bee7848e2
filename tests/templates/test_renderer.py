"""The child process: what it renders, what it survives, and what it says."""

import threading
import time
from datetime import datetime
from pathlib import Path

import pytest

from m3studio import templates
from m3studio.errors import BadInput
from m3studio.messages import Message, Role, Tool
from m3studio.templates import Renderer
from templates import samples

ASK = [Message(Role.USER, "Hi")]


@pytest.fixture(scope="module")
def plain():
    with Renderer(samples.PLAIN, defaults={"bos_token": "<s>"}) as renderer:
        yield renderer


def test_it_renders_what_the_template_says(plain):
    prompt = plain.prompt(ASK)
    assert prompt.text == "[user]Hi[end]\n[assistant]"
    assert prompt.generation_prompt == "[assistant]"
    assert not plain.fallback


def test_text_survives_the_pipe(plain):
    odd = "line\nzwölf \u2028 😀 \x00 \\ \" '"
    assert odd in plain.prompt([Message(Role.USER, odd)]).text


def test_defaults_lie_below_the_prompts_own_variables():
    with Renderer("{{ bos_token }}{{ eos_token }}", defaults={"bos_token": "<s>", "eos_token": "</s>"}) as renderer:
        assert renderer.prompt(ASK, variables={"eos_token": "E"}).text == "<s>E"


def test_without_a_template_it_is_chatml():
    with Renderer("  ") as renderer:
        assert renderer.fallback
        assert renderer.prompt(ASK).text == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


def test_a_refusal_leaves_the_child_at_work():
    with Renderer(samples.STRICT) as renderer:
        with pytest.raises(BadInput, match="Roles must alternate"):
            renderer.prompt([*ASK, *ASK])
        assert renderer.prompt(ASK).text == "<user>Hi<assistant>"


def test_a_template_that_never_ends_is_stopped_and_the_next_prompt_works():
    source = "{% if messages[0].content == 'bomb' %}" + samples.ENDLESS + "{% endif %}fine"
    with Renderer(source) as renderer:
        renderer.prompt(ASK)
        begun = time.monotonic()
        with pytest.raises(BadInput, match=r"did not finish within 5 s and was stopped"):
            renderer.prompt([Message(Role.USER, "bomb")])
        assert time.monotonic() - begun < 6
        assert renderer.prompt(ASK).text == "fine"


@pytest.mark.parametrize("source", ["{{ 'a' * 10 ** 11 }}", "{{ range(99999) | list * 99999 }}"])
def test_a_template_that_wants_all_memory_gets_none(source):
    with Renderer(source) as renderer, pytest.raises(BadInput, match=r"memory|did not finish"):
        renderer.prompt(ASK)


def test_a_child_that_died_is_replaced(plain):
    plain.prompt(ASK)
    plain._child.kill()
    plain._child.wait()
    assert plain.prompt(ASK).generation_prompt == "[assistant]"


def test_close_ends_the_child_and_can_be_repeated():
    renderer = Renderer(samples.PLAIN)
    renderer.prompt(ASK)
    child = renderer._child
    renderer.close()
    renderer.close()
    assert child.poll() is not None
    assert renderer.prompt(ASK).text
    renderer.close()


def test_many_threads_get_their_own_prompts(plain):
    found = {}

    def ask(name):
        found[name] = [plain.prompt([Message(Role.USER, name)]).text for _ in range(20)]

    threads = [threading.Thread(target=ask, args=(f"user{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {name: [f"[user]{name}[end]\n[assistant]"] * 20 for name in found}
    assert len(found) == 4


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="only Linux shows a process's environment")
def test_a_child_sees_no_secrets(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with Renderer(samples.PLAIN) as renderer:
        renderer.prompt(ASK)
        environment = Path(f"/proc/{renderer._child.pid}/environ").read_bytes()
    assert b"PATH=" in environment
    assert b"hf_secret" not in environment


def test_render_takes_plain_openai_messages():
    call = {"id": "1", "type": "function", "function": {"name": "clock", "arguments": '{"zone": "UTC"}'}}
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    text = templates.render(samples.MODES, talk, [Tool("clock")], thinking_mode="enabled", now=datetime(2026, 1, 1))
    assert text.endswith("[assistant]<call clock><zone>UTC[end][assistant]<mm:think>")
    assert text.startswith('[tools][{"type": "function"')
    assert templates.render(
        samples.PLAIN, [*talk[:1], {"role": "assistant", "content": "We"}], continue_final_message="content"
    ).endswith("[assistant]We")


def test_a_function_as_variable_is_called():
    source = "{{ strftime_now('%Y') }}"
    assert templates.render(source, ASK, strftime_now=lambda form: f"pinned {form}") == "pinned %Y"


def test_variables_must_be_plain():
    with pytest.raises(BadInput, match="no plain JSON"):
        templates.render("a", ASK, odd={1, 2})


def test_messages_must_be_objects():
    with pytest.raises(BadInput, match="must be an object"):
        templates.render("a", ["Hi"])


def test_a_template_that_is_no_jinja_says_where():
    with pytest.raises(BadInput, match="failed at line 2: "):
        templates.render("\n{% if %}", ASK)


def test_thinking_variables_by_mode():
    assert templates.thinking_variables(samples.MODES, "off") == {"thinking_mode": "disabled"}
    assert templates.thinking_variables(samples.PLAIN, "off") == {}


def test_named_templates_are_chosen_as_llama_cpp_does():
    both = {"default": "D", "tool_use": "T", "rag": "R"}
    assert templates.choose(both) == "D"
    assert templates.choose(both, [Tool("clock")]) == "T"
    assert templates.choose({"default": "D"}, [Tool("clock")]) == "D"
    assert templates.choose({"tool_use": "T"}) == "T"
    assert templates.choose({"": "D"}) == "D"
    assert templates.choose({}) == ""
