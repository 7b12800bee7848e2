"""Loading through the plan: what the engine is given, what is refused, what is offered instead, what is remembered."""

import time
from dataclasses import replace

import pytest

import gguf_files as files
import gguf_models as geometry
from fakes import ScriptedEngine
from m3studio import hardware, store
from m3studio.engines import EngineFacts
from m3studio.errors import BadInput, BadModelFile, Busy, NotFound, OutOfMemory
from m3studio.library import Library, LoadState
from m3studio.library.machine import Machine, with_returned
from m3studio.messages import Cancel
from m3studio.paths import Home
from m3studio.settings import LoadSettings

GIB = 2**30
MIB = 2**20


class Opener:
    """Takes the place of the engine's `open`: keeps what it was given."""

    def __init__(self, *, fails=None, memory=None):
        self.calls, self.fails, self.memory = [], fails, memory or {}

    def __call__(self, path, settings, *, layout, on_progress, cancel, name, states):
        self.calls.append((path, settings, layout))
        on_progress(1.0)
        if self.fails:
            raise self.fails
        engine = ScriptedEngine()
        engine.facts = EngineFacts(name, "llama", settings.n_ctx, 131072, 1, 1, "", memory=self.memory, load_seconds=2)
        return engine


@pytest.fixture
def kept(home):
    (home / "models").mkdir(parents=True)
    opened = store.open(home / "chat.db")
    opened.values.set("bandwidth", {})
    yield opened
    opened.close()


@pytest.fixture
def make(home, kept):
    """`make(machine, opener, settings)`: a library on a made-up machine, with models by their short names."""
    made = []

    def build(machine, opener=None, settings=LoadSettings(), nets=("llama",)):
        for name in nets:
            geometry.ALL[name]().write(home / "models" / f"{name}-Q8_0.gguf")
        found = Machine(kept, lambda: machine)
        found._measuring = True  # no measurement of this real machine
        library = Library(Home(home), kept, settings, opener or Opener(), found)
        found.close = lambda: None
        made.append(library)
        return library

    yield build
    for library in made:
        library.close()


def loaded(library):
    """The state once nothing loads any more."""
    until = time.monotonic() + 10
    while library.loading.state == LoadState.LOADING:
        assert time.monotonic() < until
        time.sleep(0.01)
    return library.loading


def test_a_load_gets_what_was_planned(make):
    opener = Opener()
    library = make(hardware.imagined(64, [24]), opener)
    library.load("llama")
    assert loaded(library).state == LoadState.READY
    (_, settings, layout) = opener.calls[0]
    assert (settings.n_ctx, settings.n_gpu_layers, settings.n_seq_max) == (32_768, 5, 4)
    assert layout.tensor_split == () and layout.experts_in_ram == ()


def test_experts_stay_in_ram_when_the_card_is_small(make):
    opener = Opener()
    library = make(hardware.imagined(64, [8]), opener, nets=("minimax-m3",))
    library.load("minimax-m3", force=True)
    loaded(library)
    (_, settings, layout) = opener.calls[0]
    assert layout.experts_in_ram == (3, 4, 5) and settings.flash_attn is True
    assert "5" in layout.pattern


def test_what_the_user_set_is_given_on(make):
    opener = Opener()
    library = make(hardware.imagined(64, [24]), opener, LoadSettings(threads=3, n_ctx=4096))
    library.load("llama", LoadSettings(n_ctx=16_384, type_k="q8_0", type_v="q8_0", n_gpu_layers=2))
    loaded(library)
    settings = opener.calls[0][1]
    assert (settings.n_ctx, settings.type_k, settings.n_gpu_layers, settings.threads) == (16_384, "q8_0", 2, 3)


def test_what_the_user_chose_for_a_model_is_used_again(make):
    opener = Opener()
    library = make(hardware.imagined(64, [24]), opener)
    for settings in (LoadSettings(n_ctx=9216), None, LoadSettings(), None):
        library.load("llama", settings)
        loaded(library)
    assert [call[1].n_ctx for call in opener.calls] == [9216, 9216, 32_768, 32_768]


def test_too_big_is_refused_with_numbers_and_something_that_fits(make):
    opener = Opener()
    library = make(hardware.imagined(4), opener)
    with pytest.raises(OutOfMemory, match=r"llama does not fit: it needs [\d.,]+ GB of RAM") as caught:
        library.load("llama", LoadSettings(n_ctx=131_072))
    assert opener.calls == []
    assert library.loading.state == LoadState.FAILED and library.loading.error == caught.value.message
    offered = library.loading.alternatives
    assert offered == caught.value.alternatives and len(offered) >= 2
    for one in offered:
        library.load("llama", LoadSettings(**one["settings"]))
        assert loaded(library).state == LoadState.READY
        assert one["label"]


def test_force_loads_what_seems_too_big(make):
    opener = Opener()
    library = make(hardware.imagined(3), opener)
    with pytest.raises(OutOfMemory):
        library.load("llama", LoadSettings(n_ctx=131_072))
    library.load("llama", LoadSettings(n_ctx=131_072), force=True)
    assert loaded(library).state == LoadState.READY and opener.calls[0][1].n_ctx == 131_072


def test_a_refusal_leaves_the_loaded_model_alone(make):
    library = make(hardware.imagined(4), Opener(), nets=("llama", "lfm2"))
    library.load("lfm2")
    loaded(library)
    with pytest.raises(OutOfMemory):
        library.load("llama", LoadSettings(n_ctx=131_072))
    assert library.loading.state == LoadState.READY and library.loading.name == "lfm2"


def test_a_load_that_runs_out_of_memory_all_the_same_says_what_it_was_to_take(make):
    opener = Opener(fails=OutOfMemory("llama does not fit into memory.", details="cudaMalloc failed"))
    library = make(hardware.imagined(64, [24]), opener)
    library.load("llama")
    failed = loaded(library)
    assert failed.state == LoadState.FAILED
    assert "It was to take" in failed.error and "on CUDA0" in failed.error and "32,768 tokens" in failed.error
    assert failed.alternatives and all(one["settings"].get("n_ctx", 0) <= 32_768 for one in failed.alternatives)
    opener.fails = None
    library.load("llama")
    assert loaded(library).state == LoadState.READY
    first, again = (call[1] for call in opener.calls)
    assert again.n_ubatch < first.n_ubatch or again.n_gpu_layers < first.n_gpu_layers


@pytest.mark.parametrize(("ref", "error"), [("nothing", NotFound), ("broken", BadModelFile)])
def test_what_cannot_be_planned_is_refused_at_once(make, home, ref, error):
    library = make(hardware.imagined(64))
    (home / "models" / "broken.gguf").write_bytes(b"no")
    with pytest.raises(error):
        library.load(ref)
    with pytest.raises(BadInput):
        library.plan("llama", LoadSettings(type_k="q9"))


def test_one_load_at_a_time(make):
    library = make(hardware.imagined(64))
    library.load("llama")
    try:
        library.load("llama")
    except Busy as error:
        assert "still loading" in error.message
    loaded(library)


# Check and memory


def test_a_tight_plan_is_checked_by_llama_cpp_and_corrected(make):
    library = make(hardware.imagined(5))
    planned = library.plan("llama", LoadSettings(n_ctx=16_384))
    assert not planned.ample
    checked = library._planner.checked(planned, Cancel())
    factor = checked.wishes.compute_factor
    assert 0.9 < factor < 1.1 and factor != 1.0
    assert checked.plan.compute_bytes == pytest.approx(factor * planned.plan.compute_bytes, rel=0.01)
    assert make(hardware.imagined(64)).plan("llama").ample


def test_what_a_load_took_is_shown_next_time(make):
    memory = {"CPU": {"weights": 900 * MIB, "kv": 512 * MIB, "compute": 300 * MIB, "output": 2 * MIB}}
    library = make(hardware.imagined(64), Opener(memory=memory))
    assert library.plan("llama").to_json()["last_load"] is None
    before = library.plan("llama").plan.compute_bytes
    library.load("llama")
    loaded(library)
    library.unload()
    again = library.plan("llama")
    last = again.to_json()["last_load"]
    assert last["total_bytes"] == 1714 * MIB and last["load_seconds"] == 2 and last["planned_bytes"] > 0
    assert again.plan.compute_bytes != before
    assert abs(again.plan.compute_bytes - 302 * MIB) < 0.05 * MIB
    assert library.plan("llama", LoadSettings(n_ctx=2048)).to_json()["last_load"] is None


# The list


def test_a_split_model_is_one_model_whatever_shard_names_it(make, home):
    library = make(hardware.imagined(64), nets=())
    paths = files.split(home / "models", "tiny", files.LLAMA, files.LLAMA_TENSORS, 2)
    (model,) = library.models()
    assert model.size == sum(path.stat().st_size for path in paths) and model.parameters == 3 * 64 + 64 * 64
    assert library.find(str(paths[1])) == model
    paths[1].unlink()
    assert "missing" in library.models()[0].problem


def test_every_model_gets_a_verdict_soon(make):
    library = make(hardware.imagined(6.2), nets=("llama", "deepseek2", "lfm2"))
    until = time.monotonic() + 5
    while True:
        found = library.fits(library.models())
        if len(found) == 3 and all(fit.verdict for fit in found.values()):
            break
        assert time.monotonic() < until
        time.sleep(0.01)
    assert found["deepseek2-Q8_0"].verdict == "too_big" and "does not fit" in found["deepseek2-Q8_0"].reason
    assert found["lfm2-Q8_0"].verdict == "fits"


def test_the_list_does_not_wait_for_the_machine(kept, home):
    (home / "models").mkdir(exist_ok=True)
    geometry.llama(1).write(home / "models" / "a.gguf")

    def slow():
        time.sleep(1)
        return hardware.imagined(64)

    machine = Machine(kept, slow)
    library = Library(Home(home), kept, LoadSettings(), Opener(), machine)
    started = time.monotonic()
    assert library.fits(library.models()) == {}
    assert time.monotonic() - started < 0.9  # it does not wait for the probe
    library.close()


def test_memory_of_the_loaded_model_counts_as_free(make):
    card = hardware.imagined(64, [24])
    library = make(card)
    library.load("llama")
    loaded(library)
    held = library._loader.held
    back = with_returned(replace(card, devices=(replace(card.devices[0], free=GIB), card.devices[1])), held)
    assert back.devices[0].free == GIB + held.devices[0].bytes
    assert with_returned(card, held).devices[0].free <= card.devices[0].total
    library.unload()
    assert library._loader.held is None
