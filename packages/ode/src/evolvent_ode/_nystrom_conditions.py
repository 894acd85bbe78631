"""Order conditions of Nystrom methods for q'' = a(t, q, v) (Hairer, Norsett & Wanner, section II.14)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

# A tree stands for one derivative of `a`: the sorted tuple of what it is differentiated along. A branch is
# "c" (the straight line q0 + v0 t, or the time), ("q", tree) or ("v", tree): a correction to the position or
# to the velocity. The degree of a tree is the power of t that it multiplies in the Taylor series of the
# acceleration.


@cache
def _branches(degree: int, velocity: bool) -> tuple:
    found = [("c",)] if degree == 1 else [("q", tree) for tree in trees(degree - 2, velocity)]
    return (*found, *(("v", tree) for tree in trees(degree - 1, velocity))) if velocity else tuple(found)


@cache
def trees(degree: int, velocity: bool) -> tuple:
    """List the trees of one degree, those with velocity branches only where `a` depends on the velocity."""
    pool = [(d, branch) for d in range(1, degree + 1) for branch in _branches(d, velocity)]

    def forests(rest: int, first: int) -> Iterator[tuple]:
        if rest == 0:
            yield ()
        for i in range(first, len(pool)):
            size, branch = pool[i]
            if size <= rest:
                yield from ((branch, *others) for others in forests(rest - size, i))

    return tuple(forests(degree, 0))


def nystrom_residuals(
    c, a, a_velocity, b, b_velocity, order: int, theta: float = 1.0
) -> Iterator[tuple[str, tuple, float]]:
    """Yield the residual of every condition on positions and velocities at the fraction `theta` of the step.

    Parameters
    ----------
    c : array (s,)
        Nodes.
    a, a_velocity : arrays (s, s)
        Coefficients of the stages' positions (times dt**2) and velocities (times dt); `a_velocity` None when
        the acceleration does not depend on the velocity.
    b, b_velocity : arrays (s,)
        Weights of position and velocity at `theta`.
    order : int
        The order up to which conditions are wanted.
    """
    known: dict[tuple, tuple[np.ndarray, float]] = {}

    def expand(tree: tuple, degree: int) -> tuple[np.ndarray, float]:
        """The stages' values, and the factor kappa of the exact value kappa * x**degree."""
        if tree not in known:
            value, exact = np.ones_like(c), 1.0
            for kind, *inner in tree:
                if kind == "c":
                    value = value * c
                    continue
                power = _degree(inner[0])
                stages, kappa = expand(inner[0], power)
                value = value * ((a if kind == "q" else a_velocity) @ stages)
                exact *= kappa / ((power + 1) * (power + 2) if kind == "q" else power + 1)
            known[tree] = value, exact
        return known[tree]

    for degree in range(order):
        for tree in trees(degree, a_velocity is not None):
            value, exact = expand(tree, degree)
            yield "velocity", tree, float(b_velocity @ value) - exact * theta ** (degree + 1) / (degree + 1)
            if degree + 2 <= order:
                yield (
                    "position",
                    tree,
                    float(b @ value) - exact * theta ** (degree + 2) / ((degree + 1) * (degree + 2)),
                )


def _degree(tree: tuple) -> int:
    return sum(1 if kind == "c" else _degree(inner[0]) + (2 if kind == "q" else 1) for kind, *inner in tree)
