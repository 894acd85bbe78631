"""Variable-step Adams formulas on modified divided differences (Hairer, Norsett & Wanner, section III.5).

All is done for every order up to the highest at once, by cumulative sums and products along the first axis of
small arrays, and then masked by the order in use: few operations, and no branch on a value.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

HIGHEST = 12
ROWS = HIGHEST + 1  # the corrector of order 13 wants the twelfth difference
NODES, WEIGHTS = (
    (x + shift) / 2 for x, shift in zip(np.polynomial.legendre.leggauss(7), (1, 0), strict=True)
)


class Grid(NamedTuple):
    """Constants in the library, precision and device of the state."""

    unit: Any  # (1, ..., 1): what makes an array of a control scalar
    rows: Any  # (ROWS, 1, ..., 1): 0, 1, ..., 12
    nodes: Any  # (7, 1, 1, ..., 1): of Gauss and Legendre on [0, 1], exact for the integrands below
    weights: Any

    def spread(self, system, value) -> Any:
        """Make an array that broadcasts against states of a control scalar."""
        return system.combine(None, value, (1.0,), (self.unit,))


def make_grid(system, y) -> Grid:
    """Build the constants for states like y."""
    xp = system.backend.xp
    unit = xp.ones_like(xp.abs(y[(slice(0, 1),) * y.ndim]))

    def column(values):
        return xp.stack([float(value) * unit for value in values])

    return Grid(unit, column(range(ROWS)), column(NODES)[:, None, ...], column(WEIGHTS)[:, None, ...])


def integrals(system, grid: Grid, ages, dt, theta) -> Any:
    """Compute ``dt * g_j(theta)``: the integral of the j-th Newton polynomial over the first part of a step.

    Parameters
    ----------
    ages : array (ROWS, 1, ..., 1 or lanes)
        ``t_n - t_(n-i)``.

    Returns
    -------
    array (ROWS, 1, ..., 1 or lanes)
        Integral of ``prod_(i<j) (s + ages_i) / (dt + ages_i)`` over ``0 < s < theta * dt``. All factors lie
        in [0, 1], so that no digits cancel.
    """
    xp = system.backend.xp
    part = grid.spread(system, theta * dt)
    previous = ages[:-1, ...]
    factors = (grid.nodes * part + previous) / (grid.spread(system, dt) + previous)
    products = xp.cumulative_prod(factors, axis=1, include_initial=True)
    return part * xp.sum(grid.weights * products, axis=0)


def rescaled(system, grid: Grid, differences, ages, dt) -> Any:
    """Compute the differences Phi* = beta Phi that a step of length `dt` extrapolates with."""
    xp = system.backend.xp
    h = grid.spread(system, dt)
    older = ages[1:, ...]
    # Before the first steps there are no older points; their differences are zero or out of use.
    ratios = (h + ages[:-1, ...]) / xp.where(older == 0.0, h, older)
    return xp.cumulative_prod(ratios, axis=0, include_initial=True) * differences


def updated(system, stars, f1) -> Any:
    """Compute the differences at the end of a step, where the derivative is `f1`."""
    xp = system.backend.xp
    return xp.cumulative_sum(xp.concat([f1[None, ...], -stars[:-1, ...]], axis=0), axis=0)


def aged(system, grid: Grid, ages, dt) -> Any:
    """Compute ``t_(n+1) - t_(n+1-i)``."""
    xp = system.backend.xp
    moved = ages + grid.spread(system, dt)
    return xp.concat([xp.zeros_like(moved[:1, ...]), moved[:-1, ...]], axis=0)
