"""Writes a tiny MiniMax M3 (1.5 MB): its real graph with sparse attention, experts and markers, and a made-up vocabulary.

Random weights talk gibberish and exercise everything. With a script the model says what it is told, at any temperature:
attention and experts are muted, and embedding and output make each token name its successor.
"""

import numpy as np

from gguf_files import ARRAY, I32, STRING, Typed, build

SPACE = "]<]minimax[>["
END = "[e~["
CONTROL = ["]~!b[", "]~b]", END]
MARKERS = [SPACE, "<mm:think>", "</mm:think>", "<tool_call>", "</tool_call>"]
SCRIPT = {
    "<mm:think>": [
        *("The user asks for", " a product;", " python knows.", "</mm:think>Let me compute that."),
        *(f"{SPACE}<tool_call>\n", f'{SPACE}<invoke name="python">', f"{SPACE}<code>", "print(6*7)", f"{SPACE}</code>"),
        *(f"{SPACE}</invoke>\n", f"{SPACE}</tool_call>", END),
    ],
    "</mm:think>": ["The", " answer", " is", " **42**.", END],
    "\n": ["Hello", " there.", END],
}
# The words of M3's own template that matter here, in an own short one.
TEMPLATE = """{%- set ns = ']<]minimax[>[' -%}
{{- ']~!b[' -}}
{%- if tools -%}
{{- ']~b]developer\\n<tools>\\n' -}}
{%- for tool in tools -%}{{- '<tool>' ~ (tool.function | tojson) ~ '</tool>\\n' -}}{%- endfor -%}
{{- '</tools>[e~[\\n' -}}
{%- endif -%}
{%- for message in messages -%}
{{- ']~b]' ~ ('ai' if message.role == 'assistant' else message.role) ~ '\\n' -}}
{%- if message.role == 'assistant' -%}
{{- '<mm:think>' ~ message.reasoning_content if message.reasoning_content else '' -}}{{- '</mm:think>' -}}
{%- endif -%}
{{- message.content -}}
{%- if message.tool_calls -%}
{{- ns ~ '<tool_call>\\n' -}}
{%- for call in message.tool_calls -%}
{{- ns ~ '<invoke name="' ~ call.function.name ~ '">' -}}
{%- for key, value in call.function.arguments.items() -%}
{{- ns ~ '<' ~ key ~ '>' ~ value ~ ns ~ '</' ~ key ~ '>' -}}
{%- endfor -%}
{{- ns ~ '</invoke>\\n' -}}
{%- endfor -%}
{{- ns ~ '</tool_call>' -}}
{%- endif -%}
{{- '[e~[\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- ']~b]ai\\n' -}}
{%- if thinking_mode == 'enabled' -%}{{- '<mm:think>' -}}{%- elif thinking_mode == 'disabled' -%}{{- '</mm:think>' -}}{%- endif -%}
{%- endif -%}
"""
EMBED, LAYERS, DENSE, HEADS, KV_HEADS, HEAD = 128, 4, 1, 4, 2, 32
FFN, EXPERT_FFN, EXPERTS, USED = 96, 64, 8, 2


def bytes_as_text():
    """GPT-2's way to write every byte as a printable character."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {**{byte: chr(byte) for byte in printable}, **{byte: chr(256 + n) for n, byte in enumerate(others)}}


AS_TEXT = bytes_as_text()


def vocabulary(script):
    """Token texts, their types, and which token follows which. Every piece of a script is a token of its own."""
    texts = [AS_TEXT[byte] for byte in range(256)] + ["th"] + CONTROL + MARKERS
    types = [1] * 257 + [3] * len(CONTROL) + [4] * len(MARKERS)  # LLAMA_TOKEN_TYPE_NORMAL, CONTROL, USER_DEFINED
    special = CONTROL + MARKERS
    follows = {}
    for start, pieces in script.items():
        before = texts.index(AS_TEXT[10] if start == "\n" else start)
        for piece in pieces:
            if piece in special:
                token = texts.index(piece)
            else:
                token = len(texts)
                texts.append("".join(AS_TEXT[byte] for byte in piece.encode()))
                types.append(1)
            follows[before] = token
            before = token
    while len(texts) % 32:
        texts.append(f"<unused{len(texts)}>")
        types.append(5)  # LLAMA_TOKEN_TYPE_UNUSED
    assert len(set(texts)) == len(texts), "the pieces of all scripts must differ"
    return texts, types, follows


def write(path, script=None, *, template=TEMPLATE, indexer=True, context=8192, seed=0):
    """Write the model to `path`. `script` maps the token that it begins after to the pieces that it says."""
    random = np.random.default_rng(seed)
    texts, types, follows = vocabulary(script or {})
    loud = 0.0 if script else 1.0
    data = {}

    def tensor(name, *shape, scale=None):
        data[name] = random.standard_normal(shape) * (shape[-1] ** -0.5 if scale is None else scale)

    tensor("token_embd.weight", len(texts), EMBED)
    data["token_embd.weight"] /= np.linalg.norm(data["token_embd.weight"], axis=1, keepdims=True)
    tensor("output.weight", len(texts), EMBED)
    if follows:
        data["output.weight"] *= 0
        for before, after in follows.items():
            data["output.weight"][after] += 4.0 * data["token_embd.weight"][before]
    data["output_norm.weight"] = np.ones(EMBED)
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        for name, size in {"attn_norm": EMBED, "ffn_norm": EMBED, "attn_q_norm": HEAD, "attn_k_norm": HEAD}.items():
            data[f"{block}{name}.weight"] = np.ones(size)
        tensor(f"{block}attn_q.weight", HEADS * HEAD, EMBED)
        tensor(f"{block}attn_k.weight", KV_HEADS * HEAD, EMBED)
        tensor(f"{block}attn_v.weight", KV_HEADS * HEAD, EMBED)
        tensor(f"{block}attn_output.weight", EMBED, HEADS * HEAD, scale=loud * EMBED**-0.5)
        if layer < DENSE:
            tensor(f"{block}ffn_gate.weight", FFN, EMBED)
            tensor(f"{block}ffn_up.weight", FFN, EMBED)
            tensor(f"{block}ffn_down.weight", EMBED, FFN, scale=loud * FFN**-0.5)
            continue
        tensor(f"{block}ffn_gate_inp.weight", EXPERTS, EMBED)
        data[f"{block}exp_probs_b.bias"] = np.zeros(EXPERTS)
        for kind, lead in {"exps": (EXPERTS,), "shexp": ()}.items():
            tensor(f"{block}ffn_gate_{kind}.weight", *lead, EXPERT_FFN, EMBED)
            tensor(f"{block}ffn_up_{kind}.weight", *lead, EXPERT_FFN, EMBED)
            tensor(f"{block}ffn_down_{kind}.weight", *lead, EMBED, EXPERT_FFN, scale=loud * EXPERT_FFN**-0.5)
        if indexer:
            tensor(f"{block}indexer.q_proj.weight", KV_HEADS * HEAD, EMBED)
            tensor(f"{block}indexer.k_proj.weight", HEAD, EMBED)
            data[f"{block}indexer.q_norm.weight"] = data[f"{block}indexer.k_norm.weight"] = np.ones(HEAD)
    tensors = [(name, tuple(reversed(array.shape)), "F32") for name, array in data.items()]
    content = build(
        metadata(texts, types, template, context, indexer),
        tensors,
        fill=lambda name, dims, kind: data[name].astype("<f4").tobytes(),
    )
    path.write_bytes(content)
    return path


def metadata(texts, types, template, context, indexer):
    own = {
        "block_count": LAYERS,
        "context_length": context,
        "embedding_length": EMBED,
        "feed_forward_length": FFN,
        "vocab_size": len(texts),
        "attention.head_count": HEADS,
        "attention.head_count_kv": KV_HEADS,
        "attention.key_length": HEAD,
        "attention.value_length": HEAD,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "rope.freq_base": 5e6,
        "rope.dimension_count": HEAD // 2,
        "expert_count": EXPERTS,
        "expert_used_count": USED,
        "expert_feed_forward_length": EXPERT_FFN,
        "expert_shared_count": 1,
        "expert_weights_scale": 2.0,
        "expert_weights_norm": True,
        "expert_gating_func": 2,
        "leading_dense_block_count": DENSE,
    }
    sparse = {"head_count": KV_HEADS, "key_length": HEAD, "top_k": 4, "block_size": 16, "local_blocks": 1}
    own |= {f"attention.indexer.{key}": value for key, value in sparse.items()} if indexer else {}
    return {
        "general.architecture": "minimax-m3",
        "general.name": "Tiny M3",
        "general.file_type": 0,
        **{f"minimax-m3.{key}": value for key, value in own.items()},
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "minimax-m2",
        "tokenizer.ggml.tokens": texts,
        "tokenizer.ggml.token_type": Typed(ARRAY, types, I32),
        "tokenizer.ggml.merges": Typed(ARRAY, ["t h"], STRING),
        "tokenizer.ggml.bos_token_id": texts.index("]~!b["),
        "tokenizer.ggml.eos_token_id": texts.index(END),
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": template,
    }
