"""Ling 3: GLM's way to write calls; white space around texts is the model's own, and a call ends a thought."""

from m3studio.parsers._calls import any_tagged
from m3studio.parsers._family import Family

FAMILIES = (
    Family(
        "ling",
        marks=(("<role>ASSISTANT</role>", "<arg_key>"),),
        priority=70,
        calls={"<tool_call>": any_tagged()},
        keep_space=True,
        keep_thoughts=True,
        calls_end_thinking=True,
    ),
)
