"""The calculator: right numbers, and nothing that keeps the machine busy or runs code."""

import time
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m3studio.errors import ToolError
from m3studio.messages import Cancel
from m3studio.tools import ToolContext
from m3studio.tools.calculator import evaluate, shown, tool


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("17 * 23", "391"),
        ("0.1 + 0.2", "0.3"),
        ("1/3", "0.333333333333333"),
        ("2^10", "1024"),
        ("-2**2", "-4"),
        ("7 // 2 + 7 % 4", "6"),
        ("sqrt(2)", "1.4142135623731"),
        ("sqrt(16) / 2", "2"),
        ("1,234,567 + 1 =", "1234568"),
        ("max(3, 5, 4)", "5"),
        ("round(2.567, 2)", "2.57"),
        ("factorial(20)", "2432902008176640000"),
        ("12 × 3 ÷ 4 − 1", "8"),
        ("2 ** -2", "0.25"),
        ("2 ** 0.5 * 2 ** 0.5", "2"),
        ("gcd(12, 18) + lcm(4, 6)", "18"),
        ("5e-1", "0.5"),
    ],
)
def test_numbers(expression, result):
    assert shown(evaluate(expression)) == result


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("9**9**9", "too large"),
        ("2**100000", "too large"),
        ("factorial(100000)", "too large"),
        ("1/0", "zero"),
        ("1 % 0", "zero"),
        ("", "no arithmetic"),
        ("1 +", "no arithmetic"),
        ("__import__('os').system('true')", "nothing that a calculator"),
        ("(1).__class__", "nothing that a calculator"),
        ("[1 for _ in range(9)]", "nothing that a calculator"),
        ("'a' * 9", "nothing that a calculator"),
        ("True + 1", "Only numbers"),
        ("open(1)", "no function"),
        ("sqrt(-1)", "no value"),
        ("(-8) ** 0.5", "not real"),
        ("sqrt()", "no value"),
        ("gcd(1.5, 2)", "whole numbers"),
        ("1 << 9", "knows + - *"),
        ("exp(1000)", "no value"),
        ("1" * 401, "characters"),
        ("1" * 99 + "*", "no arithmetic"),
        ("2**4000 / 3", "too large"),
        ("-" * 60 + "1", "nested"),
    ],
)
def test_what_has_no_value_is_said_in_a_sentence(expression, sentence):
    with pytest.raises(ToolError) as error:
        shown(evaluate(expression))
    assert sentence in str(error.value)


def test_nothing_keeps_the_machine_busy():
    started = time.monotonic()
    for expression in ("*".join(["9**999"] * 50), "**".join(["9"] * 100), "+".join(["factorial(400)"] * 20)):
        try:
            evaluate(expression)
        except ToolError:
            pass
    assert time.monotonic() - started < 1


whole = st.integers(-(10**9), 10**9)


@given(whole, whole, whole.filter(bool))
def test_whole_numbers_and_fractions_are_exact(a, b, c):
    assert evaluate(f"({a}) * ({b}) + ({a}) / ({c})") == Fraction(a) * b + Fraction(a, c)


@given(st.text(max_size=60))
def test_no_text_breaks_it(text):
    try:
        shown(evaluate(text))
    except ToolError:
        pass


def test_as_a_tool(tmp_path):
    context = ToolContext(print, Cancel(), "chat", Path(tmp_path))
    assert tool().run({"expression": "6*7"}, context).text == "42"
