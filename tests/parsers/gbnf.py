"""Makes up texts that a GBNF grammar allows: reads the grammar's own notation, and takes random turns."""

import random
import re
from functools import lru_cache

TOKEN = re.compile(
    r"""\s+ | (?P<name>[a-zA-Z][\w-]*) | (?P<text>"(?:\\.|[^"\\])*") | (?P<chars>\[(?:\\.|[^\]\\])*\])
      | (?P<bounds>\{\d+(?:,\d*)?\}) | (?P<mark>[()|?*+])""",
    re.VERBOSE,
)
ANY = 'ab Z09 .,:;-_/<>[]{}()"\\\n\té世🙂'


@lru_cache(maxsize=256)
def read(grammar):
    """Rules by name, each a list of alternatives, each a list of (item, least, most)."""
    rules = {}
    for line in grammar.splitlines():
        name, _, body = line.partition(" ::= ")
        assert re.fullmatch(r"[a-zA-Z][\w-]*", name), line
        assert name not in rules, f"{name} is defined twice"
        rules[name] = Body(body).alternatives()
    return rules


class Body:
    def __init__(self, text):
        self.tokens, place = [], 0
        while place < len(text):
            found = TOKEN.match(text, place)
            assert found, text[place : place + 40]
            if found.lastgroup:
                self.tokens.append((found.lastgroup, found.group()))
            place = found.end()
        self.at = 0

    def next(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def alternatives(self):
        found = [[]]
        while self.next() != ("mark", ")") and self.next()[0] != "end":
            kind, text = self.next()
            self.at += 1
            if text == "|" and kind == "mark":
                found.append([])
                continue
            item = (kind, text)
            if (kind, text) == ("mark", "("):
                item = ("group", self.alternatives())
                assert self.next() == ("mark", ")")
                self.at += 1
            found[-1].append((item, *self.bounds()))
        return found

    def bounds(self):
        kind, text = self.next()
        known = {"?": (0, 1), "*": (0, 3), "+": (1, 3)}
        if kind == "mark" and text in known:
            self.at += 1
            return known[text]
        if kind == "bounds":
            self.at += 1
            low, comma, high = text[1:-1].partition(",")
            return int(low), int(high) if high else int(low) + (2 if comma else 0)
        return 1, 1


@lru_cache(maxsize=256)
def chars_of(text):
    escaped = re.sub(r"\\x([0-9A-F]{2})", lambda found: "\\x" + found[1].lower(), text)
    allowed = [char for char in ANY + "".join(map(chr, range(32, 127))) if re.fullmatch(escaped, char)]
    assert allowed, text
    return allowed


def made_up(grammar, seed):
    """A text that the grammar allows; short, since deep turns are not taken twice."""
    rules, chance = read(grammar), random.Random(seed)

    def derive(alternatives, depth):
        if depth > 12:  # the shortest way out
            alternatives = [min(alternatives, key=lambda one: (sum(least for _, least, _ in one), len(one)))]
        out = []
        for (kind, what), least, most in chance.choice(alternatives):
            most = least if depth > 12 else min(most, least + 3)
            for _ in range(chance.randint(least, most)):
                if kind == "text":
                    out.append(unescaped(what[1:-1]))
                elif kind == "chars":
                    out.append(chance.choice(chars_of(what)))
                elif kind == "group":
                    out.append(derive(what, depth + 1))
                else:
                    assert what in rules, f"{what} is not defined"
                    out.append(derive(rules[what], depth + 1))
        return "".join(out)

    return derive(rules["root"], 0)


def unescaped(text):
    text = re.sub(r"\\x([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), text)
    return re.sub(r'\\(n|t|r|"|\\)', lambda found: {"n": "\n", "t": "\t", "r": "\r"}.get(found[1], found[1]), text)
