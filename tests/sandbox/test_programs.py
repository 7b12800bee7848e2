"""What must work does, at every level, for the user who runs the tests and, as root, for nobody."""

import importlib.util
import sys

import pytest

from m3studio import sandbox
from m3studio.sandbox import Limits
from sandbox.conftest import LEVELS
from sandbox.programs import PROGRAMS
from sandbox.test_escapes import CASES, as_nobody
from sandbox.trial import run_all


@pytest.mark.skipif(not LEVELS, reason="no sandbox holds on this machine")
@pytest.mark.parametrize(("who", "level"), CASES)
def test_what_must_work_does(who, level):
    found = run_all(level) if who == "me" else as_nobody(level, "--programs")
    lost = {program.name for program in PROGRAMS if level in program.lost}
    assert {name: outcome for name, outcome in found.items() if outcome and name not in lost} == {}
    assert len(found) - len(lost) >= 25


@pytest.mark.skipif("bwrap" not in LEVELS, reason="needs an interpreter that only bubblewrap can always reach")
def test_numbers_frames_and_pictures_of_a_full_environment(tmp_path):
    if not all(importlib.util.find_spec(name) for name in ("numpy", "pandas", "PIL")):
        pytest.skip("numpy, pandas and pillow are not installed")
    box = sandbox.open(tmp_path / "w", Limits(wall=60), python=sys.executable)
    assert box.python("import numpy; numpy.linalg.inv(numpy.eye(50)).sum()").stdout.endswith("50.0)\n")
    table = box.python("import pandas; pandas.DataFrame({'a': [1, 2], 'b': ['x|y', 'z']})").stdout
    assert table == "|  | a | b |\n| --- | --- | --- |\n| 0 | 1 | x\\|y |\n| 1 | 2 | z |\n"
    assert "[1000 rows x 1 columns" in box.python("pandas.DataFrame({'n': range(1000)})").stdout
    assert "| 0 | 1.5 |" in box.python("pandas.Series([1.5, 2])").stdout
    picture = box.python("from PIL import Image; Image.new('RGB', (4, 4), 'red')")
    assert picture.images == ("image-5-1.png",)
    box.close()


@pytest.mark.skipif("bwrap" not in LEVELS, reason="needs an interpreter that only bubblewrap can always reach")
def test_a_plot_is_taken(tmp_path):
    if not importlib.util.find_spec("matplotlib"):
        pytest.skip("matplotlib is not installed")
    box = sandbox.open(tmp_path / "w", Limits(wall=60), python=sys.executable)
    drawn = box.python("import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()")
    assert drawn.images == ("figure-1-1.png",) and drawn.exit_code == 0
    box.close()
