"""GGUF headers: what they say, split sets, and files that lie."""

import struct
import time
import tracemalloc

import gguf as reference
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gguf_files as files
from m3studio import gguf
from m3studio.errors import BadModelFile

TINY = files.build(files.LLAMA, files.LLAMA_TENSORS)
START = b"GGUF" + struct.pack("<IQQ", 3, 1, 1)


def saved(tmp_path, data, name="model.gguf"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


def with_keys(**keys):
    return {**files.LLAMA, **{key.replace("__", "."): value for key, value in keys.items()}}


# What a header says


def agree(header, path):
    """Our header and the gguf package's reader see the same file."""
    theirs = reference.GGUFReader(path)
    ours = {
        tensor.name: (tensor.dims, tensor.type, tensor.bytes, header.data_offset + tensor.offset)
        for tensor in header.tensors
    }
    assert ours == {
        tensor.name: (
            tuple(int(n) for n in tensor.shape),
            int(tensor.tensor_type),
            int(tensor.n_bytes),
            int(tensor.data_offset),
        )
        for tensor in theirs.tensors
    }
    fields = {key: field for key, field in theirs.fields.items() if not key.startswith("GGUF.")}
    assert set(fields) == set(header.metadata)
    for key, value in header.metadata.items():
        if isinstance(value, gguf.Array):
            assert (int(fields[key].types[1]), len(fields[key].data)) == (value.type, value.count)
        else:
            theirs_value = fields[key].contents()
            assert (tuple(theirs_value) if isinstance(theirs_value, list) else theirs_value) == value


def test_the_starter_model_reads_as_the_reference_reader_sees_it(starter):
    header = gguf.read_header(starter)
    agree(header, starter)
    assert (header.architecture, header.quant, header.block_count, header.context_length) == ("llama", "Q4_1", 30, 8192)
    assert (header.n_params, header.vocab_size, header.key_length) == (134_515_008, 49_152, 64)
    assert (set(header.head_counts), set(header.head_counts_kv), len(header.head_counts)) == ({9}, {3}, 30)
    assert "<|im_start|>" in header.chat_template
    assert header.expected_size == header.file_size == starter.stat().st_size


def test_the_starter_header_takes_under_50_ms(starter):
    def seconds():
        start = time.process_time()
        gguf.read_header(starter)
        return time.process_time() - start

    assert min(seconds() for _ in range(5)) < 0.05


def test_every_value_type_reads_as_the_reference_reader_sees_it(tmp_path):
    keys = {f"x.{kind}": files.Typed(kind, 1) for kind in files.FORMS}
    keys |= {f"y.{kind}": files.Typed(files.ARRAY, [0, 1, 1], kind) for kind in files.FORMS}
    keys |= {"long.numbers": list(range(2000)), "long.strings": ["ab"] * 1500, "text": "häß 猫", "negative": -5}
    path = saved(tmp_path, files.build(with_keys(**keys), files.LLAMA_TENSORS))
    header = gguf.read_header(path)
    agree(header, path)
    assert header.metadata["long.strings"].count == 1500


@pytest.mark.parametrize("alignment", [8, 64, 4096])
def test_alignment_moves_the_data(tmp_path, alignment):
    keys = with_keys(general__alignment=alignment)
    path = saved(tmp_path, files.build(keys, files.LLAMA_TENSORS, alignment=alignment))
    header = gguf.read_header(path)
    assert header.data_offset % alignment == 0 and header.alignment == alignment
    agree(header, path)


def test_properties_come_from_the_architectures_own_keys():
    header = gguf.read_header(
        files.build(
            {
                "general.architecture": "minimax-m3",
                "general.basename": "MiniMax-M3",
                "general.size_label": "128x3B",
                "general.base_model.count": 2,
                "general.base_model.0.repo_url": "https://huggingface.co/MiniMaxAI/MiniMax-M3",
                "general.base_model.1.name": "Other",
                "general.base_model.1.organization": "Them",
                "general.sampling.temp": 1.0,
                "general.sampling.top_k": 40,
                "general.file_type": 1024 + 31,
                "minimax-m3.block_count": 3,
                "minimax-m3.attention.head_count": [64, 64, 32],
                "minimax-m3.attention.head_count_kv": 4,
                "minimax-m3.attention.key_length": 128,
                "minimax-m3.attention.value_length": 64,
                "minimax-m3.expert_count": 128,
                "minimax-m3.expert_used_count": 4,
                "minimax-m3.attention.sliding_window": 4096,
                "tokenizer.chat_template": "default one",
                "tokenizer.chat_template.tool_use": "tool one",
            }
        )
    )
    assert header.base_models == ("MiniMaxAI/MiniMax-M3", "Them/Other")
    assert header.sampling == {"temp": 1.0, "top_k": 40}
    assert header.quant == "IQ1_M"
    assert header.head_counts == (64, 64, 32) and header.head_counts_kv == (4, 4, 4)
    assert (header.key_length, header.value_length, header.sliding_window) == (128, 64, 4096)
    assert (header.expert_count, header.expert_used_count) == (128, 4)
    assert header.chat_templates == {"default": "default one", "tool_use": "tool one"}
    assert header.split is None


@pytest.mark.parametrize(
    "key, value, ask",
    [
        ("llama.block_count", "two", "block_count"),
        ("llama.block_count", 100_000, "block_count"),
        ("llama.context_length", files.Typed(files.I32, -1), "context_length"),
        ("llama.attention.head_count", [4], "head_counts"),
        ("llama.attention.head_count", 2.5, "head_counts"),
        ("llama.attention.head_count_kv", ["a", "b"], "head_counts_kv"),
    ],
)
def test_a_property_of_the_wrong_kind_is_refused(key, value, ask):
    header = gguf.read_header(files.build({**files.LLAMA, key: value}))
    with pytest.raises(BadModelFile, match="damaged"):
        getattr(header, ask)


# Partial and remote files


def test_every_beginning_of_a_file_asks_for_more_until_the_header_is_whole():
    header = gguf.read_header(TINY)
    end = TINY.index(b"blk.0.attn_q.weight") + len("blk.0.attn_q.weight") + 4 + 16 + 4 + 8
    for length in range(end):
        with pytest.raises(gguf.NeedMore) as raised:
            gguf.read_header(TINY[:length])
        assert length < raised.value.least <= end
    assert gguf.read_header(TINY[:end]).tensors == header.tensors
    assert gguf.read_header(memoryview(TINY)[:end]).metadata == header.metadata


def test_every_cut_file_is_called_cut_short(tmp_path):
    for length in range(1, 200, 7):
        with pytest.raises(BadModelFile, match=r"cut short|not a GGUF"):
            gguf.read_header(saved(tmp_path, TINY[:length]))


def test_a_200k_vocabulary_costs_two_ranges_and_12_mb():
    count = 200_064
    keys = {
        **{key: value for key, value in files.LLAMA.items() if key != "tokenizer.ggml.tokens"},
        "tokenizer.ggml.tokens": [f"{i:010}"[: 4 + i % 7] for i in range(count)],
        "tokenizer.ggml.token_type": files.Typed(files.ARRAY, [1] * count, files.I32),
        "tokenizer.ggml.merges": ["abcd efgh"] * count,
        "tokenizer.chat_template": "x" * 40_000,
    }
    tensors = [(f"blk.{i}.ffn_gate_exps.weight", (32,), "F32") for i in range(1000)]
    head = files.build(keys, tensors, data=False)
    ranges = []

    def read(start, stop):
        ranges.append((start, stop))
        return head[start:stop].ljust(stop - start, b"\0")

    header = gguf.read_remote(read, 128_000_000_000)
    assert len(header.tensors) == 1000 and header.vocab_size == count
    assert len(ranges) <= 2 and ranges[-1][1] <= 12_000_000
    assert ranges[0] == (0, 262_144) and ranges[1][0] == 262_144


def test_a_host_that_sends_too_little_is_an_error():
    with pytest.raises(BadModelFile, match="sooner"):
        gguf.read_remote(lambda start, stop: TINY[start : stop - 1], len(TINY))


# Files that lie


def tensor_row(name=b"t", dims=(32,), kind=0, offset=0):
    return files.info(name, dims, kind, offset)


KEY = files.pair("general.architecture", "llama")
LIES = {
    "keys": b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60),
    "tensors": b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0),
    "version 1": b"GGUF" + struct.pack("<IQQ", 1, 0, 0),
    "version 9": b"GGUF" + struct.pack("<IQQ", 9, 0, 0),
    "big endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
    "key length": START + struct.pack("<Q", 2**63) + KEY,
    "empty key": START + files.pair("", 1) + tensor_row(),
    "text length": START + files.text("a") + struct.pack("<IQ", 8, 2**40),
    "value type": START + files.text("a") + struct.pack("<I", 99),
    "array type": START + files.text("a") + struct.pack("<IIQ", 9, 77, 1),
    "nested arrays": START + files.text("a") + struct.pack("<IIQ", 9, 9, 1) + struct.pack("<IQ", 9, 1) * 1000,
    "array count": START + files.text("a") + struct.pack("<IIQ", 9, 4, 2**62),
    "array overflow": START + files.text("a") + struct.pack("<IIQ", 9, 10, 2**61),
    "string count": START + files.text("a") + struct.pack("<IIQ", 9, 8, 2**61),
    "bad utf-8 key": START + files.pair(b"\xff\xfe", 1) + tensor_row(),
    "bad utf-8 value": START + files.pair("a", b"\xc3\x28") + tensor_row(),
    "twice a key": b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + KEY + KEY,
    "twice a tensor": b"GGUF" + struct.pack("<IQQ", 3, 2, 1) + KEY + tensor_row() + tensor_row(offset=128),
    "zero dimension": START + KEY + tensor_row(dims=(32, 0)),
    "many dimensions": START + KEY + files.text("t") + struct.pack("<I", 2**31),
    "five dimensions": START + KEY + tensor_row(dims=(32, 1, 1, 1, 1)),
    "overflowing shape": START + KEY + tensor_row(dims=(2**40, 2**40)),
    "wrapping shape": START + KEY + tensor_row(dims=(2**63, 2, 1)),
    "row and block": START + KEY + tensor_row(dims=(33,), kind=8),
    "tensor type": START + KEY + tensor_row(kind=4),
    "tensor offset": START + KEY + tensor_row(offset=64),
    "tensor name": START + KEY + tensor_row(name=b"n" * 64),
    "bad utf-8 name": START + KEY + tensor_row(name=b"\xff"),
    "alignment": START + files.pair("general.alignment", 3) + tensor_row(),
    "alignment zero": START + files.pair("general.alignment", 0) + tensor_row(),
    "alignment text": START + files.pair("general.alignment", "8") + tensor_row(),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_refused_at_once(lie):
    start = time.process_time()
    with pytest.raises(BadModelFile) as raised:
        gguf.read_header(LIES[lie] + bytes(4096), size=10**12)
    assert time.process_time() - start < 0.02
    assert str(raised.value).endswith(".") and len(str(raised.value)) < 400


def test_a_claim_beyond_the_files_end_is_refused_before_reading_on():
    def read(start, stop):
        assert stop <= 1000
        return (START + files.text("a") + struct.pack("<IIQ", 9, 8, 1_000_000)).ljust(1000, b"\0")[start:stop]

    with pytest.raises(BadModelFile, match="cut short"):
        gguf.read_remote(read, 1000)


def test_something_else_is_named_by_how_it_starts(tmp_path):
    with pytest.raises(
        BadModelFile, match=r"x\.txt is not a GGUF file \(it starts with “Once”\)\. Choose a \.gguf model\."
    ):
        gguf.read_header(saved(tmp_path, b"Once upon a time", "x.txt"))


@pytest.mark.parametrize("name", ["missing.gguf", "."])
def test_no_file_is_an_error_with_its_path(tmp_path, name):
    with pytest.raises(BadModelFile, match="There is no file"):
        gguf.read_header(tmp_path / name)


def test_an_empty_file_is_cut_short(tmp_path):
    with pytest.raises(BadModelFile, match="cut short"):
        gguf.read_header(saved(tmp_path, b""))


ASK = (
    "block_count",
    "head_counts",
    "head_counts_kv",
    "key_length",
    "quant",
    "base_models",
    "sampling",
    "split",
    "n_params",
    "chat_templates",
    "vocab_size",
)


def survive(data, size):
    try:
        header = gguf.read_header(data, size=size)
        for name in ASK:
            getattr(header, name)
    except (BadModelFile, gguf.NeedMore):
        pass


@given(st.data())
@settings(max_examples=300, deadline=1000)
def test_a_damaged_file_is_refused_or_read_but_never_breaks(data):
    raw = bytearray(TINY[:-2000])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw) - 9))
        raw[at : at + 8] = data.draw(
            st.one_of(st.binary(min_size=8, max_size=8), st.integers(0, 300).map(lambda n: struct.pack("<Q", n)))
        )
    cut = data.draw(st.integers(0, len(raw)))
    survive(bytes(raw[:cut]), data.draw(st.sampled_from([None, cut, 10**11])))


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_noise_is_refused_or_read_but_never_breaks(noise):
    survive(b"GGUF" + struct.pack("<I", 3) + noise, None)


def test_memory_stays_bounded_for_a_file_of_zeros_that_claims_a_lot(tmp_path):
    path = tmp_path / "sparse.gguf"
    with path.open("wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, 0, 60_000) + files.text("a") + struct.pack("<IIQ", 9, 8, 400_000))
        file.truncate(50 * 2**30)
    tracemalloc.start()
    try:
        with pytest.raises(BadModelFile):
            gguf.read_header(path)
        assert tracemalloc.get_traced_memory()[1] < 300 * 2**20
    finally:
        tracemalloc.stop()


# Whole models


METADATA = {**files.LLAMA, "tokenizer.ggml.tokens": [str(i) for i in range(1500)]}
TENSORS = [(f"blk.{i}.attn_q.weight", (64, 64), "Q8_0") for i in range(7)]


def test_any_shard_selects_its_set(tmp_path):
    paths = files.split(tmp_path, "tiny", METADATA, TENSORS, 3)
    for path in paths:
        model = gguf.read_model(path)
        assert model.path == paths[0] and model.header.architecture == "llama"
        assert {tensor.name for tensor in model.tensors} == {name for name, _, _ in TENSORS}
        assert model.file_size == sum(path.stat().st_size for path in paths)
    assert gguf.check(paths[2]).names == tuple(path.name for path in paths)


def test_missing_shards_are_named(tmp_path):
    paths = files.split(tmp_path, "tiny", METADATA, TENSORS, 4)
    paths[1].unlink()
    paths[3].unlink()
    with pytest.raises(BadModelFile, match=r"tiny-00002-of-00004.gguf, tiny-00004-of-00004.gguf are missing"):
        gguf.read_model(paths[0])


def test_a_foreign_shard_is_named(tmp_path):
    paths = files.split(tmp_path, "tiny", METADATA, TENSORS, 3)
    paths[1].write_bytes(paths[2].read_bytes())
    with pytest.raises(BadModelFile, match=r"tiny-00002-of-00003.gguf does not belong"):
        gguf.read_model(paths[0])
    paths[1].write_bytes(TINY)
    with pytest.raises(BadModelFile, match="a model of its own"):
        gguf.read_model(paths[0])


def test_a_shard_with_too_few_tensors_is_found_by_the_sum(tmp_path):
    paths = files.split(tmp_path, "tiny", METADATA, TENSORS, 2)
    keys = {"split.no": 1, "split.count": 2, "split.tensors.count": len(TENSORS)}
    paths[1].write_bytes(files.build(keys, TENSORS[1:2]))
    with pytest.raises(BadModelFile, match="hold 5 of 7 tensors"):
        gguf.read_model(paths[0])


def test_a_renamed_shard_is_explained(tmp_path):
    paths = files.split(tmp_path, "tiny", METADATA, TENSORS, 2)
    other = paths[0].rename(tmp_path / "renamed.gguf")
    with pytest.raises(BadModelFile, match="shard 1 of 2, but its name does not say so"):
        gguf.read_model(other)


def test_a_cut_shard_is_named_with_its_bytes(tmp_path):
    paths = files.split(tmp_path, "tiny", METADATA, TENSORS, 2)
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[:-1000])
    with pytest.raises(
        BadModelFile,
        match=rf"tiny-00002-of-00002.gguf is cut short: {len(whole) - 1000:,} bytes are there, {len(whole):,}",
    ):
        gguf.check(paths[0])


# The check before a load


def checked(tmp_path, metadata, tensors=files.LLAMA_TENSORS):
    return gguf.check(saved(tmp_path, files.build(metadata, tensors)))


def test_a_good_model_passes(tmp_path, starter):
    assert checked(tmp_path, files.LLAMA).header.name == "Tiny"
    assert gguf.check(starter).n_params == 134_515_008


@pytest.mark.parametrize(
    "keys, sentence",
    [
        ({"general.architecture": "nonesuch"}, "“nonesuch”, which the installed llama.cpp does not know"),
        ({"general.architecture": ""}, "does not say what architecture"),
        ({"general.architecture": "clip"}, "vision part"),
        ({"general.type": "adapter"}, "LoRA adapter"),
        ({"general.architecture": "minimax-m3"}, "indexer tensors are missing"),
        ({"tokenizer.ggml.tokens": ["a", "b", "a"]}, "two tokens with the same text"),
        ({"tokenizer.ggml.tokens": [str(i) for i in range(2000)] + ["7"]}, "two tokens with the same text"),
    ],
)
def test_what_llama_cpp_cannot_load_is_refused_in_a_sentence(tmp_path, keys, sentence):
    with pytest.raises(BadModelFile, match=sentence):
        checked(tmp_path, {**files.LLAMA, **keys})


def test_m3_with_its_indexer_passes(tmp_path):
    tensors = [*files.LLAMA_TENSORS, ("blk.1.indexer.q_proj.weight", (64, 64), "F32")]
    assert checked(tmp_path, {**files.LLAMA, "general.architecture": "minimax-m3"}, tensors)


def test_empty_token_texts_do_not_count_as_twins(tmp_path):
    assert checked(tmp_path, {**files.LLAMA, "tokenizer.ggml.tokens": ["", "a", ""]})


def test_the_tables_are_llama_cpps_own():
    """Types that the gguf package knows too have the same sizes there; the architectures hold the ones of the day."""
    for number, (block, size) in reference.GGML_QUANT_SIZES.items():
        if int(number) in gguf.TENSOR_TYPES and number.name != "Q8_1":  # the package counts Q8_1 as it was until 2024
            assert gguf.TENSOR_TYPES[int(number)][1:] == (block, size)
    assert {"llama", "minimax-m3", "deepseek2", "gpt-oss", "qwen3moe"} <= gguf.ARCHITECTURES
