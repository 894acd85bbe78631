"""Adams' method of variable order and step size."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from operator import mul
from typing import Any, NamedTuple

from evolvent_stepping import Step, Stepper

from ._adams import HIGHEST, ROWS, Order, aged, combine, integrals, ratios, updated


class History(NamedTuple):
    """What the steps before left: modified divided differences of f, and how long ago they were taken."""

    differences: tuple[Any, ...]
    ages: tuple[Any, ...]
    order: Any
    starting: Any
    failures: Any


class Polynomial(NamedTuple):
    """The corrector's own polynomial over one step."""

    t: Any
    dt: Any
    y0: Any
    differences: tuple[Any, ...]
    last: Any
    ages: tuple[Any, ...]
    order: Any


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
        f0 = system.f(t, y)
        none = b.zeros_like(f0)
        ages = tuple(b.real(0.0) for _ in range(ROWS))
        return History((f0, *[none] * HIGHEST), ages, b.integer(1), b.boolean(True), b.integer(0))

    def step(self, system, t, y, dt, cache) -> Step:
        """Predict, evaluate, correct, evaluate; then choose the next order and step."""
        b, order = system.backend, Order.of(system.backend.control, cache.order)
        g, beta = integrals(cache.ages, dt), ratios(b.control, cache.ages, dt)
        below = [*map(mul, order.below, beta)]
        predicted = combine(system, y, dt, [*map(mul, g, below)], cache.differences)
        last = combine(system, system.f(t + dt, predicted), -1.0, below, cache.differences)
        y1 = system.combine(predicted, dt, (order.at(g),), (last,))
        differences = updated(system, order, beta, cache.differences, system.f(t + dt, y1))
        jumps = [g[0], *(newer - older for older, newer in pairwise(g))]
        # The terms of orders k - 1, k and k + 1.
        places = ([*order.here[1:], 0.0], order.here, [0.0, *order.here[:-1]])
        errors = [combine(system, None, dt, [*map(mul, place, jumps)], differences) for place in places]
        norms = [b.stop_gradient(system.scaled_norm(error, y, y1)) for error in errors]
        k, starting, factor = _choose(b, cache, *b.to_control(*norms))
        history = History(differences, aged(cache.ages, dt), k, starting, 0 * cache.failures)
        dense = Polynomial(t, dt, y, cache.differences, last, cache.ages, cache.order)
        return Step(y1, norms[1], history, dense, factor, _retry(b, cache, k))

    def interpolate(self, system, dense, theta):
        """Evaluate the polynomial that the corrector integrated."""
        c = system.backend.control
        order = Order.of(c, dense.order)
        g, beta = integrals(dense.ages, dense.dt, theta), ratios(c, dense.ages, dense.dt)
        weights = [*map(mul, order.below, map(mul, g, beta))]
        return combine(system, dense.y0, dense.dt, [*weights, order.at(g)], [*dense.differences[:-1], dense.last])

    def error_norm(self, system, error, y0, y1):
        """Hand on the norm, which the choice of the order wanted before."""
        return error


def _choose(b, cache, below, here, above):
    """Choose the next order and the ratio of step sizes by the error norms at orders k - 1, k and k + 1."""
    c, k = b.control, cache.order
    accepted = here <= 1.0
    above = c.where(k < HIGHEST, above, here)
    lower = c.logical_and(k > 1, below <= c.minimum(here, above))
    starting = c.logical_and(cache.starting, c.logical_and(accepted, c.logical_and(c.logical_not(lower), k < HIGHEST)))
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
