"""Backward differentiation with a fixed leading coefficient, on modified divided differences of the solution."""

from __future__ import annotations

from itertools import accumulate, pairwise
from operator import mul
from typing import Any, NamedTuple

from ._differences import HIGHEST, ROWS, advanced, at, upto

LEADING = tuple(accumulate(1.0 / j for j in range(1, HIGHEST + 1)))


class Divided(NamedTuple):
    """Modified divided differences of the solution at the times stepped to, and how long ago those are.

    The j-th is ``a_1 ... a_j [y_n, ..., y_(n-j)]`` with the ages ``a_i = t_n - t_(n-i)``; at the start the derivative,
    with ages of zero.
    """

    values: tuple[Any, ...]
    ages: tuple[Any, ...]


class Prediction(NamedTuple):
    """What a formula makes of its memory before a step.

    The corrector seeks z in ``y' = slope + leading * z`` at ``y = value + z``.
    """

    value: Any
    slope: Any
    leading: Any
    memory: Any


class Terms(NamedTuple):
    """The local errors at the orders one below, here and one above: arrays like y."""

    below: Any
    here: Any
    above: Any


class Polynomial(NamedTuple):
    """The polynomial through the present and the last states, by their differences."""

    t: Any
    dt: Any
    y1: Any
    differences: tuple[Any, ...]
    ages: tuple[Any, ...]
    order: Any


def begun(system, slope) -> Divided:
    """The derivative, and no older times."""
    none = system.backend.zeros_like(slope)
    return Divided((slope, *[none] * (ROWS - 1)), (system.backend.real(0.0),) * HIGHEST)


def at_rest(system, t, y) -> Polynomial:
    """A step of no length."""
    b = system.backend
    return Polynomial(t, 0.0 * t, y, (b.zeros_like(y),) * HIGHEST, (b.real(1.0),) * HIGHEST, b.integer(1))


def predicted(system, y, dt, order, memory) -> Prediction:
    """Go on with the polynomial through the last states."""
    b, c = system.backend, system.backend.control
    first = memory.ages[0]
    scales = [c.where(first == 0.0, dt, dt / c.where(first == 0.0, 1.0, first))]
    for age, older in pairwise(memory.ages):
        # Older ones than there are have no use, and must not divide.
        scales.append(scales[-1] * (dt + age) / c.where(older == 0.0, dt, older))
    values = [system.combine(None, s, (1.0,), (x,)) for s, x in zip(scales, memory.values, strict=False)]
    values += memory.values[HIGHEST:]
    inside = upto(c, order)
    apart = (dt, *(dt + age for age in memory.ages))
    rates = [*map(mul, inside, accumulate(1.0 / each for each in apart))]
    value = system.combine(y, 1.0, inside, values)
    leading = b.pick(b.table(LEADING), order - 1) / dt
    return Prediction(value, system.combine(None, 1.0, rates, values), leading, Divided(tuple(values), apart))


def remembered(system, t, y, dt, order, memory, z) -> tuple[Divided, Terms, Polynomial]:
    """Take the correction z of a prediction into its memory: also the local errors, and the dense output."""
    c = system.backend.control
    apart = memory.ages
    values, last, beyond = advanced(system, order, z, memory.values)
    lengths = [dt / each for each in apart]
    # The error of the formula on these steps is the first constant's, or at least that of the polynomial.
    lost = [new + total - j for new, total, j in zip(lengths[1:], accumulate(lengths), LEADING, strict=False)]
    constants = [c.maximum(c.abs(gap), c.abs(new)) for gap, new in zip(lost, lengths[1:], strict=True)]
    lower = accumulate((float(j) * each for j, each in enumerate(lengths[1:], 1)), mul, initial=1.0)
    here = at(c, order, HIGHEST)
    terms = Terms(
        system.combine(None, sum(map(mul, here, lower)), (1.0,), (last,)),
        system.combine(None, sum(map(mul, here, constants)), (1.0,), (z,)),
        system.combine(None, 1.0 / (order + 2.0), (1.0,), (beyond,)),
    )
    y1 = system.combine(y, 1.0, (1.0,), (values[0],))
    ages = apart[:HIGHEST]
    return Divided(values, ages), terms, Polynomial(t, dt, y1, values[:HIGHEST], ages, order)


def interpolated(system, dense, theta) -> Any:
    """Evaluate the polynomial of a step."""
    ahead = (theta - 1.0) * dense.dt
    weights, product, behind = [], 1.0, 0.0
    for inside, age in zip(upto(system.backend.control, dense.order), dense.ages, strict=True):
        product = product * (ahead + behind) / age
        weights.append(inside * product)
        behind = age
    return system.combine(dense.y1, 1.0, weights, dense.differences)
