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

_MAKERS: dict[str, dict[str, Callable[..., ReferenceProblem]]] = {"nonstiff": {}, "stiff": {}, "dae": {}}


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
    discontinuities : tuple of float
        When f jumps.
    mass : numpy.ndarray, optional
        The matrix M of ``M y' = f``, or its diagonal.
    jacobian : callable, optional
        ``jacobian(t, y, params)``, where it is short to write.
    stiff : bool
        Whether explicit methods are at a loss.
    scale : float or numpy.ndarray
        The size of an entry below which digits no longer count: tolerances are ``rtol`` and ``scale * rtol``, and
        errors are divided by ``|reference| + scale``, as the test set's "mixed" digits are.
    compared : tuple of int, optional
        Along the first axis, the entries that are compared; all where None.
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
    discontinuities: tuple[float, ...] = ()
    mass: np.ndarray | None = None
    jacobian: Callable[..., Any] | None = None
    stiff: bool = False
    scale: Any = 1.0
    compared: tuple[int, ...] | None = None
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
        names = ("y0", "t_span", "params", "events", "discontinuities", "mass", "jacobian")
        given = {name: getattr(self, name) for name in names}
        return ev.ODEProblem(self.f, **{**given, **changes})

    def reference(self, t: float | None = None) -> np.ndarray:
        """Return the state at `t` (the end by default) as a NumPy array.

        Raises
        ------
        ValueError
            If the problem has no closed form and `t` is not the end, or an argument of the maker was changed.
        """
        if self.exact is not None:
            return np.asarray(self.exact(self.t_span[1] if t is None else t))
        if t is not None and t != self.t_span[1]:
            raise ValueError(f"t: {self.name} has a reference at t = {self.t_span[1]} only, got {t!r}")
        if self.final is None:
            raise ValueError(f"{self.name} has a reference with the default arguments only")
        return self.final

    def error(self, y: Any) -> float:
        """Measure how far a state at the end is from the reference: the largest error of the entries that count.

        Examples
        --------
        >>> import numpy as np
        >>> from evolvent_testing import stiff_problems
        >>> hires = stiff_problems()["hires"](np)
        >>> hires.error(1.001 * hires.reference()) < 1e-3
        True
        """
        reference = self.reference()
        error = np.abs(np.asarray(y) - reference) / (np.abs(reference) + self.scale)
        return float(np.max(error if self.compared is None else error[list(self.compared)]))


def reference_problem(describe: Callable[..., ReferenceProblem]) -> Callable[..., ReferenceProblem]:
    """Enter a problem into the list; `describe(xp)` gives its state and parameters as host data."""
    return _enter(describe, "nonstiff")


def stiff_problem(describe: Callable[..., ReferenceProblem]) -> Callable[..., ReferenceProblem]:
    """Enter a stiff problem into its list; what `describe` takes beside xp are arguments of the problem."""
    return _enter(describe, "stiff")


def dae_problem(describe: Callable[..., ReferenceProblem]) -> Callable[..., ReferenceProblem]:
    """Enter a problem with a singular mass matrix into its list."""
    return _enter(describe, "dae")


def _enter(describe: Callable[..., ReferenceProblem], kind: str) -> Callable[..., ReferenceProblem]:
    def make(xp, dtype=None, device=None, **arguments) -> ReferenceProblem:
        given = describe(xp, **arguments)
        dtype = xp.float64 if dtype is None else dtype

        def convert(leaf):
            if not isinstance(leaf, list | np.ndarray):
                return leaf
            host = np.asarray(leaf)
            return xp.asarray(host, dtype=_matching(xp, dtype, host), device=device)

        y0 = tuple(map(convert, given.y0)) if given.second_order else convert(given.y0)
        params = optree.tree_map(convert, given.params, is_leaf=lambda leaf: isinstance(leaf, list), none_is_leaf=True)
        given = replace(given, y0=y0, params=params, name=describe.__name__, stiff=kind != "nonstiff")
        known = given.exact is not None or given.final is not None or arguments
        return given if known else replace(given, **_stored_reference(given.name, given.second_order))

    update_wrapper(make, describe)
    del make.__wrapped__  # its signature is not the maker's
    make.__doc__ = f"{describe.__doc__}"
    _MAKERS[kind][describe.__name__] = make
    return make


def reference_problems() -> dict[str, Callable[..., ReferenceProblem]]:
    """List the reference problems that are not stiff: name to maker ``maker(xp, dtype=None, device=None)``.

    Examples
    --------
    >>> import numpy as np
    >>> from evolvent_testing import reference_problems
    >>> lorenz = reference_problems()["lorenz"](np)
    >>> lorenz.t_span, lorenz.y0.dtype
    ((0.0, 10.0), dtype('float64'))
    """
    return dict(_MAKERS["nonstiff"])


def stiff_problems() -> dict[str, Callable[..., ReferenceProblem]]:
    """List the stiff reference problems: name to maker ``maker(xp, dtype=None, device=None, **arguments)``.

    Some take arguments of their own, a number of points or a stiffness; the reference is for the default ones
    unless it is a closed form.

    Examples
    --------
    >>> import numpy as np
    >>> from evolvent_testing import stiff_problems
    >>> robertson = stiff_problems()["robertson"](np)
    >>> robertson.t_span[1], robertson.scale
    (100000000000.0, 1e-08)
    >>> stiff_problems()["brusselator_periodic"](np, points=16).y0.shape
    (2, 16, 16)
    """
    return dict(_MAKERS["stiff"])


def dae_problems() -> dict[str, Callable[..., ReferenceProblem]]:
    """List the reference problems ``M y' = f`` with a singular M: name to maker, as for `stiff_problems`.

    Examples
    --------
    >>> import numpy as np
    >>> from evolvent_testing import dae_problems
    >>> dae_problems()["robertson_dae"](np).mass
    array([1., 1., 0.])
    """
    return dict(_MAKERS["dae"])


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
