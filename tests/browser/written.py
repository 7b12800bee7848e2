"""Chats that are in the database before the app starts: one of each thing that markdown can hold, one that attacks, a very long one."""

from m3studio import store
from m3studio.messages import Role

RICH = r"""Text with $x^2$ and a price of $5 and $10.

| a | b |
|---|---|
| 1 | `two` |

```python
def f(x):
    return x + 1
```

$$\int_0^1 x\,dx = \tfrac12$$
"""
HOSTILE = r"""<script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">

[click](javascript:window.hacked=1) <a href="javascript:window.hacked=1">raw</a>

![pixel](https://example.invalid/pixel.png?secret=1)

<style>* { display: none }</style><iframe src="https://example.invalid/"></iframe>

$\href{javascript:window.hacked=1}{x}$ and $\includegraphics{https://example.invalid/i.png}$

```"><img/src=x/onerror=window.hacked=1>
code
```
"""
LONG = RICH + "\n\n" + "A sentence that makes the answer long enough to be real. " * 20
TITLES = ("Rich", "Hostile", "A thousand messages")


def write_chats(path):
    """Write them into the database at `path`. Returns their ids by title."""
    chats = {
        "Rich": [(Role.USER, "Show all."), (Role.ASSISTANT, RICH)],
        "Hostile": [(Role.USER, "Attack."), (Role.ASSISTANT, HOSTILE)],
        "A thousand messages": [
            (Role.ASSISTANT, f"Answer {n}\n\n{LONG}") if n % 2 else (Role.USER, f"Question {n}") for n in range(1000)
        ],
    }
    kept = store.open(path)
    try:
        return {title: write_chat(kept, title, messages) for title, messages in chats.items()}
    finally:
        kept.close()


def write_chat(kept, title, messages):
    chat, head = kept.chats.create(title, {}), None
    for role, content in messages:
        head = kept.messages.add(chat.id, head, role, content).id
    kept.chats.update(chat.id, head_id=head)
    return chat.id
