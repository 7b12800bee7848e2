"""The prompts of one model: the day in them, and a template in place of its own."""

from datetime import date, timedelta

import pytest

from m3studio.engines import ChatRequest
from m3studio.engines.llama.prompts import Prompts
from m3studio.errors import BadInput
from m3studio.messages import Message, Role

DATED = (
    "Day: {{ strftime_now('%d %b %Y') }}\n{% for message in messages %}[{{ message.role }}]{{ message.content }}\n"
    "{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
)
TALK = (Message(Role.USER, "One?"), Message(Role.ASSISTANT, "Two."), Message(Role.USER, "Three?"))


@pytest.fixture
def prompts():
    made = []

    def make(template):
        made.append(Prompts(template))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_the_day_at_the_beginning_is_the_chat_s_and_today_stands_at_the_end(prompts):
    begun, today = date.today() - timedelta(days=3), date.today()
    text = prompts(DATED).prepare(ChatRequest(TALK, variables={"now": f"{begun.isoformat()}T08:00:00"})).text
    assert text.startswith(f"Day: {begun:%d %b %Y}\n[user]One?\n")
    assert text.endswith(f"[user]Three?\n\n(Today is {today:%A}, {today.day} {today:%B %Y}.)\n[assistant]")


def test_on_its_first_day_and_without_a_date_nothing_is_added(prompts):
    now = {"now": date.today().isoformat()}
    old = {"now": "2020-01-01"}
    assert "Today is" not in prompts(DATED).prepare(ChatRequest(TALK, variables=now)).text
    assert "Today is" not in prompts(DATED.partition("\n")[2]).prepare(ChatRequest(TALK, variables=old)).text


def test_another_template_is_used_until_it_is_taken_back(prompts):
    own = prompts("own {{ messages[0].content }}")
    request = ChatRequest(TALK[:1])
    own.use("other {{ messages[0].content }}")
    assert own.prepare(request).text == "other One?" and own.changed
    assert own.preview(request, "third {{ messages[0].content }}") == "third One?"
    with pytest.raises(BadInput, match="line 2"):
        own.use("fine\n{% if %}")
    assert own.prepare(request).text == "other One?"
    own.use("")
    assert own.prepare(request).text == "own One?" and not own.changed


def test_a_model_without_a_template_says_so(prompts):
    bare = prompts("")
    assert bare.fallback and "<|im_start|>user\nOne?" in bare.prepare(ChatRequest(TALK[:1])).text
