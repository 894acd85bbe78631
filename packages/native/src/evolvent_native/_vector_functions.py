"""The C library's functions on vectors, which loops over arrays call instead of one entry's at a time.

GNU's libmvec has them for x86 (glibc 2.22; most since 2.35), accurate to 4 units in the last place. LLVM learns of them
by an attribute of a call, in the names of the x86 vector function ABI.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from functools import cache
from typing import Any

PREFIX = "_ZGV"


@cache
def _library() -> Any:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return None
    try:
        return ctypes.CDLL("libmvec.so.1")
    except OSError:
        return None


@cache
def _widths() -> tuple[tuple[str, int], ...]:
    """Letters of instruction sets of this CPU with their vectors' bytes."""
    from ._machine import host

    features = host()[1].split(",")
    sets = (("b", 16, "+sse4.2"), ("d", 32, "+avx2"), ("e", 64, "+avx512f"))
    return tuple((letter, size) for letter, size, feature in sets if feature in features)


@cache
def variants(name: str, arity: int, itemsize: int) -> tuple[tuple[int, str], ...]:
    """The lengths of vectors for which there is a function, and its names."""
    library = _library()
    if library is None:
        return ()
    found = []
    for letter, size in _widths():
        count = size // itemsize
        symbol = f"{PREFIX}{letter}N{count}{'v' * arity}_{name}"
        if hasattr(library, symbol):
            found.append((count, symbol))
    return tuple(found)


def address(symbol: str) -> int | None:
    """Where a function is, or None."""
    function = getattr(_library(), symbol, None)
    return None if function is None else ctypes.cast(function, ctypes.c_void_p).value
