"""Extrapolation of the linearly implicit Euler method."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from math import comb, factorial, prod
from typing import Any, ClassVar, NamedTuple

from evolvent_stepping import Step, Work

from ._implicit import Implicit
from ._radau import Collocation, collocated

COUNTS = (2, 3, 4, 6, 8, 12, 16, 24, 32)
ROWS = len(COUNTS)
# What rows up to each cost: a Jacobian as much as five calls of f, factors and solutions as much as one.
COSTS = tuple(accumulate((2.0 * count + 1.0 for count in COUNTS), initial=5.0))[1:]
TOTALS = tuple(accumulate(COUNTS))
DERIVATIVES = 5  # at the end, for the dense output: differences of higher order are mostly rounding
BETWEEN = 0.003  # of the last term of the dense output: its error, in units of the tolerance
LOWEST = 3  # rows at least aimed at
GROWTH = 4.0


def _weights(first: int, last: int) -> list[float]:
    """What rows `first` to `last` count when their polynomial in the step size is taken at zero; the last one first."""
    found = []
    for j in range(last, first - 1, -1):
        others = [COUNTS[i] for i in range(first, last + 1) if i != j]
        found.append(prod(COUNTS[j] / (COUNTS[j] - other) for other in others))
    return found + [0.0] * (ROWS - len(found))


def _columns(first: int) -> tuple[tuple[float, ...], ...]:
    """Those weights where rows count from `first` on: for each place behind the last row, by what row that is."""
    return tuple(zip(*(_weights(first, last) for last in range(ROWS)), strict=True))


VALUE = _columns(0)
ERROR = tuple(
    tuple(all_ - without for all_, without in zip(*pair, strict=True)) for pair in zip(VALUE, _columns(1), strict=True)
)
# A derivative of order m wants m substeps.
BEGINS = tuple(next(j for j, count in enumerate(COUNTS) if count >= m) for m in range(1, DERIVATIVES + 1))
SLOPES = tuple(_columns(first) for first in BEGINS)


def _ratio(c, error, row) -> Any:
    """The step size that a row of the table asks for, as SEULEX bounds it."""
    power = 1.0 / row
    least = c.power(0.1, power)
    needed = c.power(c.maximum(error, 1e-15) / 0.6, power) / 0.93
    return 1.0 / c.minimum(c.maximum(needed, least / GROWTH), 1.0 / least)


def _picked(b, columns, row) -> list[Any]:
    """The weights of a row."""
    return [b.pick(b.table(column), row) for column in columns]


class Plan(NamedTuple):
    """What one step hands to the next.

    The row to converge in; whether no step was before, and whether a rejected one was; the Jacobian, and whether it is
    that of another state.
    """

    aim: Any
    first: Any
    rejected: Any
    jacobian: Any
    old: Any


class Table(NamedTuple):
    """What the rows of the extrapolation table came to.

    `ends` are the states at the end of the step by each row, the last row first, `slopes` their derivatives of each
    order there. `y1` is what they extrapolate to, `norm` and `error` are its estimated error on the two planes, `limit`
    is what the next one must be below. `ratio` and `work` are the step size that the last three rows ask for, and what
    a unit of time costs then.
    """

    row: Any
    ends: tuple[Any, ...]
    slopes: tuple[tuple[Any, ...], ...]
    y1: Any
    norm: Any
    error: Any
    limit: Any
    ratio: tuple[Any, Any, Any]
    work: tuple[Any, Any, Any]
    over: Any


@dataclass(frozen=True)
class ImplicitEulerExtrapolation(Implicit):
    """ImplicitEulerExtrapolation: variable order up to 9, for stiff systems and DAEs whose f is cheap.

    Linearly implicit Euler steps, 2 to 32 of them, are extrapolated until the error is small enough. Order and step
    size follow from the work that a unit of time costs. One Jacobian a step, one factorisation for each row of the
    table, no iteration. Dense output from extrapolated derivatives, of order 2 to 6 with that of the step: steps
    are kept short enough for it, which costs at stringent tolerances, and its errors may be some tens of times those at
    the ends of steps. The state may have algebraic components (a singular mass matrix).

    References
    ----------
    P. Deuflhard, Recent progress in extrapolation methods for ordinary differential equations, SIAM Review 27 (1985),
    doi:10.1137/1027140; E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, section IV.9 (SEULEX).

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "ImplicitEulerExtrapolation").y[-1, 0]), 4)
    1.0
    """

    order = ROWS
    error_order = 2  # of the first step, whose size is guessed by it
    dense_order = 2
    variable_order: ClassVar[bool] = True
    takes_mass: ClassVar[bool] = True
    retakes: ClassVar[bool] = False

    def start(self, system, t, y):
        """Begin with a low order."""
        b = system.backend
        return Plan(b.integer(LOWEST), b.boolean(True), b.boolean(False), system.jacobian(t, y), b.boolean(False))

    def at_rest(self, system, t, y):
        """A step of no length."""
        zero = system.backend.zeros_like(y)
        return Collocation(t, 0.0 * t, y, (zero,) * (DERIVATIVES + 1))

    def measured_step(self, system, t, y, dt, cache):
        """Take a step, and give its Jacobian."""
        step = self.step(system, t, y, dt, cache)
        return step, step.cache.jacobian

    def step(self, system, t, y, dt, cache) -> Step:
        """Extrapolate row by row, until the error is small enough or will not become so."""
        b, c = system.backend, system.backend.control
        jacobian = b.cond(cache.old, lambda: system.jacobian(t, y), lambda: cache.jacobian)
        zero, one, real = b.integer(0), b.integer(1), b.real(1.0)
        none = (b.zeros_like(y),) * ROWS
        table = Table(
            row=zero,
            ends=none,
            slopes=(none,) * DERIVATIVES,
            y1=y,
            norm=b.stop_gradient(system.scaled_norm(y, y, y)),
            error=real,
            limit=b.real(1e15),
            ratio=(real,) * 3,
            work=(real,) * 3,
            over=b.boolean(False),
        )
        table = b.while_loop(
            lambda table: c.logical_not(table.over),
            lambda table: self._row(system, t, y, dt, cache, jacobian, table),
            table,
            max_iterations=ROWS,
        )
        terms, closing = self._terms(system, y, table)
        dense = Collocation(t, dt, table.y1, terms)
        # Steps of high order may be longer than a polynomial between them can follow.
        between = BETWEEN * b.stop_gradient(system.scaled_norm(closing, y, table.y1))
        norm = b.select(table.error <= 1.0, b.xp.maximum(table.norm, between), table.norm)
        size, between = b.to_control(norm, between)
        table = table._replace(error=size)
        aim, factor = self._choice(b, cache, table)
        degree = c.minimum(1.0 * table.row, DERIVATIVES) + 1.0
        factor = c.minimum(factor, 0.9 / c.power(c.maximum(between, 1e-15), 1.0 / degree))
        accepted = size <= 1.0
        yes, no = b.boolean(True), b.boolean(False)
        after = Plan(aim, no, no, jacobian, yes)
        retry = Plan(aim, cache.first, yes, jacobian, no)
        made = c.where(cache.old, one, zero)
        calls = b.integer(b.pick(b.table(TOTALS), table.row - 1))
        work = Work(calls, made, table.row, calls, zero)
        # After a rejection steps don't grow; at the start, where nothing was rejected, they may.
        bounded = c.logical_and(accepted, cache.rejected)
        factor = c.where(bounded, c.minimum(factor, 1.0), factor)
        return Step(table.y1, norm, after, dense, factor, retry, work)

    def error_norm(self, system, error, y0, y1):
        """Hand on the norm, which ended the table."""
        return error

    def _row(self, system, t, y, dt, cache, jacobian, table) -> Table:
        """Add a row to the table, and judge it."""
        b, c = system.backend, system.backend.control
        j, aim = table.row, cache.aim
        count = b.pick(b.table([1.0 * count for count in COUNTS]), j)
        end, slopes = self._substeps(system, t, y, dt, jacobian, count)
        ends = (end, *table.ends[:-1])
        slopes = tuple((new, *old[:-1]) for new, old in zip(slopes, table.slopes, strict=True))
        y1 = system.combine(None, 1.0, _picked(b, VALUE, j), ends)
        error = system.combine(None, 1.0, _picked(b, ERROR, j), ends)
        norm = b.stop_gradient(system.scaled_norm(error, y, y1))
        norm = b.select(j > 0, norm, table.norm)
        error = b.to_control(norm)
        row = j + b.integer(1)
        known = j > 0
        ratio = c.where(known, _ratio(c, error, row), 1.0)
        work = c.where(known, b.pick(b.table(COSTS), j) / ratio, 1e30)

        after = b.table([*(1.0 * count for count in COUNTS[1:]), 1.0, 1.0])
        next1, next2 = b.pick(after, j), b.pick(after, c.minimum(row, b.integer(ROWS)))
        ready = c.logical_or(row >= aim - 1, c.logical_or(cache.first, cache.rejected))
        converged = c.logical_and(known, c.logical_and(ready, error <= 1.0))
        # Errors fall as the counts grow: from these the next rows will not get there.
        late = c.logical_and(row == aim - 1, error > 4.0 * next1 * next2)
        late = c.logical_or(late, c.logical_and(row == aim, error > 2.0 * next1))
        worse = c.logical_or(c.logical_not(c.isfinite(error)), error >= table.limit)
        over = c.logical_or(converged, c.logical_and(known, c.logical_or(late, worse)))
        ratio = c.where(c.logical_and(known, worse), 0.5, ratio)
        return Table(
            row=row,
            ends=ends,
            slopes=slopes,
            y1=y1,
            norm=norm,
            error=error,
            limit=c.where(known, c.maximum(4.0 * error, 1.0), table.limit),
            ratio=(ratio, *table.ratio[:2]),
            work=(work, *table.work[:2]),
            over=c.logical_or(over, row >= c.minimum(aim + 1, ROWS)),
        )

    def _substeps(self, system, t, y, dt, jacobian, count) -> tuple[Any, tuple[Any, ...]]:
        """Take linearly implicit Euler steps: the end, and derivatives there in units of the whole step."""
        b, solver = system.backend, self.solver
        length = dt / count
        factors = solver.factor(system, jacobian, 1.0 / length)

        def onward(carry):
            i, x, changes = carry
            i = i + 1.0
            change = solver.solve(system, factors, system.f(t + i * length, x))
            return i, x + change, (change, *changes[:-1])

        start = (b.real(0.0), y, (b.zeros_like(y),) * DERIVATIVES)
        _, x, changes = b.while_loop(lambda carry: carry[0] < count, onward, start, max_iterations=COUNTS[-1])
        slopes, power = [], 1.0
        for m in range(DERIVATIVES):
            power = power * count
            slopes.append(system.combine(None, power, [float((-1) ** i * comb(m, i)) for i in range(m + 1)], changes))
        return x, tuple(slopes)

    def _terms(self, system, y, table) -> tuple[tuple[Any, ...], Any]:
        """The polynomial that has the derivatives at the end, as many as the rows allow, and the state at the start.

        Also the term that it has for the latter.
        """
        b, c = system.backend, system.backend.control
        last = table.row - 1
        terms, there, rest = [], [], [y - table.y1]
        for m, (first, columns, slopes) in enumerate(zip(BEGINS, SLOPES, table.slopes, strict=True), 1):
            known = c.where(last >= first, 1.0, 0.0)
            weights = [known * weight / factorial(m) for weight in _picked(b, columns, last)]
            terms.append(system.combine(None, 1.0, weights, slopes))
            rest.append((-1.0) ** (m + 1) * terms[-1])
            there.append(known)
        rest = system.combine(None, 1.0, (1.0,) * len(rest), rest)
        # It is the power after the last one known that makes the polynomial begin where the step does.
        found = []
        for m, (term, here, before) in enumerate(zip([*terms, None], [*there, 0.0], [1.0, *there], strict=True), 1):
            sign = (-1.0) ** m * before * (1.0 - here)
            found.append(system.combine(term, sign, (1.0,), (rest,)))
        return tuple(found), rest

    def _choice(self, b, cache, table) -> tuple[Any, Any]:
        """The row to aim at next, and the ratio of step sizes: where a unit of time costs least."""
        c, row, one = b.control, table.row, b.integer(1)
        ratio, work = table.ratio, table.work
        aim, accepted = cache.aim, table.error <= 1.0
        costs = b.table([COSTS[0], *COSTS, COSTS[-1]])  # at a row, and at those beside it

        # Converged early or in time: this row, the one before, or the one after.
        lower = c.logical_and(row > LOWEST, work[1] < 0.8 * work[0])
        # Two rows don't tell whether more would pay: that must be tried.
        higher = c.logical_and(row < ROWS - 1, c.logical_or(work[0] < 0.9 * work[1], row < LOWEST))
        in_time = row + c.where(lower, -one, c.where(higher, one, b.integer(0)))
        grown = ratio[0] * b.pick(costs, c.minimum(row + 1, b.integer(ROWS))) / b.pick(costs, row)
        ratio_in_time = c.where(lower, ratio[1], c.where(higher, grown, ratio[0]))
        # Converged one row late: the row aimed at, the one before it, or this.
        lower = c.logical_and(row > LOWEST + 1, work[2] < 0.8 * work[1])
        same = c.logical_and(row < ROWS, work[0] < 0.9 * c.where(lower, work[2], work[1]))
        late = row - c.where(same, b.integer(0), c.where(lower, one + one, one))
        ratio_late = c.where(same, ratio[0], c.where(lower, ratio[2], ratio[1]))
        # Rejected.
        falls = c.logical_and(row > LOWEST, work[1] < 0.8 * work[0])
        rejected = c.minimum(aim, row) - c.where(falls, one, b.integer(0))
        ratio_rejected = c.minimum(c.where(falls, ratio[1], ratio[0]), 0.9)

        in_time_at_all = row <= aim
        chosen = c.where(in_time_at_all, in_time, late)
        factor = c.where(in_time_at_all, ratio_in_time, ratio_late)
        chosen = c.where(accepted, chosen, rejected)
        chosen = c.maximum(c.minimum(chosen, b.integer(ROWS - 1)), b.integer(LOWEST))
        return chosen, c.where(accepted, factor, ratio_rejected)

    def interpolate(self, system, dense, theta):
        """Evaluate the polynomial."""
        return collocated(system, dense, theta)
