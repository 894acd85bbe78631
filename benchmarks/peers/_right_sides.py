"""The problems in the words of numba: ``f(t, y, dy, p)`` on pointers, by the name of the C program's header."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .cases.pollu import pollu


def lorenz(t, y, dy, p):
    """Lorenz's equations; p = sigma, rho, beta."""
    dy[0] = p[0] * (y[1] - y[0])
    dy[1] = y[0] * (p[1] - y[2]) - y[1]
    dy[2] = y[0] * y[1] - p[2] * y[2]


def lotka_volterra(t, y, dy, p):
    """Predator and prey; p = a, b, c, d."""
    dy[0] = p[0] * y[0] - p[1] * y[0] * y[1]
    dy[1] = p[3] * y[0] * y[1] - p[2] * y[1]


def pleiades(t, y, dy, p):
    """Seven stars of masses 1 to 7: positions x, y and their velocities, seven each."""
    for i in range(7):
        dy[i] = y[14 + i]
        dy[7 + i] = y[21 + i]
        pull_x = pull_y = 0.0
        for j in range(7):
            if j != i:
                x, z = y[j] - y[i], y[7 + j] - y[7 + i]
                square = x * x + z * z
                weight = (j + 1) / (square * math.sqrt(square))
                pull_x += weight * x
                pull_y += weight * z
        dy[14 + i] = pull_x
        dy[21 + i] = pull_y


def filling(rhs: Callable[..., Any]) -> Callable[..., None]:
    """A right side without parameters that returns a list, as one that fills `dy`."""
    import numba

    compiled = numba.njit(rhs)

    def fill(t, y, dy, p):
        for i, value in enumerate(compiled(t, y, None)):
            dy[i] = value

    return fill


def of(problem: str) -> Callable[..., None]:
    """The right side of a problem, ready for ``numba.cfunc``."""
    if problem == "pollu":
        return filling(pollu)
    return {"lorenz": lorenz, "lotka_volterra": lotka_volterra, "pleiades": pleiades}[problem]
