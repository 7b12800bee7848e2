"""From a request to the prompt that the model continues, and to the reader of its answer. Knows one model's template.

Its own template, or the one that the user put in its place. Knows no tokens and no process of the model.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import date
from threading import Lock

from m3studio import parsers
from m3studio.engines import CallRule, ChatRequest
from m3studio.engines.llama.thought import thought_of
from m3studio.errors import BadInput
from m3studio.messages import Message, Role
from m3studio.templates import CHATML, Capabilities, Prompt, Renderer, Thinking, taught

_DATES = ("strftime_now", "date_string", "datetime")  # by which templates print the day


@dataclass(frozen=True, slots=True)
class Prepared:
    """One model call: the text to go on from, who reads the answer, how a thought in it is recognised, and the rules
    that it is held to (no text: none)."""

    text: str
    parser: parsers.StreamParser
    thoughts: Mapping[str, object]
    grammar: parsers.Grammar = parsers.Grammar("")


class Prompts:
    """Every method may be called from any thread."""

    def __init__(self, template: str) -> None:
        self._own = template
        self._lock = Lock()  # protects both fields below: no renderer is closed while it renders
        self._template = template
        self._renderer = Renderer(template)
        self.variables: Mapping[str, str] = {}  # for every prompt: bos_token, eos_token

    @property
    def template(self) -> str:
        """The template that is used."""
        return self._template or CHATML

    @property
    def fallback(self) -> bool:
        """The model has no template and none was given, so ChatML is used, which most models know."""
        return not self._template.strip()

    @property
    def changed(self) -> bool:
        """Another template than the model's own is used."""
        return self._template != self._own

    def use(self, template: str) -> None:
        """Render with `template` from now on; with the model's own one again if it is empty. Raises `BadInput` for one
        that cannot be used, and changes nothing then."""
        renderer = Renderer(template or self._own)
        try:
            renderer.capabilities()
        except BadInput:
            renderer.close()
            raise
        with self._lock:
            old, self._renderer, self._template = self._renderer, renderer, template or self._own
        old.close()

    def capabilities(self) -> Capabilities:
        """What the template can do; nothing, as far as is known, for one that fails."""
        with suppress(BadInput):  # it is told with the first chat
            return self._renderer.capabilities()
        return Capabilities(tools=False, thinking=Thinking(), system=False)

    def prepare(self, request: ChatRequest, *, closed: bool = False) -> Prepared:
        """Render a request. With `closed` the model finds its thought ended before it began. Raises `BadInput`.

        A template that knows no tools gets them explained in the system prompt.
        """
        part: bool | str = request.continue_final
        found = self.capabilities()
        thinking = found.thinking
        explain = bool(request.tools) and not found.tools
        messages = taught(request.messages, request.tools) if explain else request.messages
        tools = () if explain else request.tools
        settings = {**thinking.variables_for(request.thinking), **request.variables}
        if closed:
            settings |= thinking.variables_for("off")
            part = part and "content"
        with self._lock:
            template = self.template
            if not request.continue_final:
                messages = dated(template, messages, settings)
            prompt = self._renderer.prompt(messages, tools, {**self.variables, **settings}, part)
        thoughts = parsers.thoughts_of(template, prompt.generation_prompt)
        if closed and (words := _closing(thoughts, prompt)):
            prompt = Prompt(prompt.text + words, prompt.generation_prompt + words)
            thoughts = replace(thoughts, given=thoughts.given + words)
        parser = parsers.for_template(template, tools=request.tools, prompt=prompt.generation_prompt, taught=explain)
        budget = 0 if closed else request.thinking_budget
        grammar = _grammar(request, parser, template, explained=explain)
        return Prepared(prompt.text, parser, {**asdict(thoughts), "budget": budget}, grammar)

    def preview(self, request: ChatRequest, template: str) -> str:
        """The prompt of a request as `template` renders it. Raises `BadInput` with the line that fails."""
        with Renderer(template or self._own) as renderer:
            variables = {
                **self.variables,
                **renderer.capabilities().thinking.variables_for(request.thinking),
                **request.variables,
            }
            return renderer.prompt(request.messages, request.tools, variables, request.continue_final).text

    def close(self) -> None:
        """End the process that renders."""
        with self._lock:
            self._renderer.close()


def _grammar(request: ChatRequest, parser: parsers.StreamParser, template: str, *, explained: bool) -> parsers.Grammar:
    """The rules for the answer: the request's own, or those of its tools' calls as far as they are wanted. A model
    that has only been told of the form of calls is always held to it once it begins one."""
    if request.grammar:
        return parsers.Grammar(request.grammar)
    if request.calls == CallRule.FREE and not explained:
        return parsers.Grammar("")
    found = parsers.grammar(parser.family, request.tools, template) or parsers.Grammar("")
    return found.required() if request.calls == CallRule.REQUIRED else found


def dated(template: str, messages: tuple[Message, ...], variables: Mapping[str, object]) -> tuple[Message, ...]:
    """The messages, with today's date at the end of the last question where the template prints an older one.

    That older one is pinned by `now`, so that the beginning of the prompt does not change with the day.
    """
    pinned, today = str(variables.get("now") or "")[:10], date.today()
    if not pinned or pinned == today.isoformat() or not any(word in template for word in _DATES):
        return messages
    last = max((at for at, message in enumerate(messages) if message.role == Role.USER), default=-1)
    if last < 0:
        return messages
    words = f"{messages[last].content}\n\n(Today is {today:%A}, {today.day} {today:%B %Y}.)"
    return (*messages[:last], replace(messages[last], content=words), *messages[last + 1 :])


def _closing(thoughts: parsers.Thoughts, prompt: Prompt) -> str:
    """What to add so that no thought is open and none will begin: the end of an open one, or an empty one."""
    watch = thought_of(asdict(thoughts))
    watch.hurry()
    if words := watch.close():
        return words
    if not thoughts.kinds or any(end in thoughts.given for kind in thoughts.kinds for end in kind.endings):
        return ""  # the template closed it
    first = thoughts.kinds[0]
    return first.opening + first.closing
