"""Asks llama.cpp, without allocating, what models take: a child of the tests, since a bad model can end the process.

`python measure.py MODEL JSON`, JSON a list of context settings; prints a list of {kv, state, compute} in bytes.
"""

import json
import re
import sys

import llama_cpp.llama_cpp as native

LINES = []
MIB = 2**20
TYPES = {"f16": 1, "q8_0": 8}


def main(path, wishes):
    keep = native.llama_log_callback(lambda level, text, data: LINES.append(text.decode(errors="replace")))
    native.llama_log_set(keep, None)
    native.llama_backend_init()
    parameters = native.llama_model_default_params()
    parameters.no_alloc, parameters.load_mode = True, 0
    model = native.llama_model_load_from_file(path.encode(), parameters)
    if not model:
        return {"error": "".join(LINES)[-1500:]}
    return [measure(model, **wish) for wish in wishes]


def measure(model, n_ctx, *, n_ubatch=512, n_seq_max=1, unified=True, kv="f16", swa_full=True):
    LINES.clear()
    parameters = native.llama_context_default_params()
    parameters.n_ctx, parameters.n_seq_max, parameters.kv_unified = n_ctx, n_seq_max, unified
    parameters.n_batch = parameters.n_ubatch = n_ubatch
    parameters.swa_full = swa_full
    parameters.n_outputs_max, parameters.flash_attn_type = n_seq_max, 1
    parameters.type_k = parameters.type_v = TYPES[kv]
    context = native.llama_init_from_model(model, parameters)
    log = "".join(LINES)
    if not context:
        return {"error": log[-1500:]}
    native.llama_free(context)
    return {
        "kv": total(r"llama_kv_cache: size = +([\d.]+) MiB", log),
        "state": total(r"llama_memory_recurrent: size = +([\d.]+) MiB", log),
        "compute": total(r"compute buffer size = +([\d.]+) MiB", log),
    }


def total(pattern, log):
    return sum(float(size) for size in re.findall(pattern, log)) * MIB


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], json.loads(sys.argv[2]))))
