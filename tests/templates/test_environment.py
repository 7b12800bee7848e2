"""The dialect, the sandbox and the lines of errors."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m3studio.errors import BadInput
from m3studio.templates.environment import MAX_OUTPUT, MAX_SOURCE, Template, TemplateFailed, check

NOW = datetime(2026, 11, 20, 9, 30)


def text(source, **variables):
    return Template(source).text(variables, NOW)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{% if true %}\n  a\n{% endif %}\n", "  a\n"),  # blocks and the blanks before them vanish, with one line end
        ("   {% if true %}a{% endif %}", "a"),
        ("{% for n in range(9) %}{% if n == 2 %}{% break %}{% endif %}{{ n }}{% endfor %}", "01"),
        ("{% generation %}{% set a = 1 %}said{% endgeneration %}{{ a }}", "said1"),
        ("{{ {'b': [1, 'ü', none], 'a': '<&>'} | tojson }}", '{"b": [1, "ü", null], "a": "<&>"}'),
        ("{{ {'a': [1]} | tojson(indent=2) }}", '{\n  "a": [\n    1\n  ]\n}'),
        ("{{ {'a': 1, 'b': 2} | tojson(separators=(',', ':')) }}", '{"a":1,"b":2}'),
        ("{{ 'ü' | tojson(ensure_ascii=true) }}", '"\\u00fc"'),
        ("{{ [1, 2] | map('string') | tojson }}", '["1", "2"]'),
        ("{{ nothing | tojson }}", "null"),
        ("{{ '<'|safe + {'a': \"I'm\"} | tojson }}", '<{"a": "I\'m"}'),
        ("{{ 'a' + missing + 'b' }}{{ missing.deeper.still }}", "ab"),
        ("{{ strftime_now('%d %b %Y') }}", "20 Nov 2026"),
        ("{% set l = [] %}{% set _ = l.append(3) %}{{ l }}", "[3]"),
    ],
)
def test_the_dialect(source, expected):
    assert text(source) == expected


def test_a_template_works_on_copies():
    messages = [{"role": "user", "content": "a"}]
    template = Template("{{ messages.pop(0).content }}{{ messages | length }}")
    assert [template.text({"messages": messages}, NOW) for _ in range(2)] == ["a0", "a0"]
    assert len(messages) == 1


@pytest.mark.parametrize(
    ("source", "line", "reason"),
    [
        ("a\n{{ raise_exception('Roles must alternate') }}", 2, "Roles must alternate"),
        ("a\n\n{{ 1 / 0 }}", 3, "division by zero"),
        ("\n{{ missing() }}", 2, "'missing' is undefined"),
        ("{% macro m() %}\n{{ m() }}{% endmacro %}{{ m() }}", 2, "it is nested too deeply"),
        ("\n\n\n{% if %}", 4, "Expected an expression"),
        ("{% for a in b %}", 1, "Unexpected end of template"),
        ("\n{{ ''.__class__.__mro__[1].__subclasses__() }}", 2, "unsafe"),
        ("{{ strftime_now.__self__.__class__() }}", 1, "unsafe"),
        ("{{ {}.update({'a': 1}) }}", 1, "unsafe"),
        ("{% include 'other' %}", 1, "no loader"),
    ],
)
def test_errors_name_the_line(source, line, reason):
    with pytest.raises(BadInput) as caught:
        text(source)
    assert caught.value.line == line
    assert reason in caught.value.reason
    assert f"failed at line {line}: " in str(caught.value)


def test_the_output_is_limited():
    with pytest.raises(TemplateFailed, match="more than 32 million characters"):
        text("{% for n in range(40) %}{{ 'a' * " + str(MAX_OUTPUT // 32) + " }}{% endfor %}")


def test_check_finds_faults_without_running_anything():
    assert check("{% for m in messages %}{{ m }}{% endfor %}{{ raise_exception('never run') }}") == []
    (problem,) = check("one\ntwo\n{% for x %}")
    assert problem.line == 3
    assert check("a" * (MAX_SOURCE + 1))[0].line == 0
    assert check("(" * 5 + "{{ " + "(" * 3000 + ")" * 3000 + " }}")[0].message == "it is nested too deeply"


@given(st.text(alphabet="{}%-# \nabif'\"()[]|.1+endfor", max_size=60))
def test_no_text_breaks_the_check(source):
    for problem in check(source):
        assert problem.line >= 0
        assert problem.message
