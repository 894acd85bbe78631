"""What is raised when a function can't be staged, and where in the user's code that was."""

from __future__ import annotations

import linecache
import os
from types import TracebackType


class StagingError(Exception):
    """A function asked for something that is known only when the compiled code runs.

    The message says what was asked and what to write instead.
    """


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
