"""Models of many architectures as GGUF headers over empty data: true geometry, a few layers, no weights.

llama.cpp measures them without allocating anything, so the planner can be held against it at real sizes.
"""

import gguf_files as files


class Net:
    """Collects the keys and tensors of one model."""

    def __init__(self, architecture, *, layers, embd, vocab, context=131072, **keys):
        self.a, self.layers, self.embd, self.vocab = architecture, layers, embd, vocab
        self.keys = {
            "general.architecture": architecture,
            "general.name": f"Empty {architecture}",
            "general.file_type": 7,
            "tokenizer.ggml.model": "no_vocab",
            f"{architecture}.vocab_size": vocab,
            f"{architecture}.block_count": layers,
            f"{architecture}.context_length": context,
            f"{architecture}.embedding_length": embd,
            f"{architecture}.attention.layer_norm_rms_epsilon": 1e-6,
        }
        self.set(**keys)
        self.tensors = []
        self.add("token_embd.weight", embd, vocab)
        self.add("output_norm.weight", embd)

    def set(self, **keys):
        for key, value in keys.items():
            self.keys[f"{self.a}.{key.replace('__', '.')}"] = value

    def add(self, name, *dims, kind=None):
        kind = kind or ("F32" if len(dims) == 1 or dims[0] % 32 else "Q8_0")
        self.tensors.append((name, dims, kind))

    def norms(self, i, *names):
        for name in names:
            self.add(f"blk.{i}.{name}.weight", self.embd)

    def attention(self, i, heads, kv, k, v=None, *, out=None):
        v = v or k
        self.add(f"blk.{i}.attn_q.weight", self.embd, heads * k)
        self.add(f"blk.{i}.attn_k.weight", self.embd, kv * k)
        self.add(f"blk.{i}.attn_v.weight", self.embd, kv * v)
        self.add(f"blk.{i}.attn_output.weight", out or heads * v, self.embd)

    def qk_norm(self, i, size):
        self.add(f"blk.{i}.attn_q_norm.weight", size)
        self.add(f"blk.{i}.attn_k_norm.weight", size)

    def dense(self, i, ff, suffix=""):
        self.add(f"blk.{i}.ffn_gate{suffix}.weight", self.embd, ff)
        self.add(f"blk.{i}.ffn_up{suffix}.weight", self.embd, ff)
        self.add(f"blk.{i}.ffn_down{suffix}.weight", ff, self.embd)

    def experts(self, i, count, ff, kind="Q8_0"):
        self.add(f"blk.{i}.ffn_gate_inp.weight", self.embd, count, kind="F32")
        self.add(f"blk.{i}.ffn_gate_exps.weight", self.embd, ff, count, kind=kind)
        self.add(f"blk.{i}.ffn_up_exps.weight", self.embd, ff, count, kind=kind)
        self.add(f"blk.{i}.ffn_down_exps.weight", ff, self.embd, count, kind=kind)

    def output(self):
        self.add("output.weight", self.embd, self.vocab)
        return self

    def write(self, path):
        head = files.build(self.keys, self.tensors, data=False)
        size = 0
        for _, dims, kind in self.tensors:
            count = files.tensor_bytes(dims, files.TYPE_NUMBERS[kind])
            size += count + -count % 32
        with path.open("wb") as file:
            file.write(head)
            file.truncate(len(head) + size)  # a hole: takes no disk
        return path


def llama(layers=4):
    net = Net("llama", layers=layers, embd=4096, vocab=128256, feed_forward_length=14336)
    net.set(attention__head_count=32, attention__head_count_kv=8, rope__dimension_count=128, rope__freq_base=5e5)
    for i in range(layers):
        net.norms(i, "attn_norm", "ffn_norm")
        net.attention(i, 32, 8, 128)
        net.dense(i, 14336)
    return net.output()


def qwen3moe(layers=4):
    net = Net("qwen3moe", layers=layers, embd=2048, vocab=151936, feed_forward_length=6144, context=262144)
    net.set(
        attention__head_count=32, attention__head_count_kv=4, attention__key_length=128, attention__value_length=128
    )
    net.set(expert_count=128, expert_used_count=8, expert_feed_forward_length=768, rope__freq_base=1e6)
    for i in range(layers):
        net.norms(i, "attn_norm", "ffn_norm")
        net.attention(i, 32, 4, 128)
        net.qk_norm(i, 128)
        net.experts(i, 128, 768)
    return net.output()


def gemma3(layers=12):
    net = Net("gemma3", layers=layers, embd=3840, vocab=262208, feed_forward_length=15360)
    net.set(
        attention__head_count=16, attention__head_count_kv=8, attention__key_length=256, attention__value_length=256
    )
    net.set(attention__sliding_window=1024, rope__freq_base=1e6)
    for i in range(layers):
        net.norms(i, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        net.attention(i, 16, 8, 256)
        net.qk_norm(i, 256)
        net.dense(i, 15360)
    return net


def gpt_oss(layers=6):
    net = Net("gpt-oss", layers=layers, embd=2880, vocab=201088, feed_forward_length=2880)
    net.set(attention__head_count=64, attention__head_count_kv=8, attention__key_length=64, attention__value_length=64)
    net.set(attention__sliding_window=128, expert_count=32, expert_used_count=4, expert_feed_forward_length=2880)
    net.set(rope__dimension_count=64, rope__freq_base=1.5e5)
    for i in range(layers):
        net.norms(i, "attn_norm", "post_attention_norm")
        net.attention(i, 64, 8, 64)
        net.add(f"blk.{i}.attn_output.bias", 2880)
        net.add(f"blk.{i}.attn_sinks.weight", 64)
        net.experts(i, 32, 2880, "MXFP4")
        net.add(f"blk.{i}.ffn_gate_inp.bias", 32)
        for name in ("gate", "up", "down"):
            net.add(f"blk.{i}.ffn_{name}_exps.bias", 2880, 32, kind="F32")
    return net.output()


def deepseek2(layers=4):
    net = Net("deepseek2", layers=layers, embd=7168, vocab=129280, feed_forward_length=18432, context=163840)
    net.set(
        attention__head_count=128, attention__head_count_kv=1, attention__key_length=576, attention__value_length=512
    )
    net.set(attention__key_length_mla=192, attention__value_length_mla=128)
    net.set(attention__q_lora_rank=1536, attention__kv_lora_rank=512, rope__dimension_count=64, rope__freq_base=1e4)
    net.set(leading_dense_block_count=1, expert_count=256, expert_used_count=8, expert_shared_count=1)
    net.set(expert_feed_forward_length=2048, expert_gating_func=2, expert_weights_scale=2.5, expert_weights_norm=True)
    net.set(expert_group_count=8, expert_group_used_count=4)
    for i in range(layers):
        net.norms(i, "attn_norm", "ffn_norm")
        net.add(f"blk.{i}.attn_q_a_norm.weight", 1536)
        net.add(f"blk.{i}.attn_kv_a_norm.weight", 512)
        net.add(f"blk.{i}.attn_q_a.weight", 7168, 1536)
        net.add(f"blk.{i}.attn_q_b.weight", 1536, 128 * 192)
        net.add(f"blk.{i}.attn_kv_a_mqa.weight", 7168, 576)
        net.add(f"blk.{i}.attn_k_b.weight", 128, 512, 128)
        net.add(f"blk.{i}.attn_v_b.weight", 512, 128, 128)
        net.add(f"blk.{i}.attn_output.weight", 128 * 128, 7168)
        if i < 1:
            net.dense(i, 18432)
        else:
            net.experts(i, 256, 2048)
            net.dense(i, 2048, "_shexp")
    return net.output()


def jamba(layers=8):
    net = Net("jamba", layers=layers, embd=2560, vocab=65536, feed_forward_length=8192, context=262144)
    kv = [8 if i % 8 == 4 else 0 for i in range(layers)]
    net.set(attention__head_count=20, attention__head_count_kv=[n and 2 for n in kv])
    net.set(ssm__conv_kernel=4, ssm__inner_size=5120, ssm__state_size=16, ssm__time_step_rank=160)
    for i in range(layers):
        net.norms(i, "attn_norm", "ffn_norm")
        if kv[i]:
            net.attention(i, 20, 2, 128)
        else:
            mamba(net, i, 5120, 16, 160)
        net.dense(i, 8192)
    return net.output()


def mamba(net, i, inner, state, rank):
    net.add(f"blk.{i}.ssm_in.weight", net.embd, 2 * inner)
    net.add(f"blk.{i}.ssm_conv1d.weight", 4, inner, kind="F32")
    net.add(f"blk.{i}.ssm_conv1d.bias", inner)
    net.add(f"blk.{i}.ssm_x.weight", inner, rank + 2 * state)
    net.add(f"blk.{i}.ssm_dt.weight", rank, inner)
    net.add(f"blk.{i}.ssm_dt.bias", inner)
    net.add(f"blk.{i}.ssm_a", state, inner, kind="F32")
    net.add(f"blk.{i}.ssm_d", inner)
    net.add(f"blk.{i}.ssm_out.weight", inner, net.embd)
    if net.a == "jamba":
        net.add(f"blk.{i}.ssm_dt_norm.weight", rank)
        net.add(f"blk.{i}.ssm_b_norm.weight", state)
        net.add(f"blk.{i}.ssm_c_norm.weight", state)


def mamba1(layers=4):
    net = Net("mamba", layers=layers, embd=2560, vocab=50280, feed_forward_length=0, context=1048576)
    net.set(attention__head_count=0, ssm__conv_kernel=4, ssm__inner_size=5120, ssm__state_size=16)
    net.set(ssm__time_step_rank=160)
    for i in range(layers):
        net.norms(i, "attn_norm")
        mamba(net, i, 5120, 16, 160)
    return net.output()


def lfm2(layers=6):
    net = Net("lfm2", layers=layers, embd=2048, vocab=65536, feed_forward_length=8192, context=128000)
    kv = [8 if i % 3 == 2 else 0 for i in range(layers)]
    net.set(attention__head_count=32, attention__head_count_kv=kv, shortconv__l_cache=3, rope__freq_base=1e6)
    net.tensors[-1] = ("token_embd_norm.weight", (2048,), "F32")
    for i in range(layers):
        net.norms(i, "attn_norm", "ffn_norm")
        if kv[i]:
            net.attention(i, 32, 8, 64)
            net.qk_norm(i, 64)
        else:
            net.add(f"blk.{i}.shortconv.conv.weight", 3, 2048, kind="F32")
            net.add(f"blk.{i}.shortconv.in_proj.weight", 2048, 3 * 2048)
            net.add(f"blk.{i}.shortconv.out_proj.weight", 2048, 2048)
        net.dense(i, 8192)
    return net


def qwen3next(layers=8):
    net = Net("qwen3next", layers=layers, embd=2048, vocab=151936, feed_forward_length=5120, context=262144)
    net.set(
        attention__head_count=16, attention__head_count_kv=2, attention__key_length=256, attention__value_length=256
    )
    net.set(expert_count=512, expert_used_count=10, expert_feed_forward_length=512, rope__dimension_count=64)
    net.set(expert_shared_feed_forward_length=512, rope__freq_base=1e7)
    net.set(ssm__conv_kernel=4, ssm__inner_size=4096, ssm__state_size=128, ssm__time_step_rank=32, ssm__group_count=16)
    for i in range(layers):
        net.norms(i, "attn_norm", "post_attention_norm")
        if i % 4 == 3:
            net.attention(i, 16, 2, 256)
            net.tensors[-4] = (f"blk.{i}.attn_q.weight", (2048, 16 * 256 * 2), "Q8_0")
            net.qk_norm(i, 256)
        else:
            net.add(f"blk.{i}.attn_qkv.weight", 2048, 8192)
            net.add(f"blk.{i}.attn_gate.weight", 2048, 4096)
            net.add(f"blk.{i}.ssm_conv1d.weight", 4, 8192, kind="F32")
            net.add(f"blk.{i}.ssm_dt.bias", 32)
            net.add(f"blk.{i}.ssm_a", 32)
            net.add(f"blk.{i}.ssm_ba.weight", 2048, 64)
            net.add(f"blk.{i}.ssm_norm.weight", 128)
            net.add(f"blk.{i}.ssm_out.weight", 4096, 2048)
        net.experts(i, 512, 512)
        net.add(f"blk.{i}.ffn_gate_inp_shexp.weight", 2048)
        net.dense(i, 512, "_shexp")
    return net.output()


def minimax_m3(layers=6, dense=3, kind="Q8_0"):
    """MiniMax M3's published geometry; all 60 layers give the real cache and compute buffers."""
    net = Net("minimax-m3", layers=layers, embd=6144, vocab=200064, feed_forward_length=12288, context=1048576)
    net.set(
        attention__head_count=64, attention__head_count_kv=4, attention__key_length=128, attention__value_length=128
    )
    net.set(rope__freq_base=5e6, rope__dimension_count=64, leading_dense_block_count=dense)
    net.set(expert_count=128, expert_used_count=4, expert_shared_count=1, expert_feed_forward_length=3072)
    net.set(expert_weights_scale=2.0, expert_weights_norm=True, expert_gating_func=2)
    net.set(attention__indexer__head_count=4, attention__indexer__key_length=128, attention__indexer__top_k=16)
    net.set(attention__indexer__block_size=128, attention__indexer__local_blocks=1)
    for i in range(layers):
        net.norms(i, "attn_norm", "ffn_norm")
        net.attention(i, 64, 4, 128)
        net.qk_norm(i, 128)
        if i < dense:
            net.dense(i, 12288)
            continue
        net.experts(i, 128, 3072, kind)
        net.add(f"blk.{i}.exp_probs_b.bias", 128)
        net.dense(i, 3072, "_shexp")
        net.add(f"blk.{i}.indexer.q_proj.weight", 6144, 512, kind="F32")
        net.add(f"blk.{i}.indexer.k_proj.weight", 6144, 128, kind="F32")
        net.add(f"blk.{i}.indexer.q_norm.weight", 128)
        net.add(f"blk.{i}.indexer.k_norm.weight", 128)
    return net.output()


ALL = {
    "llama": llama,
    "qwen3moe": qwen3moe,
    "gemma3": gemma3,
    "gpt-oss": gpt_oss,
    "deepseek2": deepseek2,
    "jamba": jamba,
    "lfm2": lfm2,
    "mamba": mamba1,
    "qwen3next": qwen3next,
    "minimax-m3": minimax_m3,
}
