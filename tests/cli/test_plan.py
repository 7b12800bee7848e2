"""`plan`, `show` and `rm`: what they find, print, refuse and delete."""

import json
import os
import pty
import subprocess
import sys

import pytest

import gguf_files as files
import gguf_models as geometry
from m3studio import cli
from m3studio.paths import Home

M3 = "unsloth/MiniMax-M3-GGUF"
MACHINES = {
    "mac 512": ["--unified", "512"],
    "mac 256": ["--unified", "256"],
    "ram 192": ["--ram", "192"],
    "card": ["--ram", "256", "--vram", "24"],
    "cards": ["--ram", "256", "--vram", "24,24,24,24"],
    "server": ["--ram", "512", "--vram", ",".join(["141"] * 8)],
    "laptop": ["--ram", "64"],
}
KEYS = {
    *("verdict", "total_bytes", "weights_bytes", "kv_bytes", "compute_bytes", "devices", "reasons"),
    *("tokens_per_second", "n_ctx", "n_gpu_layers", "n_ubatch", "type_k", "type_v", "flash_attn", "tensor_split"),
}


@pytest.fixture
def told(capsys):
    """`told(*words)`: what the verb prints as JSON."""

    def ask(*words):
        assert cli.main([*words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return ask


@pytest.fixture
def models(home):
    folder = Home(home).models
    folder.mkdir(parents=True)
    return folder


def verdicts(told, machine):
    return {row["quant"]: row["verdict"] for row in told("plan", M3, *MACHINES[machine])["quants"]}


@pytest.mark.parametrize(
    ("machine", "fits", "too_big"),
    [
        ("mac 512", {"UD-IQ1_M", "UD-Q4_K_XL", "5-bit"}, set()),
        ("mac 256", {"UD-IQ1_M", "UD-IQ3_XXS"}, {"5-bit", "8-bit"}),
        ("ram 192", {"UD-IQ1_M"}, {"UD-Q4_K_XL", "8-bit"}),
        ("card", {"UD-IQ1_M", "UD-IQ4_XS"}, {"5-bit", "8-bit"}),
        ("cards", {"UD-IQ1_M", "UD-IQ4_XS"}, {"8-bit"}),
        ("server", {"UD-IQ1_M", "5-bit", "8-bit"}, set()),
        ("laptop", set(), {"UD-IQ1_M", "2-bit", "UD-IQ3_XXS", "UD-IQ4_XS", "UD-Q4_K_XL", "5-bit", "8-bit"}),
    ],
)
def test_minimax_m3_on_made_up_machines_offline(told, machine, fits, too_big):
    found = verdicts(told, machine)
    assert {quant for quant, verdict in found.items() if verdict == "fits"} >= fits
    assert {quant for quant, verdict in found.items() if verdict == "too_big"} >= too_big
    assert not any(found[quant] == "too_big" for quant in fits)


def test_8_bit_on_a_512_gb_mac_names_the_wired_limit(told, capsys):
    plan = told("plan", f"{M3}:Q8_0", *MACHINES["mac 512"])
    assert plan["verdict"] == "tight" and "sudo sysctl iogpu.wired_limit_mb=" in " ".join(plan["suggestions"])
    assert cli.main(["plan", f"{M3}:8-bit", *MACHINES["mac 512"]]) == 0
    assert "sudo sysctl iogpu.wired_limit_mb=" in capsys.readouterr().out


def test_one_quant_on_four_cards(told):
    plan = told("plan", f"{M3}:ud-iq1_m", *MACHINES["cards"])
    assert plan.keys() >= KEYS
    assert len(plan["tensor_split"]) == 4 and plan["experts_in_ram"] and plan["flash_attn"] is True
    for name in ("total_bytes", "weights_bytes", "kv_bytes", "compute_bytes"):
        assert plan[name] == sum(device[name] for device in plan["devices"])


def test_the_table_has_a_line_for_each_quant(capsys):
    assert cli.main(["plan", M3, "--ram", "192"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8 and lines[1].split()[:4] == ["UD-IQ1_M", "128.0", "GB", "fits"]
    assert "short" in lines[-1]


def test_wishes_are_kept(told, models):
    geometry.llama().write(models / "big-Q8_0.gguf")
    plan = told("plan", "big", "--ram", "64", "--ctx", "65536", "--kv", "q8_0")
    assert (plan["n_ctx"], plan["type_k"], plan["type_v"]) == (65_536, "q8_0", "q8_0")
    assert plan["kv_bytes"] == 65_536 * 4 * 2 * 1024 * 34 // 32
    assert told("plan", "big:Q8_0", "--ram", "64")["n_ctx"] == 32_768


@pytest.mark.model
def test_the_starter_on_this_machine(told, starter):
    plan = told("plan", str(starter))
    assert plan["verdict"] in ("fits", "tight") and plan["tokens_per_second"][0] > 1
    assert plan["weights_bytes"] < 100e6 and plan["devices"][-1]["name"] == "CPU"


def test_any_shard_names_the_whole_model(told, models):
    paths = files.split(models, "tiny", files.LLAMA, files.LLAMA_TENSORS, 2)
    whole = told("plan", str(paths[0]), "--ram", "8")
    assert whole["verdict"] == "fits" and whole["weights_bytes"] == 3 * 64 // 32 * 34 + 64 * 64 // 32 * 18
    assert told("plan", str(paths[1]), "--ram", "8")["weights_bytes"] == whole["weights_bytes"]
    assert told("show", "tiny")["files"] == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nothing"], "There is no model “nothing” here"),
        ([f"{M3}:Q6_K"], "not for “Q6_K”"),
        ([M3, "--ram", "8", "--unified", "8"], "Unified memory is RAM"),
        ([M3, "--vram", "24,x", "--ram", "8"], "--vram is a list of sizes"),
        ([M3, "--vram", "24"], "Say how much memory"),
        ([M3, "--ram", "nan"], "Say how much memory"),
        ([M3, "--ram", "64", "--ctx", "-5"], "n_ctx must be a positive number"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(words, says, capsys):
    assert cli.main(["plan", *words]) == 1
    assert says in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------------- show


@pytest.mark.model
def test_show_says_what_it_is_and_who_says_how_to_sample_it(told, starter, models):
    (models / "starter-Q4_1.gguf").symlink_to(starter)
    found = told("show", "starter")
    assert (found["architecture"], found["quant"], found["context"], found["tensors"]) == ("llama", "Q4_1", 8192, 272)
    assert found["sampling"]["temperature"] == {
        "value": 0.2,
        "source": "https://huggingface.co/HuggingFaceTB/SmolLM2-1.7B-Instruct",
        "date": "2024-11",
    }
    assert all(row.keys() == {"value", "source", "date"} for row in found["sampling"].values())
    assert found["template"]["problem"] == "" and found["template"]["tools"] is False


def test_show_as_text_and_without_a_template(capsys, models):
    geometry.minimax_m3(4).write(models / "m3-Q8_0.gguf")
    assert cli.main(["show", "m3"]) == 0
    out = capsys.readouterr().out
    assert "minimax-m3" in out and "1,048,576 tokens" in out and "temperature" in out


def test_show_of_a_broken_file_is_a_sentence(capsys, models):
    (models / "broken.gguf").write_bytes(b"GG")
    assert cli.main(["show", "broken"]) == 1
    assert "broken.gguf is cut short" in capsys.readouterr().err


# --------------------------------------------------------------------------------------------------------------- rm


def test_rm_deletes_all_shards_and_the_empty_folders(models, capsys):
    folder = models / "owner" / "name"
    folder.mkdir(parents=True)
    for number in (1, 2):
        (folder / f"Big-0000{number}-of-00002.gguf").write_bytes(b"GGUF" * 100)
    (models / "other.gguf").write_bytes(b"x")
    assert cli.main(["rm", "--yes", "owner/name/Big-00002-of-00002"]) == 0
    assert "Deleted 2 files" in capsys.readouterr().out
    assert [path.name for path in models.rglob("*")] == ["other.gguf"]


def test_rm_without_a_terminal_deletes_nothing(models):
    (models / "a.gguf").write_bytes(b"x")
    words = [sys.executable, "-m", "m3studio", "rm", "a"]
    answer = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    assert answer.returncode == 1 and "--yes" in answer.stderr and (models / "a.gguf").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no pty")
@pytest.mark.parametrize(("word", "code"), [(b"n\n", 1), (b"\n", 1), (b"yes\n", 0)])
def test_rm_asks_on_a_terminal(models, word, code):
    (models / "a.gguf").write_bytes(b"x")
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-m", "m3studio", "rm", "a"], stdin=theirs, stderr=subprocess.PIPE)
    with process, os.fdopen(ours, "wb", buffering=0) as terminal:
        terminal.write(word)
        assert process.wait(30) == code
    assert (models / "a.gguf").exists() is bool(code)


def test_rm_of_nothing_is_told(capsys):
    assert cli.main(["rm", "--yes", "nothing"]) == 1
    assert "There is no model" in capsys.readouterr().err
