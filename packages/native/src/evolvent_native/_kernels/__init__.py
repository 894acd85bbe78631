"""Operations on whole arrays that are neither elementwise nor views, as functions of LLVM's.

Arrays are contiguous, row-major, at addresses; one function, made once in a module, serves all shapes. Where SciPy is
installed, large matrices are left to its LAPACK (`lapack`), so what is written depends on `lapack.available()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from .._builder import Function
from . import lapack, linear_algebra, products, scans, sorting, sparse
from .writing import call, copy

Shape = tuple[int, ...]


def emit(
    function: Function,
    op: str,
    attrs: tuple[Any, ...],
    input_kinds: Sequence[np.dtype],
    input_shapes: Sequence[Shape],
    input_pointers: Sequence[str],
    output_kinds: Sequence[np.dtype],
    output_shapes: Sequence[Shape],
    output_pointers: Sequence[str],
    scratch_pointer: str,
) -> None:
    """Write what computes one node of `KERNELS`.

    Parameters
    ----------
    input_pointers, output_pointers : sequence of str
        Where the arrays are; results overlap neither each other nor inputs.
    scratch_pointer : str
        Memory of `scratch_bytes`, aligned to 16 bytes; anything if there are none.
    """
    if any(0 in shape for shape in output_shapes):
        return
    _EMITTERS[op](
        function,
        attrs,
        _Arrays(input_kinds, input_shapes, input_pointers),
        _Arrays(output_kinds, output_shapes, output_pointers),
        scratch_pointer,
    )


def scratch_bytes(
    op: str, attrs: tuple[Any, ...], input_kinds: Sequence[np.dtype], input_shapes: Sequence[Shape]
) -> int:
    """How much memory `emit` wants for itself."""
    kind, shape = input_kinds[0], input_shapes[0]
    if op == "qr":
        return kind.itemsize * (shape[1] + 2) * shape[2]
    if op == "sort":
        return 2 * kind.itemsize * shape[attrs[0]]
    if op == "argsort":
        n = shape[attrs[0]]
        return -(-kind.itemsize * n // 8) * 8 + 16 * n
    if op in ("sparse_lu", "sparse_solve"):
        n, _, widest = attrs[:3]
        return kind.itemsize * ((sparse.PANEL if op == "sparse_lu" else 1) * n + widest)
    if op == "lu" and lapack.takes(op, kind, shape[1]):
        return kind.itemsize * shape[1] ** 2 + 4 * shape[1] + 64
    return 0


class _Arrays:
    """Dtypes, shapes and addresses of a node's inputs or results."""

    def __init__(self, kinds: Sequence[np.dtype], shapes: Sequence[Shape], pointers: Sequence[str]):
        self.kinds, self.shapes, self.pointers = kinds, shapes, pointers


def _matmul(function: Function, attrs: Any, x: _Arrays, out: _Arrays, scratch: str) -> None:
    (batch, n, k), m, kind = x.shapes[0], x.shapes[1][2], out.kinds[0]
    if lapack.takes("matmul", kind, min(n, k, m), function.module):
        name = lapack.matmul(function.module, kind)
    elif m == 1:
        name = products.matvec(function.module, kind)
        call(function, name, *x.pointers, *out.pointers, batch, n, k)
        return
    else:
        name = products.matmul(function.module, kind)
    call(function, name, *x.pointers, *out.pointers, batch, n, k, m)


def _lu(function: Function, attrs: Any, x: _Arrays, out: _Arrays, scratch: str) -> None:
    (batch, n, _), kind = x.shapes[0], x.kinds[0]
    if lapack.takes("lu", kind, n, function.module):
        name = lapack.lu(function.module, kind)
        call(function, name, *x.pointers, *out.pointers, scratch, batch, n)
        return
    _copied(function, kind, x, out)
    call(function, linear_algebra.lu(function.module, kind), *out.pointers, batch, n)


def _copied(function: Function, kind: np.dtype, x: _Arrays, out: _Arrays) -> None:
    copy(function, out.pointers[0], x.pointers[0], kind.itemsize * prod(x.shapes[0]))


def _lu_solve(function: Function, attrs: Any, x: _Arrays, out: _Arrays, scratch: str) -> None:
    (batch, n, _), m, kind = x.shapes[0], x.shapes[2][2], x.kinds[0]
    if lapack.takes("lu_solve", kind, min(n, 2 * m), function.module):
        name = lapack.lu_solve(function.module, kind, transposed=bool(attrs[0]))
    else:
        name = linear_algebra.lu_solve(function.module, kind, transposed=bool(attrs[0]), single=m == 1)
    call(function, name, *x.pointers, *out.pointers, batch, n, m)


def _triangular_solve(function: Function, attrs: Any, x: _Arrays, out: _Arrays, scratch: str) -> None:
    (batch, n, _), m, kind = x.shapes[0], x.shapes[1][2], x.kinds[0]
    lower, unit, transposed = (bool(flag) for flag in attrs)
    name = linear_algebra.triangular_solve(
        function.module, kind, lower=lower, unit=unit, transposed=transposed, single=m == 1
    )
    call(function, name, *x.pointers, *out.pointers, batch, n, m)


def _cholesky(function: Function, attrs: Any, x: _Arrays, out: _Arrays, scratch: str) -> None:
    (batch, n, _), kind = x.shapes[0], x.kinds[0]
    if lapack.takes("cholesky", kind, n, function.module):
        name = lapack.cholesky(function.module, kind)
    else:
        name = linear_algebra.cholesky(function.module, kind)
    call(function, name, *x.pointers, *out.pointers, batch, n)


def _qr(function: Function, attrs: Any, x: _Arrays, out: _Arrays, scratch: str) -> None:
    batch, n, k = x.shapes[0]
    name = linear_algebra.qr(function.module, x.kinds[0])
    call(function, name, *x.pointers, *out.pointers, batch, n, k, scratch)


def _sparse_lu(function: Function, attrs: Any, x: _Arrays, out: _Arrays, scratch: str) -> None:
    call(function, sparse.lu(function.module, x.kinds[0]), *x.pointers, *out.pointers, scratch, *attrs)


def _sparse_solve(function: Function, attrs: Any, x: _Arrays, out: _Arrays, scratch: str) -> None:
    name = sparse.solve(function.module, x.kinds[0])
    call(function, name, *x.pointers, *out.pointers, scratch, x.shapes[2][0], *attrs)


def _around(shape: Shape, axis: int) -> tuple[int, int, int]:
    """Entries before, along and behind an axis."""
    axis %= len(shape)
    return prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])


def _sort(places: bool) -> Any:
    def write(function: Function, attrs: Any, x: _Arrays, out: _Arrays, scratch: str) -> None:
        axis, descending = attrs
        name = sorting.sort(function.module, x.kinds[0], descending=bool(descending), places=places)
        call(function, name, *x.pointers, *out.pointers, *_around(x.shapes[0], axis), scratch)

    return write


def _searchsorted(function: Function, attrs: Any, x: _Arrays, out: _Arrays, scratch: str) -> None:
    name = sorting.searchsorted(function.module, x.kinds[0], right=attrs[0] == "right")
    call(function, name, *x.pointers, *out.pointers, x.shapes[0][0], prod(x.shapes[1]))


def _running(op: str) -> Any:
    def write(function: Function, attrs: Any, x: _Arrays, out: _Arrays, scratch: str) -> None:
        name = scans.running(function.module, op, x.kinds[0], out.kinds[0])
        call(function, name, *x.pointers, *out.pointers, *_around(x.shapes[0], attrs[0]))

    return write


def _extreme_place(least: bool) -> Any:
    def write(function: Function, attrs: Any, x: _Arrays, out: _Arrays, scratch: str) -> None:
        name = sorting.extreme_place(function.module, x.kinds[0], least=least)
        call(function, name, *x.pointers, *out.pointers, *_around(x.shapes[0], attrs[0]))

    return write


_EMITTERS = {
    "matmul": _matmul,
    "lu": _lu,
    "lu_solve": _lu_solve,
    "triangular_solve": _triangular_solve,
    "cholesky": _cholesky,
    "qr": _qr,
    "sparse_lu": _sparse_lu,
    "sparse_solve": _sparse_solve,
    "sort": _sort(places=False),
    "argsort": _sort(places=True),
    "searchsorted": _searchsorted,
    "cumsum": _running("add"),
    "cumprod": _running("mul"),
    "argmax": _extreme_place(least=False),
    "argmin": _extreme_place(least=True),
}
KERNELS = frozenset(_EMITTERS)
