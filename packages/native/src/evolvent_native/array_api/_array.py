"""The array that holds values: every operation on it is a program that is compiled and run."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import _functions as functions
from ._call import call, mapped

VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")


class Array:
    """An array with values, as the Array API standard has it; made by the functions of the namespace.

    Operators and indices compile and run machine code. What the standard leaves to the values of an array (masks as
    indices, `bool(x)`, `int(x)`) is read from them.
    """

    __slots__ = ("_value",)
    __array_ufunc__ = None  # NumPy's arrays leave operators to this class
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: np.ndarray):
        self._value = value

    # ------------------------------------------------------------ what it is
    @property
    def dtype(self) -> np.dtype:
        return self._value.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self._value.shape

    @property
    def ndim(self) -> int:
        return self._value.ndim

    @property
    def size(self) -> int:
        return self._value.size

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def T(self) -> Array:
        if self.ndim != 2:
            raise ValueError(f"x.T of an array of {self.ndim} axes: it is for matrices. Use x.mT or xp.permute_dims")
        return run(functions.matrix_transpose, self)

    @property
    def mT(self) -> Array:
        return run(functions.matrix_transpose, self)

    def to_device(self, device: Any, /, *, stream: Any = None) -> Array:
        check_device(device)
        if stream is not None:
            raise ValueError(f"stream = {stream!r}: the CPU has none")
        return self

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        if api_version is not None and api_version not in VERSIONS:
            raise ValueError(f"api_version = {api_version!r}: use one of {', '.join(VERSIONS)}")
        from evolvent_native import array_api

        return array_api

    def __repr__(self) -> str:
        return f"A{repr(self._value)[1:]}"

    # ------------------------------------------------------------ values
    def __len__(self) -> int:
        return len(self._value)

    def __iter__(self) -> Iterator[Array]:
        if not self.ndim:
            raise TypeError("iteration over an array without axes")
        return (self[i] for i in range(len(self)))

    def _number(self) -> Any:
        if self.ndim:
            raise TypeError(f"an array of shape {self.shape} as a number: only arrays without axes are numbers")
        return self._value.item()

    def __bool__(self) -> bool:
        return bool(self._number())

    def __int__(self) -> int:
        return int(self._number())

    def __float__(self) -> float:
        return float(self._number())

    def __complex__(self) -> complex:
        return complex(self._number())

    def __index__(self) -> int:
        return operator.index(self._number())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._value, dtype=dtype, copy=copy)

    def __dlpack__(
        self, /, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> Any:
        return self._value.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._value.__dlpack_device__()

    # ------------------------------------------------------------ entries
    def __getitem__(self, key: Any, /) -> Array:
        x, key = _with_places(self, key)
        return run(_entries, x, key)

    def __setitem__(self, key: Any, value: Any, /) -> None:
        if not isinstance(value, Array):  # a number is an operand here: code depends on its dtype only
            value = Array(np.asarray(value, self.dtype if np.isscalar(value) else None))
        x = self
        if value.ndim or not _is_mask(self, key):  # one value under a mask needs no places
            x, key = _with_places(self, key)
        self._write(run(_replaced, x, key, value)._value.reshape(self.shape))

    def _write(self, value: np.ndarray) -> None:
        if value.shape != self.shape or value.dtype != self.dtype:
            raise ValueError(
                f"an operation in place made {value.dtype}{value.shape} of {self.dtype}{self.shape}: write x = x + y"
            )
        self._value[...] = value


def run(function: Any, *arguments: Any, **options: Any) -> Any:
    """Compile and run a recording function on arrays with values."""
    arguments, options = mapped((arguments, options), Array, lambda x: x._value)
    return mapped(call(function, *arguments, **options), np.ndarray, Array)


def check_device(device: Any) -> None:
    if device is not None and device != "cpu":
        raise ValueError(f"device = {device!r}: arrays are on the 'cpu'")


def _is_mask(x: Array, key: Any) -> bool:
    return isinstance(key, Array) and key.dtype == np.bool and key.shape == x.shape[: key.ndim]


def _with_places(x: Array, key: Any) -> tuple[Array, Any]:
    """An index without masks, whose shapes depend on values; single entries' places are operands, not code."""
    parts = key if isinstance(key, tuple) else (key,)
    masks = [np.asarray(part) for part in parts if isinstance(part, bool) or getattr(part, "dtype", None) == np.bool]
    if masks:
        mask = masks[0]
        if len(parts) > 1:
            raise IndexError("a mask beside other indices: write x[mask][...]")
        if mask.ndim > x.ndim or any(m not in (n, 0) for m, n in zip(mask.shape, x.shape, strict=False)):
            raise IndexError(f"a mask of shape {mask.shape} for an array of shape {x.shape}")
        if mask.ndim:
            return x, tuple(Array(places) for places in np.nonzero(mask))
        return run(functions.expand_dims, x, axis=0), (Array(np.zeros(int(mask), np.int64)),)
    places = [operator.index(part) for part in parts if hasattr(part, "__index__") and not isinstance(part, Array)]
    if len(places) == len(parts) == x.ndim:
        for axis, (i, n) in enumerate(zip(places, x.shape, strict=True)):
            if not -n <= i < n:
                raise IndexError(f"index {i} is out of range for axis {axis} with {n} entries")
        return x, tuple(Array(np.asarray(i, np.int64)) for i in places)
    return x, key


def _entries(x: Any, key: Any) -> Any:
    return functions.copy(x[key])


def _replaced(x: Any, key: Any, value: Any) -> Any:
    x = functions.copy(x)
    x[key] = value
    return x


def _in_place(change: Any) -> Any:
    def function(x: Any, other: Any) -> Any:
        return change(functions.copy(x), other)

    return function


def _known(other: Any) -> bool:
    return isinstance(other, Array | bool | int | float | complex | np.ndarray)


def _operators(name: str) -> tuple[Any, Any, Any]:
    """How x + other, other + x and x += other are run: by the operators of recording arrays."""
    plain, change = getattr(operator, f"__{name}__"), _in_place(getattr(operator, f"__i{name}__"))

    def forward(self: Array, other: Any, /) -> Any:
        return run(plain, self, other) if _known(other) else NotImplemented

    def backward(self: Array, other: Any, /) -> Any:
        return run(plain, other, self) if _known(other) else NotImplemented

    def write(self: Array, other: Any, /) -> Any:
        if not _known(other):
            return NotImplemented
        self._write(run(change, self, other)._value)
        return self

    return forward, backward, write


def _comparison(name: str) -> Any:
    plain = getattr(operator, f"__{name}__")

    def compare(self: Array, other: Any, /) -> Any:
        return run(plain, self, other) if _known(other) else NotImplemented

    return compare


def _unary(name: str) -> Any:
    plain = getattr(operator, f"__{name}__")

    def change(self: Array, /) -> Array:
        return run(plain, self)

    return change


def _give(name: str, method: Any) -> None:
    method.__name__, method.__qualname__ = f"__{name}__", f"Array.__{name}__"
    setattr(Array, f"__{name}__", method)


for _name in "add sub mul truediv floordiv mod pow and or xor lshift rshift matmul".split():  # noqa: SIM905
    for _prefix, _method in zip(("", "r", "i"), _operators(_name), strict=True):
        _give(_prefix + _name, _method)
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    _give(_name, _comparison(_name))
for _name in ("neg", "pos", "abs", "invert"):
    _give(_name, _unary(_name))
