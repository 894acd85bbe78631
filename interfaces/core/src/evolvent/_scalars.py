"""The eager control plane: functions of Python numbers, with IEEE results where `math` raises."""

import math
from builtins import abs
from builtins import max as maximum
from builtins import min as minimum
from math import ceil, floor, isfinite, nextafter

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


def where(pred, yes, no):
    return yes if pred else no


def logical_and(a, b):
    return a and b


def logical_or(a, b):
    return a or b


def logical_not(a):
    return not a


def sign(x):
    return (x > 0) - (x < 0) if x == x else x


def sqrt(x):
    return math.sqrt(x) if x >= 0 else math.nan


def log(x):
    return math.log(x) if x > 0 else (-math.inf if x == 0 else math.nan)


def exp(x):
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def power(x, y):
    if x == 0.0 and y < 0.0:
        return math.inf
    try:
        return math.pow(x, y)
    except ValueError:
        return math.nan
    except OverflowError:
        return math.inf
