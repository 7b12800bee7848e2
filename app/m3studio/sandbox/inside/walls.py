"""Walls that a process puts around itself, for good: Landlock, the seccomp filter, capabilities, uid, limits.

Knows the system calls and no policy. Landlock covers reading and writing below the named paths, TCP from ABI 4,
signals to the outside and abstract sockets from ABI 6. It does not cover UDP and unix sockets by path, metadata,
inotify, priorities of other processes, `stat`: seccomp holds those, but for `stat`.

Numbers and layouts: include/uapi/linux/landlock.h, prctl.h, seccomp.h, capability.h.
"""

import ctypes
import functools
import os
import resource
import struct
import sys
from collections.abc import Iterable, Mapping

_SECCOMP, _DROP_BOUND, _SUBREAPER, _NO_NEW_PRIVS, _AMBIENT, _DUMPABLE, _PARENT_DIES = 22, 24, 36, 38, 47, 4, 1
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_FILTER_MODE, _CLEAR_ALL = 2, 4

_EXECUTE, _WRITE, _READ, _LIST = 1, 2, 4, 8
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
_FIRST = (1 << 13) - 1
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_ON_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL
_BOTH = 3  # both TCP rights, both scopes


@functools.cache
def _libc() -> ctypes.CDLL:
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    return library


def _prctl(what: int, *values: object) -> int:
    padded = [*values, 0, 0, 0, 0][:4]
    arguments = [ctypes.c_ulong(value) if isinstance(value, int) else value for value in padded]
    return int(_libc().prctl(what, *arguments))


def _demand(answer: int, what: str) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return answer


def landlock_abi() -> int:
    """The kernel's Landlock version; 0 when there is none."""
    if not sys.platform.startswith("linux"):
        return 0
    version = _libc().syscall(ctypes.c_long(_CREATE_RULESET), None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    return max(0, int(version))


def landlock(rules: Iterable[tuple[str, str]], *, tcp: bool) -> None:
    """Allow only what `rules` name: (path, `ro` | `rx` | `rw` | `dev`). A path that does not exist is left out.

    `tcp` leaves TCP alone. Raises `OSError` when the kernel refuses.
    """
    abi = landlock_abi()
    if abi < 1:
        raise OSError("this kernel has no Landlock")
    handled = _FIRST
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL)):
        handled |= right if abi >= since else 0
    words = [handled, _BOTH if abi >= 4 and not tcp else 0, _BOTH]
    attributes = struct.pack(f"<{1 + (abi >= 4) + (abi >= 6)}Q", *words[: 1 + (abi >= 4) + (abi >= 6)])
    syscall = _libc().syscall
    ruleset = _demand(
        syscall(ctypes.c_long(_CREATE_RULESET), attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0)),
        "Landlock rules",
    )
    modes = {
        "ro": _READ | _LIST,
        "rx": _EXECUTE | _READ | _LIST,
        "rw": handled & ~(_MAKE_CHAR | _MAKE_BLOCK | _IOCTL),
        "dev": _READ | _WRITE,
    }
    for path, mode in rules:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        mask = modes[mode] & handled & (-1 if os.path.isdir(path) else _ON_FILES)  # noqa: PTH112 (start time)
        rule = struct.pack("<Qi", mask, place)
        answer = syscall(ctypes.c_long(_ADD_RULE), ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint32(0))
        os.close(place)
        _demand(answer, path)
    no_new_privileges()
    _demand(syscall(ctypes.c_long(_RESTRICT_SELF), ctypes.c_int(ruleset), ctypes.c_uint32(0)), "Landlock")
    os.close(ruleset)


def seccomp(program: bytes) -> None:
    """Put `program` (an array of `struct sock_filter`) before every system call."""
    buffer = ctypes.create_string_buffer(program, len(program))
    pointer = ctypes.cast(buffer, ctypes.c_void_p).value or 0
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, pointer))
    no_new_privileges()
    _demand(_prctl(_SECCOMP, _FILTER_MODE, header), "seccomp")


def no_new_privileges() -> None:
    """No program that is started from here on gains rights: setuid bits do not count."""
    _demand(_prctl(_NO_NEW_PRIVS, 1), "no_new_privs")


def drop_capabilities() -> None:
    """Give up what root can do, in every set."""
    for capability in range(64):
        _prctl(_DROP_BOUND, capability)
    _prctl(_AMBIENT, _CLEAR_ALL)
    header, none = struct.pack("<Ii", 0x20080522, 0), bytes(24)
    _demand(_libc().capset(header, none), "capset")


def become(uid: int) -> None:
    """Change to a uid and gid of the same number, for good."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def limit(limits: Mapping[str, int]) -> None:
    """Set soft and hard limits; names without `RLIMIT_`. A lower hard limit stays."""
    for name, value in limits.items():
        which = getattr(resource, "RLIMIT_" + name)
        hard = resource.getrlimit(which)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (value, value))


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent ends."""
    _prctl(_SUBREAPER, 1)


def die_with_parent() -> None:
    """Be killed when the parent's main thread ends."""
    _prctl(_PARENT_DIES, 9)


def hide(hidden: bool) -> None:
    """Whether processes of the same uid may open this one's memory and descriptors in /proc."""
    _prctl(_DUMPABLE, 0 if hidden else 1)


def seatbelt(profile: str, parameters: Mapping[str, str]) -> None:
    """macOS: enter a sandbox profile, as Chrome's own sandbox does. Never run yet. Raises `OSError`."""
    library = ctypes.CDLL("/usr/lib/libsandbox.1.dylib", use_errno=True)
    flat = [text.encode() for pair in parameters.items() for text in pair]
    array = (ctypes.c_char_p * (len(flat) + 1))(*flat, None)
    message = ctypes.c_char_p()
    if library.sandbox_init_with_parameters(profile.encode(), ctypes.c_uint64(0), array, ctypes.byref(message)):
        raise OSError(f"seatbelt: {(message.value or b'').decode('utf-8', 'replace')}")


def starve(pid: int) -> None:
    """Let a process start no more of them. Nothing happens where the system has no such call, or it has ended."""
    try:
        resource.prlimit(pid, resource.RLIMIT_NPROC, (0, 0))
    except (AttributeError, OSError, ValueError):
        pass


def seatbelt_members(folder: str) -> list[int]:
    """macOS: the processes that are in a sandbox and may write into `folder`, which no other profile names.

    A process that left its parents is found this way, too. Never run yet.
    """
    library = ctypes.CDLL("/usr/lib/libsandbox.1.dylib")
    check = library.sandbox_check
    check.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int]  # what follows is variadic
    listed = (ctypes.c_int * 20_000)()
    count = ctypes.CDLL(None).proc_listallpids(listed, ctypes.sizeof(listed))
    path = ctypes.c_char_p(folder.encode())
    return [pid for pid in listed[:count] if check(pid, None, 0) == 1 and check(pid, b"file-write-data", 1, path) == 0]
