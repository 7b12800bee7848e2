"""The interpreter of a chat: runs one piece of code after the other and keeps its names, like a notebook.

Runs inside the walls, and starts fast: what only errors or plots need is imported when they come. Output goes to the
plain descriptors 1 and 2, so that C code and child processes are seen too; only "done" goes back over the socket.
Knows nothing of where it runs.
"""

import _ast  # the C part alone: `ast`, `linecache` and `traceback` take milliseconds to import
import builtins
import os
import signal
import sys
import types
import warnings
from collections.abc import Callable, Iterator

from . import frames

RUN, BEGUN, DONE = b"R", b"B", b"D"
INTERRUPTED = 130
_REPR, _TRACE = 20_000, 8_000  # characters
_ROWS, _COLUMNS, _CELL = 40, 16, 80
_READERS = ("inspect", "traceback", "logging", "linecache", "pdb")  # they look up source lines


class Kernel:
    """The names of one chat, and the number of its next cell."""

    def __init__(self) -> None:
        # A module of its own: user code cannot overwrite this file's names by accident.
        self._module = types.ModuleType("__main__")
        self._module.__dict__["__builtins__"] = builtins
        sys.modules["__main__"] = self._module
        self._cell = 0
        self._sources: dict[str, str] = {}
        self._busy = False
        self._images = 0

    def interrupt(self, *_: object) -> None:
        """The handler of SIGINT: breaks the code that runs, and nothing else."""
        if self._busy:
            raise KeyboardInterrupt

    def run(self, source: str) -> int:
        """Run one cell and save its figures in the working folder: the exit code."""
        self._cell += 1
        self._images = 0
        code = self._guard(lambda: self._execute(source, f"<cell {self._cell}>"))
        saved = self._guard(self._save_figures)
        self._guard(_flush)
        return code or saved

    def _guard(self, work: Callable[[], None]) -> int:
        """Do `work`, whose errors are the user's: they are printed. The exit code."""
        self._busy = True
        try:
            work()
            return 0
        except SystemExit as end:
            if end.code is None or isinstance(end.code, int):
                return end.code or 0
            print(end.code, file=sys.stderr)  # noqa: T201
            return 1
        except KeyboardInterrupt:
            self._busy = False
            print("KeyboardInterrupt: the code was stopped.", file=sys.stderr)  # noqa: T201
            return INTERRUPTED
        except BaseException as error:  # noqa: BLE001 (it is the user's code that raised)
            self._busy = False
            self._show(error)
            return 1
        finally:
            self._busy = False

    def _execute(self, source: str, name: str) -> None:
        self._sources[name] = source
        if "linecache" in sys.modules or any(word in source for word in _READERS):
            self._publish_sources()
        if "matplotlib" in source:  # plt.show() would warn, but the figure is taken anyway
            warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
        try:
            tree = compile(source, name, "exec", _ast.PyCF_ONLY_AST | _ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except SyntaxError as error:
            if any(line.lstrip().startswith(("!", "%")) for line in source.splitlines()):
                error.add_note("Lines with ! or % are no Python. The bash tool runs commands in the same folder.")
            raise
        last = tree.body[-1] if tree.body else None
        if isinstance(last, _ast.Expr) and not source.rstrip().endswith(";"):
            tree.body.pop()
            self._evaluate(tree, name)
            value = self._evaluate(_ast.Expression(last.value), name)
            if value is not None:
                self._echo(value)
        else:
            self._evaluate(tree, name)

    def _evaluate(self, tree: _ast.Module | _ast.Expression, name: str) -> object:
        mode = "eval" if isinstance(tree, _ast.Expression) else "exec"
        code = compile(tree, name, mode, flags=_ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        value = eval(code, self._module.__dict__)
        if code.co_flags & 0x80:  # inspect.CO_COROUTINE: there was an await outside of every function
            return __import__("asyncio").run(value)  # it takes too long to import it for all
        return value

    def _echo(self, value: object) -> None:
        self._module.__dict__["_"] = value
        pandas, pillow = sys.modules.get("pandas"), sys.modules.get("PIL.Image")
        if pandas and isinstance(value, (getattr(pandas, "DataFrame", ()), getattr(pandas, "Series", ()))):
            print(table(value))  # noqa: T201
        elif pillow and isinstance(value, getattr(pillow, "Image", ())):
            name = self._image("image")
            value.save(name)  # type: ignore[attr-defined]
            print(f"[image saved as {name}]")  # noqa: T201
        else:
            text = repr(value)
            print(text if len(text) <= _REPR else f"{text[:_REPR]}... [{len(text)} characters]")  # noqa: T201

    def _publish_sources(self) -> None:
        """Let tracebacks and `inspect` see the lines of all cells."""
        cache = __import__("linecache").cache
        for name, source in self._sources.items():
            cache[name] = (len(source), None, source.splitlines(keepends=True), name)

    def _show(self, error: BaseException) -> None:
        """Print a traceback that begins at the user's own code."""
        self._publish_sources()
        place = error.__traceback__
        while place and place.tb_frame.f_code.co_filename == __file__:
            place = place.tb_next
        text = "".join(__import__("traceback").format_exception(type(error), error, place))
        print(text if len(text) <= _TRACE else f"[...]\n{text[-_TRACE:]}", end="", file=sys.stderr)  # noqa: T201

    def _save_figures(self) -> None:
        pyplot = sys.modules.get("matplotlib.pyplot")
        if not pyplot:
            return
        for number in pyplot.get_fignums():
            pyplot.figure(number).savefig(self._image("figure"), dpi=120, bbox_inches="tight")
        pyplot.close("all")

    def _image(self, kind: str) -> str:
        self._images += 1
        return f"{kind}-{self._cell}-{self._images}.png"


def table(frame: object) -> str:
    """A pandas frame or series as a Markdown table of at most 40 rows and 16 columns, its shape below when cut."""
    if not hasattr(frame, "columns"):
        frame = frame.to_frame()  # type: ignore[attr-defined]
    rows, columns = frame.shape  # type: ignore[attr-defined]
    part = frame.iloc[:_ROWS, :_COLUMNS]  # type: ignore[attr-defined]
    lines = [["", *part.columns], ["---"] * (part.shape[1] + 1), *part.itertuples(name=None)]
    text = "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)
    cut = rows > _ROWS or columns > _COLUMNS
    return f"{text}\n\n[{rows} rows x {columns} columns, the first of them shown]" if cut else text


def _cell(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text[:_CELL].replace("|", "\\|").replace("\n", " ")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def _codes(socket: int) -> Iterator[str]:
    reader = frames.Reader(RUN)
    while data := os.read(socket, 1 << 16):
        for _, payload in reader.feed(data):
            yield payload.decode("utf-8", "replace")


def serve(socket: int) -> None:
    """Run what comes over the socket until it closes: a number, a newline, the code.

    Each is answered twice: with its number before it runs, and with number and exit code, NUL between them.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    kernel = Kernel()
    signal.signal(signal.SIGINT, kernel.interrupt)
    for text in _codes(socket):
        number, _, source = text.partition("\n")
        _write(socket, frames.pack(BEGUN, number.encode()))
        _write(socket, frames.pack(DONE, f"{number}\0{kernel.run(source)}".encode()))


def _write(socket: int, data: bytes) -> None:
    while data:
        data = data[os.write(socket, data) :]
