"""install.sh against a pretended machine: small programs first on the PATH stand in for uname, uv, curl and the like."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHELLS = [name for name in ("dash", "bash", "busybox", "zsh") if shutil.which(name)] or ["sh"]
NEEDED = [
    "sh",
    "dirname",
    "cat",
    "date",
    "mkdir",
    "rm",
    "mv",
    "tail",
    "df",
    "awk",
    "sleep",
    "getconf",
    "grep",
    "kill",
    "env",
    "id",
    "true",
]


class Machine:
    """A clone of the installer's files in a folder with a space, and a PATH that holds only what is put there."""

    def __init__(self, folder):
        self.clone = folder / "a clone"
        self.bin = folder / "bin"
        self.home = folder / "home"
        for path in (self.clone, self.bin, self.home):
            path.mkdir()
        shutil.copy(ROOT / "install.sh", self.clone)
        (self.clone / "constraints.txt").write_text("llama-cpp-python==0.3.36\n")
        for name in NEEDED:
            (self.bin / name).symlink_to(shutil.which(name))
        self.fake("uname", "case $1 in -s) echo Linux ;; *) echo 6.1.0-amd64 ;; esac")
        self.fake("curl", "exit 7")

    def fake(self, name, script):
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def fake_uv(self):
        """A uv that makes an environment whose programs all succeed, but for an engine that `engine-works` allows."""
        self.fake("ok", "exit 0")
        works = self.home / "engine-works"
        self.fake(
            "python-fake",
            f'case "$*" in *llama_backend_init*) [ -e "{works}" ] ;; *"pip wheel"*) [ -z "$BROKEN_BUILD" ] && touch "{works}" ;; esac',
        )
        self.fake(
            "uv",
            f'''
echo "uv $*" >>"{self.home}/calls"
case "$*" in
--version) exit 0 ;;
venv*) for last in "$@"; do :; done
       mkdir -p "$last/bin" && cp "{self.bin}/python-fake" "$last/bin/python" && cp "{self.bin}/ok" "$last/bin/m3studio" ;;
*"--only-binary"*) [ -e "{works}" ] ;;
*" -e "*) [ -z "$BROKEN_APP" ] ;;
esac''',
        )
        for name in ("cp", "touch", "pip"):
            if not (self.bin / name).exists():
                (self.bin / name).symlink_to(shutil.which(name) or "/bin/true")

    def run(self, *words, shell="sh", **environ):
        command = {"busybox": ["busybox", "ash"]}.get(shell, [shell])
        command[0] = shutil.which(command[0])
        return subprocess.run(
            [*command, str(self.clone / "install.sh"), *words],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # no terminal to ask on
            cwd=self.home,
            env={"PATH": str(self.bin), "HOME": str(self.home), **environ},
        )


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


each_shell = pytest.mark.parametrize("shell", SHELLS)


@each_shell
def test_help_and_wrong_usage(machine, shell):
    told = machine.run("--help", shell=shell)
    assert told.returncode == 0
    assert "--no-start" in told.stdout
    wrong = machine.run("--frobnicate", shell=shell)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "unknown option: --frobnicate" in wrong.stderr
    assert not (machine.clone / ".install").exists()


@pytest.mark.parametrize("words", [["--dir"], ["--dir", "/no/such/folder"], ["--dir", "/"]], ids=" ".join)
def test_a_folder_that_is_not_the_app(machine, words):
    assert machine.run(*words).returncode == 2


def test_wsl_1_is_refused_and_wsl_2_is_not(machine):
    machine.fake("uname", "case $1 in -s) echo Linux ;; *) echo 4.4.0-19041-Microsoft ;; esac")
    told = machine.run()
    assert told.returncode == 10
    assert "WSL 1" in told.stderr
    machine.fake("uname", "case $1 in -s) echo Linux ;; *) echo 5.15.90.1-microsoft-standard-WSL2 ;; esac")
    assert machine.run().returncode == 13


def test_rosetta_is_refused(machine):
    machine.fake("uname", "case $1 in -s) echo Darwin ;; *) echo 23.0 ;; esac")
    machine.fake("sysctl", "echo 1")
    told = machine.run()
    assert told.returncode == 10
    assert "Rosetta" in told.stderr


def test_an_unknown_system_is_refused(machine):
    machine.fake("uname", "case $1 in -s) echo MINGW64_NT ;; *) echo 3.4 ;; esac")
    assert machine.run().returncode == 10


def test_a_mac_without_developer_tools_never_touches_their_stubs(machine):
    machine.fake("uname", "case $1 in -s) echo Darwin ;; *) echo 23.0 ;; esac")
    machine.fake("sysctl", "echo 0")
    machine.fake("xcode-select", "exit 2")
    machine.fake("python3", f'touch "{machine.home}/dialog"')
    assert machine.run().returncode == 13
    assert not (machine.home / "dialog").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_folder_that_cannot_be_written(machine):
    machine.clone.chmod(0o500)
    assert machine.run().returncode == 11


def test_a_file_in_the_way_of_its_folder(machine):
    (machine.clone / ".install").write_text("")
    told = machine.run()
    assert told.returncode == 11
    assert "cannot write" in told.stderr


def test_a_full_disk(machine):
    (machine.bin / "df").unlink()
    machine.fake("df", "echo head; echo 'disk 100 90 204800 90% /'")
    told = machine.run()
    assert told.returncode == 12
    assert "only 200 MB free" in told.stderr


def test_no_uv_and_no_way_to_get_it(machine):
    machine.fake("python3", "exit 1")
    told = machine.run()
    assert told.returncode == 13
    assert "pip install uv" in told.stderr


def test_no_python(machine):
    machine.fake("uv", "[ $1 = --version ]")
    told = machine.run()
    assert told.returncode == 14
    assert "no Python 3.11 to 3.14" in told.stderr


def test_the_old_environment_comes_back_when_no_new_one_can_be_made(machine):
    machine.fake("uv", "[ $1 = --version ]")
    old = machine.clone / ".venv" / "bin"
    old.mkdir(parents=True)
    (old / "keepsake").write_text("mine")
    assert machine.run().returncode == 14
    assert (old / "keepsake").read_text() == "mine"


def test_another_install_is_in_the_way_until_it_has_died(machine):
    lock = machine.clone / ".install" / "lock"
    lock.mkdir(parents=True)
    (lock / "pid").write_text(str(os.getpid()))
    told = machine.run()
    assert told.returncode == 15
    assert f"pid {os.getpid()}" in told.stderr
    assert lock.exists()
    gone = subprocess.Popen(["true"])
    gone.wait()
    (lock / "pid").write_text(str(gone.pid))
    assert machine.run().returncode == 13
    assert not lock.exists()


def test_no_compiler(machine):
    machine.fake_uv()
    machine.fake("apt-get", "exit 0")
    told = machine.run()
    assert told.returncode == 20
    assert "apt-get install build-essential" in told.stderr


def test_an_engine_that_does_not_build(machine):
    machine.fake_uv()
    machine.fake("gcc", "exit 0")
    machine.fake("g++", "exit 0")
    told = machine.run(BROKEN_BUILD="1")
    assert told.returncode == 21
    assert str(machine.clone / ".install" / "install.log") in told.stderr


@each_shell
def test_the_whole_way_twice(machine, shell):
    machine.fake_uv()
    machine.fake("gcc", "exit 0")
    machine.fake("g++", "exit 0")
    told = machine.run("--no-start", shell=shell)
    assert (told.returncode, told.stderr) == (0, "")
    assert "compiling" in told.stdout
    assert f"{machine.clone}/.venv/bin/m3studio" in told.stdout
    assert [path.name for path in (machine.clone / ".install").iterdir()] == ["install.log"]
    again = machine.run("--no-start", shell=shell)
    assert again.returncode == 0
    assert "compiling" not in again.stdout
    assert (machine.home / "calls").read_text().count("uv venv") == 1


def test_without_a_terminal_nothing_is_asked_and_nothing_starts(machine):
    machine.fake_uv()
    (machine.home / "engine-works").write_text("")
    told = machine.run()
    assert told.returncode == 0
    assert "[Y/n]" not in told.stdout


def test_an_app_that_does_not_install(machine):
    machine.fake_uv()
    (machine.home / "engine-works").write_text("")
    assert machine.run(BROKEN_APP="1").returncode == 30


def test_an_app_that_does_not_run(machine):
    machine.fake_uv()
    (machine.home / "engine-works").write_text("")
    machine.fake("ok", "exit 1")
    assert machine.run().returncode == 31


def test_a_start_that_fails_and_one_that_ends_well(machine):
    machine.fake_uv()
    (machine.home / "engine-works").write_text("")
    machine.fake("ok", f'echo "$*" >>"{machine.home}/started"; case "$*" in *bad*) exit 1 ;; esac')
    assert machine.run("--start", "--", "-p", "9 9").returncode == 0
    assert (machine.home / "started").read_text().splitlines()[-1] == "-p 9 9"
    told = machine.run("--start", "--", "bad")
    assert told.returncode == 40
    assert "did not start" in told.stderr


def test_a_starter_model_that_does_not_come_is_only_a_warning(machine):
    machine.fake_uv()
    (machine.home / "engine-works").write_text("")
    machine.fake("ok", '[ "$1" != pull ]')
    told = machine.run("--no-start")
    assert told.returncode == 0
    assert "it did not come" in told.stdout


def test_the_script_stays_small_and_names_no_registry():
    text = (ROOT / "install.sh").read_text()
    assert len(text.splitlines()) <= 250
    assert text.splitlines()[-1] == 'main "$@"'
    for host in ("pypi", "pythonhosted", "npmjs", "crates.io"):
        assert host not in text
