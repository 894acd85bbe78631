"""JAX arrays: which run natively, their memory, and their functions as graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._array import cast
from .._errors import StagingError
from .._staging import Staged, flatten, stage_function, unflatten
from .backend import Namespace
from .jaxpr import evaluate

stages_twice = False  # tracing is slow, and JAX's functions are pure
COPIED = 1 << 16  # bytes below which a copy costs less than sharing the memory
_KINDS = frozenset(
    np.dtype(name)
    for name in """
        bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128
    """.split()  # noqa: SIM905
)


def refusal(leaves: list[Any]) -> str:
    """Why these arrays don't run natively; empty where they do."""
    if not jax._src.core.trace_state_clean():
        return "a transformation of JAX is at work"
    for leaf in leaves:
        if isinstance(leaf, jax.core.Tracer):
            return "a transformation of JAX is at work"
        if not isinstance(leaf, jax.Array):
            continue
        if leaf.dtype not in _KINDS:
            return f"an array holds {leaf.dtype}"
        if any(device.platform != "cpu" for device in leaf.devices()) or len(leaf.devices()) > 1:
            return f"an array lies on {leaf.devices()}"
    return ""


class _Namespace(Namespace):
    """Outside of programs NumPy computes what the driver asks for: JAX would compile each operation."""

    def _outside(self, name: str, known: Callable[..., Any]) -> Callable[..., Any]:
        ours = getattr(np, name, None)
        if ours is None or name in _OF_TYPES:
            return known

        def function(*arguments: Any, device: Any = None, **options: Any) -> Any:
            leaves = flatten((arguments, options))[0]
            if any(isinstance(x, jax.core.Tracer) for x in leaves):
                return known(*arguments, **options)
            given, options = jax.tree.map(enter, (arguments, options))
            return jax.tree.map(lambda x: leave(np.asarray(x)) if hasattr(x, "dtype") else x, ours(*given, **options))

        return function


_OF_TYPES = frozenset({"finfo", "iinfo", "isdtype", "result_type", "can_cast", "promote_types"})
namespace = _Namespace(jnp)


def owns(x: Any) -> bool:
    return isinstance(x, jax.Array)


def is_traced(x: Any) -> bool:
    return isinstance(x, jax.core.Tracer)


def is_recorded(x: Any) -> bool:
    """JAX traces with its own arrays, of which it knows the derivatives."""
    return False


def numpy_dtype(dtype: Any) -> np.dtype:
    return np.dtype(dtype)


def enter(x: Any) -> Any:
    """A JAX array's memory as an array of NumPy."""
    return np.asarray(x) if isinstance(x, jax.Array) else x


def leave(x: np.ndarray) -> Any:
    """An array's memory as a JAX array, copied where it is small or not as JAX wants it.

    What JAX can't hold while 64 bits are disabled becomes what it can hold.
    """
    dtype = jax.dtypes.canonicalize_dtype(x.dtype)
    if x.dtype == dtype and x.nbytes > COPIED and x.flags.c_contiguous and x.flags.writeable:
        return jax.dlpack.from_dlpack(x)
    return jnp.asarray(x, dtype=dtype)


def stage(function: Callable[..., Any], examples: tuple[Any, ...], home: Any) -> Staged:
    """Let JAX trace a function, and record what the trace holds."""
    leaves, structure = flatten(examples)
    out: Any = None

    # A new function each time: JAX keeps traces by the identity of functions.
    def flat(*arguments: Any) -> list[Any]:
        nonlocal out
        found, out = flatten(function(*unflatten(structure, arguments)))
        return found

    closed = jax.make_jaxpr(flat)(*map(_abstract, leaves))
    if closed.effects:
        raise StagingError(f"it has effects: {closed.effects}")

    def recorded(*arguments: Any) -> Any:
        given = [cast(x, v.aval.dtype) for x, v in zip(flatten(arguments)[0], closed.jaxpr.invars, strict=True)]
        return unflatten(out, evaluate(closed.jaxpr, closed.consts, given))

    return stage_function(recorded, unflatten(structure, [enter(x) for x in leaves]))


def _abstract(x: Any) -> Any:
    aval = jax.typeof(x)
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)
