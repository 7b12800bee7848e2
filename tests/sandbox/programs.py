"""Programs that must work inside. `lost` names the levels that do not cover them, as their files say."""

from dataclasses import dataclass

WHEEL = """
import zipfile
with zipfile.ZipFile('tiny-1.0-py3-none-any.whl', 'w') as wheel:
    wheel.writestr('tiny.py', 'answer = 42')
    wheel.writestr('tiny-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n')
    wheel.writestr('tiny-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr('tiny-1.0.dist-info/RECORD', '')
"""


@dataclass(frozen=True)
class Program:
    """`want` is looked for in what it prints."""

    name: str
    body: str
    want: str
    shell: bool = False
    exit_code: int = 0
    lost: tuple[str, ...] = ()


SERVER = """
import http.server, threading, urllib.request
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
open('page.txt', 'w').write('served')
print(urllib.request.urlopen(f'http://127.0.0.1:{server.server_port}/page.txt').read())
"""
POOL = """
import multiprocessing
def square(n): return n * n
with multiprocessing.get_context('fork').Pool(2) as pool: print(pool.map(square, range(5)))
"""
_LOST = ("landlock", "seatbelt")
PROGRAMS = (
    Program("unicode", "print('grüße 漢字 🎉')", "grüße 漢字 🎉"),
    Program("unicode names", "open('grüße 漢字', 'w').write('x'); print(__import__('os').listdir())", "grüße 漢字"),
    Program("binary output", "import sys; sys.stdout.buffer.write(b'a\\xff\\x00b'); sys.stdout.flush()", "a.\0b"),
    Program("exit code", "raise SystemExit(7)", "", exit_code=7),
    Program("standard error is apart", "import sys; print('out'); print('err', file=sys.stderr)", "^out\n$"),
    Program("subprocess", "import subprocess; print(subprocess.check_output(['echo', 'hello'], text=True))", "hello"),
    Program("subprocess with input", "import subprocess; print(subprocess.run(['tr', 'a-z', 'A-Z'], input='up', capture_output=True, text=True).stdout)", "UP"),
    Program("own interpreter", "import subprocess, sys; print(subprocess.check_output([sys.executable, '-c', 'print(6*7)'], text=True))", "42"),
    Program("threads", "from concurrent.futures import ThreadPoolExecutor as T; print(list(T(4).map(lambda n: n * n, range(5))))", r"\[0, 1, 4, 9, 16\]"),
    Program("processes", POOL, r"\[0, 1, 4, 9, 16\]", lost=_LOST),
    Program("fork", "import os\nif not os.fork(): os._exit(5)\nprint(os.waitstatus_to_exitcode(os.wait()[1]))", "5"),
    Program("killing one's own child", "import subprocess; p = subprocess.Popen(['sleep', '60']); p.kill(); print(p.wait())", "-9"),
    Program("asyncio", "import asyncio\nasync def f(): return await asyncio.gather(*[asyncio.sleep(0.01, n) for n in range(3)])\nprint(asyncio.run(f()))", r"\[0, 1, 2\]"),
    Program("asyncio with a process", "import asyncio\nasync def f():\n    p = await asyncio.create_subprocess_exec('echo', 'hi', stdout=-1)\n    return await p.stdout.read()\nprint(asyncio.run(f()))", "hi"),
    Program("loopback", SERVER, "served", lost=_LOST),
    Program("sqlite", "import sqlite3; d = sqlite3.connect('x.db'); d.execute('create table t(a)'); d.execute('insert into t values(3)'); d.commit(); print(d.execute('select a from t').fetchall())", r"\(3,\)"),
    Program("temporary files", "import tempfile\nwith tempfile.NamedTemporaryFile('w+') as f: f.write('kept'); f.seek(0); print(f.read())", "kept"),
    Program("temporary folders", "import tempfile, pathlib\nwith tempfile.TemporaryDirectory() as d: p = pathlib.Path(d, 'x'); p.write_text('in'); print(p.read_text())", "in"),
    Program("files", "import shutil, os; os.makedirs('a/b'); open('a/b/c', 'w').write('x'); shutil.copytree('a', 'd'); shutil.rmtree('a'); print(os.listdir('d/b'))", "c"),
    Program("links", "import os; open('a', 'w').write('x'); os.symlink('a', 'b'); os.link('a', 'c'); print(open('b').read(), os.stat('c').st_nlink)", "x 2"),
    Program("memory that is shared with children", "import mmap, os; m = mmap.mmap(-1, 4096)\nif not os.fork(): m[0] = 7; os._exit(0)\nos.wait(); print(m[0])", "7"),
    Program("mapped file", "import mmap; open('m', 'wb').write(bytes(8192)); f = open('m', 'r+b'); m = mmap.mmap(f.fileno(), 0); m[1] = 9; m.flush(); print(open('m', 'rb').read()[1])", "9"),
    Program("decimals, dates, zones", "import decimal, datetime, zoneinfo; print(decimal.Decimal('0.1') * 3, datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC))", r"0\.3 2026-01-02"),
    Program("hashes and random numbers", "import hashlib, secrets, random; print(hashlib.sha256(b'x').hexdigest()[:4], len(secrets.token_hex(4)), random.Random(1).randint(1, 6))", "2d71 8 2"),
    Program("json, csv, xml", "import json, csv, io, xml.etree.ElementTree as x; print(json.dumps({'a': [1]}), list(csv.reader(io.StringIO('1,2'))), x.fromstring('<a>t</a>').text)", "t"),
    Program("archives", "import zipfile, tarfile; open('f', 'w').write('x'); z = zipfile.ZipFile('z.zip', 'w'); z.write('f'); z.close(); t = tarfile.open('t.tgz', 'w:gz'); t.add('f'); t.close(); print(zipfile.ZipFile('z.zip').namelist(), tarfile.open('t.tgz').getnames())", r"\['f'\] \['f'\]"),
    Program("C library", "import ctypes; print(ctypes.CDLL(None).abs(-5))", "5"),
    Program("signals", "import signal, time; signal.signal(signal.SIGALRM, lambda *_: print('rang')); signal.setitimer(signal.ITIMER_REAL, 0.01); time.sleep(0.1)", "rang"),
    Program("classes and pickles", "import pickle\nclass A: x = 1\nprint(pickle.loads(pickle.dumps(A())).x)", "1"),
    Program("source of functions", "import inspect\ndef f(): return 'seen'\nprint(inspect.getsource(f))", "return 'seen'"),
    Program("dataclasses and typing", "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int = 3\nP()", r"P\(x=3\)"),
    Program("home and user", "import os, getpass, pathlib; p = pathlib.Path.home() / 'x'; p.write_text('y'); print(p.read_text(), bool(getpass.getuser()))", "y True"),
    Program("pip from a wheel", f"{WHEEL}\nimport subprocess, sys; subprocess.run([sys.executable, '-m', 'pip', 'install', '-q', '--no-index', '--target', '.', 'tiny-1.0-py3-none-any.whl'], check=True, stderr=-1) if __import__('importlib.util').util.find_spec('pip') else zipfile.ZipFile('tiny-1.0-py3-none-any.whl').extractall()\nimport tiny; tiny.answer", "42"),
    Program("module in the workspace", "open('own.py', 'w').write('x = 5')\nimport own; own.x", "5"),
    Program("pipeline", "printf 'b\\na\\nb\\n' | sort | uniq -c | sort -rn | head -1", "2 b", shell=True),
    Program("here documents and loops", "for i in 1 2 3; do cat <<< $i; done; cat <<END\nend\nEND", "1\n2\n3\nend", shell=True),
    Program("process substitution", "diff <(echo a) <(echo b); true", "< a", shell=True),
    Program("background and wait", "(sleep 0.05; echo later) & wait; echo done", "later\ndone", shell=True),
    Program("timeout", "timeout 0.1 sleep 5; echo $?", "124", shell=True),
    Program("tar", "mkdir d; echo x > d/f; tar czf a.tgz d; rm -r d; tar xzf a.tgz; cat d/f", "x", shell=True),
    Program("sed, awk, grep, find", "echo 'a 1' > f; awk '{print $2 + 1}' f; sed s/a/b/ f; grep -c a f; find . -name f", "2\nb 1\n1\n./f", shell=True),
    Program("git", "git init -q . && git config user.email a@b && git config user.name a && echo x > f && git add f && git commit -qm first && git log --oneline", "first", shell=True),
    Program("script with its own interpreter", "printf '#!/bin/sh\\necho ran\\n' > s; chmod +x s; sh s", "ran", shell=True),
    Program("executable file", "printf '#!/bin/sh\\necho ran\\n' > s; chmod +x s; ./s", "ran", shell=True, lost=("landlock",)),
    Program("python in the shell", "python3 -c 'print(2 ** 10)'", "1024", shell=True),
    Program("whoami, date, locale", "id -u >/dev/null && date +%Y && locale >/dev/null 2>&1; echo $HOME $PWD", r"20\d\d", shell=True),
    Program("exit code of the shell", "exit 9", "", shell=True, exit_code=9),
)  # fmt: skip
