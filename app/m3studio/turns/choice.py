"""Which tools a chat uses, which of them need no question, and how far a turn may go. Pure; runs nothing.

In settings, `tools` is `{"enabled": [names], "always": [names], "ask": [names]}`: the ones on offer, those that need no
question whatever they are, and those that need one. `limits` is `{"rounds": n, "seconds": n, "tokens": n}`.
"""

from collections.abc import Mapping

from m3studio.chat import Limits
from m3studio.errors import BadInput
from m3studio.tools import Permission, RunnableTool

_MOST = {"rounds": 1000, "seconds": 7 * 86400, "tokens": 10_000_000}


def checked_tools(values: Mapping[str, object]) -> Mapping[str, object]:
    """The setting `tools`. A tool that is not there any more is no error. Raises `BadInput`."""
    if unknown := set(values) - {"enabled", "always", "ask"}:
        raise BadInput(f"There is no setting “{sorted(unknown)[0]}” of tools.")
    for name, names in values.items():
        if names is not None and not (isinstance(names, (list, tuple)) and all(isinstance(one, str) for one in names)):
            raise BadInput(f"tools.{name} must be a list of names.")
    return values


def checked_limits(values: Mapping[str, object]) -> Mapping[str, object]:
    """The setting `limits`. Raises `BadInput`."""
    if unknown := set(values) - set(_MOST):
        raise BadInput(f"There is no limit “{sorted(unknown)[0]}”. Known ones: {', '.join(_MOST)}.")
    for name, value in values.items():
        if value is not None and (
            not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST[name]
        ):
            raise BadInput(f"limits.{name} must be a whole number from 1 to {_MOST[name]:,}.")
    return values


def chosen(tools: Mapping[str, RunnableTool], wish: Mapping[str, object], *, native: bool) -> dict[str, RunnableTool]:
    """The tools that a chat offers to its model. Where the user chose none or some, it is those; else every one for a
    model whose template takes tools (`native`), and none for another. Tools that cannot run here are left out."""
    enabled = names_of(wish, "enabled")
    offered = {name: tool for name, tool in tools.items() if tool.permission is not Permission.NEVER}
    if enabled is None:
        return offered if native else {}
    return {name: tool for name, tool in offered.items() if name in enabled}


def names_of(wish: Mapping[str, object], key: str) -> list[str] | None:
    """The names under a key of the setting `tools`; None if the user said nothing."""
    names = wish.get(key)
    return [str(name) for name in names] if isinstance(names, (list, tuple)) else None


def allowed_too(values: Mapping[str, object], name: str) -> dict[str, object]:
    """A chat's stored settings with one more tool that needs no question."""
    found = values.get("tools")
    wish = found if isinstance(found, Mapping) else {}
    always = [*(one for one in names_of(wish, "always") or [] if one != name), name]
    return {**values, "tools": {**wish, "always": always}}


def limits_of(wish: Mapping[str, object]) -> Limits:
    """How far a turn may go, as the user set it."""
    given = {name: value for name, value in wish.items() if value is not None}
    return Limits(**given)  # type: ignore[arg-type]
