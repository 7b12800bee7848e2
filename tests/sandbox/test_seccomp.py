"""The filter's program, run by a small interpreter of BPF: what each machine refuses, allows and pretends."""

import struct

import pytest

from m3studio.sandbox import seccomp

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def decide(program, machine, number, *arguments, arch=None):
    """What the kernel would do with a call: the value that the program returns."""
    values = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<IIQ6Q", number, arch or ARCH[machine], 0, *(value % (1 << 64) for value in values))
    code = list(struct.iter_unpack("<HBBI", program))
    accumulator = place = 0
    while True:
        what, yes, no, value = code[place]
        place += 1
        if what == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif what == 0x54:
            accumulator &= value
        elif what == 0x06:
            return value
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[what]
            place += yes if holds else no


@pytest.fixture(params=["x86_64", "aarch64"])
def machine(request):
    return request.param


def number(table, machine):
    return next(iter(seccomp.numbers(table, machine).values()))


def test_every_refused_call_is_refused_and_plain_ones_pass(machine):
    program = seccomp.program((1, 2), machine=machine)
    refused = seccomp.numbers(seccomp._REFUSED, machine)
    assert len(refused) > 55
    for each in refused.values():
        assert decide(program, machine, each) == ERRNO | 1
    for table in ("read 0 63", "write 1 64", "openat 257 56", "execve 59 221", "futex 202 98", "kill 62 129"):
        assert decide(program, machine, number(table, machine)) == ALLOW


def test_sockets_by_family(machine):
    socket = number("socket 41 198", machine)
    some, none = seccomp.program((1, 2, 10), machine=machine), seccomp.program(machine=machine)
    assert [decide(some, machine, socket, family) == ALLOW for family in (1, 2, 10, 16, 17, 40)] == [True] * 3 + [
        False
    ] * 3
    assert {decide(none, machine, socket, family) for family in range(46)} == {ERRNO | 13}


def test_namespaces_by_clone_and_threads(machine):
    program = seccomp.program(machine=machine)
    clone, clone3 = number("clone 56 220", machine), number("clone3 435 435", machine)
    assert decide(program, machine, clone, 0x10000000 | 17) == ERRNO | 1
    assert decide(program, machine, clone, 0x3D0F00) == ALLOW  # a thread
    assert decide(program, machine, clone, 17) == ALLOW  # fork
    assert decide(program, machine, clone3) == ERRNO | 38


def test_terminals_and_news_of_files(machine):
    program = seccomp.program(machine=machine)
    ioctl, fcntl = number("ioctl 16 29", machine), number("fcntl 72 25", machine)
    assert decide(program, machine, ioctl, 0, 0x5412) == decide(program, machine, ioctl, 0, 0x1_0000_5412) == ERRNO | 1
    assert decide(program, machine, ioctl, 0, 0x5401) == ALLOW
    assert [decide(program, machine, fcntl, 3, what) == ALLOW for what in (1, 3, 6, 8, 10, 15, 1024, 1026)] == [
        True
    ] * 3 + [False] * 5


def test_devices_are_refused_and_fifos_pass(machine):
    program = seccomp.program(machine=machine)
    mknodat = number("mknodat 259 33", machine)
    assert decide(program, machine, mknodat, 0, 0, 0o020600) == ERRNO | 1
    assert decide(program, machine, mknodat, 0, 0, 0o010600) == ALLOW


def test_where_nothing_hides_other_processes_only_oneself_can_be_changed(machine):
    program = seccomp.program(machine=machine, alone=True, same_uid=True, refuse=seccomp.SIGNALS)
    setpriority, chmod = number("setpriority 141 140", machine), number("fchmodat 268 53", machine)
    assert decide(program, machine, setpriority, 0, 0) == ALLOW
    assert decide(program, machine, setpriority, 0, 5) == decide(program, machine, setpriority, 2, 0) == ERRNO | 1
    assert decide(program, machine, chmod) == ERRNO  # pretended
    assert decide(program, machine, number("prlimit64 302 261", machine), 0) == ALLOW
    assert decide(program, machine, number("prlimit64 302 261", machine), 77) == ERRNO | 1
    for each in seccomp.numbers(seccomp.SIGNALS, machine).values():
        assert decide(program, machine, each) == ERRNO | 1


def test_foreign_calls():
    program = seccomp.program(machine="x86_64")
    assert decide(program, "x86_64", 20, arch=0x40000003) == KILL
    assert decide(program, "x86_64", 0x40000000 + 39) == ERRNO | 38
    with pytest.raises(KeyError):
        seccomp.program(machine="riscv64")
