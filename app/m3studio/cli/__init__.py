"""The `m3studio` command: finds the verb, and says errors in one sentence. A verb is a file, imported when asked for.

Knows no server and no model; a verb's file has `arguments(parser)` and `run(args, settings) -> int`.
"""

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Callable
from typing import Protocol

from m3studio import __version__, settings
from m3studio.errors import BadInput, StudioError
from m3studio.paths import Home, default_home

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
VERBS = {
    "serve": "start the app; what `m3studio` does without a verb",
    "pull": "fetch a model",
    "list": "models on this machine",
    "show": "what a model says of itself, and how it wants to be sampled",
    "plan": "what of a model fits here or on another machine, and how fast",
    "rm": "delete a model",
    "doctor": "check what the app needs, and say how to mend it",
    "passwd": "set the password",
}


class Verb(Protocol):
    """What a verb's file holds."""

    def arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace, settings: settings.Settings) -> int: ...


def find(verb: str) -> Verb:
    """The verb's file."""
    module: Verb = importlib.import_module(f"m3studio.cli.{verb}")
    return module


def main(argv: list[str] | None = None, find: Callable[[str], Verb] = find) -> int:
    """Run the command and return its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    words = sys.argv[1:] if argv is None else argv
    try:
        code = run(words, find)
        sys.stdout.flush()
        return code
    except SystemExit as leave:  # argparse, after --help or a wrong flag
        return leave.code if isinstance(leave.code, int) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `m3studio list | head`: nobody reads on, and Python must not complain at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except StudioError as error:
        return fail(str(error))
    except Exception as error:  # noqa: BLE001  the process's own edge: a user never meets a traceback
        return fail(f"Something broke that should not ({type(error).__name__}: {error}). {record(error)}")


def run(words: list[str], find: Callable[[str], Verb]) -> int:
    """Parse the verb's flags, then run it."""
    if words[:1] == ["--version"]:
        sys.stdout.write(f"m3studio {__version__}\n")
        return OK
    if words and not words[0].startswith("-") and words[0] not in VERBS:
        return fail(f"There is no verb “{words[0]}”. Known ones: {', '.join(VERBS)}. See `m3studio --help`.", USAGE)
    named = bool(words) and words[0] in VERBS
    verb, rest = (words[0], words[1:]) if named else ("serve", words)
    module = find(verb)
    args = parser_of(module, verb, named).parse_args(rest)
    try:
        chosen = settings.resolve(vars(args), {})
    except BadInput as error:
        return fail(str(error), USAGE)
    return module.run(args, chosen)


def parser_of(module: Verb, verb: str, named: bool) -> argparse.ArgumentParser:
    """The verb's parser. Without a verb its help tells of the others too."""
    parser = argparse.ArgumentParser(
        prog=f"m3studio {verb}",
        usage="m3studio [serve] [FLAGS]" if verb == "serve" else None,
        description=VERBS[verb] if named else "A local web chat app for open-weight models.",
        epilog=None if named else verbs_text(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.arguments(parser)
    return parser


def verbs_text() -> str:
    """The verbs with a line each, for `--help`."""
    lines = "\n".join(f"  {verb:8}{line}" for verb, line in VERBS.items())
    return f"verbs:\n{lines}\n\n`m3studio VERB --help` tells more; `m3studio --version` the version."


def fail(sentence: str, code: int = FAILED) -> int:
    """Say why on stderr, and return the exit code."""
    sys.stdout.flush()
    sys.stderr.write(f"m3studio: {sentence}\n")
    return code


def record(error: BaseException) -> str:
    """Add the traceback to the log, and return the sentence that tells where it is."""
    file = Home(default_home()).logs / "m3studio.log"
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with file.open("a", encoding="utf-8") as log:
            log.write("".join(traceback.format_exception(error)))
    except OSError:
        return "Run `m3studio doctor`, and please report it."
    return f"The details are at the end of {file}; please report them."
