"""Sparse LU factorisations with a known pattern, recorded."""

from __future__ import annotations

from typing import Any

from ._array import Array, array, broadcast, cast
from ._functions.elementwise import floating
from ._functions.manipulation import matrix_transpose, reshape
from ._graph import make
from ._kernels.sparse import SECTIONS


def sparse_lu(symbolic: Any, values: Any) -> Array:
    """Record the factorisation of the matrix with these values, by the symbolic factorisation's plan."""
    plan, values = symbolic.plan, floating(values)
    node = make("sparse_lu", (values.node, array(plan.numbers).node), (plan.size,), values.dtype, _attributes(plan))
    return Array(node)


def sparse_solve(symbolic: Any, factors: Any, rhs: Any) -> Array:
    """Record the solution for right sides of shape (n,) or (n, m)."""
    plan, factors = symbolic.plan, array(factors)
    rhs = cast(floating(rhs), factors.dtype)
    sides = matrix_transpose(rhs) if rhs.ndim == 2 else reshape(rhs, (1, plan.n))
    inputs = (factors.node, array(plan.numbers).node, broadcast(sides, sides.shape).node)
    found = Array(make("sparse_solve", inputs, sides.shape, factors.dtype, _attributes(plan)))
    return matrix_transpose(found) if rhs.ndim == 2 else reshape(found, (plan.n,))


def _attributes(plan: Any) -> tuple[int, ...]:
    return (plan.n, plan.count, plan.widest, plan.size, *plan.offsets[:SECTIONS])
