"""How changes go through products of matrices, factorisations and solves.

The rules differentiate the equation that a result solves, never the steps of the elimination.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _graph
from .._graph import Node
from .recording import (
    add,
    fill,
    lu_solve,
    matmul,
    mul,
    neg,
    permute,
    reshape,
    sub,
    transpose,
    triangle,
    triangular_solve,
    unary,
    where,
)
from .walk import NotDifferentiable, result


def adjoint(x: Node) -> Node:
    """The conjugate transpose."""
    return unary("conj", transpose(x)) if x.dtype.kind == "c" else transpose(x)


def folded(t: Node, lead: tuple[int, ...]) -> Node:
    """Directions of (K, b, n, m) beside each other, as columns (b, n, K m)."""
    if not lead:
        return t
    k, b, n, m = t.shape
    return reshape(permute(t, (1, 2, 0, 3)), (b, n, k * m))


def unfolded(x: Node, lead: tuple[int, ...]) -> Node:
    """The columns (b, n, K m) as directions (K, b, n, m) again."""
    if not lead:
        return x
    (k,) = lead
    b, n, columns = x.shape
    return permute(reshape(x, (b, n, k, columns // k)), (2, 0, 1, 3))


def before(a: Node, t: Node, lead: tuple[int, ...]) -> Node:
    """A matrix times a change."""
    return unfolded(matmul(a, folded(t, lead)), lead)


def after(t: Node, b: Node, lead: tuple[int, ...]) -> Node:
    """A change times a matrix."""
    if not lead:
        return matmul(t, b)
    if t.shape[1] == 1:
        k, _, n, m = t.shape
        return reshape(matmul(reshape(t, (1, k * n, m)), b), (k, 1, n, b.shape[2]))
    return transpose(before(transpose(b), transpose(t), lead))


def _matmul(f, node: Node) -> Node:
    a, b = node.inputs
    da, db = f.of(a), f.of(b)
    if da is None:
        return before(a, db, f.lead)
    first = after(da, b, f.lead)
    return first if db is None else add(first, before(a, db, f.lead))


def _lu(f, node: Node) -> list:
    # The change of the matrix stands for that of the factors, until someone asks for these.
    return [f.of(node.inputs[0]), None]


def lu_change(f, node: Node) -> Node | None:
    """The change of the packed factors: L^-1 P dA U^-1 = L^-1 dL + dU U^-1, below and above the diagonal."""
    da = f.of(node.inputs[0].inputs[0])
    if da is None or node.attrs[0] == 1:
        return None
    factors, exchanges = node, result(node.inputs[0], 1, node.shape[:2], _graph.INT)
    lower, upper = unpacked(factors)
    relative = unfolded(lu_solve(factors, exchanges, folded(da, f.lead), False), f.lead)
    inner = _divided_by(before(upper, relative, f.lead), factors, f.lead)
    below = before(lower, triangle(inner, True, False), f.lead)
    above = after(triangle(inner, False, True), upper, f.lead)
    return add(triangle(below, True, False), triangle(above, False, True))


def unpacked(factors: Node) -> tuple[Node, Node]:
    """L, with its unit diagonal, and U."""
    one = np.eye(factors.shape[-1], dtype=factors.dtype)
    ones = _graph.make("broadcast", (_graph.constant(one),), factors.shape, factors.dtype)
    return add(triangle(factors, True, False), ones), triangle(factors, False, True)


def _divided_by(t: Node, upper: Node, lead: tuple[int, ...]) -> Node:
    """A change times the inverse of an upper triangle."""
    turned = folded(transpose(t), lead)
    return transpose(unfolded(triangular_solve(upper, turned, False, transposed=True), lead))


def _lu_solve(f, node: Node) -> Node | None:
    factors, exchanges, b = node.inputs
    (transposed,) = node.attrs
    db = f.of(b)
    if is_factors(factors) and not f.is_known(factors):
        da = f.of(factors.inputs[0].inputs[0])
        if da is not None:
            moved = after(transpose(da) if transposed else da, node, f.lead)
            db = neg(moved) if db is None else sub(db, moved)
        return None if db is None else _solved(f, factors, exchanges, db, transposed)
    # The factors came from elsewhere, through a loop's carry for instance: only their own change is known.
    change = None if db is None else _solved(f, factors, exchanges, db, transposed)
    df = f.of(factors)
    if df is None:
        return change
    _, upper = unpacked(factors)
    dl, du = triangle(df, True, False), triangle(df, False, True)
    if transposed:
        # U' L' P X = B
        y = triangular_solve(factors, b, False, transposed=True)
        px = triangular_solve(factors, y, True, True, True)
        moved = add(after(transpose(du), y, f.lead), before(transpose(upper), after(transpose(dl), px, f.lead), f.lead))
        moved = _solved(f, factors, exchanges, moved, True)
    else:
        # L U X = P B
        moved = after(dl, matmul(upper, node), f.lead)
        moved = triangular_solve(factors, folded(moved, f.lead), True, True)
        moved = add(moved, folded(after(du, node, f.lead), f.lead))
        moved = unfolded(triangular_solve(factors, moved, False), f.lead)
    return neg(moved) if change is None else sub(change, moved)


def is_factors(x: Node) -> bool:
    return x.op == "result" and x.inputs[0].op == "lu"


def _solved(f, factors: Node, exchanges: Node, t: Node, transposed: bool) -> Node:
    return unfolded(lu_solve(factors, exchanges, folded(t, f.lead), transposed), f.lead)


def _triangular_solve(f, node: Node) -> Node:
    a, b = node.inputs
    lower, unit, transposed = node.attrs
    da, db = f.of(a), f.of(b)
    if da is not None:
        da = triangle(da, lower, not unit)
        moved = after(transpose(da) if transposed else da, node, f.lead)
        db = neg(moved) if db is None else sub(db, moved)
    return unfolded(triangular_solve(a, folded(db, f.lead), *node.attrs), f.lead)


def _halved(x: Node) -> Node:
    """The lower triangle with half of the diagonal."""
    half = fill(0.5, x.shape, x.dtype)
    return mul(half, add(triangle(x, True, False), triangle(x, True, True)))


def _cholesky(f, node: Node) -> Node:
    """L^-1 dA L^-H = L^-1 dL + its adjoint; of the change, the symmetric part counts."""
    da = f.of(node.inputs[0])
    da = mul(fill(0.5, da.shape, da.dtype), add(da, adjoint(da)))
    left = unfolded(triangular_solve(node, folded(da, f.lead), True), f.lead)
    inner = adjoint(unfolded(triangular_solve(node, folded(adjoint(left), f.lead), True), f.lead))
    return before(node, _halved(inner), f.lead)


def _qr(f, node: Node) -> list[Node]:
    """With dA R^-1 = dQ + Q dR R^-1, where Q^H dQ is skew and dR R^-1 upper triangular."""
    (x,) = node.inputs
    b, n, k = x.shape
    if n < k:
        raise NotDifferentiable(
            f"qr: the derivative is known for matrices of full rank that are not wide, not {n} x {k}"
        )
    q = result(node, 0, (b, n, k), x.dtype)
    r = result(node, 1, (b, k, k), x.dtype)
    relative = _divided_by(f.of(x), r, f.lead)
    inner = before(adjoint(q), relative, f.lead)
    below = triangle(inner, True, False)
    skew = sub(below, adjoint(below))
    if x.dtype.kind == "c":
        # The diagonal of R stays real: what is imaginary there turns Q.
        diagonal = where(
            _graph.constant(np.eye(k, dtype=bool)), sub(inner, unary("conj", inner)), fill(0, inner.shape, x.dtype)
        )
        skew = add(skew, mul(fill(0.5, diagonal.shape, x.dtype), diagonal))
    dq = add(before(q, sub(skew, inner), f.lead), relative)
    return [dq, after(sub(inner, skew), r, f.lead)]


RULES: dict[str, Any] = {
    "matmul": _matmul,
    "lu": _lu,
    "lu_solve": _lu_solve,
    "triangular_solve": _triangular_solve,
    "cholesky": _cholesky,
    "qr": _qr,
}
