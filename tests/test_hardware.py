"""This machine and made-up ones: nothing counted twice, limits of containers, and drivers that do not answer."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from m3studio import hardware
from m3studio.errors import BadInput
from m3studio.hardware import Device, Hardware, Kind
from m3studio.hardware.limits import Limits, read_limits
from m3studio.hardware.probe import library_folder, list_devices, probe, usable_threads

GIB = 2**30


def test_this_machine_answers():
    machine = probe()
    assert 0 < machine.ram_available <= machine.ram_total <= psutil.virtual_memory().total
    assert machine.note == ""
    assert any(device.kind is Kind.CPU for device in machine.devices)
    assert 1 <= machine.threads <= (os.cpu_count() or 1)


def test_asking_for_devices_does_not_load_llama_cpp_here():
    code = "import sys; from m3studio.hardware import probe; probe(); sys.exit('llama_cpp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def answer(rows):
    return lambda command: "noise from a driver\n" + json.dumps(rows)


CARD = {"name": "CUDA0", "description": "NVIDIA", "kind": "gpu", "free": 23 * GIB, "total": 24 * GIB}
CPU = {"name": "CPU", "description": "x", "kind": "cpu", "free": 64 * GIB, "total": 64 * GIB}


def test_devices_come_under_llama_cpps_names():
    devices, note = list_devices(answer([CARD, CPU]), Path("lib"))
    assert note == "" and [device.name for device in devices] == ["CUDA0", "CPU"]
    assert devices[0] == Device("CUDA0", "NVIDIA", Kind.GPU, 23 * GIB, 24 * GIB)


def failing(error):
    def run(command):
        raise error

    return run


@pytest.mark.parametrize(
    "run, words",
    [
        (failing(subprocess.TimeoutExpired("x", 30)), "did not answer in time"),
        (failing(subprocess.CalledProcessError(-4, "x", stderr=b"")), "exit code -4"),
        (failing(subprocess.CalledProcessError(1, "x", stderr=b"a\nlibcudart.so.12: cannot open")), "libcudart"),
        (failing(FileNotFoundError("gone")), "gone"),
        (lambda command: "", "only the CPU"),
        (lambda command: "not json", "only the CPU"),
        (answer([{"name": "X"}]), "only the CPU"),
        (answer([{**CARD, "kind": "quantum"}]), "only the CPU"),
    ],
)
def test_a_driver_that_fails_leaves_the_cpu_and_a_sentence(run, words):
    machine = probe(run, folder=Path("lib"), limits=Limits())
    assert machine.devices == () and machine.gpus == ()
    assert words in machine.note and "m3studio doctor" in machine.note
    assert machine.ram_available > 0


def test_a_library_that_cannot_be_loaded_is_a_note(tmp_path):
    machine = probe(folder=tmp_path, limits=Limits())
    assert machine.devices == () and "could not be listed" in machine.note


def test_another_library_folder_can_be_named(monkeypatch):
    assert (library_folder() / "libggml.so").exists() or sys.platform != "linux"
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", "/elsewhere")
    assert library_folder() == Path("/elsewhere")


# Containers


def group(root, path, **files):
    folder = root / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def limits(tmp_path, lines):
    (tmp_path / "self").write_text("\n".join(lines))
    return read_limits(tmp_path / "cgroup", tmp_path / "self")


def test_version_2_takes_the_tightest_group_on_the_way_up(tmp_path):
    root = tmp_path / "cgroup"
    group(root, "", memory__max="max", cpu__max="max 100000")
    group(
        root, "a", memory__max=str(8 * GIB), memory__current=str(3 * GIB), memory__stat=f"anon 5\ninactive_file {GIB}"
    )
    group(root, "a/b", memory__max=str(16 * GIB), memory__current=str(2 * GIB), cpu__max="150000 100000")
    assert limits(tmp_path, ["0::/a/b"]) == Limits(8 * GIB, 6 * GIB, 2)


def test_version_1(tmp_path):
    root = tmp_path / "cgroup"
    group(
        root,
        "memory/box",
        memory__limit_in_bytes=str(4 * GIB),
        memory__usage_in_bytes=str(3 * GIB),
        memory__stat=f"total_inactive_file {2 * GIB}\n",
    )
    group(root, "memory", memory__limit_in_bytes=str(2**63 - 4096))
    group(root, "cpu/box", cpu__cfs_quota_us="50000", cpu__cfs_period_us="100000")
    assert limits(tmp_path, ["4:memory:/box", "1:cpu,cpuacct:/box"]) == Limits(4 * GIB, 3 * GIB, 1)


def test_a_container_that_sees_only_its_own_group_as_the_root(tmp_path):
    group(tmp_path / "cgroup", "", memory__max=str(2 * GIB), memory__current=str(GIB))
    assert limits(tmp_path, ["0::/docker/abc"]) == Limits(2 * GIB, GIB, None)


@pytest.mark.parametrize("lines", [[], ["nonsense"], ["0::/../../etc"], ["4:memory:/none", "0::/none"]])
def test_nothing_readable_is_no_limit(tmp_path, lines):
    group(tmp_path / "cgroup", "memory", memory__limit_in_bytes="garbage")
    assert limits(tmp_path, lines) == Limits()


def test_limits_cap_memory_and_threads():
    machine = probe(answer([CPU]), folder=Path("lib"), limits=Limits(GIB, GIB // 2, 1))
    assert (machine.ram_total, machine.threads) == (GIB, 1)
    assert machine.ram_available <= GIB // 2
    assert usable_threads(answer([]), Limits(cpus=1)) == 1


# What counts


def test_unified_memory_counts_once():
    mac = hardware.imagined(unified=128)
    assert mac.unified and mac.memory == 128 * GIB
    assert mac.gpus[0].total == int(0.8 * 128 * GIB)
    crowded = replace(mac, ram_available=20 * GIB)
    assert crowded.room(crowded.gpus[0]) == 20 * GIB


def test_cards_add_to_ram():
    box = hardware.imagined(256, [24, 24])
    assert not box.unified and box.memory == 304 * GIB
    assert [device.name for device in box.gpus] == ["CUDA0", "CUDA1"]
    assert all(23 * GIB < box.room(device) <= 24 * GIB for device in box.gpus)


def test_an_integrated_gpu_is_used_only_without_a_card():
    card = Device("CUDA0", "", Kind.GPU, 8 * GIB, 8 * GIB)
    chip = Device("Vulkan0", "", Kind.IGPU, 16 * GIB, 16 * GIB, unified=True)
    assert Hardware(32 * GIB, 30 * GIB, (card, chip)).gpus == (card,)
    assert Hardware(32 * GIB, 30 * GIB, (chip, chip)).gpus == (chip,)
    assert Hardware(32 * GIB, 30 * GIB, (chip,)).memory == 32 * GIB


def test_a_raised_wired_limit_is_metals_room():
    mac = hardware.imagined(unified=512, wired=480)
    assert mac.gpus[0].total == mac.wired_limit == 480 * GIB


@pytest.mark.parametrize(
    "sizes", [{}, {"ram": -1}, {"ram": 8, "unified": 8}, {"vram": [24]}, {"ram": float("inf")}, {"ram": float("nan")}]
)
def test_an_impossible_machine_is_refused(sizes):
    with pytest.raises(BadInput, match="--"):
        hardware.imagined(**sizes)


def test_disk_space_is_that_of_the_nearest_folder_that_exists(tmp_path):
    assert hardware.disk_free(tmp_path / "not" / "yet") > 0


def test_bandwidth_is_measured_in_the_time_given():
    rate = hardware.measure_bandwidth(2, seconds=0.05, size=32 * 2**20)
    assert 1e8 < rate < 1e13
