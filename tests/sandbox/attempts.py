"""Attempts to break out, each a small program: what it reads, writes, signals, reaches or eats up.

An attempt has escaped when it prints the secret or ESCAPED, or when `World` (trial.py) sees that something outside has
changed. Constants and small functions of `PRELUDE` are there for all of them. An attempt that succeeds must not hurt the machine
that runs the tests: it opens where opening is proof enough, and deletes only in the `World`.
"""

from dataclasses import dataclass

PRELUDE = """
import ctypes, errno, fcntl, glob, mmap, os, platform, resource, signal, socket, sqlite3, stat, struct, subprocess, sys
import threading, time
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def escaped(when=True):
    if when: print("ESCAPED")
def call(number, *arguments):
    ctypes.set_errno(0)
    wide = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return libc.syscall(ctypes.c_long(number), *wide)
def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]
def others():
    return [pid for pid in range(1, 40)] + [VICTIM, APP, os.getppid()]
def each(items, work):
    for item in items:
        try:
            work(item)
        except OSError:
            pass
def show(path):
    print(open(path, "rb").read(4096))
"""


@dataclass(frozen=True)
class Attempt:
    """`want` must stand in what the call gave (which limit held it, say); `shell`: the program is a Bash script."""

    group: str
    name: str
    body: str
    want: str = ""
    shell: bool = False


def _table(group, rows):
    return [Attempt(group, name, *(row if isinstance(row, tuple) else (row,))) for name, row in rows.items()]


def _scripts(group, rows):
    return [Attempt(group, name, row, shell=True) for name, row in rows.items()]


READING = _table(
    "reading",
    {
        "database": "show(DATABASE)",
        "key": "show(KEY)",
        "ssh key": "show(HOME + '/.ssh/id_ed25519')",
        "list of the data folder": "print(os.listdir(WORLD)); escaped()",
        "list of the home": "escaped('.ssh' in os.listdir(HOME))",
        "workspace of another chat": "show(OTHER + '/notes.txt')",
        "workspace on disk": "escaped(bool(os.listdir(os.path.dirname(WORKSPACE))))",
        "shadow": "show('/etc/shadow'); escaped()",
        "own environment": "print(os.environ)",
        "environment of others": "each(others() + pids(), lambda pid: show(f'/proc/{pid}/environ'))",
        "command lines of others": "each([VICTIM, APP], lambda pid: show(f'/proc/{pid}/cmdline'))",
        "descriptors of others": "each(others(), lambda pid: [show(f'/proc/{pid}/fd/{n}') for n in range(3, 12)])",
        "memory map of others": "each([VICTIM, APP], lambda pid: escaped(bool(open(f'/proc/{pid}/maps').read())))",
        "memory of others": "each([VICTIM, APP, 1], lambda pid: escaped(bool(open(f'/proc/{pid}/mem', 'rb').fileno())))",
        "root of others": "each(others(), lambda pid: show(f'/proc/{pid}/root{DATABASE}'))",
        "working folder of others": "each(others(), lambda pid: show(f'/proc/{pid}/cwd/database'))",
        "symlink": "os.symlink(DATABASE, 'link'); show('link')",
        "symlink by a folder": "os.symlink(WORLD, 'folder'); show('folder/database')",
        "hard link": "os.link(DATABASE, 'hard'); show('hard')",
        "moved here": "os.rename(DATABASE, 'mine'); show('mine')",
        "dots": "show('../' * 30 + DATABASE)",
        "path descriptor": "show(f'/proc/self/fd/{os.open(DATABASE, os.O_PATH)}')",
        "attached database": "sqlite3.connect(f'file:{DATABASE}?mode=ro', uri=True).execute('select 1'); escaped(os.path.exists(DATABASE) and os.access(DATABASE, os.R_OK) and bool(open(DATABASE)))",
        "C library": "escaped(libc.open(DATABASE.encode(), 0) >= 0)",
        "openat2": "escaped(call(437, -100, ctypes.c_char_p(DATABASE.encode()), ctypes.c_char_p(bytes(24)), 24) >= 0)",
        "file handle": "escaped(call(303, -100, ctypes.c_char_p(b'/'), ctypes.create_string_buffer(struct.pack('II', 128, 0) + bytes(128)), ctypes.byref(ctypes.c_int()), 0) == 0)",
        "inherited descriptors": "each(range(4, 64), lambda fd: (os.pread(fd, 1, 0), escaped()))\neach(range(4, 64), lambda fd: (os.listdir(fd), escaped()))",
        "other people's shared memory": "each(glob.glob('/dev/shm/*'), show)",
        "other people's temporary files": "each(glob.glob('/tmp/*/*') + glob.glob('/tmp/*'), show)",
        "raw memory": "each(['/dev/mem', '/dev/kmem', '/proc/kcore', '/dev/port'], lambda path: escaped(bool(open(path, 'rb').fileno())))",
        "raw disks": "each(glob.glob('/dev/vd*') + glob.glob('/dev/sd*') + glob.glob('/dev/nvme*'), lambda path: escaped(bool(open(path, 'rb').fileno())))",
        "logs": "each(['/var/log', '/var/lib', '/boot', '/root/.ssh', '/etc/ssh'], lambda path: escaped(bool(os.listdir(path))))",
        "kernel's log": "show('/dev/kmsg'); escaped()",
        "files watched by inotify": "fd = libc.inotify_init1(0); escaped(fd >= 0 and libc.inotify_add_watch(fd, WORLD.encode(), 0xfff) >= 0)",
        "programs watched by inotify": "fd = libc.inotify_init1(0); escaped(fd >= 0 and libc.inotify_add_watch(fd, b'/usr/bin', 0xfff) >= 0)",
        "files watched by fanotify": "escaped(call(300, 0x200, 0) >= 0)",
        "files watched by dnotify": "fd = os.open('/usr/bin', os.O_RDONLY); fcntl.fcntl(fd, 1026, 0x3f); escaped()",
        "leases": "fd = os.open('/usr/bin/env', os.O_RDONLY); fcntl.fcntl(fd, 1024, 0); escaped(os.stat('/usr/bin/env').st_uid == os.getuid())",
    },
) + _scripts(
    "reading",
    {
        "cat": "cat $DATABASE /proc/*/environ",
        "redirect": "read line < $DATABASE; echo $line",
        "source": ". $DATABASE",
        "tar of the world": "tar cf - $WORLD | cat",
        "environment of the shell": "env; set; cat /proc/$PPID/environ /proc/1/environ /proc/self/environ",
        "find": "find / -name database -not -path '/proc/*' -exec cat {} +",
        "grep of proc": "grep -as M3STUDIO_SECRET /proc/[0-9]*/environ /proc/[0-9]*/cmdline",
    },
)

WRITING = _table(
    "writing",
    {
        "overwrite": "open(DATABASE, 'w').write('x')",
        "append": "open(DATABASE, 'a').write('x')",
        "truncate": "os.truncate(DATABASE, 0)",
        "truncate by the C library": "libc.truncate(DATABASE.encode(), 0)",
        "delete": "os.unlink(DATABASE)",
        "rename": "os.rename(DATABASE, DATABASE + '.gone')",
        "exchange": "open('own', 'w').close(); libc.renameat2(-100, b'own', -100, DATABASE.encode(), 2)",
        "new file": "open(WORLD + '/new', 'w').write('x')",
        "new folder": "os.mkdir(WORLD + '/new')",
        "new link": "os.symlink('/etc/passwd', WORLD + '/new')",
        "own file linked outside": "open('own', 'w').close(); os.link('own', WORLD + '/new')",
        "own file moved outside": "open('own', 'w').close(); os.rename('own', WORLD + '/new')",
        "new fifo": "os.mkfifo(WORLD + '/new')",
        "new socket": "socket.socket(socket.AF_UNIX).bind(WORLD + '/new')",
        "mode": "os.chmod(DATABASE, 0o777)",
        "mode by descriptor": "os.fchmod(os.open(DATABASE, os.O_PATH), 0o777)",
        "owner": "os.chown(DATABASE, os.getuid(), os.getgid())",
        "times": "os.utime(DATABASE, (1, 1))",
        "times of the folder": "os.utime(WORLD, (1, 1))",
        "attribute": "os.setxattr(DATABASE, 'user.x', b'x')",
        "inode flags": "fd = os.open('/usr', os.O_RDONLY); fcntl.ioctl(fd, 0x40086602, struct.pack('l', 0x10)); escaped()",
        "interpreter": "open(os.path.join(sys.prefix, 'escaped.pth'), 'w').write('x'); escaped()",
        "site-packages": "import site; each(site.getsitepackages(), lambda folder: escaped(bool(open(folder + '/escaped.pth', 'w'))))",
        "the sandbox's own code": "each([os.path.dirname(sys.modules['inside'].__file__) + '/warden.py'], lambda path: escaped(bool(open(path, 'a'))))",
        "programs": "open('/usr/bin/escaped', 'w'); escaped()",
        "users": "open('/etc/passwd', 'a'); escaped()",
        "root folder": "open('/escaped', 'w'); escaped()",
        "shell start files": "open(HOME + '/.bashrc', 'a').write('x')",
        "cron": "each(['/etc/cron.d/x', '/var/spool/cron/x', '/etc/profile.d/x.sh'], lambda path: escaped(bool(open(path, 'w'))))",
        "shared temporary folder": "open('/tmp/' + MARK, 'w').write('x')",
        "shared memory folder": "open('/dev/shm/' + MARK, 'w').write('x')",
        "core pattern": "open('/proc/sys/kernel/core_pattern', 'w'); escaped()",
        "kernel settings": "each(glob.glob('/proc/sys/kernel/*') + glob.glob('/proc/sys/vm/*') + glob.glob('/proc/sys/net/*/*'), lambda path: escaped(bool(os.path.isfile(path) and open(path, 'w'))))",
        "sysrq": "open('/proc/sysrq-trigger', 'w').write('h'); escaped()",
        "devices of the kernel": "each(glob.glob('/sys/kernel/*') + glob.glob('/sys/module/*/parameters/*'), lambda path: escaped(bool(os.path.isfile(path) and open(path, 'w'))))",
        "cgroups": "each(glob.glob('/sys/fs/cgroup/**/cgroup.procs', recursive=True), lambda path: escaped(bool(open(path, 'w'))))",
        "kernel's log": "open('/dev/kmsg', 'w').write(MARK); escaped()",
        "own place in the queue of victims": "open('/proc/self/oom_score_adj', 'w').write('-1000'); escaped()",
        "others' place in that queue": "each([VICTIM, APP], lambda pid: (open(f'/proc/{pid}/oom_score_adj', 'w').write('1000'), escaped()))",
        "uid map": "open('/proc/self/uid_map', 'w').write('0 0 1'); escaped()",
        "lock of a shared file": "fd = os.open(DATABASE, os.O_RDONLY); fcntl.flock(fd, fcntl.LOCK_EX); escaped()",
    },
) + _scripts(
    "writing",
    {
        "redirect": "echo x > $DATABASE; echo x >> $HOME_OUTSIDE/.profile",
        "remove": "rm -rf $WORLD 2>/dev/null; true",
        "copy": "cp /bin/true $WORLD/new; ln -sf /bin/true $WORLD/new; mv $WORLD/key .",
        "dd": "dd if=/dev/zero of=$DATABASE bs=1 count=1",
        "shared folders": "touch /tmp/$MARK /dev/shm/$MARK /var/tmp/$MARK /run/$MARK /run/lock/$MARK",
    },
)

PROCESSES = _table(
    "processes",
    {
        "kill": "each([VICTIM, APP], lambda pid: (os.kill(pid, 9), escaped()))",
        "probe": "each([VICTIM, APP], lambda pid: (os.kill(pid, 0), escaped()))",
        "stop": "each([VICTIM, APP], lambda pid: (os.kill(pid, signal.SIGSTOP), escaped()))",
        "kill of all": "if not os.fork(): os.setsid(); os.kill(-1, 15)\ntime.sleep(0.1)",
        "kill of all that do not listen": "if not os.fork(): os.kill(-1, 9)\ntime.sleep(0.1)",
        "kill of the parent": "os.kill(os.getppid(), 9); os.kill(os.getppid(), 15); os.kill(os.getppid(), signal.SIGSTOP)",
        "kill of the first": "each(['1'], lambda pid: os.kill(int(pid), 9))",
        "kill of a group": "each([VICTIM, APP], lambda pid: (os.killpg(os.getpgid(pid), 9), escaped()))",
        "tgkill": "each([VICTIM, APP], lambda pid: escaped(call(234, pid, pid, 9) == 0))",
        "tkill": "each([VICTIM, APP], lambda pid: escaped(call(200, pid, 9) == 0))",
        "queued signal": "each([VICTIM, APP], lambda pid: escaped(call(129, pid, 9, ctypes.create_string_buffer(struct.pack('iii', 9, 0, -1) + bytes(116))) == 0))",
        "pidfd": "each([VICTIM, APP], lambda pid: escaped(call(424, call(434, pid, 0), 9, 0, 0) == 0))",
        "descriptor by pidfd": "each([VICTIM, APP], lambda pid: escaped(call(438, call(434, pid, 0), 0, 0) >= 0))",
        "ptrace": "each(others(), lambda pid: escaped(call(101, 16, pid, 0, 0) == 0))",
        "ptrace without stopping": "each(others(), lambda pid: escaped(call(101, 0x4206, pid, 0, 0) == 0))",
        "ptrace of a child": "pid = os.fork() or time.sleep(1) or os._exit(0); escaped(call(101, 16, pid, 0, 0) == 0)",
        "traced by anybody": "libc.prctl(0x59616d61, -1, 0, 0, 0); escaped(call(101, 0, 0, 0, 0) == 0)",
        "process_vm_readv": "buffer = ctypes.create_string_buffer(64)\nvector = struct.pack('PN', ctypes.addressof(buffer), 64)\neach(others(), lambda pid: escaped(call(310, pid, ctypes.c_char_p(vector), 1, ctypes.c_char_p(vector), 1, 0) > 0))",
        "memory written by proc": "each([VICTIM, APP, os.getppid(), 1], lambda pid: (open(f'/proc/{pid}/mem', 'wb').fileno(), escaped()))",
        "limits of others": "each([VICTIM, APP], lambda pid: (resource.prlimit(pid, resource.RLIMIT_NOFILE, (5, 5)), escaped()))",
        "priority of others": "each([VICTIM, APP], lambda pid: (os.setpriority(os.PRIO_PROCESS, pid, 19), escaped()))",
        "priority of all of the user": "os.setpriority(os.PRIO_USER, 0, 19)",
        "priority of all of root": "os.setpriority(os.PRIO_USER, OWNER, 19)",
        "priority of a group": "each([VICTIM, APP], lambda pid: (os.setpriority(os.PRIO_PGRP, pid, 19), escaped()))",
        "affinity of others": "each([VICTIM, APP], lambda pid: (os.sched_setaffinity(pid, {0}), escaped()))",
        "scheduling of others": "each([VICTIM, APP], lambda pid: (os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)), escaped()))",
        "disk priority of all of the user": "call(251, 3, 0, 0x6000)",
        "group of others": "each([VICTIM, APP], lambda pid: (os.setpgid(pid, 0), escaped()))",
        "signal by an owner of a descriptor": "r, w = os.pipe(); fcntl.fcntl(r, fcntl.F_SETOWN, VICTIM); escaped()",
        "signal of one's choice by an owner": "r, w = os.pipe(); fcntl.fcntl(r, 10, 9); escaped()",
        "kcmp": "escaped(call(312, os.getpid(), os.getppid(), 0, 0, 0) >= 0)",
        "pages of others moved": "escaped(call(279, VICTIM, 0, 0, 0, 0, 0) == 0)",
        "double fork": "if not os.fork():\n    os.setsid()\n    if not os.fork():\n        os.closerange(0, 64); time.sleep(300)\n    os._exit(0)",
        "deaf daemon": "if not os.fork():\n    os.setsid(); [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 3, 13, 15)]; time.sleep(300)",
        "daemon that holds the pipe": "subprocess.Popen(['sleep', '300'], start_new_session=True)",
        "daemons that start each other": "def live():\n    while True:\n        if not os.fork(): os.setsid()\n        else: os._exit(0)\n        time.sleep(0.001)\nif not os.fork(): live()",
        "pair that watches each other": "if not os.fork():\n    while True:\n        child = os.fork()\n        if not child: time.sleep(300)\n        os.waitpid(child, 0)",
        "thread that goes on": "threading.Thread(target=lambda: time.sleep(300), daemon=True).start()",
        "at exit": "import atexit; atexit.register(lambda: os.fork() or time.sleep(300))",
        "child by vfork": "subprocess.Popen('sleep 300; sleep 300', shell=True, preexec_fn=os.setpgrp)",
        "timer that signals": "signal.setitimer(signal.ITIMER_REAL, 0.001); signal.pause()",
        "thaw from outside the call": "if not os.fork():\n    os.setsid(); parent = os.getppid()\n    while True: os.kill(parent, signal.SIGCONT)",
    },
) + _scripts(
    "processes",
    {
        "background": "sleep 300 & sleep 300 & disown -a",
        "nohup": "nohup sleep 300 >/dev/null 2>&1 &",
        "setsid": "setsid sleep 300 & (setsid sleep 300 &) & true",
        "coprocess": "coproc sleep 300; true",
        "kill": "kill -9 $VICTIM $APP; kill -9 -1; true",
        "kill by name": "pkill -9 -f sleep; killall -9 sleep; true",
        "renice": "renice 19 -p $VICTIM && echo ESCAPED; renice 19 -u $(id -u); true",
        "trap": "trap '' TERM INT HUP; (trap '' TERM INT HUP; sleep 300) & true",
    },
)

RESOURCES = _table(
    "resources",
    {
        "memory of one process": ("x = []\nwhile True: x.append(bytearray(32 << 20))", "MemoryError|of memory"),
        "memory that is mapped": ("x = mmap.mmap(-1, 8 << 30)", "Cannot allocate memory"),
        "memory of many": ("for n in range(12):\n    if not os.fork():\n        x = b'x' * (40 << 20); time.sleep(30)\ntime.sleep(30)", "of memory"),
        "memory shared with children": ("m = mmap.mmap(-1, 400 << 20)\nfor n in range(0, 400 << 20, 4096): m[n] = 1", "of memory"),
        "memory in files": ("f = 0\nwhile True: f += 1; open(f'/tmp/{f}', 'wb').write(bytes(4 << 20))", "No space|Permission|of memory"),
        "memory in shared memory": ("f = 0\nwhile True: f += 1; open(f'/dev/shm/{f}', 'wb').write(bytes(4 << 20))", "No space|Permission"),
        "memory in the home": ("f = 0\nwhile True: f += 1; open(os.path.expanduser(f'~/{f}'), 'wb').write(bytes(4 << 20))", "No space|holds more|longer"),
        "memory without a name": ("escaped(call(319, ctypes.c_char_p(b'x'), 0) >= 0)",),
        "memory of System V": ("escaped(libc.shmget(0, 64 << 20, 0o1600) >= 0)",),
        "queues of System V": ("escaped(libc.msgget(0, 0o1600) >= 0)",),
        "queues of POSIX": ("escaped(call(240, ctypes.c_char_p(b'x'), 0o102, 0o600, 0) >= 0)",),
        "memory that is locked": ("libc.mlockall(3); x = mmap.mmap(-1, 64 << 20); escaped(libc.mlock(ctypes.addressof(ctypes.c_char.from_buffer(x)), 64 << 20) == 0)",),
        "memory in pipes": ("p = []\nwhile True: r, w = os.pipe(); p += [r, w]; os.set_blocking(w, False); os.write(w, bytes(65536))", "Too many open files"),
        "one large file": ("open('big', 'wb').write(bytes(12 << 20))", "File too large"),
        "sparse file": ("os.truncate(os.open('big', os.O_CREAT | os.O_RDWR), 1 << 40)", "File too large"),
        "allocated file": ("os.posix_fallocate(os.open('big', os.O_CREAT | os.O_RDWR), 0, 1 << 40)", "File too large|No space"),
        "many large files": ("for n in range(12): open(f'f{n}', 'wb').write(bytes(7 << 20))\ntime.sleep(9)", "workspace|No space"),
        "many writers": ("for n in range(8):\n    if not os.fork():\n        while True:\n            with open(f'f{n}', 'wb') as f: f.write(bytes(7 << 20))\n            n += 8\ntime.sleep(9)", "workspace|No space|made more"),
        "deleted files that are held open": ("held = []\nfor n in range(12):\n    held.append(open('f', 'w+b')); os.unlink('f'); held[-1].write(bytes(7 << 20)); held[-1].flush()\ntime.sleep(9)", "No space|workspace"),
        "deleted files that are mapped": ("held = []\nfor n in range(12):\n    f = open('f', 'w+b'); os.unlink('f'); f.write(bytes(7 << 20)); f.flush(); held.append(mmap.mmap(f.fileno(), 4096))\n    f.close()\ntime.sleep(9)", "No space|workspace"),
        "deleted files on their way": ("a, b = socket.socketpair()\nfor n in range(12):\n    with open('f', 'w+b') as f: os.unlink('f'); f.write(bytes(7 << 20)); f.flush(); socket.send_fds(a, [b'x'], [f.fileno()])\ntime.sleep(9)", "No space|not permitted"),
        "deleted files in a hidden process": ("libc.prctl(4, 0, 0, 0, 0); held = []\nfor n in range(12):\n    held.append(open('f', 'w+b')); os.unlink('f'); held[-1].write(bytes(7 << 20)); held[-1].flush()\ntime.sleep(9)", "No space|workspace"),
        "many sparse files": ("for n in range(20): os.truncate(os.open(f's{n}', os.O_CREAT | os.O_RDWR), 7 << 20)", ""),
        "many files": ("n = 0\nwhile True: n += 1; open(str(n), 'w').close()", "files"),
        "many links": ("n = 0\nwhile True: n += 1; os.symlink('x', str(n))", "files"),
        "many fifos": ("n = 0\nwhile True: n += 1; os.mkfifo(str(n))", "files"),
        "deep folders": ("while True: os.mkdir('d'); os.chdir('d')", "files|deeper"),
        "deep folders at once": ("for n in range(200): os.mkdir('d'); os.chdir('d')", ""),
        "endless output": ("while True: os.write(1, b'x' * 65536)", "printed more"),
        "endless lines": ("while True: print('x')", "printed more|longer"),
        "endless errors": ("while True: os.write(2, b'\\xff' * 65536)", "printed more"),
        "endless loop": ("while True: pass", "longer"),
        "loop that catches everything": ("while True:\n    try:\n        while True: pass\n    except BaseException: pass", "longer"),
        "sleep": ("time.sleep(3600)", "longer"),
        "stop of itself": ("os.kill(os.getpid(), signal.SIGSTOP)", "longer"),
        "all processors": ("for n in range(8):\n    if not os.fork():\n        while True: pass\nwhile True: pass", "longer"),
        "fork bomb": ("while True:\n    try: os.fork()\n    except OSError: time.sleep(0.01)", "longer|processes|of memory"),
        "fork bomb that ends its parents": ("while True:\n    try:\n        if os.fork(): os._exit(0)\n    except OSError: pass", ""),
        "threads": ("def more():\n    time.sleep(30)\nwhile True: threading.Thread(target=more).start()", "can't start new thread|longer"),
        "descriptors": ("x = []\nwhile True: x.append(os.dup(1))", "Too many open files"),
        "limits raised": ("resource.setrlimit(resource.RLIMIT_AS, (1 << 50, 1 << 50)); escaped()",),
        "limits raised by half": ("soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE); resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard + 1)); escaped()",),
        "core dump": ("os.abort()", ""),
        "crash": ("ctypes.string_at(0)", ""),
        "stack": ("sys.setrecursionlimit(1 << 30)\ndef f(): f()\nf()", ""),
        "input": ("print(repr(sys.stdin.read())); input()", "EOFError"),
        "terminal": ("open('/dev/tty').read(); escaped()",),
        "answer of its own": ("os.write(3, b'D' + struct.pack('I', 1) + b'0'); time.sleep(0.1); print('after')", ""),
        "answer that is huge": ("os.write(3, b'D' + struct.pack('I', 0xffffffff) + bytes(1 << 20)); time.sleep(1)", ""),
        "answer that never ends": ("while True: os.write(3, b'D' + struct.pack('I', 4 << 20) + bytes(1 << 16))", ""),
        "answer that is nonsense": ("os.write(3, b'<html>' * 100); time.sleep(1)", ""),
        "answer with paths": ("os.write(3, b'D' + struct.pack('<I', 31) + b'0\\0../../etc/passwd\\0/etc/shadow'); time.sleep(0.2)", ""),
        "no answer": ("os.close(3); time.sleep(0.2)", ""),
        "zip bomb": ("import zlib; x = [zlib.decompress(zlib.compress(bytes(64 << 20)) ) for n in range(40)]", "MemoryError|of memory|longer"),
        "power": ("x = 9 ** 9 ** 9", "longer|Memory"),
        "regular expression": ("import re; re.match('(a+)+$', 'a' * 64 + 'b')", "longer"),
    },
) + [
    Attempt("resources", name, body, want, shell=True)
    for name, (body, want) in {
        "yes": ("yes", "printed more"),
        "fork bomb in the shell": (":(){ :|:& };:; sleep 9", ""),
        "read": ("read x; echo \"got $x\"", "got"),
        "dd": ("dd if=/dev/zero of=a bs=1M; dd if=/dev/zero of=b bs=1M", "File too large|File size"),
        "binary": ("head -c 300000 /dev/urandom", "left out"),
        "escape sequences": ("printf '\\033]0;x\\007\\033[2J\\033[6n'", ""),
        "cpu": ("while :; do :; done", "longer"),
        "tail": ("tail -f /dev/null", "longer"),
        "ulimit": ("ulimit -v unlimited && echo ESCAPED; ulimit -f unlimited && echo ESCAPED; true", ""),
    }.items()
]  # fmt: skip

NETWORK = _table(
    "network",
    {
        "app's port": "socket.create_connection(('127.0.0.1', TCP), 0.3).send(b'x'); escaped()",
        "app's port by name": "socket.create_connection(('localhost', TCP), 0.3).send(b'x'); escaped()",
        "app's port by IPv6": "socket.create_connection(('::1', TCP6), 0.3).send(b'x'); escaped()",
        "app's port by another address": "socket.create_connection(('127.1.2.3', TCP), 0.3).send(b'x'); escaped()",
        "app's port by 0.0.0.0": "socket.create_connection(('0.0.0.0', TCP), 0.3).send(b'x'); escaped()",
        "this machine's address": "socket.create_connection((ADDRESS, TCP), 0.3).send(b'x'); escaped()",
        "datagram": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', UDP))",
        "broadcast": "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(1, 6, 1); s.sendto(b'x', ('255.255.255.255', UDP))",
        "multicast": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('224.0.0.251', 5353)); escaped()",
        "names": "print(socket.getaddrinfo('example.com', 80)); escaped()",
        "metadata service": "socket.create_connection(('169.254.169.254', 80), 0.3); escaped()",
        "web": "import urllib.request; urllib.request.urlopen('http://1.1.1.1', timeout=0.3); escaped()",
        "socket file": "socket.socket(socket.AF_UNIX).connect(SOCKET); escaped()",
        "datagram to a socket file": "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', SOCKET + '.dgram'); escaped()",
        "abstract socket": "socket.socket(socket.AF_UNIX).connect('\\0' + MARK); escaped()",
        "docker, D-Bus and friends": "each(['/var/run/docker.sock', '/run/docker.sock', '/run/dbus/system_bus_socket', '/run/systemd/private', '/run/containerd/containerd.sock', '/tmp/.X11-unix/X0'], lambda path: (socket.socket(socket.AF_UNIX).connect(path), escaped()))",
        "raw": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); escaped()",
        "ping": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 1).sendto(b'\\x08\\0\\0\\0\\0\\0\\0\\0', (ADDRESS, 0)); escaped()",
        "packet": "socket.socket(17, socket.SOCK_RAW, 3); escaped()",
        "netlink": "socket.socket(16, socket.SOCK_RAW, 0); escaped()",
        "kernel's events": "socket.socket(16, socket.SOCK_DGRAM, 15); escaped()",
        "virtual machine": "socket.socket(40, socket.SOCK_STREAM).connect((2, 1024)); escaped()",
        "kernel's ciphers": "socket.socket(38, socket.SOCK_SEQPACKET, 0); escaped()",
        "bluetooth": "socket.socket(31, socket.SOCK_RAW, 1); escaped()",
        "every other family": "each([n for n in range(3, 46) if n not in (10,)], lambda n: (socket.socket(n, socket.SOCK_DGRAM), escaped()))",
        "multipath": "s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262); s.settimeout(0.3); s.connect(('127.0.0.1', TCP)); escaped()",
        "fast open": "socket.socket().sendto(b'x', 0x20000000, ('127.0.0.1', TCP)); escaped()",
        "port that the host can reach": "s = socket.create_server(('0.0.0.0', SPARE)); s.settimeout(0.2); s.accept(); escaped()",
        "interfaces": "escaped(any(name != 'lo' for _, name in socket.if_nameindex()))",
        "io_uring": "escaped(call(425, 4, ctypes.create_string_buffer(120)) >= 0)",
    },
) + _scripts(
    "network",
    {
        "dev tcp": "(exec 3<>/dev/tcp/127.0.0.1/$TCP && echo ESCAPED) 2>&1",
        "dev udp": "(echo x > /dev/udp/127.0.0.1/$UDP) 2>&1",
        "curl": "curl -m 1 http://127.0.0.1:$TCP && echo ESCAPED; curl -m 1 --unix-socket $SOCKET http://x && echo ESCAPED; true",
        "ping": "ping -c1 -W1 $ADDRESS && echo ESCAPED; true",
    },
)

KERNEL = _table(
    "kernel",
    {
        "mount": "escaped(libc.mount(b'none', b'.', b'tmpfs', 0, None) == 0)",
        "bind mount": "escaped(libc.mount(b'/', b'.', None, 4096, None) == 0)",
        "remount": "escaped(libc.mount(None, b'/usr', None, 32 | 4096, None) == 0)",
        "umount": "each([b'/proc', b'/usr', b'/etc/passwd', b'/mnt/data'], lambda path: escaped(libc.umount2(path, 4) == 0 or ctypes.get_errno() in (errno.EAGAIN, errno.EBUSY)))",
        "new mount calls": "escaped(call(430, ctypes.c_char_p(b'tmpfs'), 0) >= 0 or call(428, -100, ctypes.c_char_p(b'/'), 1) >= 0)",
        "chroot": "os.chroot('.'); escaped()",
        "pivot_root": "escaped(call(155, ctypes.c_char_p(b'.'), ctypes.c_char_p(b'.')) == 0)",
        "namespaces by unshare": "each([0x10000000, 0x20000, 0x40000000, 0x20000000, 0x4000000, 0x8000000, 0x2000000, 0x80], lambda flag: escaped(libc.unshare(flag) == 0))",
        "namespaces by clone": "each([0x10000000, 0x20000, 0x40000000, 0x20000000, 0x4000000], lambda flag: escaped((pid := call(56, flag | 17, 0, 0, 0, 0)) >= 0) or (pid == 0 and os._exit(0)))",
        "namespaces by clone3": "each([0x10000000, 0x20000], lambda flag: escaped((pid := call(435, ctypes.create_string_buffer(struct.pack('8Q', flag, 0, 0, 0, 17, 0, 0, 0)), 64)) >= 0) or (pid == 0 and os._exit(0)))",
        "namespaces of others": "each(others(), lambda pid: escaped(libc.setns(os.open(f'/proc/{pid}/ns/mnt', os.O_RDONLY), 0) == 0))",
        "keys": "escaped(call(248, ctypes.c_char_p(b'user'), ctypes.c_char_p(b'x'), ctypes.c_char_p(b'x'), 1, -2) >= 0)",
        "keyrings": "escaped(call(250, 0, -3, 1) >= 0)",
        "bpf": "escaped(call(321, 5, ctypes.create_string_buffer(128), 128) >= 0)",
        "perf": "escaped(call(298, ctypes.create_string_buffer(struct.pack('II', 1, 128) + bytes(120)), 0, -1, -1, 0) >= 0)",
        "userfaultfd": "escaped(call(323, 1) >= 0)",
        "typing into a terminal": "each(['/dev/tty', '/dev/console', '/dev/tty1', '/dev/pts/0', '/proc/self/fd/0', '/proc/self/fd/1'], lambda path: (fcntl.ioctl(os.open(path, os.O_RDWR), 0x5412, b'x'), escaped()))",
        "typing into a terminal of its own": "import pty\na, b = pty.openpty(); fcntl.ioctl(b, 0x5412, b'x'); escaped()",
        "terminal with high bits": "escaped(libc.syscall(ctypes.c_long(16), ctypes.c_long(0), ctypes.c_ulong(0x100005412), ctypes.c_char_p(b'x')) == 0)",
        "x32 calls": "escaped(call(0x40000000 + 39) > 0)",
        "32-bit calls": "code = mmap.mmap(-1, 4096, prot=7); code.write(bytes.fromhex('b814000000cd80c3'))\nif not (pid := os.fork()): os._exit(7 if ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))() > 0 else 0)\nescaped(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7)",
        "device": "os.mknod('mem', 0o600 | stat.S_IFCHR, os.makedev(1, 1)); escaped()",
        "disk": "os.mknod('disk', 0o600 | stat.S_IFBLK, os.makedev(254, 0)); escaped()",
        "root by setuid": "os.setuid(0); escaped()",
        "root's groups": "os.setgroups([0]); escaped()",
        "setuid bit": "import shutil; shutil.copy('/bin/sh', 'sh'); os.chmod('sh', 0o4755); escaped('euid=0' in subprocess.run(['./sh', '-pc', 'id'], capture_output=True, text=True).stdout)",
        "setuid programs": "escaped('uid=0' in subprocess.run('su -c id; sudo -n id; pkexec id; newgrp root', shell=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout)",
        "capabilities": "status = dict(line.split(':', 1) for line in open('/proc/thread-self/status')) if os.path.exists('/proc/thread-self/status') else {}\nescaped(any(int(status[name], 16) for name in ('CapEff', 'CapPrm', 'CapInh', 'CapAmb') if name in status))",
        "capabilities taken": "escaped(libc.capset(struct.pack('Ii', 0x20080522, 0), struct.pack('6I', *[0xffffffff] * 6)) == 0)",
        "ambient capabilities": "escaped(libc.prctl(47, 2, 21, 0, 0) == 0)",
        "no_new_privs": "libc.prctl(38, 0, 0, 0, 0); escaped(libc.prctl(39, 0, 0, 0, 0) != 1)",
        "filter removed": "libc.prctl(22, 0, 0, 0, 0); escaped(libc.prctl(21, 0, 0, 0, 0) != 2)",
        "filter loosened": "code = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0x7fff0000)); libc.prctl(22, 2, ctypes.create_string_buffer(struct.pack('@HP', 1, ctypes.addressof(code))), 0, 0); escaped(libc.unshare(0x10000000) == 0)",
        "landlock loosened": "attr = struct.pack('Q', 1); fd = call(444, ctypes.c_char_p(attr), 8, 0); call(446, fd, 0); show(DATABASE)",
        "module": "escaped(call(313, 0, ctypes.c_char_p(b''), 0) == 0)",
        "reboot": "escaped(call(169, 0xfee1dead, 672274793, 0, 0) == 0)",
        "clock": "time.clock_settime(time.CLOCK_REALTIME, time.time()); escaped()",
        "host name": "socket.sethostname(socket.gethostname()); escaped()",
        "swap": "escaped(call(167, ctypes.c_char_p(b'/dev/vda'), 0) == 0)",
        "quota": "escaped(call(179, 0x800007 << 8, ctypes.c_char_p(b'/dev/vda'), 0, ctypes.create_string_buffer(128)) == 0)",
        "asynchronous input and output": "escaped(call(206, 60000, ctypes.byref(ctypes.c_ulong())) == 0)",
        "segments": "escaped(call(154, 0, ctypes.create_string_buffer(16), 16) >= 0)",
        "ports": "escaped(call(172, 3) == 0)",
        "kernel's log": "escaped(call(103, 3, ctypes.create_string_buffer(4096), 4096) > 0)",
        "nested bubblewrap": "escaped(subprocess.run(['bwrap', '--ro-bind', '/', '/', '--dev', '/dev', 'true'], capture_output=True).returncode == 0)",
        "real-time priority": "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)); escaped()",
        "seccomp by a debugger": "escaped(call(317, 1, 8, ctypes.create_string_buffer(struct.pack('@HP', 0, 0))) >= 0)",
    },
) + _scripts(
    "kernel",
    {
        "unshare": "unshare -Ur true && echo ESCAPED; unshare -n true && echo ESCAPED; true",
        "mount": "mount -t tmpfs none . && echo ESCAPED; mount --bind / . && echo ESCAPED; true",
        "nsenter": "nsenter -t 1 -m true && echo ESCAPED; nsenter -t $VICTIM -a true && echo ESCAPED; true",
        "sudo": "sudo -n id | grep uid=0 && echo ESCAPED; su -c id </dev/null | grep uid=0 && echo ESCAPED; true",
        "sysctl": "(exec 3>/proc/sys/kernel/core_pattern) && echo ESCAPED; sysctl -w kernel.core_uses_pid=$(cat /proc/sys/kernel/core_uses_pid) && echo ESCAPED; true",
        "mknod": "mknod mem c 1 1 && echo ESCAPED; true",
        "chroot": "chroot / true && echo ESCAPED; true",
    },
)  # fmt: skip

ATTEMPTS = (*READING, *WRITING, *PROCESSES, *RESOURCES, *NETWORK, *KERNEL)
