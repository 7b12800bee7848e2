"""The `/v1` API with the real openai client and the real starter model."""

import json
import time

import httpx
import openai
import pytest

from running import App

pytestmark = pytest.mark.model
ASK = [{"role": "user", "content": "Say hello."}]


@pytest.fixture(scope="module")
def app(tmp_path_factory, starter):
    running = App(tmp_path_factory.mktemp("api"), "--model", str(starter)).start().sign_in()
    running.wait(lambda: running.get("/api/models")["engine"]["state"] == "ready")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def client(app):
    key = app.post("/api/keys", {"name": "tests"})["key"]
    with openai.OpenAI(base_url=f"{app.url}/v1", api_key=key, max_retries=0) as made:
        yield made


def test_models_name_the_loaded_one_first(client, starter):
    assert str(starter) == client.models.list().data[0].id


def test_a_whole_answer(client):
    answer = client.chat.completions.create(model="any", messages=ASK, max_tokens=12, temperature=0)
    assert answer.object == "chat.completion" and answer.id.startswith("chatcmpl-")
    assert answer.choices[0].message.role == "assistant" and answer.choices[0].message.content.strip()
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage.prompt_tokens > 5 and 0 < answer.usage.completion_tokens <= 12
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.model_extra["timings"]["predicted_n"] == answer.usage.completion_tokens


def test_a_stream_says_the_same_as_a_whole_answer(client):
    wishes = {"model": "any", "messages": ASK, "max_tokens": 12, "temperature": 0}
    chunks = list(client.chat.completions.create(**wishes, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens <= 12
    reasons = [chunk.choices[0].finish_reason for chunk in chunks[:-1]]
    assert reasons[-1] in ("stop", "length") and set(reasons[:-1]) == {None}
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1])
    assert text == client.chat.completions.create(**wishes).choices[0].message.content


def test_several_choices_and_a_seed(client):
    wishes = {"model": "any", "messages": ASK, "max_tokens": 8, "temperature": 1.5}
    answer = client.chat.completions.create(**wishes, n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert answer.usage.completion_tokens > 3


def test_stop_strings_end_the_answer(client):
    wishes = {"model": "any", "messages": ASK, "max_tokens": 30, "temperature": 0}
    whole = client.chat.completions.create(**wishes).choices[0].message.content
    word = whole.split()[1]
    cut = client.chat.completions.create(**wishes, stop=[word]).choices[0]
    assert cut.message.content == whole.partition(word)[0].rstrip() and cut.finish_reason == "stop"


def test_completions_go_on_from_a_prompt(client):
    wishes = {"model": "any", "prompt": "The capital of France is", "max_tokens": 6, "temperature": 0}
    answer = client.completions.create(**wishes)
    assert "Paris" in answer.choices[0].text
    assert (
        "".join(chunk.choices[0].text for chunk in client.completions.create(**wishes, stream=True))
        == answer.choices[0].text
    )


def test_llama_cpp_names_are_taken(client):
    answer = client.chat.completions.create(
        model="any", messages=ASK, max_tokens=5, extra_body={"top_k": 1, "min_p": 0.1, "repeat_penalty": 1.1}
    )
    assert answer.choices[0].message.content


@pytest.mark.parametrize(
    ("wishes", "word"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "king", "content": "x"}]}, "role"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]}]},
            "images",
        ),
        ({"messages": ASK, "temperature": 77}, "temperature"),
        ({"messages": ASK, "n": 99}, "n must be"),
        ({"messages": ASK, "max_tokens": 0.5}, "max_tokens"),
        ({"messages": ASK, "stop": [5]}, "stop"),
        ({"messages": ASK, "logit_bias": {"5": 1000}}, "logit_bias"),
        ({"messages": ASK, "response_format": {"type": "poem"}}, "json_schema"),
        ({"messages": ASK, "tool_choice": "required"}, "tool_choice"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_bad_requests_are_400_with_a_sentence(client, wishes, word, stream):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{"model": "any", "stream": stream, **wishes})
    assert word in caught.value.body["message"]


def test_a_prompt_longer_than_the_context_is_400_also_as_a_stream(client):
    long = [{"role": "user", "content": "word " * 6000}]
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError, match="context"):
            client.chat.completions.create(model="any", messages=long, stream=stream)


def test_without_a_key_nothing_is_answered(app, client):
    for key in ("m3-wrong", "x"):
        with openai.OpenAI(base_url=f"{app.url}/v1", api_key=key, max_retries=0) as other:
            with pytest.raises(openai.AuthenticationError):
                other.models.list()
    assert httpx.get(f"{app.url}/api/chats", headers={"authorization": f"Bearer {client.api_key}"}).status_code in (
        401,
        403,
    )


def test_a_client_that_goes_away_ends_its_answer(app, client):
    stream = client.chat.completions.create(
        model="any", messages=[{"role": "user", "content": "Tell a very long story."}], max_tokens=3000, stream=True
    )
    next(iter(stream))
    stream.close()
    began = time.monotonic()
    assert client.chat.completions.create(model="any", messages=ASK, max_tokens=4).choices[0].message.content
    assert time.monotonic() - began < 10


def test_a_revoked_key_is_refused(app):
    made = app.post("/api/keys", {"name": "short-lived"})
    app.client.delete(f"/api/keys/{made['id']}")
    with openai.OpenAI(base_url=f"{app.url}/v1", api_key=made["key"], max_retries=0) as other:
        with pytest.raises(openai.AuthenticationError):
            other.models.list()


def test_an_answer_can_be_held_to_json_to_a_schema_and_to_a_grammar(client):
    wishes = {"model": "any", "messages": ASK, "max_tokens": 60, "temperature": 1.5, "seed": 5}
    schema = {
        "type": "object",
        "properties": {"mood": {"enum": ["good", "bad"]}, "loud": {"type": "boolean"}},
        "required": ["mood", "loud"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "greeting", "schema": schema}}
    said = json.loads(client.chat.completions.create(**wishes, response_format=form).choices[0].message.content)
    assert said["mood"] in ("good", "bad") and isinstance(said["loud"], bool) and len(said) == 2
    text = client.chat.completions.create(**wishes, response_format={"type": "json_object"}).choices[0].message.content
    assert text.startswith("{")
    answer = client.chat.completions.create(**wishes, extra_body={"grammar": 'root ::= "yes" | "no"'})
    assert answer.choices[0].message.content in ("yes", "no")


def test_a_call_can_be_asked_for(client):
    tools = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
        for name in ("ring", "knock")
    ]
    named = {"type": "function", "function": {"name": "knock"}}
    answer = client.chat.completions.create(
        model="any", messages=ASK, tools=tools, tool_choice=named, max_tokens=60, temperature=0
    )
    assert [call.function.name for call in answer.choices[0].message.tool_calls] == ["knock"]


def test_tokens_can_be_made_likely(client):
    wishes = {"model": "any", "messages": ASK, "max_tokens": 6, "temperature": 0}
    plain = client.chat.completions.create(**wishes).choices[0].message.content
    biased = client.chat.completions.create(**wishes, logit_bias={"325": 100, "99999999": 5}).choices[0].message.content
    assert biased != plain and len(set(biased.split())) == 1, "one token again and again"
