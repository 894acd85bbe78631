"""What a reference problem is, and the list of all of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, update_wrapper
from importlib.resources import files
from typing import Any

import numpy as np
import optree

import evolvent as ev

_MAKERS: dict[str, Callable[..., ReferenceProblem]] = {}


@dataclass(frozen=True, eq=False)
class ReferenceProblem:
    """An initial value problem whose solution is known.

    Parameters
    ----------
    f : callable
        ``f(t, y, params)``, or the acceleration ``f(t, q, v, params)`` of a second-order problem. It indexes
        along the first axis alone, so a trailing axis of trajectories does not disturb it.
    y0 : array, or tuple of arrays (q0, v0) for a second-order problem
        The initial state.
    t_span : tuple of float
        Start and end.
    source : str
        Where the problem is from, with DOI.
    params : dict, optional
        Python floats and arrays.
    exact : callable, optional
        ``exact(t)``: the state at `t`, a NumPy array; of shape ``(2, *q.shape)`` for a second-order problem.
    final : numpy.ndarray, optional
        The state at the end, computed in extended precision, where there is no closed form.
    digits : int
        How many decimal digits of the reference are right, relative to the largest entry.
    events : tuple
        `evolvent.Event` and `evolvent.Dose` values.
    event_times : tuple of float
        When the events happen, exactly.
    name : str
        The name of the function that makes the problem.
    """

    f: Callable[..., Any]
    y0: Any
    t_span: tuple[float, float]
    source: str
    params: Any = None
    exact: Callable[[float], np.ndarray] | None = None
    final: np.ndarray | None = None
    digits: int = 14
    events: tuple[Any, ...] = ()
    event_times: tuple[float, ...] = ()
    name: str = ""

    @property
    def second_order(self) -> bool:
        """Whether the problem is ``q'' = a(t, q, v, params)``."""
        return isinstance(self.y0, tuple)

    def problem(self, **changes) -> Any:
        """Make the `evolvent.ODEProblem` or `evolvent.SecondOrderODEProblem`, with `changes`."""
        if self.second_order:
            q0, v0 = changes.pop("y0", self.y0)
            given = {"q0": q0, "v0": v0, "t_span": self.t_span, "params": self.params, "events": self.events}
            return ev.SecondOrderODEProblem(self.f, **{**given, **changes})
        given = {"y0": self.y0, "t_span": self.t_span, "params": self.params, "events": self.events}
        return ev.ODEProblem(self.f, **{**given, **changes})

    def reference(self, t: float | None = None) -> np.ndarray:
        """Return the state at `t` (the end by default) as a NumPy array.

        Raises
        ------
        ValueError
            If the problem has no closed form and `t` is not the end.
        """
        if self.exact is not None:
            return np.asarray(self.exact(self.t_span[1] if t is None else t))
        if t is not None and t != self.t_span[1]:
            raise ValueError(f"t: {self.name} has a reference at t = {self.t_span[1]} only, got {t!r}")
        assert self.final is not None
        return self.final


def reference_problem(describe: Callable[[Any], ReferenceProblem]) -> Callable[..., ReferenceProblem]:
    """Enter a problem into the list; `describe(xp)` gives its state and parameters as host data."""

    def make(xp, dtype=None, device=None) -> ReferenceProblem:
        given = describe(xp)
        dtype = xp.float64 if dtype is None else dtype

        def convert(leaf):
            if not isinstance(leaf, list | np.ndarray):
                return leaf
            host = np.asarray(leaf)
            return xp.asarray(host, dtype=_matching(xp, dtype, host), device=device)

        y0 = tuple(map(convert, given.y0)) if given.second_order else convert(given.y0)
        params = optree.tree_map(convert, given.params, is_leaf=lambda leaf: isinstance(leaf, list), none_is_leaf=True)
        given = replace(given, y0=y0, params=params, name=describe.__name__)
        return given if given.exact is not None else replace(given, **_stored_reference(given.name, given.second_order))

    update_wrapper(make, describe)
    del make.__wrapped__  # its signature is not the maker's
    make.__doc__ = f"{describe.__doc__}"
    _MAKERS[describe.__name__] = make
    return make


def reference_problems() -> dict[str, Callable[..., ReferenceProblem]]:
    """List all reference problems: name to maker ``maker(xp, dtype=None, device=None)``.

    Examples
    --------
    >>> import numpy as np
    >>> from evolvent_testing import reference_problems
    >>> lorenz = reference_problems()["lorenz"](np)
    >>> lorenz.t_span, lorenz.y0.dtype
    ((0.0, 10.0), dtype('float64'))
    """
    return dict(_MAKERS)


def _matching(xp, dtype, host: np.ndarray) -> Any:
    if host.dtype.kind != "c":
        return dtype
    return {xp.float32: xp.complex64, xp.float64: xp.complex128}.get(dtype, dtype)


def _stored_reference(name: str, second_order: bool) -> dict[str, Any]:
    stored = stored_references().get(name)
    if stored is None:
        return {}
    final = np.asarray(stored["y"], dtype=np.float64).reshape(stored["shape"])
    return {"final": final, "digits": stored["digits"]}


@cache
def stored_references() -> dict[str, Any]:
    """Read the states that ``tools/compute_references.py`` computed in extended precision."""
    return json.loads(files("evolvent_testing.problems").joinpath("reference_states.json").read_text(encoding="utf-8"))
