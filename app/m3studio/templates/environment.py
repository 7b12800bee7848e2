"""Jinja as chat templates expect it, in a sandbox: text and variables in, text out. Knows no messages and no processes.

The dialect is the one that llama.cpp's engine and the model vendors agree on: blocks trimmed, `break` and `continue`,
`raise_exception`, `strftime_now`, a `tojson` that escapes no HTML and takes generators, `{% generation %}` without
effect, and an undefined value that counts as an empty text when texts are joined.
"""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType

from jinja2 import ChainableUndefined, TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from m3studio.errors import BadInput

MAX_SOURCE = 1 << 20  # characters; the longest real template has 17,000
MAX_OUTPUT = 32 << 20  # characters
FILE = "<chat template>"
# llama.cpp disables the same check: it refuses a whole conversation for one empty answer.
MENDED = (
    (
        "{%- if (message['content'] is none or message['content'] == '' or message['content']|length == 0) and "
        "(message['tool_calls'] is not defined or message['tool_calls'] is none or "
        "message['tool_calls']|length == 0) %}",
        "{%- if false %}",
    ),
)
# What a template's own expressions can raise when Jinja runs them as Python.
RUNTIME_ERRORS = (
    TemplateError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault in a template's text. `line` counts from 1; 0 when no line is to blame."""

    line: int
    message: str


class TemplateFailed(BadInput):
    """The template cannot be used, or refused the conversation. `line` as in `Problem`."""

    def __init__(self, line: int, reason: str) -> None:
        place = f" at line {line}" if line else ""
        super().__init__(
            f"The chat template of this model failed{place}: {reason.rstrip('.')}. "
            "Look at the template in the model's settings, or use another one."
        )
        self.line = line
        self.reason = reason


class _Missing(ChainableUndefined):
    """llama.cpp reads a missing value as an empty text when it is joined with one, and a part of it is missing too."""

    def __add__(self, other: object) -> object:  # type: ignore[override]
        return other

    def __radd__(self, other: object) -> object:  # type: ignore[override]
        return other


class _Sandbox(ImmutableSandboxedEnvironment):
    """A template may grow and shrink lists, as it may in llama.cpp; it works on copies of its own."""

    def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:
        if isinstance(obj, list) and attr in ("append", "pop"):
            return True
        return super().is_safe_attribute(obj, attr, value)


class _Generation(Extension):
    """`{% generation %}` marks the model's words for training. It changes nothing here."""

    tags = {"generation"}  # noqa: RUF012 (Jinja's own declaration)

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class Template:
    """A compiled template. Raises `TemplateFailed` when its text is not Jinja."""

    def __init__(self, source: str) -> None:
        problems = check(source)
        if problems:
            raise TemplateFailed(problems[0].line, problems[0].message)
        self.source = source
        environment = _environment()
        code = environment.compile(_mended(source), filename=FILE)
        self._compiled = environment.template_class.from_code(environment, code, environment.make_globals(None))

    def text(self, variables: Mapping[str, object], now: datetime) -> str:
        """The rendered text. A variable that is not given is undefined. Raises `TemplateFailed`."""
        names = {"strftime_now": now.strftime, "raise_exception": _refuse, **variables}
        if ".append(" in self.source or ".pop(" in self.source:
            names |= {name: deepcopy(names[name]) for name in ("messages", "tools") if name in names}
        parts: list[str] = []
        length = 0
        try:
            for part in self._compiled.generate(names):
                parts.append(part)
                length += len(part)
                if length > MAX_OUTPUT:
                    raise TemplateFailed(0, f"it wrote more than {MAX_OUTPUT >> 20} million characters")
        except RUNTIME_ERRORS as error:
            raise TemplateFailed(_line(error.__traceback__), reason(error)) from None
        return "".join(parts)


def check(source: str) -> list[Problem]:
    """The faults in a template's text, for an editor. An empty list: it can be compiled. Nothing is run."""
    if len(source) > MAX_SOURCE:
        return [Problem(0, f"it is longer than {MAX_SOURCE:,} characters")]
    try:
        _environment().compile(source, filename=FILE)
    except TemplateSyntaxError as error:
        return [Problem(error.lineno, error.message or "this is no Jinja")]
    except TemplateError as error:
        return [Problem(0, str(error))]
    except (RecursionError, MemoryError):
        return [Problem(0, "it is nested too deeply")]
    except SyntaxError as error:  # Jinja accepts a few names that Python does not
        return [Problem(0, f"it cannot be compiled ({error.msg})")]
    return []


def _environment() -> _Sandbox:
    environment = _Sandbox(
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=_Missing,
        extensions=["jinja2.ext.loopcontrols", _Generation],
    )
    environment.filters["tojson"] = _tojson
    environment.filters["safe"] = str  # the prompt is no HTML: a marked text would escape what is joined to it
    return environment


def _mended(source: str) -> str:
    for fault, mended in MENDED:
        source = source.replace(fault, mended)
    return source


def _tojson(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON with `, ` and `: `, as llama.cpp and the vendors' own renderers write it."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys, default=_plain
    )


def _plain(value: object) -> object:
    if isinstance(value, Undefined):
        return None
    if hasattr(value, "__iter__"):
        return list(value)
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


def _refuse(message: object = "") -> str:
    raise TemplateError(str(message))


def reason(error: BaseException) -> str:
    """What an error of a template says, in one short text."""
    if isinstance(error, MemoryError):
        return "it needs too much memory"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return (str(error) or type(error).__name__).strip()[:1000]


def _line(trace: TracebackType | None) -> int:
    """The innermost line of the template that an error went through. Jinja maps its frames to the template's lines."""
    line = 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in (FILE, "<template>"):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
