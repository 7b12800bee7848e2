"""Opening a model: bad files, impossible settings, too little memory, a cancel. Each is one clear sentence."""

import subprocess
import sys
import threading
import time

import pytest

import tiny_m3
from gguf_files import LLAMA, LLAMA_TENSORS, build
from m3studio.engines import llama
from m3studio.engines.llama import causes
from m3studio.errors import BadInput, BadModelFile, EngineError, OutOfMemory
from m3studio.messages import Cancel
from m3studio.settings import LoadSettings


@pytest.fixture
def tiny(tmp_path):
    return tiny_m3.write(tmp_path / "tiny.gguf")


def test_a_file_that_is_no_gguf(tmp_path):
    path = tmp_path / "story.gguf"
    path.write_text("Once upon a time")
    with pytest.raises(BadModelFile, match="not a GGUF"):
        llama.open(path, LoadSettings())


def test_a_truncated_file(tiny):
    tiny.write_bytes(tiny.read_bytes()[:-5000])
    with pytest.raises(BadModelFile, match="cut short"):
        llama.open(tiny, LoadSettings())


def test_an_unknown_architecture(tmp_path):
    path = tmp_path / "new.gguf"
    path.write_bytes(build({**LLAMA, "general.architecture": "llama99"}, LLAMA_TENSORS))
    with pytest.raises(BadModelFile, match=r"llama99.*Update M3 Studio"):
        llama.open(path, LoadSettings())


def test_a_file_that_only_llama_cpp_finds_fault_with(tmp_path):
    path = tmp_path / "half.gguf"
    path.write_bytes(build(LLAMA, LLAMA_TENSORS))
    with pytest.raises(BadModelFile, match=r"llama\.cpp cannot load half\.gguf \(.+\)") as caught:
        llama.open(path, LoadSettings())
    assert "error loading model" in caught.value.details


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (LoadSettings(n_ctx=0), "n_ctx"),
        (LoadSettings(n_seq_max=1000), "n_seq_max"),
        (LoadSettings(threads=100_000), "threads"),
        (LoadSettings(type_k="q9"), "type_k"),
    ],
)
def test_impossible_settings(tiny, settings, named):
    with pytest.raises(BadInput, match=named):
        llama.open(tiny, settings)


@pytest.mark.model
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory this way")
def test_a_context_that_does_not_fit_says_so(starter):
    """The cache needs 6 GB; the processes may have 4."""
    script = (
        "import resource, sys, pathlib; from m3studio.engines import llama; from m3studio.errors import OutOfMemory;"
        "from m3studio.settings import LoadSettings; resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32))\n"
        "try: llama.open(pathlib.Path(sys.argv[1]), LoadSettings(n_ctx=1 << 18, threads=1))\n"
        "except OutOfMemory as error: print(error.message, 'failed to allocate' in error.details)"
    )
    command = [sys.executable, "-c", script, str(starter)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "does not fit into memory. Load it with a smaller n_ctx" in done.stdout and "True" in done.stdout, (
        done.stderr
    )


@pytest.mark.model
def test_progress_grows_to_the_end(starter):
    shares = []
    llama.open(starter, LoadSettings(n_ctx=256, threads=1), on_progress=shares.append).close()
    assert shares == sorted(shares) and shares[-1] == 1 and len(shares) > 10


def test_a_cancelled_load_ends_at_once_and_leaves_no_thread(tiny):
    before = threading.active_count()
    cancel = Cancel()
    started = time.monotonic()
    threading.Timer(0.05, cancel.set).start()  # Python alone takes longer to start
    with pytest.raises(EngineError, match="was stopped"):
        llama.open(tiny, LoadSettings(), cancel=cancel)
    assert time.monotonic() - started < 3
    assert threading.active_count() <= before + 1


def test_a_cancel_after_the_load_changes_nothing(tiny):
    cancel = Cancel()
    engine = llama.open(tiny, LoadSettings(n_ctx=256, threads=1), cancel=cancel)
    cancel.set()
    assert engine.alive and engine.count_tokens("abc") == 3
    engine.close()
    assert not engine.alive


def test_quantized_caches_work(tiny):
    engine = llama.open(tiny, LoadSettings(n_ctx=256, threads=1, type_k="q8_0", type_v="q8_0", n_batch=16, n_ubatch=8))
    finished = list(engine.complete("abc " * 20, max_tokens=4))[-1]
    assert finished.usage.completion_tokens == 4
    assert engine.facts.settings["type_v"] == "q8_0"
    engine.close()


@pytest.mark.parametrize(
    ("code", "loading", "log", "kind", "says"),
    [
        (-9, False, [], EngineError, "SIGKILL.*memory"),
        (-9, True, [], OutOfMemory, "SIGKILL"),
        (-6, True, ["GGML_ASSERT(x) failed"], EngineError, "SIGABRT.*damaged"),
        (-11, False, [], EngineError, "SIGSEGV.*Send the message again"),
        (1, False, ["CUDA error: out of memory"], OutOfMemory, "smaller n_ctx"),
    ],
)
def test_the_end_of_a_process_is_told_by_its_cause(code, loading, log, kind, says):
    error = causes.died("Tiny", code, loading, log)
    assert type(error) is kind
    with pytest.raises(kind, match=says):
        raise error
    assert error.details == "\n".join(log)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("unknown model architecture: 'abc'", "“abc”"),
        ("check_tensor_dims: tensor 'blk.1.x.weight' not found", "lacks the tensor blk.1.x.weight"),
        ("gguf: invalid magic characters: 'hell', expected 'GGUF'", "not a GGUF"),
        ("tensor 'a' data is not within the file bounds, model is corrupted or incomplete", "cut short"),
    ],
)
def test_what_llama_cpp_says_of_a_file_becomes_a_sentence(line, says):
    error = causes.refused("a.gguf", "model", "", ["something else", line])
    assert isinstance(error, BadModelFile) and says in error.message
