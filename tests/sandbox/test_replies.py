"""What comes from inside may be a lie, huge, endless or nonsense: the app only ever gets a result or a `ToolError`."""

import random
import struct
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m3studio import sandbox
from m3studio.errors import ToolError
from m3studio.messages import Cancel
from m3studio.sandbox import Limits
from m3studio.sandbox.box import Box, Call, take_answer, take_status
from m3studio.sandbox.inside import frames, kernel, warden
from m3studio.sandbox.mechanism import Launch
from m3studio.sandbox.output import Stream

KINDS = kernel.BEGUN + kernel.DONE


def call():
    return Call(Stream(100, None), Stream(100, None), Cancel())


def corrupt(chance):
    """Bytes as a broken or hostile interpreter may send them: noise, cut frames, lying lengths, wrong payloads."""
    payload = chance.choice(
        [b"1\x000", b"1\x00-5", b"1\x00999999999999", b"2\x000", b"1", b"\xff\xfe", b"1\x00\x00\x00", b""]
    )
    good = frames.pack(chance.choice([b"B", b"D"]), payload)
    return chance.choice(
        [
            chance.randbytes(chance.randrange(1, 40)),
            good,
            good[: chance.randrange(1, len(good) + 1)],
            good * chance.randrange(1, 5) + chance.randbytes(3),
            bytes([chance.randrange(256)]) + struct.pack("<I", chance.randrange(1 << 32)) + chance.randbytes(8),
            good[:1] + struct.pack("<I", chance.choice([0, 1, 4 << 20, (4 << 20) + 1, (1 << 32) - 1])) + good[5:],
        ]
    )


def test_ten_thousand_corrupt_answers():
    chance = random.Random(8)
    refused = understood = 0
    for _ in range(10_000):
        answers, one = frames.Reader(KINDS), call()
        try:
            for _ in range(chance.randrange(1, 4)):
                take_answer(one, answers, corrupt(chance), 1)
        except ValueError:
            refused += 1
        else:
            understood += one.code is not None
        assert one.code is None or 0 <= one.code <= 255
        try:
            assert -64 <= take_status(frames.Reader(warden.ANSWERS, 4096), corrupt(chance)) <= 255
        except ValueError:
            pass
    assert refused > 1000 and understood > 100


@given(st.lists(st.tuples(st.sampled_from([b"B", b"D"]), st.binary(max_size=50)), max_size=6), st.integers(1, 9))
def test_frames_come_out_as_they_went_in_however_they_are_cut(messages, step):
    data = b"".join(frames.pack(*message) for message in messages)
    reader = frames.Reader(KINDS)
    found = [message for start in range(0, len(data), step) for message in reader.feed(data[start : start + step])]
    assert found == messages


def test_a_frame_that_is_too_large_is_refused_at_its_head():
    with pytest.raises(ValueError, match="no message"):
        frames.Reader(b"D", 100).feed(b"D" + struct.pack("<I", 101))
    with pytest.raises(ValueError, match="at most"):
        frames.pack(b"D", bytes(frames.LARGEST + 1))


def test_noise_on_the_answer_channel_costs_no_more_than_the_interpreter(box):
    for seed in range(40):
        began = time.monotonic()
        box.python(
            f"import os, random; os.write(3, random.Random({seed}).randbytes(random.Random({seed}).randrange(1, 5000)))"
        )
        assert time.monotonic() - began < 5
    assert box.python("6 * 7").stdout.endswith("42\n")


def test_a_call_that_claims_its_end_does_not_end_the_next_one(box):
    code = "import os, struct, sys\nnumber = {}\nos.write(3, b'D' + struct.pack('<I', 3) + b'%d\\0000' % number)\nimport time; time.sleep(0.05)"
    box.python(code.format(1))
    answer = box.python("import time; time.sleep(0.1); print('second')")
    assert answer.stdout.endswith("second\n")


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("raise SystemExit('cannot start: no room')", "no room"),
        ("import os; os.write(0, b'<html>' * 100)", "no message"),
        ("import os, struct; os.write(0, b'F' + struct.pack('<I', 7) + b'refused')", "refused"),
        ("import os, struct; os.write(0, b'H' + struct.pack('<I', 1 << 31))", "no message"),
    ],
)
def test_a_warden_that_fails_or_lies_is_an_error_in_words(program, said):
    with pytest.raises(ToolError, match=said):
        Box(Launch((sys.executable, "-c", f"{program}\nimport sys; sys.stdin.read()"), {}), Limits())


def test_a_warden_that_dies_in_a_call_is_an_error_and_the_next_call_works(box):
    box.python("x = 1")
    box._box._control.close()
    assert box.python("1").exit_code
    assert box.python("2").stdout == "2\n"
    assert sandbox.level() in sandbox.Level
