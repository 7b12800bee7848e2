"""Answers in the syntax of every family, written by hand, with what they mean."""

import json
from dataclasses import dataclass

from m3studio.messages import Tool

NS = "]<]minimax[>["
WEATHER = Tool(
    "weather",
    "",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "hourly": {"type": "boolean"}},
        "required": ["city"],
    },
)
PYTHON = Tool("python", "", {"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]})
NOW = Tool("now", "", {"type": "object", "properties": {}})
ROUTE = Tool(
    "route",
    "",
    {
        "type": "object",
        "properties": {
            "stops": {"type": "array", "items": {"type": "string"}},
            "car": {"type": "object", "properties": {"seats": {"type": "integer"}, "name": {"type": "string"}}},
        },
        "required": ["stops"],
    },
)
TOOLS = (WEATHER, PYTHON, NOW, ROUTE)
OSLO = ("weather", {"city": "Oslo"})
OSLO_3 = ("weather", {"city": "Oslo", "days": 3})
CODE = ("python", {"code": "if a < b:\n    print('</x>')\n"})
STOPS = ("route", {"stops": ["A", "B c"], "car": {"seats": 4, "name": "Bus"}})


@dataclass(frozen=True)
class Case:
    """`text` in `family`'s syntax means `content`, `reasoning` and `calls`; `given` stood in the prompt already."""

    family: str
    text: str
    content: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, dict[str, object]], ...] = ()
    given: str = ""
    ids: tuple[str, ...] = ()


def js(value):
    return json.dumps(value)


def hermes(*calls):
    return "\n".join(f"<tool_call>\n{js({'name': name, 'arguments': meant})}\n</tool_call>" for name, meant in calls)


def m3(*invokes):
    return f"{NS}<tool_call>\n" + "".join(f"{NS}{one}{NS}</invoke>\n" for one in invokes) + f"{NS}</tool_call>"


M3_OSLO = f'<invoke name="weather">{NS}<city>Oslo{NS}</city>{NS}<days>3{NS}</days>'
M3_STOPS = (
    f'<invoke name="route">{NS}<stops>{NS}<item>A{NS}</item>{NS}<item>B c{NS}</item>{NS}</stops>'
    f"{NS}<car>{NS}<seats>4{NS}</seats>{NS}<name>Bus{NS}</name>{NS}</car>"
)
XML_OSLO = "<tool_call>\n<function=weather>\n<parameter=city>\nOslo\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>"
XML_CODE = (
    f"<tool_call>\n<function=python>\n<parameter=code>\n{CODE[1]['code']}\n</parameter>\n</function>\n</tool_call>"
)
GLM_OSLO = "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n<arg_key>days</arg_key>\n<arg_value>3</arg_value>\n</tool_call>"
INVOKE_OSLO = '<invoke name="weather">\n<parameter name="city">Oslo</parameter>\n<parameter name="days">3</parameter>\n</invoke>\n'
DSML_OSLO = (
    '<｜DSML｜invoke name="weather">\n<｜DSML｜parameter name="city" string="true">Oslo</｜DSML｜parameter>\n'
    '<｜DSML｜parameter name="days" string="false">3</｜DSML｜parameter>\n</｜DSML｜invoke>\n'
)
K3_OSLO = (
    '<|open|>tools<|sep|><|open|>call tool="weather" index="1"<|sep|><|open|>argument key="city" type="string"<|sep|>Oslo'
    '<|close|>argument<|sep|><|open|>argument key="days" type="number"<|sep|>3<|close|>argument<|sep|><|close|>call<|sep|>'
    "<|close|>tools<|sep|><|close|>message<|sep|>"
)

CASES = [
    # the same in every family that thinks between tags: text, thought, a stray end, a tag that is talked about
    Case("generic", "Hello!\n", "Hello!"),
    Case("generic", "<think>\nHm.\n</think>\n\nHello!", "Hello!", "Hm."),
    Case("generic", "Hm.</think>Hello!", "Hello!", "Hm.", given="<think>\n"),
    Case("generic", "</think>\nHello!", "Hello!"),
    Case("generic", "The <think> tag opens a thought, </think> ends it.", "The <think> tag opens a thought, </think> ends it."),
    Case("generic", "[THINK]Hm.[/THINK]Hello!", "Hello!", "Hm."),
    Case("generic", "a < b, c <t, d <tool_cal", "a < b, c <t, d <tool_cal"),
    Case("generic", hermes(OSLO), calls=(OSLO,)),
    Case("hermes", "I look.\n" + hermes(OSLO, CODE, STOPS), "I look.", calls=(OSLO, CODE, STOPS)),
    Case("hermes", hermes(OSLO) + "\nThat was it.", "That was it.", calls=(OSLO,)),
    Case("hermes", "<think>I could write " + hermes(OSLO) + " now</think>No.", "No.", "I could write " + hermes(OSLO) + " now"),
    Case("hermes", "Such a call:\n```\n" + hermes(OSLO) + "\n```\nis one.", "Such a call:\n```\n" + hermes(OSLO) + "\n```\nis one."),
    Case("hermes", f"Write `{hermes(OSLO)}` then.", f"Write `{hermes(OSLO)}` then."),
    Case("hermes", "The <tool_call> tag.", "The <tool_call> tag."),
    Case("hermes", '<tool_call>{"arguments": {"city": "Oslo"}, "name": "weather"}</tool_call>', calls=(OSLO,)),
    Case("hermes", '<tool_call>{"name": "now", "arguments": {}}</tool_call>', calls=(("now", {}),)),
    Case("hermes", '<tool_call>{"name": "now"}</tool_call>', calls=(("now", {}),)),
    Case("hermes", f"<tool_call>[{js({'name': 'weather', 'arguments': OSLO[1]})}]</tool_call>", calls=(OSLO,)),
    Case("hermes", " world", "Hello world", given="Hello"),
    Case("hermes", "use x ```inline``` " + hermes(OSLO), "use x ```inline```", calls=(OSLO,)),
    Case("minimax_m3", "</mm:think>Hello!", "Hello!"),
    Case("minimax_m3", "Hm.</mm:think>Hello!", "Hello!", "Hm.", given="<mm:think>"),
    Case("minimax_m3", "<mm:think>Hm.</mm:think>" + m3(M3_OSLO), "", "Hm.", (OSLO_3,)),
    Case("minimax_m3", "I look.\n" + m3(M3_OSLO, M3_STOPS, '<invoke name="now">'), "I look.", calls=(OSLO_3, STOPS, ("now", {}))),
    Case("minimax_m3", m3(f'<invoke name="python">{NS}<code>{CODE[1]["code"]}{NS}</code>'), calls=(CODE,)),
    Case("minimax_m3", f"<mm:think>Maybe {m3(M3_OSLO)} or not</mm:think>No.", "No.", f"Maybe {m3(M3_OSLO)} or not"),
    Case("minimax_m2", "<think>Hm.</think>\n\n<minimax:tool_call>\n" + INVOKE_OSLO * 2 + "</minimax:tool_call>", "", "Hm.", (OSLO_3, OSLO_3)),
    Case("minimax_m2", f'<minimax:tool_call>\n<invoke name="python">\n<parameter name="code">{CODE[1]["code"]}</parameter>\n</invoke>\n</minimax:tool_call>', calls=(CODE,)),
    Case("qwen3_coder", "I look.\n" + XML_OSLO + "\n" + XML_CODE, "I look.\n", calls=(OSLO_3, CODE)),
    Case("qwen3_coder", XML_OSLO.removeprefix("<tool_call>\n"), calls=(OSLO_3,)),
    Case("qwen3_coder", "Hm.\n" + XML_OSLO, "", "Hm.", (OSLO_3,), given="<think>\n"),
    Case("qwen3_coder", '<tool_call>\n<function=route>\n<parameter=stops>\n["A", "B c"]\n</parameter>\n<parameter=car>\n{"seats": 4, "name": "Bus"}\n</parameter>\n</function>\n</tool_call>', calls=(STOPS,)),
    Case("qwen3_coder", "<tool_call>\n<function=python>\n<parameter=code>\nprint('</parameter> is no end')\n</parameter>\n</function>\n</tool_call>", calls=(("python", {"code": "print('</parameter> is no end')"}),)),
    Case("seed_oss", "<seed:think>Hm.</seed:think>I look.<seed:tool_call>\n<function=weather>\n<parameter=city>Oslo</parameter>\n</function>\n</seed:tool_call>", "I look.", "Hm.", (OSLO,)),
    Case("glm", "<think>Hm.</think>\nI look.\n" + GLM_OSLO + "\n<tool_call>now\n</tool_call>", "I look.", "Hm.", (OSLO_3, ("now", {}))),
    Case("glm", "<tool_call>weather<arg_key>city</arg_key><arg_value>Oslo</arg_value></tool_call>", calls=(OSLO,)),
    Case("ling", "Hm.\n</think>\nI look.\n" + GLM_OSLO, "I look.\n", "Hm.\n", (OSLO_3,), given="<think>"),
    Case("deepseek", 'Hm.</think>I look.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>{"city": "Oslo"}<｜tool▁call▁end｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>', "I look.", "Hm.", (OSLO, ("now", {})), given="<think>"),
    Case("deepseek", '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{"city": "Oslo"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>', calls=(OSLO,)),
    Case("deepseek_dsml", f"Hm.</think>I look.\n\n<｜DSML｜function_calls>\n{DSML_OSLO * 2}</｜DSML｜function_calls>", "I look.", "Hm.", (OSLO_3, OSLO_3), given="<think>"),
    Case("deepseek_dsml", f"<｜DSML｜tool_calls>\n{DSML_OSLO}</｜DSML｜tool_calls>", calls=(OSLO_3,)),
    Case("kimi", '<think>Hm.</think>I look.<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>{"city": "Oslo"}<|tool_call_end|><|tool_calls_section_end|>', "I look.", "Hm.", (OSLO,), ids=("functions.weather:0",)),
    Case("kimi", '<think>Hm.<|tool_call_begin|>functions.now:0<|tool_call_argument_begin|>{}', "", "Hm.", (("now", {}),), ids=("functions.now:0",)),
    Case("kimi_k3", "Hm.<|close|>think<|sep|><|open|>response<|sep|>I look.<|close|>response<|sep|>" + K3_OSLO, "I look.", "Hm.", (OSLO_3,), given="<|open|>think<|sep|>"),
    Case("kimi_k3", '<|open|>tools<|sep|><|open|>call tool="weather" index="1"<|sep|><|open|>json type="object"<|sep|>{"city": "Oslo"}<|close|>json<|sep|><|close|>call<|sep|><|close|>tools<|sep|>', calls=(OSLO,)),
    Case("harmony", "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Hello!<|return|>", "Hello!", "Hm.", given="<|start|>assistant"),
    Case("harmony", '<|channel|>commentary<|message|>I look.<|end|><|start|>assistant to=functions.weather<|channel|>commentary <|constrain|>json<|message|>{"city": "Oslo"}<|call|>', "I look.", calls=(OSLO,), given="<|start|>assistant"),
    Case("harmony", "Hello!", "Hello!"),
    Case("muse", ' to=self<|message|>Hm.<|eom|><|start|>assistant to=user<|message|>I look.<|eom|><|start|>assistant to=weather<|message|><atem:function_calls>\n<atem:invoke name="weather">\n<atem:parameter name="city">Oslo</atem:parameter>\n</atem:invoke>\n</atem:function_calls><|eot|>', "I look.", "Hm.", (OSLO,), given="<|start|>assistant"),
    Case("gemma", '<|channel>thought\nHm.<channel|>I look.<|tool_call>call:weather{city:<|"|>Oslo<|"|>,days:3}<tool_call|>', "I look.", "Hm.", (OSLO_3,)),
    Case("gemma", '<|tool_call>call:route{stops:[<|"|>A<|"|>,<|"|>B c<|"|>],car:{seats:4,name:<|"|>Bus<|"|>}}<tool_call|><|tool_call>call:now{}<tool_call|>', calls=(STOPS, ("now", {}))),
    Case("lfm2", '<think>Hm.</think>I look.<|tool_call_start|>[weather(city="Oslo", days=3), now()]<|tool_call_end|>', "I look.", "Hm.", (OSLO_3, ("now", {}))),
    Case("lfm2", "<|tool_call_start|>[route(stops=['A', \"B c\"], car={'seats': 4, 'name': 'Bus'})]<|tool_call_end|>", calls=(STOPS,)),
    Case("lfm2", '<|tool_call_start|>[{"name": "weather", "arguments": {"city": "Oslo"}}]<|tool_call_end|>', calls=(OSLO,)),
    Case("lfm2", "See [the page](https://example.org).", "See [the page](https://example.org)."),
    Case("llama3", '{"name": "weather", "parameters": {"city": "Oslo", "days": 3}}', calls=(OSLO_3,)),
    Case("llama3", '<|python_tag|>{"type": "function", "name": "weather", "parameters": {"city": "Oslo"}}; {"name": "now", "parameters": {}}', calls=(OSLO, ("now", {}))),
    Case("llama3", "<|python_tag|>print(1)\nprint('2')<|eom_id|>", calls=(("python", {"code": "print(1)\nprint('2')"}),)),
    Case("llama3", "<|python_tag|>weather.call(city='Oslo', days=3)", calls=(OSLO_3,)),
    Case("llama3", '{"answer": 42}', '{"answer": 42}'),
    Case("mistral", '[THINK]Hm.[/THINK]I look.[TOOL_CALLS]weather[ARGS]{"city": "Oslo"}[TOOL_CALLS]now[CALL_ID]abc123xyz[ARGS]{}', "I look.", "Hm.", (OSLO, ("now", {})), ids=("", "abc123xyz")),
    Case("mistral", '[TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Oslo"}, "id": "123456789"}]', calls=(OSLO,), ids=("123456789",)),
    Case("granite", '<think>Hm.</think><response>I look.</response><|tool_call|>[{"name": "weather", "arguments": {"city": "Oslo"}}]', "I look.", "Hm.", (OSLO,)),
    Case("command", '<|START_THINKING|>Hm.<|END_THINKING|><|START_ACTION|>[\n    {"tool_call_id": "0", "tool_name": "weather", "parameters": {"city": "Oslo"}}\n]<|END_ACTION|>', "", "Hm.", (OSLO,), ids=("0",)),
    Case("command", "<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>Hello!<|END_RESPONSE|>", "Hello!", "Hm."),
    Case("command_r", 'Action:\n```json\n[\n    {\n        "tool_name": "weather",\n        "parameters": {"city": "Oslo"}\n    }\n]```\n', calls=(OSLO,)),
    Case("functionary_v3_1", 'I look.<function=weather>{"city": "Oslo"}</function>', "I look.", calls=(OSLO,)),
    Case("functionary_v3_2", 'all\nI look.\n>>>weather\n{"city": "Oslo"}>>>python\nprint(1)', "I look.", calls=(OSLO, ("python", {"code": "print(1)"})), given=">>>"),
    Case("apertus", '<|inner_prefix|>Hm.<|inner_suffix|>I look.<|tools_prefix|>[{"weather": {"city": "Oslo"}}, {"now": {}}]<|tools_suffix|>', "I look.", "Hm.", (OSLO, ("now", {}))),
    Case("apriel", 'Hm.\n[BEGIN FINAL RESPONSE]\nI look.\n<tool_calls>[{"name": "weather", "arguments": {"city": "Oslo"}}]</tool_calls>', "I look.", "Steps:\nHm.", (OSLO,), given="Steps:\n"),
    Case("tool_calls_list", '<tool_calls>[{"name": "weather", "arguments": {"city": "Oslo"}}]</tool_calls>', calls=(OSLO,)),
    Case("nemotron", '<think>Hm.</think><TOOLCALL>[{"name": "weather", "arguments": {"city": "Oslo"}}]</TOOLCALL>', "", "Hm.", (OSLO,)),
    Case("firefunction", ' functools[{"name": "weather", "arguments": {"city": "Oslo"}}]', calls=(OSLO,)),
    Case("firefunction", "Python has functools too.", "Python has functools too."),
    Case("phi", '<|tool_call|>[{"name": "weather", "arguments": {"city": "Oslo"}}]<|/tool_call|>', calls=(OSLO,)),
    Case("gigachat", '<|message_sep|>\n\nfunction call<|role_sep|>\n{"name": "weather", "arguments": {"city": "Oslo"}}', calls=(OSLO,)),
    Case("gigachat", 'I look.<|function_call|>{"name": "weather", "arguments": {"city": "Oslo"}}', "I look.", calls=(OSLO,)),
    Case("minicpm", '<function name="weather"><param name="city">Oslo</param><param name="days">3</param></function>', calls=(OSLO_3,)),
    Case("minicpm", f'<function name="python"><param name="code"><![CDATA[{CODE[1]["code"]}]]></param></function>', calls=(CODE,)),
    Case("hunyuan", '<think>Hm.</think><answer>I look.</answer><tool_calls>\n<tool_call>weather\n```json\n{"city": "Oslo"}\n```\n</tool_call>\n</tool_calls>', "I look.", "Hm.", (OSLO,)),
    Case("solar", '<|think|>Hm.<|end|><|begin|>assistant<|content|>I look.<|end|><|begin|>assistant<|tool_calls|><|tool_call:begin|>7<|tool_call:name|>weather<|tool_call:args|>{"city": "Oslo"}<|tool_call:end|>', "I look.", "Hm.", (OSLO,), ids=("7",)),
    Case("step", '<｜tool_calls_begin｜><｜tool_call_begin｜>function<｜tool_sep｜><steptml:invoke name="weather"><steptml:parameter name="city">Oslo</steptml:parameter></steptml:invoke><｜tool_call_end｜><｜tool_calls_end｜>', calls=(OSLO,)),
    Case("internlm", 'I look.<|action_start|><|plugin|>{"name": "weather", "parameters": {"city": "Oslo"}}<|action_end|>', "I look.", calls=(OSLO,)),
    Case("invoke", f"I look.\n<function_calls>\n{INVOKE_OSLO}</function_calls>", "I look.", calls=(OSLO_3,)),
    Case("invoke", '<function_calls>\nweather(city="Oslo")\nnow()\n</function_calls>', calls=(OSLO, ("now", {}))),
]  # fmt: skip
