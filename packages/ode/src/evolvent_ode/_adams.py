"""Variable-step Adams formulas on modified divided differences (Hairer, Norsett & Wanner, section III.5).

The coefficients of every order up to the highest are control scalars, and those that the order in use leaves out
are zero: no branch on a value, and where a zero is known to be one its array is not touched.
"""

from __future__ import annotations

from itertools import accumulate, pairwise, repeat
from operator import mul
from typing import Any, NamedTuple

HIGHEST = 12
ROWS = HIGHEST + 1  # the corrector of order 13 wants the twelfth difference


def integrals(ages, dt, theta=None) -> list[Any]:
    """Compute g_j(theta): the integral of the j-th Newton polynomial over the first part of a step of length one.

    Parameters
    ----------
    ages : tuple of ROWS control scalars
        ``t_n - t_(n-i)``.
    theta : control scalar, optional
        How much of the step; the whole of it by default.

    Returns
    -------
    list of ROWS control scalars
        Integral of ``prod_(i<j) (s + a_i) / (1 + a_i)`` over ``0 < s < theta``, with ``a_i = ages_i / dt``: by
        recursion over repeated integrals, as Krogh and Shampine do.
    """
    powers = [1.0] * ROWS if theta is None else [*accumulate(repeat(theta, ROWS), mul)]
    repeated = [power / m for m, power in enumerate(powers, start=1)]
    found = [repeated[0]]
    for age in ages[:-1]:
        scale = dt / (dt + age)
        if theta is None:
            repeated = [once - scale * twice for once, twice in pairwise(repeated)]
        else:
            kept = (theta * dt + age) / (dt + age)
            repeated = [kept * once - scale * twice for once, twice in pairwise(repeated)]
        found.append(repeated[0])
    return found


def ratios(control, ages, dt) -> list[Any]:
    """Compute beta: the differences Phi* = beta Phi are those that a step of length `dt` extrapolates with."""
    found: list[Any] = [1.0]
    for age, older in pairwise(ages):
        # Before the first steps there are no older points; their differences are zero or out of use.
        found.append(found[-1] * (dt + age) / control.where(older == 0.0, dt, older))
    return found


class Order(NamedTuple):
    """The order in use as weights of the rows: where it is, and what lies below; each is zero or one."""

    here: list[Any]
    below: list[Any]

    @classmethod
    def of(cls, control, k) -> Order:
        """Make the weights for the order k."""
        here = [control.where(k == j, 1.0, 0.0) for j in range(ROWS)]
        return cls(here, [*accumulate(reversed(here[1:]))][::-1])

    def at(self, numbers) -> Any:
        """Pick the number of this order."""
        return sum(map(mul, self.here, numbers))


def combine(system, y, dt, weights, arrays) -> Any:
    """Sum as `system.combine` does, but don't so much as look at arrays whose weight is known to be zero."""
    used = [i for i, weight in enumerate(weights) if not (isinstance(weight, float) and weight == 0.0)]
    if not used:
        return system.backend.zeros_like(arrays[0]) if y is None else y
    return system.combine(y, dt, [weights[i] for i in used], [arrays[i] for i in used])


def updated(system, order: Order, beta, differences, f1) -> tuple[Any, ...]:
    """Compute the differences at the end of a step, where the derivative is `f1`, up to the one after the order."""
    found = [f1]
    wanted = [1.0, *order.below]
    for weight, difference in zip(map(mul, wanted, beta[:-1]), differences, strict=False):
        found.append(combine(system, found[-1], -1.0, (weight,), (difference,)))
    return tuple(found)


def aged(ages, dt) -> tuple[Any, ...]:
    """Compute ``t_(n+1) - t_(n+1-i)``."""
    return (0.0 * dt, *(age + dt for age in ages[:-1]))
