"""The filter that every system call of tool code passes: allowed by default, what tool code never needs is refused.

Written in classic BPF by a small assembler of its own. Covered: the kernel's rarely used doors (mounts, namespaces,
tracing, keys, bpf, io_uring, modules, clocks), memory that no limit counts (memfd, SysV, POSIX queues), watching files
(inotify, fanotify), typing into a terminal, sockets by family. Not covered: paths, which no filter can read (bubblewrap
and Landlock hold those), and faults in the calls that stay open. The aarch64 numbers are from the kernel's table and
were never run.

Numbers: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h of Linux 6.18.
"""

import errno
import platform
import struct
from collections.abc import Iterable

X86, ARM = "x86_64", "aarch64"
_AUDIT_ARCH = {X86: 0xC000003E, ARM: 0xC00000B7}
_X32 = 0x40000000

# Refused everywhere, as "name x86_64 aarch64"; a dash: that architecture has no such call.
_REFUSED = """
    ptrace 101 117  process_vm_readv 310 270  process_vm_writev 311 271  kcmp 312 272  pidfd_getfd 438 438
    process_madvise 440 440  add_key 248 217  request_key 249 218  keyctl 250 219  bpf 321 280
    perf_event_open 298 241  userfaultfd 323 282  io_uring_setup 425 425  io_uring_enter 426 426
    io_uring_register 427 427  io_setup 206 0  mount 165 40  umount2 166 39  pivot_root 155 41  move_mount 429 429
    open_tree 428 428  fsopen 430 430  fsconfig 431 431  fsmount 432 432  fspick 433 433  mount_setattr 442 442
    open_tree_attr 467 467  chroot 161 51  setns 308 268  unshare 272 97  init_module 175 105
    finit_module 313 273  delete_module 176 106  create_module 174 -  kexec_load 246 104  kexec_file_load 320 294
    reboot 169 142  swapon 167 224  swapoff 168 225  acct 163 89  quotactl 179 60  quotactl_fd 443 443
    syslog 103 116  settimeofday 164 170  clock_settime 227 112  clock_adjtime 305 266  adjtimex 159 171
    name_to_handle_at 303 264  open_by_handle_at 304 265  fanotify_init 300 262  inotify_init 253 -
    inotify_init1 294 26  lookup_dcookie 212 18  nfsservctl 180 42  vhangup 153 58  sethostname 170 161
    setdomainname 171 162  move_pages 279 239  migrate_pages 256 238  memfd_secret 447 447  memfd_create 319 279
    shmget 29 194  msgget 68 186  semget 64 190  mq_open 240 180  iopl 172 -  ioperm 173 -  modify_ldt 154 -
    uselib 134 -  ustat 136 -  sysfs 139 -  _sysctl 156 -
"""
# Changes of metadata, which Landlock does not see: where it stands alone they report success and change nothing.
_METADATA = """
    chown 92 -  lchown 94 -  fchown 93 55  fchownat 260 54  chmod 90 -  fchmod 91 52  fchmodat 268 53
    fchmodat2 452 452  utime 132 -  utimes 235 -  futimesat 261 -  utimensat 280 88  setxattr 188 5  lsetxattr 189 6
    fsetxattr 190 7  removexattr 197 14  lremovexattr 198 15  fremovexattr 199 16  setxattrat 463 463
    removexattrat 466 466  file_setattr 469 469
"""
SIGNALS = """
    kill 62 129  tkill 200 130  tgkill 234 131  pidfd_open 434 434  pidfd_send_signal 424 424
    rt_sigqueueinfo 129 138  rt_tgsigqueueinfo 297 240
"""
TRUNCATE = "truncate 76 45"
# Calls on a process, with what (argument, value) must hold so that they mean the caller alone. PRIO_USER with a 0
# would be all processes of the user, so the kind of target is demanded as well.
_OWN = (
    ("prlimit64 302 261", ((0, 0),)),
    ("setpriority 141 140", ((0, 0), (1, 0))),
    ("ioprio_set 251 30", ((0, 1), (1, 0))),
    ("sched_setaffinity 203 122", ((0, 0),)),
    ("sched_setscheduler 144 119", ((0, 0),)),
    ("sched_setattr 314 274", ((0, 0),)),
    ("sched_setparam 142 118", ((0, 0),)),
)
_NEW_NAMESPACES = 0x7E020000  # every CLONE_NEW* flag that `clone` takes
_TERMINAL = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
# fcntl F_SETOWN, F_SETSIG, F_SETOWN_EX: a signal to whoever is named; F_SETLEASE, F_NOTIFY: news of what others do with
# files and folders that are shared to be read.
_FILE_NEWS = (8, 10, 15, 1024, 1026)
_HIDE = 4  # prctl PR_SET_DUMPABLE
_TYPE, _CHAR, _BLOCK = 0o170000, 0o020000, 0o060000

_LD, _AND, _JEQ, _JGE, _JSET, _RET = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
Instruction = tuple[int, int, int, int]
_PASS: Instruction = (_RET, 0, 0, _ALLOW)


def program(
    families: Iterable[int] = (), *, refuse: str = "", alone: bool = False, same_uid: bool = False, machine: str = ""
) -> bytes:
    """The filter as an array of `struct sock_filter`.

    `families` are the socket address families that stay open, `refuse` further calls in the tables' notation. `alone`:
    no namespace hides other processes, so calls on them are held here. `same_uid`: changes of metadata would work on
    the user's own files, so they are only pretended. Raises `KeyError` for a machine that has no table.
    """
    machine = machine or platform.machine()
    arch = _AUDIT_ARCH[machine]
    code = [_load(4), (_JEQ, 1, 0, arch), (_RET, 0, 0, _KILL), _load(0)]
    if machine == X86:
        code += [(_JGE, 0, 1, _X32), _refuse(errno.ENOSYS)]

    def when(table: str, *body: Instruction) -> None:
        """For each call of `table`, run `body`. It always returns, so the accumulator stays the call's number."""
        for number in numbers(table, machine).values():
            code.extend([(_JEQ, 0, len(body), number), *body])

    when("clone3 435 435", _refuse(errno.ENOSYS))  # its flags are behind a pointer; libc falls back to clone
    when("clone 56 220", _argument(0), (_JSET, 0, 1, _NEW_NAMESPACES), _refuse(errno.EPERM), _PASS)
    when("ioctl 16 29", _argument(1), *_any_of(_TERMINAL, refuse=errno.EPERM))
    when("fcntl 72 25", _argument(1), *_any_of(_FILE_NEWS, refuse=errno.EPERM))
    when("socket 41 198", _argument(0), *_none_of(sorted(families), refuse=errno.EACCES))
    for table, mode in (("mknod 133 -", 1), ("mknodat 259 33", 2)):
        when(table, _argument(mode), (_AND, 0, 0, _TYPE), *_any_of((_CHAR, _BLOCK), refuse=errno.EPERM))
    for table, demands in _OWN if alone else ():
        when(table, *(part for index, value in demands for part in _demand(index, value)), _PASS)
    if alone:
        # Files that have no name any more are counted by looking at descriptors: none may be in flight, none hidden.
        when("sendmsg 46 211 sendmmsg 307 269", _refuse(errno.EPERM))
        when("prctl 157 167", _argument(0), *_any_of((_HIDE,), refuse=errno.EPERM))
    when(_METADATA if same_uid else "", _refuse(0))
    when(_REFUSED + refuse, _refuse(errno.EPERM))
    code.append(_PASS)
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def numbers(table: str, machine: str) -> dict[str, int]:
    """Names and numbers of a table's calls that `machine` has."""
    words = table.split()
    column = 1 if machine == X86 else 2
    rows = (words[start : start + 3] for start in range(0, len(words), 3))
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


def _load(offset: int) -> Instruction:
    return _LD, 0, 0, offset


def _argument(index: int) -> Instruction:
    return _load(16 + 8 * index)  # struct seccomp_data; the low half of the 64 bits


def _refuse(number: int) -> Instruction:
    return _RET, 0, 0, _ERRNO | number


def _any_of(values: Iterable[int], refuse: int) -> list[Instruction]:
    known = list(values)
    jumps = [(_JEQ, len(known) - index, 0, value) for index, value in enumerate(known)]
    return [*jumps, _PASS, _refuse(refuse)]


def _none_of(values: Iterable[int], refuse: int) -> list[Instruction]:
    known = list(values)
    jumps = [(_JEQ, len(known) - index, 0, value) for index, value in enumerate(known)]
    return [*jumps, _refuse(refuse), *([_PASS] if known else [])]


def _demand(index: int, value: int) -> list[Instruction]:
    return [_argument(index), (_JEQ, 1, 0, value), _refuse(errno.EPERM)]
