"""LU factorisation written out, entry by entry: for small matrices, and for stacks of them along trailing axes."""

from __future__ import annotations

from typing import Any


def lu(xp: Any, matrix: Any) -> tuple[Any, ...]:
    """Factorise with partial pivoting, by nothing but elementwise functions.

    Parameters
    ----------
    xp : namespace
        Of the Array API, or a recording one.
    matrix : array
        (n, n), or with lanes behind.

    Returns
    -------
    tuple of arrays
        The triangles, with the inverse pivots on the diagonal, and which rows were exchanged in which order (nothing
        for a single number). All is NaN behind a pivot that is zero, or not finite, or where an entry is not.
    """
    n = matrix.shape[0]
    a = [[matrix[i, j, ...] for j in range(n)] for i in range(n)]
    # Zero, or NaN: an infinite entry could vanish, as a pivot by which is divided.
    spoilt = xp.sum(matrix * 0, axis=(0, 1))
    a[0] = [x + spoilt for x in a[0]]
    exchanges = []
    for k in range(n):
        for i in range(k + 1, n):
            larger = _size(xp, a[i][k]) > _size(xp, a[k][k])
            exchanges.append(larger)
            for j in range(k, n):
                a[k][j], a[i][j] = xp.where(larger, a[i][j], a[k][j]), xp.where(larger, a[k][j], a[i][j])
        a[k][k] = 1 / a[k][k]
        for i in range(k + 1, n):
            a[i][k] = a[i][k] * a[k][k]
            for j in range(k + 1, n):
                a[i][j] = a[i][j] - a[i][k] * a[k][j]
    triangles = xp.stack([xp.stack(row) for row in a])
    return (triangles, xp.stack(exchanges)) if exchanges else (triangles,)


def lu_solve(xp: Any, factors: tuple[Any, ...], rhs: Any) -> Any:
    """Solve with the factors of `lu`."""
    triangles, *exchanges = factors
    n = triangles.shape[0]
    x = [rhs[i, ...] for i in range(n)]
    place = 0
    for k in range(n):
        for i in range(k + 1, n):
            larger = exchanges[0][place, ...]
            x[k], x[i] = xp.where(larger, x[i], x[k]), xp.where(larger, x[k], x[i])
            place += 1
        for i in range(k + 1, n):
            x[i] = x[i] - triangles[i, k, ...] * x[k]
    for k in reversed(range(n)):
        for j in range(k + 1, n):
            x[k] = x[k] - triangles[k, j, ...] * x[j]
        x[k] = x[k] * triangles[k, k, ...]
    return xp.stack(x)


def _size(xp: Any, x: Any) -> Any:
    """A magnitude to compare pivots by, without a root."""
    return xp.abs(xp.real(x)) + xp.abs(xp.imag(x)) if xp.isdtype(x.dtype, "complex floating") else xp.abs(x)
