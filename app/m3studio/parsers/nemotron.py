"""Nemotron Nano v2: a JSON list of calls between `<TOOLCALL>` tags. Nemotron 3 writes as Qwen3-Coder does."""

from m3studio.parsers._calls import listed
from m3studio.parsers._family import Family

FAMILIES = (
    Family(
        "nemotron", marks=(("<TOOLCALL>",), ("<SPECIAL_11>",)), priority=90, calls={"<TOOLCALL>": listed("</TOOLCALL>")}
    ),
)
