"""Small chat templates, each with one habit of a real family."""

PLAIN = """\
{%- for message in messages %}
[{{ message.role }}]{{ message.content }}[end]
{% endfor %}
{%- if add_generation_prompt %}[assistant]{% endif %}"""

# No system role, turns must alternate.
STRICT = """\
{%- if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for message in messages %}
    {%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Roles must alternate') }}
    {%- endif %}
    {{- '<' + message.role + '>' + message.content }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"""

# Thinking in three states, opened and closed by the template; arguments as tags; results as a role.
MODES = """\
{%- if tools %}{{ '[tools]' + tools|tojson + '[end]' }}{% endif %}
{%- set last = namespace(user=-1) %}
{%- for message in messages %}{% if message.role == 'user' %}{% set last.user = loop.index0 %}{% endif %}{% endfor %}
{%- for message in messages %}
    {{- '[' + message.role + ']' }}
    {%- if message.role == 'assistant' and message.reasoning_content and loop.index0 > last.user %}
        {{- '<mm:think>' + message.reasoning_content + '</mm:think>' }}
    {%- endif %}
    {{- message.content }}
    {%- for call in message.tool_calls %}
        {{- '<call ' + call.function.name + '>' }}
        {%- for key, value in call.function.arguments.items() %}{{ '<' ~ key ~ '>' ~ value }}{% endfor %}
    {%- endfor %}
    {{- '[end]' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '[assistant]' }}
    {%- if thinking_mode == 'enabled' %}{{ '<mm:think>' }}{% elif thinking_mode == 'disabled' %}{{ '</mm:think>' }}{% endif %}
{%- endif %}"""

# A flag, on unless switched off; an empty thought stands for none.
FLAG = PLAIN.replace(
    "[assistant]{%",
    "[assistant]{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{%",
)

# Always thinks; older answers are shown without their thoughts.
ALWAYS = PLAIN.replace("message.content", "message.content.split('</think>')[-1]").replace(
    "[assistant]{%", "[assistant]<think>\n{%"
)

# Levels, printed as they come; thoughts under another name.
LEVELS = """\
{{- '[effort ' + (reasoning_effort or 'medium') + ']' }}
{%- for message in messages %}
    {%- if message.thinking %}{{ '[thought]' + message.thinking + '[end]' }}{% endif %}
    {%- if message.tool_calls and message.content and message.thinking %}{{ raise_exception('not both') }}{% endif %}
    {{- '[' + message.role + ']' + (message.content or '') }}
    {%- for call in message.tool_calls %}{{ '[call]' + call.function.arguments|tojson }}{% endfor %}
    {{- '[end]' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '[assistant]' }}{% endif %}"""

# Knows only some levels.
STEPS = PLAIN.replace(
    "{%- for",
    "{%- if enable_thinking and reasoning_effort == 'max' %}[no shortcuts]{% endif %}"
    "{%- if enable_thinking %}[think]{% endif %}{%- for",
    1,
)

# Two efforts, one of which is none; refuses every other word.
EFFORTS = """\
{%- set effort = reasoning_effort or 'none' %}
{%- if effort not in ['none', 'high'] %}{{ raise_exception('Unknown effort ' + effort) }}{% endif %}
{{- '[effort ' + effort + ']' }}
{%- for message in messages %}{{ '[' + message.role + ']' + message.content + '[end]' }}{% endfor %}"""

# Looks for words in the system prompt.
WORDS = """\
{%- set state = namespace(think=true) %}
{%- for message in messages %}
    {%- if '/no_think' in message.content %}{% set state.think = false %}{% endif %}
    {{- '[' + message.role + ']' + message.content.replace('/no_think', '').replace('/think', '') + '[end]' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '[assistant]' + ('<think>' if state.think else '<think></think>') }}{% endif %}"""

# Contents are lists of typed parts, and nothing else.
PARTS = """\
{%- for message in messages %}
    {{- '[' + message.role + ']' }}
    {%- for part in message.content if part.type is defined %}
        {%- if part.type == 'thinking' %}{{ '<t>' + part.thinking + '</t>' }}{% else %}{{ part.text }}{% endif %}
    {%- endfor %}
{%- endfor %}"""

# Arguments are pasted as JSON text; calls only beside no text at all.
PASTED = """\
{%- for message in messages %}
    {%- if message.role == 'assistant' and message.content is none %}
        {%- for call in message.tool_calls %}{{ '[call]' + call.function.name + call.function.arguments }}{% endfor %}
    {%- else %}
        {{- '[' + message.role + ']' + message.content }}
    {%- endif %}
{%- endfor %}"""

ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}"

# Results are fields of the message that called.
GATHERED = """\
{%- for message in messages if message.role != 'tool' %}
    {{- '[' + message.role + ']' }}
    {%- for call in message.tool_calls %}{{ '[call]' + call.function.arguments|tojson }}{% endfor %}
    {%- for result in message.tool_responses %}{{ '[' + result.name + ']' + result.response|tojson }}{% endfor %}
    {{- message.content }}
{%- endfor %}"""
