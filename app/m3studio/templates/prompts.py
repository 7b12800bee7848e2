"""From a conversation to the prompt text that a model continues. Knows no processes and no thinking modes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from m3studio.messages import Message, Tool
from m3studio.templates.environment import Template
from m3studio.templates.shape import Fields, Shape, conversation, definitions, joined

_OWN = ("now", "add_generation_prompt", "thinking_words", "messages", "tools")
_GEMMA_END, _GEMMA_TURN = "<turn|>\n", "<|turn>model\n"
_REASON, _ANSWER = "REASONMARK", "ANSWERMARK"
# How llama.cpp opens and closes the thinking of an answer that goes on, for templates that hold all these words and
# show the thinking of earlier answers in another way.
_FRAMES = (
    (("<tool_call>", "<function=", "<parameter=", "<think>"), "<think>\n", "\n</think>\n\n"),
    (("<SPECIAL_12>", "<think>"), "<think>\n", "</think>"),
    (("<|tool_call>call:",), "<|channel>thought\n", "<channel|>"),
)
# The marks of thinking, for templates that leave the thinking of earlier answers out.
_MARKS = (("<think>", "</think>"), ("[THINK]", "[/THINK]"), ("<|START_THINKING|>", "<|END_THINKING|>"))


@dataclass(frozen=True, slots=True)
class Prompt:
    """A whole prompt. `generation_prompt` is its tail that already belongs to the model's answer: the header of its
    turn, an opened or closed think tag, and the text that it goes on from."""

    text: str
    generation_prompt: str


def build(
    template: Template,
    shape: Shape,
    messages: Sequence[Message | Mapping[str, object]],
    tools: Sequence[Tool | Mapping[str, object]],
    variables: Mapping[str, object],
    continue_final: bool | str = False,
) -> Prompt:
    """Render a conversation.

    `variables` go to the template, but for three: `now` (a date, datetime or ISO text) pins its clock,
    `add_generation_prompt` (default true) says whether the answer is opened, and `thinking_words` are put at the end of
    the system prompt. With `continue_final` the last message is an unfinished answer: True goes on where it ends,
    "content" in its text, "reasoning" in its thinking. Raises `TemplateFailed`.
    """
    page = _page(template, tools, variables)
    if words := str(variables.get("thinking_words") or ""):
        messages = _with_words(messages, words)
    if continue_final and messages:
        return _continued(page, shape, messages, continue_final)
    rows = conversation(shape, messages)
    closed = page.text(rows, opened=False)
    if not variables.get("add_generation_prompt", True):
        return Prompt(closed, "")
    opened = page.text(rows, opened=True)
    header = opened[_shared(closed, opened) :]
    if opened.endswith(_GEMMA_END):
        # A text beside tool calls closes the turn; unless a new one is opened the model cannot think.
        header = _GEMMA_TURN
        opened += header
    return Prompt(opened, header)


def _with_words(messages: Sequence[Message | Mapping[str, object]], words: str) -> list[Mapping[str, object]]:
    """The messages with a switch at the end of the system prompt, where it stays the same from turn to turn."""
    rows = [message.to_openai() if isinstance(message, Message) else message for message in messages]
    text = ""
    if rows and rows[0].get("role") == "system":
        text, rows = joined(rows[0].get("content")), rows[1:]
    return [{"role": "system", "content": f"{text}\n{words}".strip()}, *rows]


@dataclass(frozen=True, slots=True)
class _Page:
    """A template with everything that stays the same while one prompt is built."""

    template: Template
    variables: Fields
    now: datetime
    tools: list[Fields]

    def text(self, messages: Sequence[Fields], *, opened: bool) -> str:
        names: Fields = {"messages": messages, **self.variables}
        if self.tools:
            names["tools"] = self.tools
        if opened:
            names["add_generation_prompt"] = True
        return self.template.text(names, self.now)


def _page(template: Template, tools: Sequence[Tool | Mapping[str, object]], variables: Mapping[str, object]) -> _Page:
    now, clock = _now(variables), variables.get("strftime_now")
    written = clock if callable(clock) else now.strftime
    days: Fields = {"datetime": written("%b %d %Y"), "date_string": written("%d %b %Y")}
    given = {name: value for name, value in variables.items() if name not in _OWN and value is not None}
    return _Page(template, {"bos_token": "", "eos_token": "", **days, **given}, now, definitions(tools))


def _now(variables: Mapping[str, object]) -> datetime:
    """The time that the caller pinned, by `now` or by naming the day for templates that print `date_string`."""
    pinned, day = variables.get("now"), variables.get("date_string")
    try:
        if isinstance(pinned, date | str):
            return datetime.fromisoformat(str(pinned))
        return datetime.strptime(str(day), "%d %b %Y") if day else datetime.now()
    except ValueError:
        return datetime.now()


def _continued(
    page: _Page, shape: Shape, messages: Sequence[Message | Mapping[str, object]], part: bool | str
) -> Prompt:
    """The prompt up to the last answer, and that answer written out as far as it goes."""
    *before, last = messages
    given = last.to_openai() if isinstance(last, Message) else last
    reasoning, content = str(given.get("reasoning_content") or ""), joined(given.get("content"))
    thinking = part in ("reasoning", "reasoning_content") or (part is True and bool(reasoning) and not content)
    rows = conversation(shape, before)
    text = page.text(rows, opened=False)
    opened = page.text(rows, opened=True)
    header = opened[_shared(text, opened) :]
    lead, close = _frame(page, shape, rows, text, header)
    if not reasoning and not thinking:  # as the template opens the turn; a thought that it opens with is closed
        return _joined(text, header + close if header.strip() == lead.strip() else header, content)
    if thinking:
        return _joined(text, lead, reasoning)
    return _joined(text, f"{lead}{reasoning}{close}" if close else lead, content)


def _joined(text: str, header: str, words: str) -> Prompt:
    return Prompt(text + header + words, header + words)


def _frame(page: _Page, shape: Shape, rows: list[Fields], text: str, header: str) -> tuple[str, str]:
    """What stands before the thinking of an answer (its turn's header included), and between thinking and text."""
    source = page.template.source
    for words, start, end in _FRAMES:
        if all(word in source for word in words):
            return header.partition(start)[0] + start, end
    answer = conversation(shape, [{"role": "assistant", "content": _ANSWER, "reasoning_content": _REASON}])
    written = page.text([*rows, *answer], opened=False)
    if written.startswith(text) and _REASON in written and _ANSWER in written:
        lead, _, rest = written[len(text) :].partition(_REASON)
        return lead, rest.partition(_ANSWER)[0]
    for start, end in _MARKS:
        if start in source:
            return header.partition(start)[0] + start, end
    return header, ""


def _shared(one: str, other: str) -> int:
    """The length of the text that both begin with."""
    if other.startswith(one):
        return len(one)
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low
