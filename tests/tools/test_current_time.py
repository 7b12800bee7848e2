"""The current time: zones by name, city and offset, and what is said of unknown ones."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from m3studio.errors import ToolError
from m3studio.messages import Cancel
from m3studio.tools import Permission, ToolContext, every_tool
from m3studio.tools.current_time import CurrentTime, tool

CONTEXT = ToolContext(print, Cancel(), "chat", Path())
SUMMER = datetime(2026, 7, 1, 12, 30, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("UTC", "Wednesday, 2026-07-01 12:30:00 UTC (UTC+00:00)"),
        ("Europe/Berlin", "Wednesday, 2026-07-01 14:30:00 CEST (UTC+02:00)"),
        ("Asia/Kolkata", "Wednesday, 2026-07-01 18:00:00 IST (UTC+05:30)"),
        ("tokyo", "Wednesday, 2026-07-01 21:30:00 JST (UTC+09:00)"),
        ("Asia/Tokyo, UTC", "Wednesday, 2026-07-01 21:30:00 JST (UTC+09:00)"),
        ("New York", "Wednesday, 2026-07-01 08:30:00 EDT (UTC-04:00)"),
        ("UTC+5:30", "Wednesday, 2026-07-01 18:00:00 UTC+05:30 (UTC+05:30)"),
        ("-3", "Wednesday, 2026-07-01 09:30:00 UTC-03:00 (UTC-03:00)"),
    ],
)
def test_the_time_of_a_zone(name, text):
    assert CurrentTime(now=lambda: SUMMER).run({"timezone": name}, CONTEXT).text == text


@pytest.mark.parametrize("name", ["Atlantis", "../../etc/passwd", "Berlin\0", "+99", "x" * 64, "/etc/localtime"])
def test_a_zone_that_is_none_is_refused_with_a_hint(name):
    with pytest.raises(ToolError, match="There is no time zone"):
        tool().run({"timezone": name}, CONTEXT)


def test_without_a_zone_it_is_the_time_of_this_machine():
    said = tool().run({}, CONTEXT).text
    here = datetime.now().astimezone()
    assert any(f"{here - timedelta(seconds=n):%Y-%m-%d %H:%M:%S}" in said for n in range(5))


def test_both_tools_are_found_and_run_unasked():
    found = every_tool()
    assert {"calculator", "current_time"} <= found.keys()
    assert found["calculator"].permission == found["current_time"].permission == Permission.SAFE
    for name, one in found.items():
        assert one.spec.name == name and one.spec.description and one.spec.parameters["type"] == "object"
