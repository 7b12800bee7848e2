"""Granite: 3.x writes a JSON list behind `<|tool_call|>`, and tags its response; 4.x writes as Hermes does."""

from m3studio.parsers._calls import any_tagged, listed
from m3studio.parsers._family import Family

FAMILIES = (
    Family(
        "granite",
        marks=(("<|start_of_role|>", "<|end_of_role|>"),),
        priority=50,
        calls={"<|tool_call|>": listed(), "<tool_call>": any_tagged()},
        drop=("<response>", "</response>"),
    ),
)
