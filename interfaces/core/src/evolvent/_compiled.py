"""Right sides that were compiled elsewhere: C functions by their address, and those of numba."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from ._errors import InputError
from ._events import check_arity
from ._trees import flatten, unflatten

_POINTER = ctypes.POINTER(ctypes.c_double)
_NEEDS_PYTHON = 4  # the flag of functions that may only run with the interpreter's lock: those of ctypes.PyDLL


class ByAddress:
    """A C function ``void f(double t, double *y, double *dydt, double *params)``, called on NumPy arrays.

    A second-order problem's is ``void a(double t, double *q, double *v, double *dvdt, double *params)``. The state is
    passed row-major, its parts behind each other, as a copy; the parameters likewise, numbers as doubles. The function
    must fill all of dydt, and leave the parameters alone.

    Attributes
    ----------
    function
        What the user gave: it keeps the code alive.
    pointer
        The same as a function of ctypes'.
    """

    def __init__(self, function: Any, pointer: Any):
        self.function, self.pointer = function, pointer

    @property
    def address(self) -> int:
        return ctypes.cast(self.pointer, ctypes.c_void_p).value or 0

    def __call__(self, t: Any, *arguments: Any) -> Any:
        *states, params = arguments
        leaves, structure = flatten(states[0], lists=False)
        given = [*map(_flat, states), _flat(params)]
        out = np.empty(given[0].size)
        given.insert(-1, out)
        self.pointer(float(t), *(x.ctypes.data_as(_POINTER) for x in given))
        parts, at = [], 0
        for x in leaves:
            parts.append(out[at : at + np.size(x)].reshape(np.shape(x)))
            at += np.size(x)
        return unflatten(structure, parts)


class InPlace:
    """A function of numba's that fills an array: ``f(t, y, dydt, params)``, as one that returns it."""

    def __init__(self, function: Any):
        self.function = function

    def __call__(self, t: Any, *arguments: Any) -> Any:
        *states, params = arguments
        out = np.empty_like(states[0])
        self.function(t, *states, out, params)
        return out


def is_dispatcher(function: Any) -> bool:
    """Whether something is a function of ``numba.njit``; numba is not imported for that."""
    return type(function).__module__.split(".")[0] == "numba" and hasattr(function, "py_func")


def check_right_side(name: str, function: Any, arguments: str) -> None:
    """Refuse what can't be called as a right side of `arguments`, such as "t, y, params"."""
    count = arguments.count(",") + 1
    pointer = _pointer(function)
    if pointer is not None:
        _check_pointer(name, pointer, count)
    elif not _fills(function, count):
        check_arity(name, function, arguments)


def adapted(function: Any, count: int) -> Callable[..., Any]:
    """A right side as a function of Python's of `count` arguments."""
    pointer = _pointer(function)
    if pointer is not None:
        return ByAddress(function, pointer)
    return InPlace(function) if _fills(function, count) else function


def is_compiled(function: Any) -> bool:
    """Whether a right side, as `adapted` gives it, was compiled elsewhere."""
    return isinstance(function, ByAddress | InPlace) or is_dispatcher(function)


def _flat(tree: Any) -> np.ndarray:
    """A copy of a tree's numbers behind each other, and a zero: no address is ever that of nothing."""
    parts = []
    for x in flatten(tree)[0]:
        array = np.asarray(x) if isinstance(x, bool | int | float | np.ndarray | np.generic) else None
        if array is None or array.dtype.kind not in "biuf" or (array.dtype.kind == "f" and array.dtype.itemsize != 8):
            raise InputError(
                "f",
                f"is called by its address, with float64 numbers of NumPy, and {_named(x)} is none.",
                "Give y0 and params of float64, or a function written in Python.",
            )
        parts.append(np.ravel(array).astype(np.float64))
    return np.concatenate([*parts, np.zeros(1)])


def _named(x: Any) -> str:
    return f"an array of {x.dtype} ({type(x).__module__.split('.')[0]})" if hasattr(x, "dtype") else repr(x)


def _pointer(function: Any) -> Any:
    """The ctypes function of a C function, or None of anything else."""
    if type(function).__module__.split(".")[0] == "numba" and hasattr(function, "address"):
        return function.ctypes
    # The common base of all kinds of them has no public name.
    return function if isinstance(function, ctypes._CFuncPtr) else None  # type: ignore[attr-defined]


def _check_pointer(name: str, pointer: Any, count: int) -> None:
    kinds = pointer.argtypes
    right = (
        kinds is not None
        and len(kinds) == count + 1
        and kinds[0] is ctypes.c_double
        and all(x is ctypes.c_void_p or getattr(x, "_type_", None) is ctypes.c_double for x in kinds[1:])
        and not any(x is ctypes.c_double for x in kinds[1:])
        and pointer.restype is None
    )
    if not right:
        wanted = ", ".join(["double", *["double *"] * count])
        given = "unknown: set its argtypes and restype" if kinds is None else [getattr(x, "__name__", x) for x in kinds]
        raise InputError(
            name,
            f"must be of C's type void ({wanted}): time, state, result, params; its arguments are {given}.",
            "For numba.cfunc: types.void(types.float64, *[types.CPointer(types.float64)] * " + f"{count}).",
        )
    if getattr(pointer, "_flags_", 0) & _NEEDS_PYTHON:
        raise InputError(name, "is a function of ctypes.PyDLL, which needs Python's lock.", "Load it by ctypes.CDLL.")


def _fills(function: Any, count: int) -> bool:
    """Whether a function of numba's takes the array to fill as one more argument."""
    if not is_dispatcher(function):
        return False
    code = function.py_func.__code__
    required = code.co_argcount - len(function.py_func.__defaults__ or ())
    return required == count + 1
