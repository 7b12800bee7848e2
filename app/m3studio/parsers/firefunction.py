"""Firefunction: the word functools and a JSON list of calls."""

from m3studio.parsers._calls import listed
from m3studio.parsers._family import Family

FAMILIES = (Family("firefunction", marks=(("functools[",),), priority=70, calls={"functools": listed()}),)
