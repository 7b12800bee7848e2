#!/bin/sh
# Installs M3 Studio into .venv of its own folder, and starts or tests it. Safe to repeat. `sh install.sh --help` tells more.

usage() {
    cat <<'END'
Usage: sh install.sh [options] [-- more]

  --start      start M3 Studio when it is installed; what follows `--` goes to `m3studio`
  --no-start   install only, and do not ask
  --test       install what the tests need and run them; what follows `--` goes to `pytest`
  --dir DIR    the app's folder (default: where this script lies)
  --yes        answer every question with yes
  --help       this text

It needs 1500 MB of disk, a C and C++ compiler where no ready engine fits, and no root. docs/install.md tells more.
Exit codes: 0 done, 1 a test failed, 2 wrong usage, 130 interrupted; docs/install.md lists the others.
END
}

say() {
    printf '%s\n' "$*"
    [ -z "${LOG-}" ] || printf '== %s %s\n' "$(date '+%H:%M:%S')" "$*" >>"$LOG"
}

fail() { # CODE SENTENCE
    printf 'install.sh: %s\n' "$2" >&2
    exit "$1"
}

fail_with_log() { # CODE SENTENCE
    tail -n 25 "$LOG" >&2
    fail "$1" "$2 The whole log: $LOG"
}

quiet() { "$@" >>"$LOG" 2>&1 </dev/null; }

slow() { # LABEL COMMAND...: says every 20 s that it still works
    label=$1 spent=0 && shift
    : >"$WORK/lock/$label"
    while sleep 1 && [ -e "$WORK/lock/$label" ]; do
        spent=$((spent + 1))
        [ $((spent % 20)) -ne 0 ] || printf '  %s: %s s\n' "$label" "$spent"
    done &
    quiet "$@"
    result=$?
    rm -f "$WORK/lock/$label"
    return "$result"
}

leave() { # whatever happens: the old environment back in its place, and the lock gone
    code=$?
    trap - EXIT INT TERM HUP
    [ ! -d "$WORK/venv.old" ] || { rm -rf "$VENV" && mv "$WORK/venv.old" "$VENV"; }
    rm -rf "$WORK/lock"
    exit "$code"
}

has_tools() { [ "$(uname -s)" != Darwin ] || xcode-select -p >/dev/null 2>&1; } # else Apple's stubs open a dialog

check_platform() {
    case $(uname -s)-$(uname -r) in
    Darwin-*)
        [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" != 1 ] ||
            fail 10 "this shell runs under Rosetta. Open a native terminal (arch -arm64 zsh) and try again."
        ;;
    Linux-*-Microsoft) fail 10 "WSL 1 is not supported. Convert it with: wsl --set-version DISTRIBUTION 2" ;;
    Linux-*) ;;
    *) fail 10 "$(uname -s) is not supported. On Windows use WSL 2; Linux and macOS work." ;;
    esac
}

lock() {
    { mkdir -p "$WORK" && : >>"$WORK/install.log"; } 2>/dev/null ||
        fail 11 "cannot write $DIR. Mend its permissions, or clone to another folder."
    if ! mkdir "$WORK/lock" 2>/dev/null; then
        [ -s "$WORK/lock/pid" ] || sleep 1 # its maker may be about to write its number
        owner=$(cat "$WORK/lock/pid" 2>/dev/null)
        [ -z "$owner" ] || ! kill -0 "$owner" 2>/dev/null ||
            fail 15 "another install is running (pid $owner). Wait for it, or stop it."
        rm -rf "$WORK/lock"
        mkdir "$WORK/lock" 2>/dev/null || fail 15 "another install is running."
    fi
    echo $$ >"$WORK/lock/pid"
    trap leave EXIT
    trap 'exit 130' INT TERM HUP
    LOG=$WORK/install.log
    : >"$LOG"
}

check_room() {
    [ ! -x "$VENV/bin/m3studio" ] || return 0
    free=$(df -Pk "$DIR" | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free" -ge 1500 ] || fail 12 "only $free MB free in $DIR; 1500 MB needed."
}
try_uv() { [ -n "$1" ] && quiet "$1" --version && UV=$1; }

get_uv() {
    for candidate in "$(command -v uv)" "$HOME/.local/bin/uv" "$WORK/uv/bin/uv" "$WORK/uv/uv"; do
        ! try_uv "$candidate" || return 0
    done
    say "Getting uv, which installs the rest"
    if python=$(first_of python3 python) && has_tools; then
        rm -rf "$WORK/uv"
        quiet "$python" -m venv "$WORK/uv" && quiet "$WORK/uv/bin/python" -m pip install uv
        ! try_uv "$WORK/uv/bin/uv" || return 0
        rm -rf "$WORK/uv" # Debian's Python has no venv without python3-venv; its pip can do without
        quiet "$python" -m pip install --target "$WORK/uv" uv
        ! try_uv "$WORK/uv/bin/uv" || return 0
    fi
    quiet curl -LsSf --max-time 60 -o "$WORK/get-uv.sh" https://astral.sh/uv/install.sh &&
        quiet env UV_UNMANAGED_INSTALL="$WORK/uv" sh "$WORK/get-uv.sh"
    try_uv "$WORK/uv/uv" ||
        fail 13 "could not get uv. Install it with \`pip install uv\` or \`brew install uv\`, then run this again."
}

make_venv() {
    ! quiet "$VENV/bin/python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || return 0
    say "Making the environment $VENV"
    [ ! -d "$VENV" ] || mv "$VENV" "$WORK/venv.old"
    slow "getting Python" "$UV" venv --python-preference system --python '>=3.11,<3.15' "$VENV" ||
        fail_with_log 14 "no Python 3.11 to 3.14 found and none could be downloaded. Install one, then run this again."
}

probe_engine() { # in a process of its own: a library for another processor dies without a word
    quiet "$VENV/bin/python" -c 'import llama_cpp; llama_cpp.llama_backend_init(); print(llama_cpp.__version__)'
}

first_of() { # the first of these commands that is there
    for name in "$@"; do
        [ -z "$name" ] || ! command -v "$name" >/dev/null || { echo "$name" && return 0; }
    done
    return 1
}

have_compiler() { # Python may remember a compiler that is not here, so both are named
    has_tools &&
        CC=$(first_of "${CC-}" cc gcc clang) && CXX=$(first_of "${CXX-}" c++ g++ clang++) && export CC CXX
}

compiler_hint() {
    tool=$(first_of xcode-select apt-get dnf zypper)
    case $tool in
    xcode-select) echo "xcode-select --install" ;;
    apt-get) echo "apt-get install build-essential" ;;
    dnf | zypper) echo "$tool install gcc gcc-c++" ;;
    *) echo "your system's packages of gcc and g++" ;;
    esac
}

install_engine() {
    ! probe_engine || return 0
    say "Installing the engine, llama.cpp"
    set -- pip install --python "$VENV/bin/python" -c "$DIR/constraints.txt" --find-links "$WHEELS" \
        --only-binary llama-cpp-python --reinstall-package llama-cpp-python pip llama-cpp-python
    ! { mkdir -p "$WHEELS" && quiet "$UV" "$@" && probe_engine; } || return 0
    have_compiler ||
        fail 20 "no ready engine fits and no C and C++ compiler was found. Install them: $(compiler_hint); then run this again."
    say "  no ready one fits; compiling it for this processor, about 4 minutes on 2 cores (here: $(getconf _NPROCESSORS_ONLN))"
    rm -f "$WHEELS"/llama_cpp_python-*.whl # what is kept there may be another processor's
    quiet "$UV" pip install --python "$VENV/bin/python" -c "$DIR/constraints.txt" pip
    slow "compiling" "$VENV/bin/python" -m pip wheel --no-deps --no-cache-dir -w "$WHEELS" "$(grep ^llama-cpp "$DIR/constraints.txt")" ||
        fail_with_log 21 "the engine did not build."
    { quiet "$UV" "$@" && probe_engine; } || fail_with_log 22 "the engine was built but does not run."
}

install_app() {
    say "Installing the app"
    set -- -c "$DIR/constraints.txt" -e "$DIR"
    [ "$GOAL" != test ] || set -- "$@" --group "$DIR/pyproject.toml:dev"
    slow "installing" "$UV" pip install --python "$VENV/bin/python" "$@" || fail_with_log 30 "the app did not install."
    quiet "$VENV/bin/m3studio" --version || fail_with_log 31 "the app does not run."
    rm -rf "$WORK/venv.old"
}

get_chromium() {
    ! first_of chromium chromium-browser google-chrome >/dev/null || return 0
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        say "There is no chromium: browser tests will be skipped. Its package is called chromium."
        return
    fi
    say "Installing chromium for the browser tests" && quiet apt-get update
    slow "installing chromium" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium ||
        say "  it did not install; browser tests will be skipped (see $LOG)"
}

wants_start() {
    [ -z "$GOAL" ] || [ "$GOAL" = start ] || return 1
    [ -z "$GOAL$YES" ] || return 0
    (: </dev/tty) 2>/dev/null || return 1
    printf 'Start M3 Studio now? [Y/n] '
    read -r answer </dev/tty && case $answer in [nN]*) false ;; esac
}

run() { # PROGRAM ARGUMENTS...: in the background, so that a signal to this shell reaches it
    rm -rf "$WORK/lock"
    "$@" </dev/null &
    child=$!
    trap 'kill -TERM "$child" 2>/dev/null' INT TERM HUP
    wait "$child"
    code=$?
    [ "$code" -le 128 ] || wait "$child" 2>/dev/null
    trap - EXIT INT TERM HUP
    return "$code"
}

main() {
    GOAL='' YES='' LOG=''
    DIR=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
    while [ $# -gt 0 ]; do
        case $1 in
        --start) GOAL=start ;;
        --no-start) GOAL=install ;;
        --test) GOAL='test' ;;
        --dir)
            [ -d "${2-}" ] || fail 2 "--dir needs a folder that is there."
            DIR=$(CDPATH='' cd -- "$2" && pwd -P) && shift
            ;;
        --yes) YES=1 ;;
        --help | -h) usage && exit 0 ;;
        --) shift && break ;;
        *) fail 2 "unknown option: $1. See: sh install.sh --help" ;;
        esac
        shift
    done
    check_platform
    [ -f "$DIR/constraints.txt" ] || fail 2 "$DIR does not hold the app. Clone it, or name its folder with --dir."
    WORK=$DIR/.install VENV=$DIR/.venv WHEELS=${XDG_CACHE_HOME:-$HOME/.cache}/m3studio/wheels
    export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}" UV_HTTP_RETRIES="${UV_HTTP_RETRIES:-5}" UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"
    unset VIRTUAL_ENV PYTHONHOME PYTHONPATH
    lock
    check_room
    get_uv
    make_venv
    install_engine
    install_app
    if [ "$GOAL" = test ]; then
        get_chromium
        say "Running the tests"
        cd "$DIR" && run "$VENV/bin/python" -m pytest "$@"
        exit
    fi
    say "Fetching the starter model (93 MB, once)"
    "$VENV/bin/m3studio" pull starter </dev/null || say "  it did not come; the page will offer it again"
    say "M3 Studio is installed. Start it with: $VENV/bin/m3studio"
    wants_start || exit 0
    run "$VENV/bin/m3studio" "$@" || { [ $? -gt 128 ] && exit 130; } || fail 40 "M3 Studio did not start; it said why above."
}

main "$@"
