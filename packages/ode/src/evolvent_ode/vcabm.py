"""Adams' method of variable order and step size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from evolvent_stepping import Step, Stepper

from ._adams import HIGHEST, Grid, aged, integrals, make_grid, rescaled, updated


class History(NamedTuple):
    """What the steps before left: modified divided differences of f, and how long ago they were taken."""

    grid: Grid
    differences: Any
    ages: Any
    order: Any
    starting: Any
    failures: Any


class Polynomial(NamedTuple):
    """The corrector's own polynomial over one step."""

    t: Any
    dt: Any
    y0: Any
    stars: Any
    last: Any
    ages: Any
    order: Any
    grid: Grid


@dataclass(frozen=True)
class VCABM(Stepper):
    """Adams-Bashforth-Moulton predictor and corrector, orders 1 to 12: for expensive f and tight tolerances.

    Two evaluations of f a step, at every order; starts by itself at order 1 with small steps. The dense
    output is the corrector's polynomial, of the order of the step and continuous. After each event, and each
    `t_stops`, the order or the step has to grow again, so that a one-step method is the better choice for
    many of them.

    References
    ----------
    E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I, sections III.5 and III.7,
    doi:10.1007/978-3-540-78862-1; L. F. Shampine, M. K. Gordon, Computer Solution of Ordinary Differential
    Equations (1975).

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(decay, "VCABM", rtol=1e-9, atol=1e-9).y[-1, 0]), 7)
    0.3678794
    """

    order = HIGHEST
    error_order = 1  # of the first step, whose size is guessed by it
    dense_order = 1
    adaptive = True
    variable_order = True

    def start(self, system, t, y):
        """Begin at order one, with no history but the derivative."""
        b = system.backend
        grid = make_grid(system, y)
        f0 = system.f(t, y)
        differences = b.xp.stack([f0, *([b.zeros_like(f0)] * HIGHEST)])
        ages = b.zeros_like(grid.rows * grid.spread(system, t))
        return History(grid, differences, ages, b.integer(1), b.boolean(True), b.integer(0))

    def step(self, system, t, y, dt, cache) -> Step:
        """Predict, evaluate, correct, evaluate; then choose the next order and step."""
        xp, grid = system.backend.xp, cache.grid
        k = grid.spread(system, cache.order)
        g = integrals(system, grid, cache.ages, dt, 1.0)
        stars = rescaled(system, grid, cache.differences, cache.ages, dt)
        below = xp.astype(grid.rows < k, g.dtype)
        predicted = y + xp.sum(below * g * stars, axis=0)
        last = system.f(t + dt, predicted) - xp.sum(below * stars, axis=0)
        y1 = predicted + _at(xp, grid, g, k) * last
        differences = updated(system, stars, system.f(t + dt, y1))
        jumps = xp.concat([g[:1, ...], g[1:, ...] - g[:-1, ...]], axis=0)
        errors = [xp.sum(_only(xp, grid, jumps, k + i) * differences, axis=0) for i in (-1.0, 0.0, 1.0)]
        norms = [system.backend.stop_gradient(system.scaled_norm(error, y, y1)) for error in errors]
        order, starting, factor = _choose(system.backend, cache, *system.backend.to_control(*norms))
        history = History(
            grid, differences, aged(system, grid, cache.ages, dt), order, starting, 0 * cache.failures
        )
        dense = Polynomial(t, dt, y, stars, last, cache.ages, cache.order, grid)
        return Step(y1, norms[1], history, dense, factor, _retry(system.backend, cache, order))

    def interpolate(self, system, dense, theta):
        """Evaluate the polynomial that the corrector integrated."""
        xp, grid = system.backend.xp, dense.grid
        k = grid.spread(system, dense.order)
        g = integrals(system, grid, dense.ages, dense.dt, theta)
        below = xp.astype(grid.rows < k, g.dtype)
        return dense.y0 + xp.sum(below * g * dense.stars, axis=0) + _at(xp, grid, g, k) * dense.last

    def error_norm(self, system, error, y0, y1):
        """Hand on the norm, which the choice of the order wanted before."""
        return error


def _only(xp, grid, column, k):
    """The column with all but its k-th entry zero, k an array of whole numbers; zeros if there is none."""
    return xp.where(grid.rows == k, column, xp.zeros_like(column))


def _at(xp, grid, column, k):
    return xp.sum(_only(xp, grid, column, k), axis=0)


def _choose(b, cache, below, here, above):
    """Choose the next order and the ratio of step sizes by the error norms at orders k - 1, k and k + 1."""
    c, k = b.control, cache.order
    accepted = here <= 1.0
    above = c.where(k < HIGHEST, above, here)
    lower = c.logical_and(k > 1, below <= c.minimum(here, above))
    starting = c.logical_and(
        cache.starting, c.logical_and(accepted, c.logical_and(c.logical_not(lower), k < HIGHEST))
    )
    # At order one the estimate above can't be trusted that much.
    better = above < c.where(k > 1, here, 0.5 * here)
    higher = c.logical_and(accepted, c.logical_and(c.logical_not(lower), c.logical_or(starting, better)))
    higher = c.logical_and(higher, k < HIGHEST)
    one, none = b.integer(1), b.integer(0)
    order = k + c.where(higher, one, none) - c.where(lower, one, none)
    error = c.where(lower, below, c.where(c.logical_and(higher, c.logical_not(starting)), above, here))
    room = c.power(0.5 / c.maximum(error, 1e-12), 1.0 / (order + 1.0))
    # Steps are kept, doubled or clearly reduced: differences are smoothest on equal steps.
    grown = c.where(
        c.logical_or(starting, room >= 2.0),
        2.0,
        c.where(room >= 1.0, 1.0, c.maximum(0.5, c.minimum(0.9, room))),
    )
    reduced = c.where(c.isfinite(here), c.maximum(0.1, c.minimum(0.5, room)), 0.1)
    return order, starting, c.where(accepted, grown, reduced)


def _retry(b, cache, order):
    """The cache after a rejection: no more start phase, and order one after three of them."""
    failures = cache.failures + b.integer(1)
    return cache._replace(
        order=b.control.where(failures > 2, b.integer(1), order), starting=b.boolean(False), failures=failures
    )
