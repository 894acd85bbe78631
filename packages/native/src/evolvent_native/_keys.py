"""What a plan is, written down: equal texts mean equal code, in this process and the next."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

_numbers: dict[Any, int] = {}


def number_of(value: Any) -> int:
    """A number that equal values share, in this process: hashes alone may agree by chance."""
    return _numbers.setdefault(value, len(_numbers))


class Nameless(Exception):
    """Something that has no name that another process would know."""


def describe(value: Any) -> Any:
    """A plain value whose `repr` names what `value` is."""
    if value is None or isinstance(value, str | bytes | bool | int | complex):
        return value
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, np.ndarray):
        return ("array", value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, np.generic):
        return ("number", value.dtype.str, value.tobytes())
    if isinstance(value, tuple | list):
        return (_name(type(value)), [describe(x) for x in value])
    if isinstance(value, dict):
        return ("dict", sorted((repr(describe(k)), describe(v)) for k, v in value.items()))
    digest = getattr(value, "digest", None)
    if isinstance(digest, bytes):
        return (_name(type(value)), digest)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # What the user gave to a stepper is staged like the problem's own functions.
        given = getattr(value, "user_functions", ())
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        fields = {name: "function" if name in given and callable(x) else x for name, x in fields.items()}
        return (_name(type(value)), [(name, describe(x)) for name, x in fields.items()])
    if isinstance(value, type):
        return ("type", _name(value))
    if callable(value) and getattr(value, "__closure__", ()) is None:
        return ("function", value.__module__, value.__qualname__)
    raise Nameless(repr(value))


def kinds_in(value: Any) -> list[type]:
    """The classes that a value and the fields of dataclasses in it are made of."""
    found = list(type(value).__mro__)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            found += kinds_in(getattr(value, field.name))
    return found


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
