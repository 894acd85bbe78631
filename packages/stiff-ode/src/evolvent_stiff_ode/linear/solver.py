"""What an implicit method asks of a linear solver."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import prod
from typing import Any

from evolvent import InputError
from evolvent_stepping import Part


@dataclass(frozen=True)
class LinearSolver(ABC):
    """Solves a step's linear systems, ``(shift * M - J) x = r``: an immutable value, a field of implicit methods.

    `prepared` settles what depends on the problem, on the host and before anything is staged: sizes, patterns,
    orderings. The rest are pure functions of arrays, written with the backend's operations alone. What a solver calls
    J is its own affair: entries of a matrix, those of a pattern, or the point at which to multiply by the Jacobian.

    States have the shape of y; vectors of n entries, and trailing lanes, are made of them by `flat`.
    """

    def prepared(self, model) -> LinearSolver:
        """Settle what depends on the problem; returns a value whose equality decides whether code can be shared."""
        return self

    def parts(self, model) -> dict[str, Part]:
        """List the functions to be staged: "jacobian", ``(t, y, params)`` to J, and what else this solver calls."""
        key = None if getattr(model.problem, "jacobian", None) is not None else ("dense jacobian", model.splits)
        return {"jacobian": Part(lambda t, y, params: dense_jacobian(model, t, y, params), key=key)}

    @abstractmethod
    def factor(self, system, jacobian, shift, imaginary=None) -> Any:
        """Prepare ``shift * M - J``, with the complex shift ``shift + 1j * imaginary`` where that is given.

        Parameters
        ----------
        jacobian
            What ``system.jacobian(t, y)`` gave.
        shift, imaginary : control scalar
            Usually ``1 / (gamma * dt)``.

        Returns
        -------
        tree of arrays
            Of fixed structure and shapes, to be carried through loops and steps. Where the matrix is singular or not
            finite `solve` gives what is not finite: the step is then taken anew with a smaller size.
        """

    @abstractmethod
    def solve(self, system, factors, rhs) -> Any:
        """Solve for a right side of the shape of y."""

    def bound(self, system, jacobian) -> Any:
        """Bound the spectral radius of the Jacobian: a data-plane scalar, infinite where nothing is known."""
        b, n = system.backend, jacobian.shape[0]
        return norm_bound(b, jacobian, n)

    def times(self, system, jacobian, x) -> Any:
        """Multiply the Jacobian by an array like y."""
        b = system.backend
        return unflat(b, matrix_times(b, jacobian, flat(b, x)), x)


def norm_bound(b, entries, longest: int) -> Any:
    """Bound the spectral radius of a matrix with no more than `longest` entries in a row.

    The smaller one of two norms: Frobenius', and that of row sums with every entry taken for the largest.
    """
    xp = b.xp
    size = xp.abs(entries)
    axes = tuple(range(len(size.shape) - len(b.lanes)))
    return xp.minimum(xp.sqrt(xp.sum(size * size, axis=axes)), longest * xp.max(size, axis=axes))


def flat(b, x) -> Any:
    """The entries of a state as a vector, with the lanes behind."""
    return b.xp.reshape(x, (-1, *b.lanes))


def unflat(b, x, like) -> Any:
    """A vector in the shape of a state."""
    return b.xp.reshape(x, like.shape)


def matrix_times(b, matrix, x) -> Any:
    """Multiply a dense matrix, (n, n) and lanes, by a vector, (n,) and lanes."""
    if b.lanes and len(matrix.shape) == 3:
        return b.xp.sum(matrix * x[None, ...], axis=1)
    return b.xp.matmul(matrix, x)


def size_of(model) -> int:
    """The number of equations."""
    shape = model.y0.shape
    return prod(shape[: len(shape) - len(model.backend.lanes)])


def dense_jacobian(model, t, y, params) -> Any:
    """The Jacobian as a matrix: the user's, or derived of f."""
    b, n = model.backend, size_of(model)
    if getattr(model.problem, "jacobian", None) is None:
        return b.jacobian(lambda y: model.derivative(t, y, params), y)
    given = model.given_jacobian(t, y, params)
    if hasattr(given, "toarray"):
        given = given.toarray()
    shape = tuple(given.shape) if hasattr(given, "shape") else None
    if shape is not None and shape not in ((n, n), (n, n, *b.lanes)):
        raise InputError("jacobian", f"returned shape {shape} where ({n}, {n}) is needed, the derivative of f by y.")
    return b.as_array(given, y, (n, n, *b.lanes), "jacobian")
