"""Extrapolation of the linearly implicit Euler method."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar, NamedTuple

from evolvent_stepping import Step, Work

from ._implicit import Implicit
from ._radau import Collocation, collocated

COUNTS = (2, 3, 4, 6, 8, 12, 16, 24, 32)
ROWS = len(COUNTS)
# What rows up to each cost: a Jacobian as much as five calls of f, factors and solutions as much as one.
COSTS = tuple(accumulate((2.0 * count + 1.0 for count in COUNTS), initial=5.0))[1:]
# The weights of Aitken and Neville's scheme; zero where the row has ended.
WEIGHTS = tuple(
    tuple(1.0 / (COUNTS[j] / COUNTS[j - k] - 1.0) if 0 < k <= j else 0.0 for k in range(ROWS)) for j in range(ROWS)
)
LOWEST = 3  # rows at least aimed at
GROWTH = 4.0


def _ratio(c, error, row) -> Any:
    """The step size that a row of the table asks for, as SEULEX bounds it."""
    power = 1.0 / row
    least = c.power(0.1, power)
    needed = c.power(c.maximum(error, 1e-15) / 0.6, power) / 0.93
    return 1.0 / c.minimum(c.maximum(needed, least / GROWTH), 1.0 / least)


def _extrapolated(system, weights, first, before) -> tuple[Any, ...]:
    """A row of Aitken and Neville's scheme, from its first entry and the row before; then its last, over and over."""
    row = [first]
    for weight, old in zip(weights[1:], before, strict=False):
        row.append(system.combine(None, 1.0, (1.0 + weight, -weight), (row[-1], old)))
    return tuple(row)


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
    """The last row of the extrapolation table, for the state at the end and its first two derivatives there.

    `norm` and `error` are the estimated error on the two planes, `limit` is what the next must be below. `ratio` and
    `work` are the step size that row and those before it ask for, and what a unit of time costs then.
    """

    row: Any
    values: tuple[Any, ...]
    slopes: tuple[Any, ...]
    bends: tuple[Any, ...]
    norm: Any
    error: Any
    limit: Any
    ratio: tuple[Any, Any, Any]
    work: tuple[Any, Any, Any]
    ends: Any
    calls: Any


@dataclass(frozen=True)
class ImplicitEulerExtrapolation(Implicit):
    """ImplicitEulerExtrapolation: variable order up to 9, for stiff systems and DAEs whose f is cheap.

    Linearly implicit Euler steps, 2 to 32 of them, are extrapolated until the error is small enough. Order and step
    size follow from the work that a unit of time costs. One Jacobian a step, one factorisation for each row of the
    table, no iteration. Third-order dense output from extrapolated derivatives. The state may have algebraic components
    (a singular mass matrix).

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
    dense_order = 3
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
        return Collocation(t, 0.0 * t, y, (zero,) * 3)

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
            values=none,
            slopes=none,
            bends=none,
            norm=b.stop_gradient(system.scaled_norm(y, y, y)),
            error=real,
            limit=b.real(1e15),
            ratio=(real,) * 3,
            work=(real,) * 3,
            ends=b.boolean(False),
            calls=zero,
        )
        table = b.while_loop(
            lambda table: c.logical_not(table.ends),
            lambda table: self._row(system, t, y, dt, cache, jacobian, table),
            table,
            max_iterations=ROWS,
        )
        y1, slope, bend = table.values[-1], table.slopes[-1], 0.5 * table.bends[-1]
        dense = Collocation(t, dt, y1, (slope, bend, y1 - y - slope + bend))
        accepted = table.error <= 1.0
        aim, factor = self._choice(b, cache, table)
        yes, no = b.boolean(True), b.boolean(False)
        after = Plan(aim, no, no, jacobian, yes)
        retry = Plan(aim, cache.first, yes, jacobian, no)
        made = c.where(cache.old, one, zero)
        work = Work(table.calls, made, table.row, table.calls, zero)
        # After a rejection steps don't grow; at the start, where nothing was rejected, they may.
        bounded = c.logical_and(accepted, cache.rejected)
        factor = c.where(bounded, c.minimum(factor, 1.0), factor)
        return Step(y1, table.norm, after, dense, factor, retry, work)

    def error_norm(self, system, error, y0, y1):
        """Hand on the norm, which ended the table."""
        return error

    def _row(self, system, t, y, dt, cache, jacobian, table) -> Table:
        """Add a row to the table, and judge it."""
        b, c = system.backend, system.backend.control
        j, aim = table.row, cache.aim
        count = b.pick(b.table([1.0 * count for count in COUNTS]), j)
        end, slope, bend = self._substeps(system, t, y, dt, jacobian, count)
        weights = [b.pick(b.table(WEIGHTS), j, k) for k in range(ROWS)]
        values = _extrapolated(system, weights, end, table.values)
        slopes = _extrapolated(system, weights, slope, table.slopes)
        bends = _extrapolated(system, weights, bend, table.bends)
        # The difference of the row's last entry from that before.
        picked = [c.where(j == k, 1.0, 0.0) - c.where(j == k + 1, 1.0, 0.0) for k in range(ROWS)]
        norm = b.stop_gradient(system.scaled_norm(system.combine(None, 1.0, picked, values), y, values[-1]))
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
        ends = c.logical_or(converged, c.logical_and(known, c.logical_or(late, worse)))
        ratio = c.where(c.logical_and(known, worse), 0.5, ratio)
        return Table(
            row=row,
            values=values,
            slopes=slopes,
            bends=bends,
            norm=norm,
            error=error,
            limit=c.where(known, c.maximum(4.0 * error, 1.0), table.limit),
            ratio=(ratio, *table.ratio[:2]),
            work=(work, *table.work[:2]),
            ends=c.logical_or(ends, row >= c.minimum(aim + 1, ROWS)),
            calls=table.calls + b.pick(b.table(COUNTS), j),
        )

    def _substeps(self, system, t, y, dt, jacobian, count) -> tuple[Any, Any, Any]:
        """Take linearly implicit Euler steps: the end, and differences there in units of the whole step."""
        b, solver = system.backend, self.solver
        length = dt / count
        factors = solver.factor(system, jacobian, 1.0 / length)

        def onward(carry):
            i, x, change, _ = carry
            i = i + 1.0
            new = solver.solve(system, factors, system.f(t + i * length, x))
            return i, x + new, new, change

        zero = b.zeros_like(y)
        start = (b.real(0.0), y, zero, zero)
        _, x, last, before = b.while_loop(lambda carry: carry[0] < count, onward, start, max_iterations=COUNTS[-1])
        slope = system.combine(None, count, (1.0,), (last,))
        return x, slope, system.combine(None, count * count, (1.0, -1.0), (last, before))

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
        """Evaluate the cubic through both ends with the derivatives at the second."""
        return collocated(system, dense, theta)
