"""What goes wrong, said so that the user knows what to do."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any


class _Picklable:
    """Lets an exception pass between processes, whatever its constructor takes."""

    args: tuple

    def __reduce__(self):
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind, args, attributes):
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


class InputError(_Picklable, ValueError):
    """An argument can't be used: the message names it, what was given and what to do."""

    def __init__(self, argument: str, problem: str, advice: str = ""):
        self.argument = argument
        super().__init__(f"{argument}: {problem}" + (f" {advice}" if advice else ""))


class BackendError(InputError):
    """Arrays of several libraries or devices met, or a backend can't do what was asked of it."""


class CannotStage(Exception):
    """A backend can't stage a function; nothing is computed yet, and another backend can run it.

    Raised by a backend's `program`, or by what it returns when that is called first. Whoever asked for the program
    starts over on `instead`; users see `reason` as that backend's note in `solution.stats`.

    Parameters
    ----------
    instead : Backend
        The backend to use; its `note` holds the reason.
    reason : str
        Which function, which line of it, and what to write there.
    """

    def __init__(self, instead: Any, reason: str):
        super().__init__(reason)
        self.instead = instead
        self.reason = reason


class PluginError(RuntimeError):
    """A plugin is broken or two plugins claim one name."""


class UnknownAlgorithmError(InputError, LookupError):
    """No installed plugin has an algorithm of this name."""

    def __init__(self, name: str, known: list[str], advice: str = ""):
        near = get_close_matches(name, known, n=3, cutoff=0.5) or get_close_matches(
            name.lower(), [k.lower() for k in known]
        )
        by_lower = {k.lower(): k for k in known}
        near = [by_lower.get(n.lower(), n) for n in near]
        hint = (
            ""
            if advice
            else f"Did you mean {', '.join(map(repr, near))}?"
            if near
            else "`python -m evolvent` lists those installed."
        )
        super().__init__(
            "algorithm", f"no installed plugin has an algorithm named {name!r}.", f"{hint} {advice}".strip()
        )


class SolveError(_Picklable, RuntimeError):
    """A solve ended before its goal; `solution` holds all that was computed and `status` says why it ended."""

    def __init__(self, message: str, solution):
        super().__init__(message)
        self.solution = solution
        self.status = solution.status


class SolveInterrupted(_Picklable, KeyboardInterrupt):
    """Ctrl-C during a solve; `solution` holds all that was computed.

    It is no `Exception`, nor a `SolveError`: a sweep that catches those and goes on is still ended by Ctrl-C.
    """

    def __init__(self, message: str, solution):
        super().__init__(message)
        self.solution = solution
        self.status = solution.status
