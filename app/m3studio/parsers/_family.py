"""What a family's file declares. Knows no family and reads nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from m3studio.parsers._draft import Draft
from m3studio.parsers._grammar import Maker
from m3studio.parsers._source import Source, Steps
from m3studio.parsers._thoughts import Thought, closing_of

Reader = Callable[[Source, Draft], Steps[None]]
THINK = {"<think>": "</think>"}


@dataclass(frozen=True, slots=True)
class Family:
    """One model family's output syntax.

    `marks` recognise its chat template: it is one of this family if it contains every text of one of the groups; the
    highest `priority` wins. `calls` maps a marker to the reader of what stands behind it, which raises `Unreadable` if
    no call follows after all. `thinking` maps opening to closing tags, `drop` are markers without a meaning of their
    own, `ends` end a part of the answer. `lends` are the markers that models of other families may write by mistake,
    `borrowed` the calls that are understood in this way. `keep_space`, `keep_thoughts`: white space ahead of a call, at
    the end of a thought, is the model's own. `thinking_first`: the answer begins inside the reasoning, without a tag,
    up to this one. `anywhere`: a thought may begin in the middle of the answer. `calls_end_thinking`: a call ends a
    thought that was not closed. `bare` reads an answer that is a call as a whole. `fenced_json`: JSON that was asked
    for comes in a code block. `read` replaces all this for a family that is built differently; `thoughts` then says how
    its thoughts are written. `grammar` makes the rules by which its models can only write calls that fit; None: nobody
    has written it down yet.
    """

    name: str
    marks: tuple[tuple[str, ...], ...] = ()
    priority: int = 50
    calls: Mapping[str, Reader] = field(default_factory=dict)
    thinking: Mapping[str, str] = field(default_factory=lambda: dict(THINK))
    drop: tuple[str, ...] = ()
    keep_space: bool = False
    keep_thoughts: bool = False
    thinking_first: str = ""
    anywhere: bool = False
    calls_end_thinking: bool = False
    ends: tuple[str, ...] = ()
    lends: tuple[str, ...] = ()
    borrowed: Mapping[str, Reader] = field(default_factory=dict)
    bare: Reader | None = None
    fenced_json: bool = False
    read: "Callable[[Source, Draft, Family, bool], Steps[None]] | None" = None
    thoughts: tuple[Thought, ...] = ()
    grammar: Maker | None = None

    @property
    def kinds(self) -> tuple[Thought, ...]:
        """How a thought of this family begins and ends."""
        if self.thoughts:
            return self.thoughts
        others = tuple(self.calls) if self.calls_end_thinking else ()
        return tuple(Thought(begin, (end, *others), closing_of(end)) for begin, end in self.thinking.items())

    def recognises(self, template: str) -> bool:
        """Whether a chat template belongs to this family."""
        return any(all(text in template for text in group) for group in self.marks)
