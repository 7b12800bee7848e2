"""The date and the time, here or in a time zone. Asks this machine's clock and nobody else."""

import re
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from m3studio.errors import ToolError
from m3studio.messages import Tool
from m3studio.tools import Permission, RunnableTool, ToolContext, ToolResult

SPEC = Tool(
    "current_time",
    "Tells the time, the date and the day of the week: now, in any city or time zone of the world.",
    {
        "type": "object",
        "properties": {
            "timezone": {
                "type": "string",
                "description": "An IANA name such as Europe/Berlin, a city, or UTC. Leave it out for the user's own.",
                "maxLength": 64,
            }
        },
        "additionalProperties": False,
    },
)
_OFFSET = re.compile(r"(?:UTC|GMT)?\s*([+-])(\d{1,2})(?::?([0-5]\d))?", re.I)


def zone(name: str) -> tzinfo | None:
    """The time zone of that name, of a city's name alone, or of an offset such as UTC+2; None for the machine's own.

    Raises `ToolError`, which names zones that come close.
    """
    word = name.partition(",")[0].strip()  # as in “Tokyo, Japan”
    if not word or word.lower() == "local":
        return None
    if word.upper() in ("UTC", "GMT", "Z"):
        return UTC
    if found := _OFFSET.fullmatch(word):
        hours, minutes = int(found[2]), int(found[3] or 0)
        if hours <= 14:
            return timezone((-1 if found[1] == "-" else 1) * timedelta(hours=hours, minutes=minutes))
    try:
        return zoneinfo.ZoneInfo(word)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return _by_city(word)


def _by_city(word: str) -> tzinfo:
    known, wanted = zoneinfo.available_timezones(), word.lower().replace(" ", "_")
    found = sorted(name for name in known if wanted in (name.lower(), name.lower().rpartition("/")[2]))
    if found:
        return zoneinfo.ZoneInfo(found[0])
    near = sorted(name for name in known if wanted and wanted in name.lower())[:5]
    hint = f" Close ones: {', '.join(near)}." if near else " Use an IANA name such as Europe/Berlin."
    raise ToolError(f"There is no time zone “{word}”.{hint}")


@dataclass(frozen=True, slots=True)
class CurrentTime:
    """See `SPEC`. `now` gives an aware time."""

    spec: Tool = SPEC
    permission: Permission = Permission.SAFE
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self, arguments: Mapping[str, object], context: ToolContext) -> ToolResult:
        moment = self.now().astimezone(zone(str(arguments.get("timezone") or "")))
        offset = moment.strftime("%z")
        return ToolResult(f"{moment:%A, %Y-%m-%d %H:%M:%S} {moment.tzname()} (UTC{offset[:3]}:{offset[3:5]})")


def tool() -> RunnableTool:
    """The tool of this file."""
    return CurrentTime()
