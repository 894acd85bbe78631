"""Linear algebra: products, and what small matrices are factorised for."""

from __future__ import annotations

import builtins
import math
import operator
from collections import namedtuple
from typing import Any, NoReturn

import numpy as np

from .. import _graph
from .._array import Array, array, broadcast, cast, common_dtype
from .._errors import StagingError
from .._graph import INT, make
from . import elementwise as each
from .creation import eye, iota
from .manipulation import axes_of, concat, expand_dims, matrix_transpose, moveaxis, permute_dims, reshape, stack
from .statistical import max, min, prod, sum

QRResult = namedtuple("QRResult", ["Q", "R"])
SlogdetResult = namedtuple("SlogdetResult", ["sign", "logabsdet"])


def _two(x1: Any, x2: Any) -> tuple[Array, Array]:
    x1, x2 = array(x1), array(x2)
    dtype = common_dtype(x1, x2)
    return cast(x1, dtype), cast(x2, dtype)


def _as(x: Array, shape: tuple[int, ...]) -> Array:
    return Array(make("reshape", (x.node,), shape, x.dtype))


def _size(shape: tuple[int, ...]) -> int:
    return math.prod(shape)


# ---------------------------------------------------------------- products
def matmul(x1: Any, x2: Any, /) -> Array:
    """The product of matrices, or of a matrix and a vector."""
    a, b = _two(x1, x2)
    if not a.ndim or not b.ndim:
        raise ValueError("matmul of a single number: use *")
    k = b.shape[0] if b.ndim == 1 else b.shape[-2]
    if a.shape[-1] != k:
        raise ValueError(f"matmul of shapes {a.shape} and {b.shape}: the last axis of one must match the other's")
    if a.ndim == 1 and b.ndim == 1:
        product = each.multiply(a, b)
        return Array(make("any" if product.dtype.kind == "b" else "sum", (product.node,), (), product.dtype, ((0,),)))
    left = _as(a, (1, *a.shape)) if a.ndim == 1 else a
    right = _as(b, (*b.shape, 1)) if b.ndim == 1 else b
    n, m = left.shape[-2], right.shape[-1]
    batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    count = _size(batch)
    left = _as(broadcast(left, (*batch, n, k)), (count, n, k))
    right = _as(broadcast(right, (*batch, k, m)), (count, k, m))
    dtype = a.dtype
    if dtype.kind == "b":
        left, right = cast(left, INT), cast(right, INT)
    node = make("matmul", (left.node, right.node), (count, n, m), left.dtype)
    shape = batch + (() if a.ndim == 1 else (n,)) + (() if b.ndim == 1 else (m,))
    return cast(Array(make("reshape", (node,), shape, left.dtype)), dtype)


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Array:
    """The inner product of vectors along an axis; x1 is conjugated."""
    a, b = _two(x1, x2)
    if not a.ndim or not b.ndim:
        raise ValueError("vecdot of a single number: use *")
    if axis >= 0 and a.ndim != b.ndim:
        raise ValueError(f"axis = {axis}: count it from the end, as the arrays have {a.ndim} and {b.ndim} axes")
    first, second = moveaxis(a, axis, -1), moveaxis(b, axis, -1)
    if first.shape[-1] != second.shape[-1]:
        raise ValueError(f"vecdot of shapes {a.shape} and {b.shape}: axis {axis} differs")
    product = each.multiply(each.conj(first), second)
    return _summed(product, (product.ndim - 1,))


def _summed(x: Array, axes: tuple[int, ...]) -> Array:
    """The sum in the array's own dtype."""
    if not axes:
        return x
    shape = tuple(n for i, n in enumerate(x.shape) if i not in axes)
    return Array(make("any" if x.dtype.kind == "b" else "sum", (x.node,), shape, x.dtype, (axes,)))


def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Array:
    """The sum of products over several axes of both."""
    a, b = _two(x1, x2)
    if isinstance(axes, int | np.integer):
        n = operator.index(axes)
        first, second = tuple(range(a.ndim - n, a.ndim)), tuple(range(n))
    else:
        first, second = (axes_of(side if isinstance(side, tuple | list) else (side,), x.ndim)
                         for side, x in zip(axes, (a, b), strict=True))  # fmt: skip
    if tuple(a.shape[i] for i in first) != tuple(b.shape[i] for i in second):
        raise ValueError(f"tensordot of shapes {a.shape} and {b.shape}: the summed axes {first} and {second} differ")
    rest_a = tuple(i for i in range(a.ndim) if i not in first)
    rest_b = tuple(i for i in range(b.ndim) if i not in second)
    n, m = _size(tuple(a.shape[i] for i in rest_a)), _size(tuple(b.shape[i] for i in rest_b))
    k = _size(tuple(a.shape[i] for i in first))
    left = _as(permute_dims(a, rest_a + first), (n, k))
    right = _as(permute_dims(b, second + rest_b), (k, m))
    return _as(matmul(left, right), tuple(a.shape[i] for i in rest_a) + tuple(b.shape[i] for i in rest_b))


def outer(x1: Any, x2: Any, /) -> Array:
    """All products of an entry of x1 and one of x2."""
    a, b = array(x1), array(x2)
    return each.multiply(reshape(a, (a.size, 1)), reshape(b, (1, b.size)))


def dot(x1: Any, x2: Any, /) -> Array:
    """NumPy's dot: the product of matrices and vectors; numbers multiply."""
    a, b = array(x1), array(x2)
    if not a.ndim or not b.ndim:
        return each.multiply(a, b)
    if a.ndim <= 2 and b.ndim <= 2:
        return matmul(a, b)
    return tensordot(a, b, axes=((a.ndim - 1,), (0 if b.ndim == 1 else b.ndim - 2,)))


def inner(x1: Any, x2: Any, /) -> Array:
    """NumPy's inner product, over the last axes."""
    a, b = array(x1), array(x2)
    if not a.ndim or not b.ndim:
        return each.multiply(a, b)
    return tensordot(a, b, axes=((a.ndim - 1,), (b.ndim - 1,)))


def kron(x1: Any, x2: Any, /) -> Array:
    """The Kronecker product."""
    a, b = array(x1), array(x2)
    ndim = 2 if a.ndim == b.ndim == 2 else builtins.max(a.ndim, b.ndim)
    a, b = _as(a, (1,) * (ndim - a.ndim) + a.shape), _as(b, (1,) * (ndim - b.ndim) + b.shape)
    wide = _as(a, tuple(n for pair in zip(a.shape, (1,) * ndim, strict=True) for n in pair))
    narrow = _as(b, tuple(n for pair in zip((1,) * ndim, b.shape, strict=True) for n in pair))
    return _as(each.multiply(wide, narrow), tuple(n * m for n, m in zip(a.shape, b.shape, strict=True)))


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Array:
    """The cross product of vectors with three components."""
    a, b = _two(x1, x2)
    a, b = moveaxis(a, axis, -1), moveaxis(b, axis, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError(f"axis = {axis}: cross products need three components, not {a.shape[-1]} and {b.shape[-1]}")
    (a0, a1, a2), (b0, b1, b2) = ([x[..., i] for i in range(3)] for x in (a, b))
    parts = [
        each.subtract(each.multiply(p, q), each.multiply(r, s))
        for p, q, r, s in ((a1, b2, a2, b1), (a2, b0, a0, b2), (a0, b1, a1, b0))
    ]
    return moveaxis(stack(parts, axis=-1), -1, axis)


def einsum(subscripts: Any, *operands: Any, **unused: Any) -> Array:
    """Sums of products by index letters; without an ellipsis."""
    if not isinstance(subscripts, str) or "." in subscripts:
        raise StagingError("np.einsum with an ellipsis or lists of axes: name every index by a letter")
    left, arrow, kept = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ValueError(f"einsum of {len(operands)} arrays with {len(terms)} terms in {subscripts!r}")
    if not arrow:
        joined = "".join(terms)
        kept = "".join(sorted(c for c in set(joined) if joined.count(c) == 1))
    labelled = [_without_repeats(term, array(x)) for term, x in zip(terms, operands, strict=True)]
    while len(labelled) > 1:
        first, second = labelled.pop(0), labelled.pop(0)
        needed = set(kept).union(*(term for term, _ in labelled))
        labelled.insert(0, _contracted(first, second, needed))
    term, x = labelled[0]
    x = _summed(x, tuple(i for i, c in enumerate(term) if c not in kept))
    term = "".join(c for c in term if c in kept)
    return permute_dims(x, tuple(term.index(c) for c in kept))


def _without_repeats(term: str, x: Array) -> tuple[str, Array]:
    if len(term) != x.ndim:
        raise ValueError(f"einsum: {term!r} for an array with {x.ndim} axes")
    for c in dict.fromkeys(term):
        while term.count(c) > 1:
            i = term.index(c)
            j = term.index(c, i + 1)
            x = diagonal(moveaxis(x, (i, j), (-2, -1)))
            term = term[:i] + term[i + 1 : j] + term[j + 1 :] + c
    return term, x


def _contracted(first: tuple[str, Array], second: tuple[str, Array], needed: set[str]) -> tuple[str, Array]:
    (p, a), (q, b) = first, second
    shared = [c for c in p if c in q]
    if all(c not in needed for c in shared):
        x = tensordot(a, b, axes=([p.index(c) for c in shared], [q.index(c) for c in shared]))
        return "".join(c for c in p + q if c not in shared), x
    every = "".join(dict.fromkeys(p + q))
    lengths = dict(zip(p + q, a.shape + b.shape, strict=True))

    def spread(term: str, x: Array) -> Array:
        order = [term.index(c) for c in every if c in term]
        return _as(permute_dims(x, order), tuple(lengths[c] if c in term else 1 for c in every))

    x = each.multiply(spread(p, a), spread(q, b))
    x = _summed(x, tuple(i for i, c in enumerate(every) if c not in needed))
    return "".join(c for c in every if c in needed), x


# ---------------------------------------------------------------- diagonals
def diagonal(x: Any, /, *, offset: int = 0) -> Array:
    """The diagonals of matrices."""
    x = array(x)
    if x.ndim < 2:
        raise ValueError(f"diagonal of an array of shape {x.shape}: it needs two axes")
    n, m = x.shape[-2:]
    places = np.arange(n * m).reshape(n, m).diagonal(offset)
    flat = reshape(x, (*x.shape[:-2], n * m))
    return Array(flat[..., places].node)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Array:
    """The sums of diagonals."""
    return sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def diag(x: Any, k: int = 0) -> Array:
    """NumPy's diag: a matrix with a diagonal, or the diagonal of a matrix."""
    x = array(x)
    if x.ndim == 2:
        return diagonal(x, offset=k)
    n = x.size + abs(k)
    places = np.diag(np.arange(x.size) + 1, k).reshape(-1)
    found = each.where(places > 0, Array(x[np.maximum(places - 1, 0)].node), array(0, x.dtype))
    return _as(found, (n, n))


# ---------------------------------------------------------------- factorisations
def _matrices(x: Any, name: str, square: bool = True) -> Array:
    x = each.floating(x)
    if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
        raise ValueError(f"{name}: {'square matrices are' if square else 'a matrix is'} needed, the shape is {x.shape}")
    return x


def _stacked(x: Array) -> Array:
    return _as(x, (_size(x.shape[:-2]), *x.shape[-2:]))


def _factorised(x: Array) -> tuple[Any, Any]:
    stacked = _stacked(x)
    count, n, _ = stacked.shape
    factors, exchanges = _graph.make_many("lu", (stacked.node,), (((count, n, n), x.dtype), ((count, n), INT)))
    return factors, exchanges


def solve(x1: Any, x2: Any, /) -> Array:
    """The solution x of x1 @ x = x2."""
    a, b = _two(each.floating(x1), x2)
    a = _matrices(a, "solve")
    n = a.shape[-1]
    right = _as(b, (*b.shape, 1)) if b.ndim == 1 else b
    if not b.ndim or right.shape[-2] != n:
        raise ValueError(f"solve: {n} equations, but right sides of shape {b.shape}")
    m = right.shape[-1]
    batch = np.broadcast_shapes(a.shape[:-2], right.shape[:-2])
    factors, exchanges = _factorised(broadcast(a, (*batch, n, n)))
    sides = _stacked(broadcast(right, (*batch, n, m)))
    node = make("lu_solve", (factors, exchanges, sides.node), sides.shape, a.dtype, (False,))
    return _as(Array(node), (*batch, n) if b.ndim == 1 else (*batch, n, m))


def inv(x: Any, /) -> Array:
    """The inverse matrices."""
    x = _matrices(x, "inv")
    return solve(x, eye(x.shape[-1], dtype=x.dtype))


def _parity(exchanges: Any) -> Array:
    """1 or -1 for an even or odd number of rows that were exchanged."""
    rows = Array(exchanges)
    odd = each.not_equal(rows, iota(rows.shape[-1]))
    return prod(each.where(odd, -1, 1), axis=-1)


def det(x: Any, /) -> Array:
    """The determinants."""
    x = _matrices(x, "det")
    factors, exchanges = _factorised(x)
    found = each.multiply(prod(diagonal(Array(factors)), axis=-1), cast(_parity(exchanges), x.dtype))
    return _as(found, x.shape[:-2])


def slogdet(x: Any, /) -> SlogdetResult:
    """The determinants' signs, and logarithms of their sizes."""
    x = _matrices(x, "slogdet")
    factors, exchanges = _factorised(x)
    found = diagonal(Array(factors))
    signs = each.multiply(prod(each.sign(found), axis=-1), cast(_parity(exchanges), x.dtype))
    logs = sum(each.log(each.abs(found)), axis=-1)
    return SlogdetResult(_as(signs, x.shape[:-2]), _as(logs, x.shape[:-2]))


def cholesky(x: Any, /, *, upper: bool = False) -> Array:
    """The triangular factors of positive definite matrices; NaN where they are not."""
    x = _matrices(x, "cholesky")
    stacked = _stacked(x)
    found = _as(Array(make("cholesky", (stacked.node,), stacked.shape, x.dtype)), x.shape)
    return Array(each.conj(matrix_transpose(found)).node) if upper else found


def qr(x: Any, /, *, mode: str = "reduced") -> QRResult:
    """Orthonormal columns Q and an upper triangle R with Q @ R = x; in mode 'complete' Q is square."""
    x = _matrices(x, "qr", square=False)
    if mode not in ("reduced", "complete"):
        raise StagingError(f"qr with mode = {mode!r}: use 'reduced' or 'complete'")
    n, k = x.shape[-2:]
    if mode == "complete" and k < n:  # further columns, of the identity, give directions for the rest of Q
        rest = broadcast(eye(n, n - k, dtype=x.dtype), (*x.shape[:-1], n - k))
        q, r = qr(concat((x, rest), axis=-1))
        return QRResult(q, Array(r[..., :k].node))
    stacked = _stacked(x)
    count, n, k = stacked.shape
    m = builtins.min(n, k)
    q, r = _graph.make_many("qr", (stacked.node,), (((count, n, m), x.dtype), ((count, m, k), x.dtype)))
    batch = x.shape[:-2]
    return QRResult(_as(Array(q), (*batch, n, m)), _as(Array(r), (*batch, m, k)))


def matrix_power(x: Any, n: int, /) -> Array:
    """The matrices multiplied by themselves."""
    x = array(x)
    n = operator.index(n)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"matrix_power: square matrices are needed, the shape is {x.shape}")
    if n < 0:
        x, n = inv(x), -n
    if not n:
        return Array(broadcast(eye(x.shape[-1], dtype=x.dtype), x.shape).node)
    found = None
    while True:
        if n & 1:
            found = x if found is None else matmul(found, x)
        n >>= 1
        if not n:
            return Array(found.node)  # type: ignore[union-attr]
        x = matmul(x, x)


# ---------------------------------------------------------------- norms
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Array:
    """The norm of vectors along axes."""
    x = each.floating(x)
    size = each.abs(x)
    if ord == math.inf:
        return max(size, axis=axis, keepdims=keepdims)
    if ord == -math.inf:
        return min(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        return cast(sum(each.not_equal(x, 0), axis=axis, keepdims=keepdims), size.dtype)
    if ord == 1:
        return sum(size, axis=axis, keepdims=keepdims)
    if ord == 2:
        return each.sqrt(sum(_squares(x), axis=axis, keepdims=keepdims))
    return each.pow(sum(each.pow(size, ord), axis=axis, keepdims=keepdims), 1.0 / ord)


def _squares(x: Array) -> Array:
    if x.dtype.kind != "c":
        return each.multiply(x, x)
    return each.add(each.square(each.real(x)), each.square(each.imag(x)))


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    """The Frobenius norm of matrices, or their largest column (1) or row (inf) sum."""
    x = _matrices(x, "matrix_norm", square=False)
    if ord == "fro":
        return each.sqrt(sum(_squares(x), axis=(-2, -1), keepdims=keepdims))
    if ord not in (1, -1, math.inf, -math.inf):
        raise StagingError(f"matrix_norm with ord = {ord!r}: use 'fro', 1, -1, inf or -inf")
    along, over = (-2, -1) if ord in (1, -1) else (-1, -2)
    sums = sum(each.abs(x), axis=along, keepdims=True)
    found = (max if ord > 0 else min)(sums, axis=over, keepdims=True)
    return found if keepdims else _as(found, x.shape[:-2])


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """NumPy's norm of vectors and matrices."""
    x = array(x)
    if axis is None and (ord is None or x.ndim == 1):
        found = vector_norm(x, ord=2 if ord is None else ord)
        return _as(found, (1,) * x.ndim) if keepdims else found
    if axis is None and x.ndim == 2:
        return matrix_norm(x, ord=ord, keepdims=keepdims)
    axes = axes_of(axis, x.ndim)
    if len(axes) == 1:
        return vector_norm(x, axis=axis, keepdims=keepdims, ord=2 if ord is None else ord)
    if len(axes) != 2:
        raise ValueError(f"axis = {axis}: norms are of vectors or matrices")
    found = matrix_norm(moveaxis(x, axes, (-2, -1)), ord="fro" if ord is None else ord)
    return expand_dims(found, axis=axes) if keepdims else found


def _refuse(name: str, instead: str) -> NoReturn:
    raise StagingError(f"linalg.{name} of recorded matrices isn't supported: {instead}")


def eigh(x: Any, /) -> NoReturn:
    """Not supported."""
    _refuse("eigh", "compute it before the solve")


def eigvalsh(x: Any, /) -> NoReturn:
    """Not supported."""
    _refuse("eigvalsh", "compute it before the solve")


def svd(x: Any, /, *, full_matrices: bool = True) -> NoReturn:
    """Not supported."""
    _refuse("svd", "use qr, or compute it before the solve")


def svdvals(x: Any, /) -> NoReturn:
    """Not supported."""
    _refuse("svdvals", "compute them before the solve")


def pinv(x: Any, /, *, rtol: Any = None) -> NoReturn:
    """Not supported."""
    _refuse("pinv", "use solve or qr")


def matrix_rank(x: Any, /, *, rtol: Any = None) -> NoReturn:
    """Not supported."""
    _refuse("matrix_rank", "compute it before the solve")


MAIN = (
    "cross",
    "diag",
    "diagonal",
    "dot",
    "einsum",
    "inner",
    "kron",
    "matmul",
    "outer",
    "tensordot",
    "trace",
    "vecdot",
)
__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]
