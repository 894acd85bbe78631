"""Runge-Kutta order conditions, from rooted trees (Butcher 1963)."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np


class Forest(NamedTuple):
    """The rooted trees with at most some number of vertices, smallest first.

    A tree is a number, 0 the single vertex. Tree ``i > 0`` is the tree ``trunk[i]`` with the tree
    ``branch[i]`` grafted on its root; branches are grafted in ascending order, so each tree occurs once.
    """

    trunk: np.ndarray
    branch: np.ndarray
    size: np.ndarray
    density: np.ndarray

    def draw(self, tree: int) -> str:
        """Write a tree as nested brackets, ``[[][]]`` for a root with two leaves."""
        if tree == 0:
            return "[]"
        return f"{self.draw(int(self.trunk[tree]))[:-1]}{self.draw(int(self.branch[tree]))}]"


@cache
def forest(order: int) -> Forest:
    """List the rooted trees with at most `order` vertices."""
    trunk, branch, size = [0], [0], [1]
    product = [1]  # of the densities of a root's branches
    first = [0, 0, 1]  # the first tree of each size
    for vertices in range(2, order + 1):
        for small in range(1, vertices):
            for stem in range(first[vertices - small], first[vertices - small + 1]):
                for graft in range(max(branch[stem], first[small]), first[small + 1]):
                    trunk.append(stem)
                    branch.append(graft)
                    size.append(vertices)
                    product.append(product[stem] * small * product[graft])
        first.append(len(size))
    sizes = np.array(size)
    return Forest(np.array(trunk), np.array(branch), sizes, sizes * np.array(product, dtype=float))


def stage_weights(a: np.ndarray, order: int) -> np.ndarray:
    """Compute ``phi[i, tree]``, the weight of stage i in the order condition of each tree of `forest`."""
    trees = forest(order)
    phi = np.ones((len(a), len(trees.size)), dtype=a.dtype)
    lifted = np.empty_like(phi)
    ends = np.searchsorted(trees.size, range(1, order + 2))
    for start, end in pairwise(ends):
        if start > 0:
            phi[:, start:end] = phi[:, trees.trunk[start:end]] * lifted[:, trees.branch[start:end]]
        lifted[:, start:end] = a @ phi[:, start:end]
    return phi


def order_residuals(a: np.ndarray, b: np.ndarray, order: int, theta: float = 1.0) -> np.ndarray:
    """Compute ``b . phi(tree) - theta**size / density`` for every tree of `forest`.

    Parameters
    ----------
    a : array (s, s)
        The method's coefficients.
    b : array (s,)
        Its weights, or its dense output's weights at `theta`.
    order : int
        The largest number of vertices.
    theta : float
        The fraction of the step at which the weights apply.
    """
    trees = forest(order)
    return b @ stage_weights(a, order) - theta**trees.size / trees.density
