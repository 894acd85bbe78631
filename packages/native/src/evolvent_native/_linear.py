"""Linear systems, recorded: written out where they are small."""

from __future__ import annotations

from typing import Any

from evolvent.linear import written_out

from . import _functions as functions
from ._array import Array, array, cast
from ._functions.elementwise import real_dtype
from ._graph import INT, make, make_many

WRITTEN_OUT = 5  # rows of matrices that are factorised entry by entry: in half the time, and as quickly compiled


def lu(matrix: Any) -> tuple[Array, ...]:
    """Record a factorisation."""
    matrix = array(matrix)
    n = matrix.shape[0]
    if n <= WRITTEN_OUT:
        return written_out.lu(functions, matrix)
    # NaN everywhere where an entry is not finite: infinite pivots would vanish.
    spoilt = functions.sum(matrix * cast(array(0.0), real_dtype(matrix.dtype)))
    stacked = functions.reshape(matrix + spoilt, (1, n, n))
    factors, exchanges = make_many("lu", (stacked.node,), (((1, n, n), matrix.dtype), ((1, n), INT)))
    return Array(factors), Array(exchanges)


def lu_solve(factors: tuple[Any, ...], rhs: Any) -> Array:
    """Record a solution."""
    factors, rhs = tuple(map(array, factors)), array(rhs)
    n = rhs.shape[0]
    if n <= WRITTEN_OUT:
        return written_out.lu_solve(functions, factors, rhs)
    triangles, exchanges = factors
    right = functions.reshape(cast(rhs, triangles.dtype), (1, n, 1))
    found = make("lu_solve", (triangles.node, exchanges.node, right.node), (1, n, 1), triangles.dtype, (False,))
    return functions.reshape(Array(found), (n,))
