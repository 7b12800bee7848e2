"""Finds what a prompt already says in the assistant's place: an opened tag, a text to go on with. Knows no parser."""

import re
from functools import lru_cache

# How a family's prompt begins the assistant's turn: a text that its template holds, then the beginning as a pattern.
_HEADERS: tuple[tuple[str, str], ...] = (
    ("<|im_start|>", r"<\|im_start\|>assistant[ \t]*\n?"),
    ("<|start_header_id|>", r"<\|start_header_id\|>assistant<\|end_header_id\|>\n*"),
    ("<|header_start|>", r"<\|header_start\|>assistant<\|header_end\|>\n*"),
    ("<|start_of_role|>", r"<\|start_of_role\|>assistant(?:(?!<\|end_of_role\|>).)*<\|end_of_role\|>"),
    ("<|im_assistant|>", r"<\|im_assistant\|>assistant<\|im_middle\|>"),
    ("]~b]", r"\]~b\]ai\n?"),
    ("<seed:bos>", r"<seed:bos>assistant\n?"),
    ("<|CHATBOT_TOKEN|>", r"<\|CHATBOT_TOKEN\|>"),
    ("<|begin_assistant|>", r"<\|begin_assistant\|>\n?"),
    ("<|assistant_start|>", r"<\|assistant_start\|>"),
    ("<|open|>", r'<\|open\|>message role="assistant"(?:(?!<\|sep\|>).)*<\|sep\|>'),
    ("<|role_sep|>", r"assistant<\|role_sep\|>\n?"),
    ("<start_of_turn>", r"<start_of_turn>model\n?"),
    ("<|turn>", r"<\|turn>model\n?|<tool_response\|>"),
    ("<SPECIAL_11>", r"<SPECIAL_11>Assistant\n?"),
    ("<role>ASSISTANT</role>", r"<role>ASSISTANT</role>\n?"),
    ("<｜Assistant｜>", r"<｜Assistant｜>|<｜tool▁outputs▁end｜>"),
    ("<|Bot|>", r"<\|Bot\|>"),
    ("<|start|>", r"<\|start\|>assistant(?:<\|start\|>assistant)*"),
    ("<|assistant|>", r"<\|assistant\|>\n?"),
    ("<|Assistant|>", r"<\|Assistant\|>\n?"),
    ("[|assistant|]", r"\[\|assistant\|\]\n?"),
    ("<|hy_Assistant|>", r"<\|hy_Assistant\|>"),
    ("<｜hy_Assistant｜>", r"<｜hy_Assistant｜>"),
    ("<extra_id_1>", r"<extra_id_1>Assistant\n?"),
    ("[/INST]", r"\[/INST\]|\[/TOOL_RESULTS\]"),
    ("<|begin|>", r"<\|begin\|>assistant"),
    ("assistant:", r"(?:^|<sep>|\n)assistant:"),
    ("### Response:", r"### Response:\n?"),
    ("ASSISTANT:", r"ASSISTANT:"),
    ("Assistant:", r"(?:^|\n)Assistant:"),
)
_OPENED = re.compile(r"(<think>|<thinking>|\[THINK\]|<seed:think>|<mm:think>|<\|START_THINKING\|>)\s*$")
_OTHER_ROLE = re.compile(r"<\|start\|>(?!assistant)")


@lru_cache(maxsize=64)
def _headers(template: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((mark, re.compile(pattern)) for mark, pattern in _HEADERS if mark in template)


def assistant_part(template: str, prompt: str) -> str:
    """The end of `prompt` that belongs to the assistant's turn, without the turn's header.

    `prompt` is a whole prompt or its end. Where the template's way to begin a turn is not known, only an opened thought
    at the very end is found.
    """
    headers = _headers(template)
    for mark, pattern in headers:
        if mark == "<|start|>":
            return _harmony(prompt)
        found = None
        for found in pattern.finditer(prompt):  # noqa: B007
            pass
        if found:
            return prompt[found.end() :]
    if headers and not any(mark in prompt for mark, _ in headers):
        return prompt  # it begins within the turn
    opened = _OPENED.search(prompt)
    return opened.group() if opened else ""


def _harmony(prompt: str) -> str:
    """A turn of several messages begins behind the last message that is somebody else's."""
    other = 0
    for found in _OTHER_ROLE.finditer(prompt):
        other = found.end()
    begin = prompt.find("<|start|>assistant", other)
    return prompt[begin:] if begin >= 0 else ""
