"""What a user's function computes, as a value that can be compared.

Compiling is a thousand times slower than tracing, so that compiled programs have to be kept; but a program
kept under the identity of a Python function turns stale when a global, a closure cell or a default argument
of it changes. Hence a function is traced anew for every solve, and compiled code is looked up by what the
trace contains.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.extend import core

__all__ = ["Key", "Staged", "stage"]


@dataclass(frozen=True, slots=True)
class Staged:
    """One trace of a function.

    Attributes
    ----------
    key : Key
        Equal for two traces that compute the same program from their constants and arguments.
    consts : tuple of arrays
        What the function closed over; arrays only, because scalars are part of the program.
    call : callable
        ``call(consts, *args)`` evaluates the program, also inside of another trace. It holds no constants,
        so that a compiled program that keeps it does not keep them, and serves every `Staged` with an equal
        key. Derivatives of functions with custom rules use the rules that were in force in this trace.
    out_tree : PyTreeDef
        The structure of the result.
    out_avals : tuple of jax.ShapeDtypeStruct
        Shapes and dtypes of the result's leaves.
    """

    key: "Key"
    consts: tuple[Any, ...]
    call: Callable[..., Any]
    out_tree: Any
    out_avals: tuple[jax.ShapeDtypeStruct, ...]


def stage(fn: Callable[..., Any], *example_args: Any, rules: bool = False) -> Staged:
    """Trace `fn` for arguments with the structure, shapes and dtypes of `example_args`.

    The Python function runs in every call of `stage`, so that whatever it reads is read now. What escapes
    are functions that it hands to JAX itself: `jax.jit`, `jax.lax.scan` and their like remember a function's
    trace by its identity.

    Parameters
    ----------
    fn : callable
        A pure function of arrays.
    *example_args : pytree of arrays, Python scalars or jax.ShapeDtypeStruct
        Only their structure and types are looked at, so that tracers will do.
    rules : bool
        Let functions with derivative rules of their own (`jax.nn.relu`, ...) count as new each time: for programs
        that are differentiated.

    Returns
    -------
    Staged
        The program, its constants and its key.

    Raises
    ------
    jax.errors.ConcretizationTypeError
        If `fn` branches on values; as JAX raises it, with the line at fault.

    Examples
    --------
    >>> rate = 0.5
    >>> def decay(y):
    ...     return -rate * y
    >>> before = stage(decay, 1.0).key
    >>> before == stage(decay, 2.0).key
    True
    >>> rate = 0.6
    >>> before == stage(decay, 1.0).key
    False
    """
    leaves, in_tree = jax.tree.flatten(example_args)
    out_tree: Any = None

    # a new function object in every call, because JAX keeps traces by the identity of the function
    def flat(*args: Any) -> list[Any]:
        nonlocal out_tree
        out, out_tree = jax.tree.flatten(fn(*jax.tree.unflatten(in_tree, args)))
        return out

    closed = jax.make_jaxpr(flat)(*map(_abstract, leaves))
    writer = _KeyWriter(frozenset() if rules else _DERIVATIVE_ONLY)
    writer.jaxpr(closed.jaxpr)
    writer.value(in_tree)
    writer.value(out_tree)
    return Staged(
        Key(tuple(writer.parts)),
        tuple(closed.consts),
        partial(_call, closed.jaxpr, in_tree, out_tree),
        out_tree,
        tuple(map(_abstract, closed.out_avals)),
    )


def _abstract(x: Any) -> jax.ShapeDtypeStruct:
    if isinstance(x, jax.ShapeDtypeStruct):
        return x
    aval = x if isinstance(x, jax.core.ShapedArray) else jax.typeof(x)
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)


def _call(jaxpr: core.Jaxpr, in_tree: Any, out_tree: Any, consts: Sequence[Any], *args: Any) -> Any:
    leaves, tree = jax.tree.flatten(args)
    if tree != in_tree:
        raise TypeError(f"the function was staged for arguments {in_tree}, and called with {tree}")
    return jax.tree.unflatten(out_tree, jax.core.eval_jaxpr(jaxpr, consts, *leaves))


class Key:
    """A hashable value; equal keys mean equal programs."""

    __slots__ = ("_hash", "_parts")

    def __init__(self, parts: tuple[Hashable, ...]) -> None:
        self._parts = parts
        self._hash = hash(parts)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Key):
            return NotImplemented
        return self._hash == other._hash and self._parts == other._parts


class _Identity:
    """A thing compared by what it is; the reference keeps its address from being used again."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.value is other.value


# Parameters that only derivatives look at. JAX makes these objects anew in every trace: compared by
# identity, nothing that calls `jax.nn.relu` would ever be found again.
_DERIVATIVE_ONLY = frozenset(
    (primitive, name)
    for primitive, names in {
        "custom_jvp_call": ("jvp_jaxpr_fun",),
        "custom_vjp_call": ("fwd_jaxpr_thunk", "bwd", "out_trees"),
    }.items()
    for name in names
)

# Types of which equal instances are the same value; not so floats (0.0 == -0.0) and tuples ((1,) == (True,)).
_PLAIN = frozenset({str, bytes, int, bool, type(None), np.dtype})


class _KeyWriter:
    """Writes a jaxpr down as a flat sequence of hashable parts, variables by their position."""

    def __init__(self, ignored: frozenset[tuple[str, str]]) -> None:
        self.parts: list[Hashable] = []
        self.ignored = ignored

    def jaxpr(self, jaxpr: core.Jaxpr) -> None:
        parts = self.parts
        number: dict[Any, int] = {}

        def atoms(atoms: Sequence[Any]) -> None:
            parts.append(len(atoms))
            for atom in atoms:
                if isinstance(atom, core.Literal):
                    parts.append(atom.aval)
                    self.value(atom.val)
                else:
                    parts.append(number[atom])

        def define(variables: Sequence[Any]) -> None:
            parts.append(len(variables))
            for variable in variables:
                number[variable] = len(number)
                parts.append(variable.aval)

        define(jaxpr.constvars)
        define(jaxpr.invars)
        for eqn in jaxpr.eqns:
            primitive = eqn.primitive
            # the context is the settings in force at the operation, one object for equal settings
            parts += (primitive, eqn.ctx)
            atoms(eqn.invars)
            for name, value in eqn.params.items():
                if (primitive.name, name) not in self.ignored:
                    parts.append(name)
                    self.value(value)
            define(eqn.outvars)
        atoms(jaxpr.outvars)

    def value(self, value: Any) -> None:
        """Write a literal, a constant or a parameter, with its type."""
        kind = type(value)
        self.parts.append(kind)
        if kind in _PLAIN:
            self.parts.append(value)
        elif isinstance(value, float | complex | np.ndarray | np.generic):
            self.array(np.asarray(value))
        elif isinstance(value, tuple | list):
            self.parts.append(len(value))
            for item in value:
                self.value(item)
        elif isinstance(value, Mapping):
            self.parts.append(len(value))
            for name, item in value.items():
                self.value(name)
                self.value(item)
        elif isinstance(value, core.ClosedJaxpr):
            self.jaxpr(value.jaxpr)
            self.value(value.consts)
        elif isinstance(value, core.Jaxpr):
            self.jaxpr(value)
        else:
            self.parts.append(value if _is_hashable(value) else _Identity(value))

    def array(self, array: np.ndarray) -> None:
        if array.dtype.hasobject:
            self.parts.append(_Identity(array))
        else:
            self.parts += (array.dtype, array.shape, array.tobytes())


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
