"""Large matrices by SciPy's BLAS and LAPACK, where SciPy is installed.

Machine code names the functions (`evolvent_dgetrf`), and their addresses are given when it is loaded: see `provide`.
They know columns, ours are rows: what they read is the transposed matrix, which is said in each place.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from .._builder import Function, Module
from .._graph import INT
from .writing import Array, Value, Writer, kernel

# Rows and columns from which on a call is faster than the loops written here, measured with one thread.
LARGE = {"matmul": 96, "lu": 96, "lu_solve": 160, "cholesky": 64}
PREFIX = "evolvent_"
_LETTERS = {"f4": "s", "f8": "d", "c8": "c", "c16": "z"}
_BLAS, _LAPACK = ("gemm", "trsm"), ("getrf", "potrf")
_INT32 = np.dtype(np.int32)


@cache
def available() -> str:
    """The version of SciPy, or nothing if it is not installed: part of what generated code depends on.

    SciPy is not imported for that.
    """
    try:
        return version("scipy")
    except PackageNotFoundError:
        return ""


@cache
def provide() -> bool:
    """Make the functions known to the linker; tell whether there are any.

    To be called before code is loaded that may have been written in another process.
    """
    if not available():
        return False
    try:
        blas, lapack = (import_module(f"scipy.linalg.cython_{name}") for name in ("blas", "lapack"))
    except ImportError:
        return False
    found = {}
    for names, module in ((_BLAS, blas), (_LAPACK, lapack)):
        for name in names:
            for letter in _LETTERS.values():
                capsule: Any = getattr(module, "__pyx_capi__", {}).get(letter + name)
                if capsule is None or "int *" not in _signature(capsule):
                    return False  # a build whose integers are not 32 bits wide
                found[f"{PREFIX}{letter}{name}"] = _address(capsule)
    from .._machine import provide_symbol

    for symbol, address in found.items():
        provide_symbol(symbol, address)
    return True


def _signature(capsule: Any) -> str:
    get = ctypes.pythonapi.PyCapsule_GetName
    get.restype, get.argtypes = ctypes.c_char_p, [ctypes.py_object]
    return (get(capsule) or b"").decode()


def _address(capsule: Any) -> int:
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return get(capsule, _signature(capsule).encode())


def takes(op: str, kind: np.dtype, size: int, module: Module | None = None) -> bool:
    """Whether an operation whose smallest extent is `size` is left to SciPy's functions."""
    if size < LARGE[op] or kind.str[1:] not in _LETTERS or (module is not None and module.target != "host"):
        return False
    return provide()


def _call(function: Function, kind: np.dtype, name: str, *arguments: str) -> None:
    symbol = f"{PREFIX}{_LETTERS[kind.str[1:]]}{name}"
    function.module.declare(symbol, "void", ["ptr"] * len(arguments))
    function.void(f"call void @{symbol}({', '.join(f'ptr {x}' for x in arguments)})")


def _letter(function: Function, letter: str) -> str:
    return function.module.constant(np.dtype(np.int8), letter.encode())


def _number(function: Function, kind: np.dtype, value: float) -> str:
    return function.module.constant(kind, np.asarray(value, kind).tobytes())


def _integer(w: Writer, value: Value) -> str:
    """The address of a 32-bit integer."""
    pointer = w.function.alloca("i32")
    w.array(_INT32, pointer)[0] = value.to(_INT32)
    return pointer


def matmul(module: Module, kind: np.dtype) -> str:
    """(a, b, out, batch, n, k, m): by columns, the second factor's transpose times the first one's."""

    def write(w: Writer, a, b, out, batch, n, k, m):
        f = w.function
        rows, depth, columns = (_integer(w, x) for x in (n, k, m))
        plain, one, zero = _letter(f, "N"), _number(f, kind, 1), _number(f, kind, 0)
        with w.loop(0, batch) as p:
            left, right = w.array(kind, a).at(p * n * k).pointer, w.array(kind, b).at(p * k * m).pointer
            product = w.array(kind, out).at(p * n * m).pointer
            sizes = (columns, rows, depth)
            _call(f, kind, "gemm", plain, plain, *sizes, one, right, columns, left, depth, zero, product, columns)

    return kernel(module, ("blas_matmul", kind), ("a", "b", "out", "<batch>", "<n>", "<k>", "<m>"), write)


def _transpose(w: Writer, target: Array, source: Array, n: Value) -> None:
    with w.loop(0, n) as i:
        row = target.at(i * n)
        with w.loop(0, n) as j:
            row[j] = source[j * n + i]


def lu(module: Module, kind: np.dtype) -> str:
    """(a, factors, exchanges, work, batch, n).

    By columns it would be the transpose that is factored, with exchanged columns; so it is turned before and after.
    `work` holds n * n entries and n 32-bit integers.
    """

    def write(w: Writer, a, factors, exchanges, work, batch, n):
        f = w.function
        size, info = _integer(w, n), f.alloca("i32")
        turned = w.array(kind, work)
        pivots = w.array(_INT32, turned.at(n * n).pointer)
        with w.loop(0, batch) as p:
            _transpose(w, turned, w.array(kind, a).at(p * n * n), n)
            _call(f, kind, "getrf", size, size, work, size, pivots.pointer, info)
            _transpose(w, w.array(kind, factors).at(p * n * n), turned, n)
            order = w.array(INT, exchanges).at(p * n)
            with w.loop(0, n) as i:
                order[i] = pivots[i].to(INT) - 1

    return kernel(module, ("lapack_lu", kind), ("a", "factors", "exchanges", "work", "<batch>", "<n>"), write)


def lu_solve(module: Module, kind: np.dtype, *, transposed: bool) -> str:
    """(factors, exchanges, b, x, batch, n, m).

    By columns the factors are the upper L^T and the lower U^T, and the unknowns X^T, which are solved for from the
    right: ``L Y = B`` is ``Y^T L^T = B^T``.
    """
    from .linear_algebra import exchange_rows

    def write(w: Writer, factors, exchanges, b, x, batch, n, m):
        f = w.function
        w.copy(kind, x, b, batch * n * m)
        exchange = exchange_rows(module, kind, back=transposed)
        size, columns, one = _integer(w, n), _integer(w, m), _number(f, kind, 1)
        right, how = _letter(f, "R"), _letter(f, "T" if transposed else "N")
        upper, unit, lower, plain = (_letter(f, letter) for letter in "UULN")
        with w.loop(0, batch) as p:
            matrix, values = w.array(kind, factors).at(p * n * n).pointer, w.array(kind, x).at(p * n * m).pointer
            order = w.array(INT, exchanges).at(p * n).pointer
            rest = (columns, size, one, matrix, size, values, columns)
            if not transposed:
                w.call(exchange, values, order, n, m)
                _call(f, kind, "trsm", right, upper, how, unit, *rest)
            _call(f, kind, "trsm", right, lower, how, plain, *rest)
            if transposed:
                _call(f, kind, "trsm", right, upper, how, unit, *rest)
                w.call(exchange, values, order, n, m)

    key = ("lapack_lu_solve", kind, int(transposed))
    return kernel(module, key, ("factors", "exchanges", "b", "x", "<batch>", "<n>", "<m>"), write)


def cholesky(module: Module, kind: np.dtype) -> str:
    """(a, out, batch, n): by columns our lower triangle is the upper one of the conjugate matrix, U^H U = conj(A)."""
    from .linear_algebra import fill, not_a_number

    def write(w: Writer, a, out, batch, n):
        f = w.function
        w.copy(kind, out, a, batch * n * n)
        size, info, upper = _integer(w, n), f.alloca("i32"), _letter(f, "U")
        with w.loop(0, batch) as p:
            factor = w.array(kind, out).at(p * n * n)
            _call(f, kind, "potrf", upper, size, factor.pointer, size, info)
            with w.loop(0, n) as i, w.loop(i + 1, n) as j:
                factor[i * n + j] = 0
            with w.when(~w.array(_INT32, info)[0].equals(0)):
                fill(w, factor, n * n, not_a_number(kind))

    return kernel(module, ("lapack_cholesky", kind), ("a", "out", "<batch>", "<n>"), write)
