"""Measure the order of convergence of a method."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import array_api_compat.numpy as numpy_namespace
import numpy as np

import evolvent as ev

from .problems import (
    ReferenceProblem,
    clockwork,
    detest_a3,
    detest_a4,
    detest_e1,
    kink,
    rotation,
    spring,
    swinging_kepler,
)

# Where in a step the dense output is looked at: away from the ends, and not symmetric about the middle.
FRACTIONS = (0.15, 0.35, 0.55, 0.75, 0.9)
WINDOW = 4
STEADY = 0.25  # slopes that differ by more are not asymptotic, or noise
CLEAR = 1e-11  # a series that stays below may show how the coefficients were rounded, not a missed condition
ASYMPTOTIC = 0.03  # where they differ by less, smaller steps tell nothing new


@dataclass(frozen=True)
class Convergence:
    """The errors of a method at several step sizes or tolerances, and the order that they show.

    Parameters
    ----------
    order : float
        Slope of log(error) over log(step size) by least squares, in the window.
    spread : float
        By how much the slopes between neighbours in the window differ: small where the errors are asymptotic.
    dts : tuple of float
        Step sizes, falling; tolerances where those were varied.
    errors : tuple of float
        Largest absolute error at each.
    window : slice
        The entries that the slope was taken from: neither before the asymptotic regime nor in the rounding
        errors.
    title : str
        Algorithm and problem.
    """

    order: float
    spread: float
    dts: tuple[float, ...]
    errors: tuple[float, ...]
    window: slice
    title: str = ""

    def __str__(self) -> str:
        lines = [
            f"{self.title}: order {self.order:.2f}, spread {self.spread:.2f}",
            "         dt      error   slope",
        ]
        used = range(*self.window.indices(len(self.dts)))
        slopes = (math.nan, *_slopes(self.dts, self.errors))
        for i, (dt, error, slope) in enumerate(zip(self.dts, self.errors, slopes, strict=True)):
            lines.append(f"  {dt:9.3e}  {error:9.2e}  {slope:6.2f}" + ("  *" if i in used else ""))
        return "\n".join(lines)


def measured_order(
    algorithm: Any,
    problem: ReferenceProblem | None = None,
    *,
    dense: bool = False,
    claim: float | None = None,
    dts: Sequence[float] | None = None,
    **options: Any,
) -> Convergence:
    """Measure the order of a method with fixed steps, at the end of the span or between the steps.

    Rounding errors end each series, and large steps are left out: the slope is taken from the smallest steps
    whose errors still stand clear of rounding. Many methods have a leading error term so small that on most
    problems no step size shows it in double precision; so, if no problem is named, several are tried. The
    first, `powers`, has no error terms behind the leading one. Its slope counts if it is steady, else the
    steadiest one, unless another steady slope is lower by almost one: then an order condition is missed that
    the trusted problem does not ask for.

    Parameters
    ----------
    algorithm : Algorithm
        A method that can take fixed steps.
    problem : ReferenceProblem, optional
        On NumPy arrays, with an exact solution.
    dense : bool
        Measure the largest error of ``solution(t)`` between the steps, instead of the error at the end. A
        dense output of order q errs by ``C dt**order + D dt**(q + 1)``, the first from the steps themselves.
    claim : float, optional
        The slope to expect, by which step sizes are chosen; by default from the algorithm's own claims.
    dts : sequence of float, optional
        Step sizes, falling, each a whole part of the span; chosen automatically otherwise.
    **options
        Passed to `evolvent.solve`.

    Returns
    -------
    Convergence
        ``print`` shows it as a table.

    Examples
    --------
    >>> from evolvent_ode import RK4
    >>> round(measured_order(RK4()).order, 1)
    4.0
    """
    if claim is None:
        claim = float(dense_slope(algorithm) if dense else algorithm.order)
    if problem is None:
        return _consensus(
            [
                measured_order(algorithm, each, dense=dense, claim=claim, dts=dts, **options)
                for each in [powers(algorithm, round(claim)), *convergence_problems(algorithm)]
            ]
        )
    t0, t1 = problem.t_span
    counts = _counts(claim) if dts is None else [round((t1 - t0) / dt) for dt in dts]
    error_of = _dense_error if dense else _final_error
    dts_used, errors = [], []
    floor = 5e-14 * _scale(problem)
    for count in counts:
        dts_used.append((t1 - t0) / count)
        errors.append(error_of(problem, algorithm, count, options))
        if dts is None and (errors[-1] < floor or (claim <= 4 and _asymptotic(dts_used, errors))):
            break
    where = "between steps" if dense else "at the end"
    return fit(dts_used, errors, 3.0 * floor, f"{algorithm!r} on {problem.name}, {where}")


def _consensus(series: list[Convergence]) -> Convergence:
    trusted = series[0] if series[0].spread <= STEADY else min(series, key=lambda one: one.spread)
    lower = [
        one
        for one in series
        if one.spread <= 0.5 * STEADY and one.order < trusted.order - 0.8 and max(one.errors[one.window]) > CLEAR
    ]
    return min(lower, key=lambda one: one.order, default=trusted)


def _asymptotic(dts: list[float], errors: list[float]) -> bool:
    """Whether the slopes have come to rest: a method of low order would never come near to rounding."""
    last = errors[-WINDOW:]
    if len(last) < WINDOW or not all(math.isfinite(error) and error < 1e-2 for error in last):
        return False
    slopes = _slopes(dts[-WINDOW:], last)
    return max(slopes) - min(slopes) < ASYMPTOTIC


def measured_tolerance_order(
    algorithm: Any, problem: ReferenceProblem, tolerances: Sequence[float], **options: Any
) -> Convergence:
    """Measure how the error at the end falls with the tolerance, `rtol` and `atol` alike; one is ideal."""
    errors = []
    for tolerance in tolerances:
        solution = ev.solve(problem.problem(), algorithm, rtol=tolerance, atol=tolerance, saveat="end", **options)
        errors.append(float(np.max(np.abs(_states(problem, solution.y)[-1] - problem.reference()))))
    return fit(tolerances, errors, 0.0, f"{algorithm!r} on {problem.name}, over tolerances", len(errors))


def dense_slope(algorithm: Any) -> int:
    """Return the slope that errors between the steps should show at least; order q errs by ``dt**(q + 1)``."""
    return min(algorithm.order, algorithm.dense_order + 1)


def powers(algorithm: Any, order: int) -> ReferenceProblem:
    """Make the problem on which a method of this order errs by a multiple of ``dt**order`` and nothing else.

    The velocity is ``t**order`` and the position its integral. All derivatives behind those that the leading
    error term wants are zero, and it wants a tree that no explicit Runge-Kutta method gets right: the one
    whose root has a single branch, with all other leaves on it. So the slope is there from the largest steps
    on, however small that term is; it could only be hidden if the method's order were higher than claimed.
    """

    def exact(t: float) -> np.ndarray:
        return np.array([t**order, t ** (order + 1)])

    def along(t: float) -> np.ndarray:
        return np.array([[t ** (order + 1)], [(order + 1) * t**order]])

    span, source = (-1.0, 1.0), "calculus: the integrals of a power of time"
    if ev.ODEProblem not in algorithm.problem_types:
        return ReferenceProblem(
            lambda t, q, v, p: [order * (order + 1) * t ** (order - 1)],
            tuple(along(-1.0)),
            span,
            source,
            exact=along,
            name=f"powers({order})",
        )
    return ReferenceProblem(
        lambda t, y, p: [order * t ** (order - 1), (order + 1) * y[0]],
        exact(-1.0),
        span,
        source,
        exact=exact,
        name=f"powers({order})",
    )


def convergence_problems(algorithm: Any) -> list[ReferenceProblem]:
    """List smooth problems with an exact solution that the algorithm accepts.

    The first is nonlinear and driven by the clock; all spans suit high orders.
    """
    if ev.ODEProblem not in algorithm.problem_types:
        spans: list[tuple[Callable[..., ReferenceProblem], float]] = [
            (swinging_kepler, 3.0),
            (spring, 5.0),
            (kink, 2.0),
        ]
    else:
        spans = [(clockwork, 3.0), (rotation, 6.0), (detest_a3, 3.0), (detest_a4, 8.0), (detest_e1, 8.0)]
    return [replace(make(numpy_namespace), t_span=(0.0, end)) for make, end in spans]


def fit(dts: Sequence[float], errors: Sequence[float], floor: float, title: str, size: int = WINDOW) -> Convergence:
    """Fit a slope to the finest `size` errors above the floor that show one; it is NaN if there are too few.

    The finest errors may be noise although they lie above the floor, so a steady window may lie before them.
    """
    best: tuple[float, slice] = (math.inf, slice(0, 0))
    for stop in range(len(errors), size - 1, -1):
        window = slice(stop - size, stop)
        if not all(math.isfinite(error) and error > floor for error in errors[window]):
            continue
        slopes = _slopes(dts[window], errors[window])
        best = min(best, (max(slopes) - min(slopes), window), key=lambda one: one[0])
        if best[0] <= STEADY:
            break
    spread, window = best
    slope = np.polyfit(np.log(dts[window]), np.log(errors[window]), 1)[0] if math.isfinite(spread) else math.nan
    return Convergence(float(slope), spread, tuple(dts), tuple(errors), window, title)


def _slopes(dts: Sequence[float], errors: Sequence[float]) -> list[float]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return (np.diff(np.log(errors)) / np.diff(np.log(dts))).tolist()


def _counts(claim: float) -> list[int]:
    """Choose numbers of steps so that each error is about a third of the one before."""
    ratio = min(2.0, 3.0 ** (1.0 / claim))
    counts = [2 if claim > 6 else 8]
    while counts[-1] < 640:
        counts.append(max(counts[-1] + 1, round(counts[-1] * ratio)))
    return counts


def _scale(problem: ReferenceProblem) -> float:
    return float(np.max(np.abs(problem.reference())))


def _states(problem: ReferenceProblem, y: Any) -> np.ndarray:
    """Stack a solution's states as the reference has them."""
    return np.stack(y, axis=1) if problem.second_order else np.asarray(y)


def _final_error(problem: ReferenceProblem, algorithm: Any, count: int, options: dict[str, Any]) -> float:
    solution = _solve(problem, algorithm, count, {"saveat": "end", **options})
    if not solution.success:
        return math.nan
    return float(np.max(np.abs(_states(problem, solution.y)[-1] - problem.reference())))


def _dense_error(problem: ReferenceProblem, algorithm: Any, count: int, options: dict[str, Any]) -> float:
    solution = _solve(problem, algorithm, count, {"dense": True, **options})
    if not solution.success:
        return math.nan
    t0, t1 = problem.t_span
    # Of many steps some spread over the span will do: the exact solution is not free.
    steps = np.unique(np.linspace(0, count - 1, 100).astype(int))
    times = np.concatenate([t0 + (t1 - t0) * (steps + fraction) / count for fraction in FRACTIONS])
    exact = np.stack([problem.reference(t) for t in times])
    return float(np.max(np.abs(_states(problem, solution(times)) - exact)))


def _solve(problem: ReferenceProblem, algorithm: Any, count: int, options: dict[str, Any]) -> Any:
    t0, t1 = problem.t_span
    if getattr(algorithm, "implicit", False):
        # What iterations leave must not hide the error of a step.
        options = {"rtol": 1e-12, "atol": 1e-12, **options}
    with np.errstate(all="ignore"):  # steps that are far too large may overflow
        return ev.solve(
            problem.problem(),
            algorithm,
            dt=(t1 - t0) / count,
            adaptive=False,
            throw=False,
            backend="eager",
            **options,
        )
