"""Backward differences on an equidistant grid that ends at the present, and their change to a grid of other spacing."""

from __future__ import annotations

from fractions import Fraction
from math import comb, factorial
from typing import Any

HIGHEST = 5
ROWS = HIGHEST + 1  # the estimate at the highest order wants the difference after it


def _newton_power(j: int) -> list[Fraction]:
    """The coefficients, by rising powers of s, of the j-th Newton polynomial ``s (s + 1) ... (s + j - 1) / j!``."""
    powers = [Fraction(1)]
    for m in range(j):
        powers = [m * here + below for here, below in zip([*powers, Fraction(0)], [Fraction(0), *powers], strict=True)]
    return [power / factorial(j) for power in powers]


def _respaced(i: int, j: int) -> tuple[float, ...]:
    """The i-th difference with spacing r of the j-th Newton polynomial, by rising powers of r from the i-th on."""
    return tuple(
        float(power * sum((-1) ** (m + part) * comb(i, part) * part**m for part in range(i + 1)))
        for m, power in enumerate(_newton_power(j))
        if m >= i
    )


RESPACED = tuple(tuple(_respaced(i, j) for j in range(i, HIGHEST + 1)) for i in range(1, HIGHEST + 1))


def upto(control, order, count=HIGHEST) -> list[Any]:
    """Weights of the differences 1 to `count`: one up to the order, zero above."""
    return [control.where(order >= j, 1.0, 0.0) for j in range(1, count + 1)]


def at(control, order, count=ROWS) -> list[Any]:
    """Weights of the differences 1 to `count`: one at the order, zero elsewhere."""
    return [control.where(order == j, 1.0, 0.0) for j in range(1, count + 1)]


def respaced(system, order, ratio, differences) -> tuple[Any, ...]:
    """Compute the differences with `ratio` times the spacing of the polynomial of this order; none above it.

    The weights are polynomials of the ratio: Shampine and Reichelt's ``R(ratio) U``, multiplied out.
    """
    inside = upto(system.backend.control, order)
    found = []
    for i, row in enumerate(RESPACED):
        weights = []
        for weight, coefficients in zip(inside[i:], row, strict=True):
            value = 0.0
            for coefficient in reversed(coefficients):
                value = value * ratio + coefficient
            weights.append(weight * value * ratio ** (i + 1))
        found.append(system.combine(None, 1.0, weights, differences[i:HIGHEST]))
    none = system.backend.zeros_like(found[0])
    return (*found, *[none] * (len(differences) - HIGHEST))


def advanced(system, order, correction, differences) -> tuple[tuple[Any, ...], Any, Any]:
    """Compute the differences one step further, where that of the order after this one is `correction`.

    Returns
    -------
    differences : tuple of arrays
    last, beyond : array
        Those of this order and, two above, of the order after the next.
    """
    control = system.backend.control
    inside, here = upto(control, order, ROWS), at(control, order)
    last = system.combine(correction, 1.0, here, differences)
    beyond = system.combine(correction, -1.0, here[:-1], differences[1:])
    found: list[Any] = []
    later = correction
    for j in range(ROWS - 1, -1, -1):
        # From the top: none, then those two above and one above the order, and sums from there down.
        new = (here[j - 1] if j >= 1 else 0.0, here[j - 2] if j >= 2 else 0.0)
        weights = (inside[j], inside[j], *new)
        later = system.combine(None, 1.0, weights, (differences[j], later, correction, beyond))
        found.append(later)
    return tuple(reversed(found)), last, beyond


def newton_weights(control, order, s) -> list[Any]:
    """Weights of the differences in the polynomial of this order at `s` steps from the present."""
    weights, product = [], 1.0
    for j, inside in enumerate(upto(control, order), start=1):
        product = product * (s + (j - 1.0)) / j
        weights.append(inside * product)
    return weights
