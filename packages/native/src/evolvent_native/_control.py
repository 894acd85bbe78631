"""The native control plane: Python numbers where values are known, recorded scalars where they are not."""

from __future__ import annotations

from typing import Any

import numpy as np

from evolvent import EagerBackend

from . import _functions as functions
from ._array import Array

_known = EagerBackend.control

__all__ = [
    "abs",
    "ceil",
    "exp",
    "floor",
    "isfinite",
    "log",
    "logical_and",
    "logical_not",
    "logical_or",
    "maximum",
    "minimum",
    "nextafter",
    "power",
    "sign",
    "sqrt",
    "where",
]


def _either(name: str, recorded: str) -> Any:
    known, record = getattr(_known, name), getattr(functions, recorded)

    def function(*arguments: Any) -> Any:
        for x in arguments:
            if isinstance(x, Array):
                return record(*arguments)
        return known(*arguments)

    function.__name__ = name
    return function


abs = _either("abs", "abs")
ceil = _either("ceil", "ceil")
exp = _either("exp", "exp")
floor = _either("floor", "floor")
isfinite = _either("isfinite", "isfinite")
log = _either("log", "log")
maximum = _either("maximum", "maximum")
minimum = _either("minimum", "minimum")
nextafter = _either("nextafter", "nextafter")
power = _either("power", "pow")
sign = _either("sign", "sign")
sqrt = _either("sqrt", "sqrt")
logical_not = _either("logical_not", "logical_not")


def where(pred: Any, yes: Any, no: Any) -> Any:
    if isinstance(pred, bool | np.bool_):
        return yes if pred else no
    return functions.where(pred, yes, no)


def logical_and(a: Any, b: Any) -> Any:
    if isinstance(a, bool | np.bool_):
        return b if a else False
    if isinstance(b, bool | np.bool_):
        return a if b else False
    return functions.logical_and(a, b)


def logical_or(a: Any, b: Any) -> Any:
    if isinstance(a, bool | np.bool_):
        return True if a else b
    if isinstance(b, bool | np.bool_):
        return True if b else a
    return functions.logical_or(a, b)
