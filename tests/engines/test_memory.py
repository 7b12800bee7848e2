"""Where the parts of a model lie, what it takes before a load, and what it took after one."""

import re
import time

import pytest

import tiny_m3
from m3studio.engines import llama
from m3studio.engines.llama import Layout
from m3studio.engines.llama.memory import buffers
from m3studio.errors import EngineError
from m3studio.messages import Cancel
from m3studio.sampling import Sampling
from m3studio.settings import LoadSettings

MIB = 2**20
LOG = """
load_tensors:   CPU_Mapped model buffer size =    92.50 MiB
load_tensors:        CUDA0 model buffer size =  1000.00 MiB
llama_kv_cache:      CUDA0 KV buffer size =    10.00 MiB
llama_kv_cache:      CUDA0 KV buffer size =     5.00 MiB
llama_memory_recurrent:        CPU RS buffer size =     1.00 MiB
sched_reserve:      CUDA0 compute buffer size =   100.00 MiB
sched_reserve:      CUDA0 compute buffer size =   120.00 MiB
sched_reserve:  CUDA_Host compute buffer size =    20.00 MiB
llama_context:  CUDA_Host  output buffer size =     2.00 MiB
"""


def test_the_log_is_read_by_device_and_kind():
    assert buffers(LOG.splitlines()) == {
        "CPU": {"weights": round(92.5 * MIB), "kv": MIB, "compute": 20 * MIB, "output": 2 * MIB},
        "CUDA0": {"weights": 1000 * MIB, "kv": 15 * MIB, "compute": 120 * MIB, "output": 0},
    }


def test_the_pattern_names_exactly_the_experts_of_its_layers():
    pattern = Layout(experts_in_ram=(3, 14)).pattern
    assert re.search(pattern, "blk.3.ffn_gate_exps.weight") and re.search(pattern, "blk.14.ffn_down_exps.weight")
    for other in ("blk.4.ffn_up_exps.weight", "blk.13.ffn_up_exps.weight", "blk.3.ffn_up_shexp.weight"):
        assert not re.search(pattern, other)
    assert Layout().pattern == ""


@pytest.mark.model
def test_what_is_measured_without_allocating_is_what_a_load_takes(starter):
    settings = LoadSettings(n_ctx=4096, n_ubatch=128, n_seq_max=2, threads=1)
    told = llama.measure(starter, settings, Layout(), Cancel())
    engine = llama.open(starter, settings)
    took = engine.facts.memory
    engine.close()
    assert told["CPU"]["compute"] == took["CPU"]["compute"] > 0 and told["CPU"]["output"] == took["CPU"]["output"]
    assert took["CPU"]["kv"] == 4096 * 30 * 2 * 192 * 2


def test_a_layout_changes_no_answer(tmp_path):
    path = tiny_m3.write(tmp_path / "tiny.gguf")
    texts = []
    for layout in (Layout(), Layout(tensor_split=(5,), experts_in_ram=(1, 2, 3))):
        engine = llama.open(path, LoadSettings(n_ctx=256, threads=1), layout=layout)
        finished = list(engine.complete("abc abc", sampling=Sampling(temperature=0.0), max_tokens=8))[-1]
        texts.append(finished.message.content)
        engine.close()
    assert texts[0] and texts[0] == texts[1]


def test_a_question_that_llama_cpp_cannot_answer_is_an_error(tmp_path):
    (tmp_path / "no.gguf").write_bytes(b"GGUF")
    with pytest.raises(EngineError, match=r"did not say what no\.gguf takes"):
        llama.measure(tmp_path / "no.gguf", LoadSettings(), Layout(), Cancel())


@pytest.mark.model
def test_asking_can_be_given_up(starter):
    cancel = Cancel()
    cancel.set()
    started = time.monotonic()
    with pytest.raises(EngineError):
        llama.measure(starter, LoadSettings(), Layout(), cancel)
    with pytest.raises(EngineError):
        llama.measure(starter, LoadSettings(), Layout(), Cancel(), seconds=0.001)
    assert time.monotonic() - started < 2
