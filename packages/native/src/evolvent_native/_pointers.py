"""Right sides that were compiled elsewhere: recorded as calls of an address that the code gets when it runs.

A C function is called as it is. One of ``numba.njit`` is called through a small C function that makes arrays of the
addresses, and NaN of what it raises. numba is imported here only where the user's function comes from it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from evolvent.compiled import ByAddress, InPlace

from . import _functions as xp
from ._array import Array, array, cast
from ._errors import StagingError, reason
from ._graph import REAL, Graph, constant, current, make_many
from ._staging import flatten, unflatten


class _Cell(ctypes.c_uint64):
    """An address as data of a graph's, and what must live as long."""

    owner: Any = None


def is_called(graph: Graph) -> bool:
    """Whether a graph calls such a function by its address."""
    return any(node.op == "pointer_call" for node in graph.nodes)


def called(function: Any, t: Any, *arguments: Any) -> Any:
    """Record the call of a right side that was compiled elsewhere."""
    *states, params = arguments
    if isinstance(function, ByAddress):
        return _by_address(function.address, function, t, states, _packed(params))
    dispatcher = function.function if isinstance(function, InPlace) else function
    try:
        wrapper = _wrapper(dispatcher, isinstance(function, InPlace), states, params)
    except _NotTyped as error:
        if isinstance(function, InPlace):
            raise StagingError(f"numba can't compile it for these arguments: {error}") from error
        try:
            return dispatcher.py_func(t, *arguments)
        except Exception as other:
            why = f"numba can't compile it for these arguments ({error}), and as Python it can't be staged: "
            raise StagingError(why + reason(other)) from other
    return _by_address(wrapper.address, wrapper, t, states, _packed(params))


def _by_address(address: int, owner: Any, t: Any, states: list[Any], params: Array) -> Any:
    """Record the call of a C function: time, states, result, params."""
    leaves, structure = flatten(states[0])
    for x in leaves:
        if x.dtype != REAL:
            raise StagingError(f"a function that is called by its address takes float64 states, and y is {x.dtype}")
    cell = _Cell(address)
    cell.owner = owner
    graph = current().root
    assert isinstance(graph, Graph)
    graph.data.append(np.frombuffer(memoryview(cell), np.uint64))
    inputs = (cast(array(t), REAL), *map(_packed, states), params)
    size = sum(x.size for x in leaves)
    attrs = (len(states), len(graph.data) - 1)
    (node,) = make_many("pointer_call", tuple(x.node for x in inputs), [((size,), REAL)], attrs)
    result, at, parts = Array(node), 0, []
    for x in leaves:
        parts.append(xp.reshape(result[at : at + x.size], x.shape))
        at += x.size
    return unflatten(structure, parts)


def _packed(tree: Any) -> Array:
    """All numbers of a tree behind each other, and at least one."""
    parts = []
    for x in flatten(tree)[0]:
        if not isinstance(x, Array | bool | int | float | np.ndarray | np.generic):
            raise StagingError(f"a function that is called by its address takes numbers and arrays, not {x!r}")
        x = array(x)
        if x.dtype.kind not in "biuf" or (x.dtype.kind == "f" and x.dtype != REAL):
            raise StagingError(f"a function that is called by its address takes float64 numbers, not {x.dtype}")
        parts.append(xp.reshape(cast(x, REAL), (x.size,)))
    if not sum(x.size for x in parts):
        return Array(constant(np.zeros(1)))
    return parts[0] if len(parts) == 1 else xp.concat(parts)


# ---------------------------------------------------------------- numba
class _NotTyped(Exception):
    """numba can't compile a function for these arguments."""


def _wrapper(function: Any, in_place: bool, states: list[Any], params: Any) -> Any:
    """The C function that calls one of numba's; kept with that, whose code never changes."""
    if not all(isinstance(y, Array) and y.dtype == REAL for y in states):
        raise _NotTyped("y is not one array of float64")
    names: dict[str, Any] = {}
    try:
        tree = _tree(params, [0], names)
    except TypeError as error:
        raise _NotTyped(str(error)) from error
    shapes = tuple(y.shape for y in states)
    kept = function.__dict__.setdefault("_evolvent_wrappers", {})
    key = (shapes, tree, tuple(sorted(names.items(), key=lambda item: item[0])), in_place)
    found = kept.get(key)
    if found is None:
        try:
            found = _compiled(function, in_place, shapes, tree, names)
        except Exception as error:  # numba's errors are of many kinds
            found = _NotTyped(_first_line(error))
        kept[key] = found
    if isinstance(found, _NotTyped):
        raise found
    return found


def _first_line(error: Exception) -> str:
    """What numba has to say, without the pages behind it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [
        line for line in lines if not line.startswith(("Failed in nopython", "During:", "File ", "- Resolution"))
    ]
    return (telling or lines or [type(error).__name__])[0]


def _tree(x: Any, at: list[int], names: dict[str, Any]) -> str:
    """Python's text for parameters like these, from the vector `p` of their numbers."""
    if isinstance(x, tuple):
        entries = "".join(_tree(entry, at, names) + ", " for entry in x)
        if not hasattr(x, "_fields"):
            return f"({entries})"
        name = next((name for name, kind in names.items() if kind is type(x)), f"kind{len(names)}")
        names[name] = type(x)
        return f"{name}({entries})"
    if x is None:
        return "None"
    leaf = isinstance(x, Array | np.ndarray | np.generic)
    if not leaf and not isinstance(x, bool | int | float):
        raise TypeError(f"params hold a {type(x).__name__}: numbers, arrays and tuples can be passed")
    start, shape = at[0], x.shape if leaf else ()
    size = int(np.prod(shape, dtype=int))
    at[0] += size
    if not leaf and not isinstance(x, float):
        return repr(x)
    if leaf and x.dtype != REAL:
        raise TypeError(f"params hold {x.dtype}: float64 can be passed")
    if shape == ():
        return f"p[{start}]"
    return f"p[{start}:{at[0]}]" + (f".reshape({shape})" if len(shape) > 1 else "")


_TEXT = """
def wrapper(t, {pointers}, out_, p_):
    out = carray(out_, {shape})
    p = carray(p_, ({count},))
{arrays}
    try:
        {call}
    except Exception:
        out[...] = nan
"""


def _compiled(function: Any, in_place: bool, shapes: tuple[Any, ...], tree: str, names: dict[str, Any]) -> Any:
    """Compile a C function that calls one of numba's."""
    import numba
    from numba import types

    pointers = [f"y{i}_" for i in range(len(shapes))]
    arrays, states = [], []
    for pointer, shape in zip(pointers, shapes, strict=True):
        arrays.append(f"    {pointer[:-1]} = carray({pointer}, {shape or (1,)})")
        states.append(pointer[:-1] if shape else f"{pointer[:-1]}[0]")
    given = ["t", *states, *(["out"] if in_place else []), tree]
    call = f"function({', '.join(given)})"
    text = _TEXT.format(
        pointers=", ".join(pointers),
        shape=shapes[0] or (1,),
        count=1 << 40,  # an address knows no length, and indices are literals
        arrays="\n".join(arrays),
        call=call if in_place else f"store(out, {call})",
    )
    space = {"carray": numba.carray, "store": _store(), "nan": np.nan, "function": function, **names}
    exec(text, space)
    pointer = types.CPointer(types.float64)
    return numba.cfunc(types.void(types.float64, *[pointer] * (len(shapes) + 2)))(space["wrapper"])


@lru_cache(maxsize=1)
def _store() -> Callable[..., Any]:
    """A function of numba's that copies what another returned to an array, and raises where it doesn't fit."""
    import numba
    from numba import types
    from numba.extending import overload

    def store(out, value):
        raise NotImplementedError

    @overload(store)
    def compiled_store(out, value):
        if isinstance(value, types.Array) and not isinstance(value.dtype, types.Complex) and value.ndim == out.ndim:

            def of_array(out, value):
                if value.shape != out.shape:
                    raise ValueError("the result has another shape than y")
                out[...] = value

            return of_array
        if out.ndim != 1:
            return None
        if isinstance(value, types.Float | types.Integer | types.Boolean):

            def of_number(out, value):
                if out.size != 1:
                    raise ValueError("the result has another shape than y")
                out[0] = value

            return of_number
        if isinstance(value, types.BaseTuple):
            lines = [f"    if out.size != {len(value)}:", "        raise ValueError('another length than y')"]
            lines += [f"    out[{i}] = value[{i}]" for i in range(len(value))] or ["    pass"]
            space: dict[str, Any] = {}
            exec("def of_tuple(out, value):\n" + "\n".join(lines), space)
            return space["of_tuple"]
        if isinstance(value, types.List):

            def of_list(out, value):
                if out.size != len(value):
                    raise ValueError("the result has another length than y")
                for i in range(out.size):
                    out[i] = value[i]

            return of_list
        return None

    assert numba
    return store
