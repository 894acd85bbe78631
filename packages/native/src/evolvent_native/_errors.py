"""What is raised when a function can't be staged, and where in the user's code that was."""

from __future__ import annotations

import linecache
import os
from types import TracebackType


class StagingError(Exception):
    """A function asked for something that is known only when the compiled code runs.

    The message says what was asked and what to write instead.
    """


def reason(error: BaseException) -> str:
    """What a user is told: NumPy wraps errors in less telling ones of its own."""
    at: BaseException | None = error
    for _ in range(10):
        if at is None:
            break
        if isinstance(at, StagingError):
            return str(at)
        at = at.__cause__ or at.__context__
    return f"{type(error).__name__}: {error}"


def where_raised(error: BaseException) -> str:
    """The innermost line outside these packages and NumPy that led to an error: ``file.py, line 12: `source` ``."""
    found = ""
    at: TracebackType | None = error.__traceback__
    while at is not None:
        module = str(at.tb_frame.f_globals.get("__name__", ""))
        name = at.tb_frame.f_code.co_filename
        if not _ours(module) and not name.startswith("<frozen"):
            line = linecache.getline(name, at.tb_lineno, at.tb_frame.f_globals).strip()
            found = f"{os.path.basename(name)}, line {at.tb_lineno}" + (f": `{line}`" if line else "")
        at = at.tb_next
    return found


def _ours(module: str) -> bool:
    top = module.split(".")[0]
    return top in ("numpy", "evolvent", "contextlib") or top.startswith("evolvent_")
