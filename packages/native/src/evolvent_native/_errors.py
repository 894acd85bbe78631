"""What is raised when a function can't be staged: where in the user's code that was, and what to write instead."""

from __future__ import annotations

import linecache
import os
import re
import sys
import sysconfig
from types import FrameType, TracebackType
from typing import Any


class StagingError(Exception):
    """A function asked for something that is known only when the compiled code runs.

    The message says what was asked and what to write instead.
    """


class ValueNeeded(StagingError):
    """A function needed a value, for a branch or as a Python number; the line tells what to write instead."""


_STORED = (
    "a NumPy array can't hold values that are known only when the code runs: make it by xp.zeros_like(y), "
    "or return a list of the entries or xp.stack of them"
)
_PRINTED = (
    "a value is printed that is known only when the code runs: leave that out, or look at values by on_step= or save="
)
_RANDOM = "draw random numbers before the solve, and pass them as params"
# What lines that need a value look like, and what to write there; the first that fits.
_ADVICE = [
    (
        r"^while\b",
        "a loop for as long as a value says: write a `for` loop of fixed length, with xp.where(condition, a, b)",
    ),
    (r"^assert\b", "an assertion on a value: leave it out, or give domain= to the problem"),
    (r"^(el)?if\b.*:\s*raise\b", "an error that depends on a value: leave it out, or give domain= or an ev.Event"),
    (
        r"^(el)?if\b",
        "a branch on a value: write xp.where(condition, a, b), with xp.logical_and for `and`. A change of y itself is "
        "an ev.Event; a jump of f at a known time goes into discontinuities=",
    ),
    (r"\bmin\(.*\bmax\(|\bmax\(.*\bmin\(", "min and max compare values: write xp.minimum(a, b) and xp.maximum(a, b)"),
    (r"\bmin\(", "min compares values: write xp.minimum(a, b), or xp.min(y)"),
    (r"\bmax\(", "max compares values: write xp.maximum(a, b), or xp.max(y)"),
    (r"\bsorted\(|\.sort\(", "sorting compares values: write xp.sort(y)"),
    (r"\bif\b.*\belse\b", "a branch on a value: write xp.where(condition, a, b)"),
    (
        r"\b(and|or|not)\b",
        "`and`, `or` and `not` are branches: write xp.logical_and(a, b), xp.logical_or, xp.logical_not",
    ),
    (r"\brandom\b|\brng\b", "random numbers can't be recorded: " + _RANDOM),
    (r"\bmath\.(\w+)", "math.{0} takes Python numbers: write xp.{0}(x), in NumPy np.{0}"),
    (r"\bprint\(|\blog(ger|ging)?\.", _PRINTED),
    (r"^[\w.]+\[[^=]*\]\s*[-+*/]?=[^=]", _STORED),
    (r"\bfloat\(", "float() needs a value: leave it out, an entry of y is a number already"),
    (r"\bint\(", "int() needs a value: write xp.floor(x), and look entries up by np.interp or xp.take(table, index)"),
    (r"\b(item|tolist)\(", "{0}() needs a value: leave it out, and keep arrays"),
    (r"\b(range|len)\(", "a length that is a value: take lengths from shapes"),
]


def reason(error: BaseException) -> str:
    """What a user is told: which value was needed for what, and what to write instead."""
    found = _staging_error(error)
    library = _library_behind(error)
    needed = isinstance(found, ValueNeeded) or "Tracer" in type(error).__name__  # those are JAX's own
    if library and type(found) is not StagingError and "Tracer" not in type(error).__name__:
        why = "" if needed else f" ({_first_line(error)})"
        return f"{library} {_LIBRARIES.get(library, _LIBRARY)}{why}"
    line = _line(error)
    stored = type(error) is ValueError and "array element with a sequence" in str(error)
    if needed or stored:
        for pattern, advice in _ADVICE:
            match = re.search(pattern, line)
            if match:
                return advice.format(*match.groups())
    if found is not None:
        return str(found)
    return _STORED if stored else _first_line(error)


_LIBRARY = (
    "can't be recorded: it works on numbers that are known. Write that part with functions of xp; "
    "a table of known numbers is np.interp"
)
_LIBRARIES = {
    "numba": "compiled what is called there, which takes known numbers only: give that function as f itself, or leave "
    "njit out",
    "jax": "takes no values of other libraries, nor before the code runs: write functions of y's own library",
    "torch": "takes no values of other libraries, nor before the code runs: write functions of y's own library",
    "random": "can't be recorded: " + _RANDOM,
}


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def _staging_error(error: BaseException) -> StagingError | None:
    """What was raised first: NumPy wraps errors in less telling ones of its own."""
    at: BaseException | None = error
    for _ in range(10):
        if at is None or isinstance(at, StagingError):
            return at
        at = at.__cause__ or at.__context__
    return None


def where_raised(error: BaseException) -> str:
    """The user's line that led to an error: ``file.py, line 12: `source` ``."""
    frames = _frames(error)
    return described(*frames[_users(frames)]) if frames else ""


def users_line() -> str:
    """The innermost of the user's lines that is running now."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (is_ours(frame) or is_library(frame)):
        frame = frame.f_back
    return described(frame, frame.f_lineno) if frame is not None else ""


def asked_by_user() -> bool:
    """Whether the code that called what asks this is the user's, and no library's."""
    frame = sys._getframe(2)
    return not (is_ours(frame) or is_library(frame))


def described(frame: FrameType, number: int) -> str:
    """A line of a frame's code, for people."""
    name = frame.f_code.co_filename
    line = linecache.getline(name, number, frame.f_globals).strip()
    return f"{os.path.basename(name)}, line {number}" + (f": `{line}`" if line else "")


def _line(error: BaseException) -> str:
    frames = _frames(error)
    if not frames:
        return ""
    frame, number = frames[_users(frames)]
    return linecache.getline(frame.f_code.co_filename, number, frame.f_globals).strip()


def _library_behind(error: BaseException) -> str:
    """The library that the user's line called, if the error came from within it."""
    frames = _frames(error)
    behind = frames[_users(frames) + 1 :] if frames else []
    return _package(behind[0][0]).replace("jaxlib", "jax") if behind else ""


def _frames(error: BaseException) -> list[tuple[FrameType, int]]:
    """The frames outside of these packages and NumPy that an error passed, the outermost first."""
    found = []
    at: TracebackType | None = error.__traceback__
    while at is not None:
        if not is_ours(at.tb_frame):
            found.append((at.tb_frame, at.tb_lineno))
        at = at.tb_next
    return found


def _users(frames: list[tuple[FrameType, int]]) -> int:
    """Which frame is the innermost of the user's own code, or of the package that the model is from."""
    own = [i for i, (frame, _) in enumerate(frames) if not is_library(frame)]
    if not own:
        own = [i for i, (frame, _) in enumerate(frames) if _package(frame) == _package(frames[0][0])]
    return own[-1]


def _package(frame: Any) -> str:
    return str(frame.f_globals.get("__name__", "")).split(".")[0]


def is_ours(frame: Any) -> bool:
    """Whether a frame is of these packages, or of what they run on."""
    top = _package(frame)
    if top in ("numpy", "torch", "jax", "evolvent", "contextlib") or frame.f_code.co_filename.startswith("<frozen"):
        return True
    return top.startswith("evolvent_") and top != "evolvent_explained"


_PLACES = tuple(os.path.join(sysconfig.get_path(name), "") for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def is_library(frame: Any) -> bool:
    """Whether a frame is of an installed package or of Python itself."""
    return frame.f_code.co_filename.startswith(_PLACES)
