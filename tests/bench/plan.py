"""The planner against the truth: `python tests/bench/plan.py [--no-speed]`. Loopback and disk only.

Prints predicted and allocated bytes for the starter and for models of ten architectures (true geometry, no weights;
llama.cpp measures without allocating), the starter's real load, expected and measured tokens per second on this CPU
for the starter and for a written model of 0.6 GB in Q8_0, and what a plan of 25 quants takes.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
import gguf_files as files
import gguf_models as geometry
from m3studio import gguf, hardware, offload
from m3studio.engines import llama
from m3studio.offload import Cache, Wishes
from m3studio.offload.compute import compute_bytes
from m3studio.settings import LoadSettings

MEASURE = Path(__file__).parent.parent / "offload" / "measure.py"
STARTER = Path(os.environ.get("M3STUDIO_TEST_MODELS") or Path.home() / ".cache" / "m3studio-tests")
MIB = 2**20
SETTINGS = [
    {"n_ctx": 8192},
    {"n_ctx": 32_768},
    {"n_ctx": 131_072},
    {"n_ctx": 32_768, "n_ubatch": 128},
    {"n_ctx": 16_384, "kv": "q8_0"},
    {"n_ctx": 131_072, "kv": "q8_0"},
    {"n_ctx": 65_536, "n_seq_max": 4, "unified": False},
]
# Decodes in a process of its own: argv is a file, a number of tokens and one of threads; prints the best round's tokens per second.
DECODE = """
import sys, time
import numpy as np
from m3studio.engines.llama import bindings, model
from m3studio.engines.llama.memory import Layout
from m3studio.settings import LoadSettings
bindings.start()
settings = LoadSettings(n_ctx=512, n_seq_max=1, threads=int(sys.argv[3]))
weights = bindings.Weights(sys.argv[1], model._model_parameters(settings, Layout()), lambda share: None)
context = bindings.Context(weights, model._context_parameters(model.CachePlan(512, 1, True, -1), settings))
batch, best, until = bindings.Batch(16), 0.0, time.monotonic() + 12
while time.monotonic() < until:  # short rounds: on a busy machine some of them have it for themselves
    context.forget(0)
    started = time.perf_counter()
    for position in range(int(sys.argv[2])):
        batch.clear()
        batch.add(np.array([5 + position % 50], np.int32), position, 0, True)
        assert context.decode(batch) == 0
    best = max(best, int(sys.argv[2]) / (time.perf_counter() - started))
print(best)
"""


def layout(n_ctx, n_ubatch=512, n_seq_max=1, unified=True, kv="f16"):
    return Cache(n_ctx if unified else n_ctx // n_seq_max, n_seq_max, unified, kv, kv, True, n_ubatch)


def memory(name, path):
    """Prints how far the plan is off: cache in bytes, compute buffer and total in percent, the worst of all settings."""
    facts = offload.facts(gguf.check(path))
    asked = [sys.executable, str(MEASURE), str(path), json.dumps(SETTINGS)]
    sizes = json.loads(subprocess.run(asked, capture_output=True, text=True, timeout=120, check=True).stdout)
    cache, compute, total = 0.0, 0.0, 0.0
    for settings, real in zip(SETTINGS, sizes, strict=True):
        shape = layout(**settings)
        ours, buffers = sum(offload.cache_bytes(facts, shape)), compute_bytes(facts, shape)
        held = real["kv"] + real["state"]
        cache = max(cache, abs(ours - held))
        compute = max(compute, abs(buffers / real["compute"] - 1))
        total = max(total, abs(ours + buffers - held - real["compute"]) / (facts.size + held + real["compute"]))
    print(f"  {name:<11} cache off by {cache / MIB:.3f} MiB   compute {compute:6.2%}   total {total:6.2%}")


def real_load(path):
    facts = offload.facts(gguf.check(path))
    plan = offload.plan(facts, hardware.imagined(16), Wishes(LoadSettings(n_gpu_layers=0)))
    engine = llama.open(path, plan.load)
    took = engine.facts.memory
    engine.close()
    for kind, ours in (
        ("weights", plan.weights_bytes),
        ("kv", plan.kv_bytes),
        ("buffers", plan.compute_bytes),
    ):
        names = ("compute", "output") if kind == "buffers" else (kind,)
        theirs = sum(sizes[name] for sizes in took.values() for name in names)
        print(f"  {kind:<8} planned {ours:>12,}  taken {theirs:>12,}  {ours / theirs - 1:+.2%}")


def written(path):
    """A llama of 16 layers and 0.6 GB in Q8_0 with random weights."""
    net = geometry.Net("llama", layers=16, embd=1536, vocab=32_000, feed_forward_length=6144)
    net.set(attention__head_count=24, attention__head_count_kv=8, rope__dimension_count=64, rope__freq_base=1e4)
    for i in range(16):
        net.norms(i, "attn_norm", "ffn_norm")
        net.attention(i, 24, 8, 64)
        net.dense(i, 6144)
    net.output()
    random = np.random.default_rng(1)

    def fill(_name, dims, kind):
        count = int(np.prod(dims))
        if kind == "F32":
            return np.ones(count, np.float32).tobytes()
        blocks = np.empty(count // 32, np.dtype([("d", np.float16), ("q", np.int8, 32)]))
        blocks["d"] = 0.0005
        blocks["q"] = random.integers(-127, 128, (count // 32, 32), np.int8)
        return blocks.tobytes()

    path.write_bytes(files.build(net.keys, net.tensors, fill=fill))
    return path


def speed(name, path, machine, tokens):
    facts = offload.facts(gguf.read_model(path))
    low, high = offload.plan(facts, machine, Wishes(LoadSettings(n_ctx=512))).speed
    asked = [sys.executable, "-c", DECODE, str(path), str(tokens), str(machine.threads)]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=300, check=True)
    real, middle = float(done.stdout), (low + high) / 2
    print(f"  {name:<11} expected {low:.0f} to {high:.0f}, measured {real:.1f} tok/s: {middle / real - 1:+.0%}")


def listing():
    quants = tuple(offload.minimax_m3((100 + 14 * n) * 10**9, f"Q{n}") for n in range(25))
    machines = {"RAM 192": hardware.imagined(192), "4 cards": hardware.imagined(256, [24] * 4)}
    machines["Mac 256"] = hardware.imagined(unified=256)
    for name, machine in machines.items():
        times = []
        for _ in range(5):
            started = time.process_time()
            for model in quants:
                offload.plan(model, machine, Wishes(LoadSettings(), quants))
            times.append(1000 * (time.process_time() - started))
        print(f"  {name:<11} {statistics.median(times):.0f} ms of one core for 25 quants")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-speed", action="store_true")
    parser.add_argument("--threads", type=int, help="on a machine that others use too, fewer than its cores")
    args = parser.parse_args()
    starter = STARTER / "SmolLM2-135M-Instruct.Q4_1.gguf"
    with tempfile.TemporaryDirectory() as folder:
        print("predicted against allocated, the worst of seven settings (the log has 0.005 MiB a line):")
        memory("starter", starter)
        for name, make in geometry.ALL.items():
            memory(name, make().write(Path(folder) / f"{name}.gguf"))
        print("the starter's real load:")
        real_load(starter)
        print("a whole repository:")
        listing()
        if not args.no_speed:
            found = hardware.probe()
            found = replace(found, threads=args.threads or found.threads)
            rate = max(hardware.measure_bandwidth(found.threads) for _ in range(3))
            print(f"speed on {found.threads} threads, memory {rate / 1e9:.1f} GB/s, load {os.getloadavg()[0]:.1f}:")
            machine = replace(found, bandwidth=rate)
            speed("starter", starter, machine, 16)
            speed("0.6 GB Q8_0", written(Path(folder) / "written.gguf"), machine, 4)


if __name__ == "__main__":
    main()
