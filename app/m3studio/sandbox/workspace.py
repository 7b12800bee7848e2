"""A chat's folder, walked and copied safely although the code that filled it is hostile. Knows no process.

Everything is relative to open folders, follows no link, and is bounded in count and depth: a tree of 20,000 nested
folders, a link to /etc, a fifo with an image's name are all met calmly.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_FILE = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_BLOCK = 1 << 20
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF")
_ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".webp")


class TooMuch(Exception):
    """A workspace is over its bounds; the text says which."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What of a file changes when its content does. `ctime_ns` is the kernel's own clock: programs cannot set it."""

    mode: int
    size: int
    blocks: int
    inode: int
    ctime_ns: int

    @property
    def regular(self) -> bool:
        return stat.S_ISREG(self.mode)


Stamps = dict[str, Stamp]


def open_folder(path: Path | str, within: int | None = None) -> int:
    """A descriptor of a folder that is no link; the caller closes it."""
    return os.open(path, _FOLDER, dir_fd=within)


def walk(root: int, most: int, deepest: int) -> Iterator[tuple[str, Stamp]]:
    """Relative path and stamp of everything below `root`, folders before their content. Raises `TooMuch`."""
    stack = [(os.dup(root), "")]
    scans = [os.scandir(root)]
    count = 0
    try:
        while scans:
            folder, prefix = stack[-1]
            entry = next(scans[-1], None)
            if entry is None:
                scans.pop().close()
                os.close(stack.pop()[0])
                continue
            count += 1
            if count > most:
                raise TooMuch(f"more than {most} files and folders")
            with contextlib.suppress(OSError):  # it may vanish at any moment
                info = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(info.st_mode) and len(stack) > deepest:
                    raise TooMuch(f"folders deeper than {deepest}")
                yield prefix + entry.name, _stamp(info)
                if stat.S_ISDIR(info.st_mode):
                    inner = open_folder(entry.name, folder)
                    stack.append((inner, f"{prefix}{entry.name}/"))
                    scans.append(os.scandir(inner))
    finally:
        for scan in scans:
            scan.close()
        for folder, _ in stack:
            os.close(folder)


def _stamp(info: os.stat_result) -> Stamp:
    return Stamp(info.st_mode, info.st_size, getattr(info, "st_blocks", 0), info.st_ino, info.st_ctime_ns)


def stamps(root: int, most: int, deepest: int) -> tuple[Stamps, str]:
    """All that the bounds allow to see, and a sentence when that was not all."""
    found: Stamps = {}
    try:
        found.update(walk(root, most, deepest))
    except TooMuch as error:
        return found, f"The workspace has {error}; the rest is not kept."
    return found, ""


def known(root: int, paths: Iterable[str]) -> Stamps:
    """The stamps of those of `paths` that are there."""
    found: Stamps = {}
    for path in paths:
        with contextlib.suppress(OSError), parent(root, path) as (folder, name):
            found[path] = _stamp(os.stat(name, dir_fd=folder, follow_symlinks=False))
    return found


def usage(root: int, most: int, deepest: int) -> tuple[int, int]:
    """Entries and bytes on disk. Raises `TooMuch`."""
    entries = total = 0
    for _, stamp in walk(root, most, deepest):
        entries += 1
        total += stamp.blocks * 512
    return entries, total


def changed(before: Stamps, now: Stamps) -> tuple[list[str], list[str]]:
    """Paths that are new or different (folders only when new), and paths that are gone (deepest first)."""
    new = [path for path, stamp in now.items() if _differs(before.get(path), stamp)]
    return new, sorted((path for path in before if path not in now), key=lambda path: -path.count("/"))


def _differs(old: Stamp | None, new: Stamp) -> bool:
    if old is None or stat.S_IFMT(old.mode) != stat.S_IFMT(new.mode):
        return True
    return not stat.S_ISDIR(new.mode) and old != new


@contextlib.contextmanager
def parent(root: int, path: str) -> Iterator[tuple[int, str]]:
    """The open folder that holds `path`, reached one step at a time without following a link, and its last name."""
    *steps, name = PurePosixPath(path).parts
    current = os.dup(root)
    try:
        for step in steps:
            inner = open_folder(step, current)
            os.close(current)
            current = inner
        yield current, name
    finally:
        os.close(current)


def copy(source: int, target: int, path: str, owner: int | None = None) -> None:
    """Copy one file, folder or harmless link, replacing what is there; other kinds are left out. Raises `OSError`."""
    with parent(source, path) as (from_folder, name), parent(target, path) as (to_folder, _):
        mode = os.stat(name, dir_fd=from_folder, follow_symlinks=False).st_mode
        with contextlib.suppress(FileNotFoundError):
            old = os.stat(name, dir_fd=to_folder, follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode) and stat.S_ISDIR(old):
                return
            _remove(to_folder, name, old)
        if stat.S_ISDIR(mode):
            os.mkdir(name, 0o700 | (mode & 0o777), dir_fd=to_folder)
        elif stat.S_ISREG(mode):
            _copy_file(from_folder, to_folder, name)
        elif stat.S_ISLNK(mode) and harmless(path, text := os.readlink(name, dir_fd=from_folder)):
            os.symlink(text, name, dir_fd=to_folder)
        else:
            return
        if owner is not None:
            os.chown(name, owner, owner, dir_fd=to_folder, follow_symlinks=False)


def _copy_file(from_folder: int, to_folder: int, name: str) -> None:
    """By way of a temporary name, so that a crash leaves the old file or the new one."""
    part = f".{os.getpid()}.part"
    source = os.open(name, _FILE, dir_fd=from_folder)
    try:
        info = os.fstat(source)
        if not stat.S_ISREG(info.st_mode):
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part, dir_fd=to_folder)
        target = os.open(part, _NEW, 0o600, dir_fd=to_folder)
        try:
            left = info.st_size
            while left > 0 and (data := os.read(source, min(left, _BLOCK))):
                left -= len(data)
                view = memoryview(data)
                while view:
                    view = view[os.write(target, view) :]
            os.fchmod(target, 0o600 | (info.st_mode & 0o777))
            os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns))
            os.rename(part, name, src_dir_fd=to_folder, dst_dir_fd=to_folder)
        except OSError:
            os.unlink(part, dir_fd=to_folder)
            raise
        finally:
            os.close(target)
    finally:
        os.close(source)


def harmless(path: str, text: str) -> bool:
    """Whether a link at `path` that says `text` stays in the workspace, by its words alone."""
    depth = path.count("/")
    for part in text.split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            return False
    return not text.startswith("/")


def remove(root: int, path: str) -> None:
    """Delete one file, link or folder with all below it. What is not there is no error."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        with parent(root, path) as (folder, name):
            _remove(folder, name, os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)


def _remove(folder: int, name: str, mode: int) -> None:
    if not stat.S_ISDIR(mode):
        os.unlink(name, dir_fd=folder)
        return
    inner = _entered(folder, name)
    try:
        _empty(inner)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=folder)


def _entered(folder: int, name: str) -> int:
    try:
        return open_folder(name, folder)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=folder)
        return open_folder(name, folder)


def _empty(root: int) -> None:
    """Delete all that is in a folder. Deep folders are lifted to the top first, so no depth is too much."""
    lifted = 0
    while names := os.listdir(root):
        for name in names:
            if not stat.S_ISDIR(os.stat(name, dir_fd=root, follow_symlinks=False).st_mode):
                os.unlink(name, dir_fd=root)
                continue
            folder = _entered(root, name)
            try:
                os.fchmod(folder, 0o700)
                for inner in os.listdir(folder):  # noqa: PTH208 (an open folder has no path)
                    if stat.S_ISDIR(os.stat(inner, dir_fd=folder, follow_symlinks=False).st_mode):
                        lifted += 1
                        _lift(folder, inner, root, lifted)
                    else:
                        os.unlink(inner, dir_fd=folder)
            finally:
                os.close(folder)
            os.rmdir(name, dir_fd=root)


def _lift(folder: int, name: str, root: int, number: int) -> None:
    try:
        os.rename(name, f".lifted-{number}", src_dir_fd=folder, dst_dir_fd=root)
    except PermissionError:  # a folder that its owner may not write cannot be moved
        os.chmod(name, 0o700, dir_fd=folder)
        os.rename(name, f".lifted-{number}", src_dir_fd=folder, dst_dir_fd=root)


def erase(path: Path) -> None:
    """Delete a workspace with all that is in it, however deep. What is not there is no error. Raises `OSError`."""
    with contextlib.suppress(FileNotFoundError):
        folder = open_folder(path)
        try:
            _empty(folder)
        finally:
            os.close(folder)
        path.rmdir()


def read_start(root: int, path: str, length: int) -> bytes:
    """The first bytes of a regular file; nothing for anything else."""
    with contextlib.suppress(OSError), parent(root, path) as (folder, name):
        file = os.open(name, _FILE, dir_fd=folder)
        try:
            return os.read(file, length) if stat.S_ISREG(os.fstat(file).st_mode) else b""
        finally:
            os.close(file)
    return b""


def is_picture(root: int, path: str) -> bool:
    """Whether a page can show the file: by its ending and its first bytes."""
    return path.lower().endswith(_ENDINGS) and read_start(root, path, 16).startswith(_PICTURES)


def create(root: int, stem: str, ending: str, content: bytes) -> str:
    """Write a new file at the top of the workspace under the first free name. Raises `OSError`."""
    for number in range(1, 1000):
        name = f"{stem}-{number}{ending}"
        with contextlib.suppress(FileExistsError):
            file = os.open(name, _NEW, 0o644, dir_fd=root)
            with os.fdopen(file, "wb") as out:
                out.write(content)
            return name
    raise OSError(errno.EEXIST, f"no free name for {stem}{ending}")
