"""The JAX backend: the whole solve as one program."""

from __future__ import annotations

from collections import OrderedDict
from copy import copy
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from evolvent import EagerBackend
from evolvent.linear import written_out

from . import _control
from ._loops import while_loop
from ._pytrees import register_solutions
from ._sparse import sparse_solve
from ._staging import stage

register_solutions()

# Compiled programs by what was staged. Least recently used ones go first: a program holds machine code.
_programs: OrderedDict[Any, Any] = OrderedDict()
_KEPT = 256

WRITTEN_OUT = 4  # rows of matrices that are factorised entry by entry: what calls LAPACK can't be fused with the rest


def is_tracer(x: Any) -> bool:
    return isinstance(x, jax.core.Tracer)


class JaxBackend(EagerBackend):
    """Runs a solve under `jax.jit`, or, on tracers, as part of the program that is being traced.

    Concrete arrays: the user's functions are traced anew in each solve, and machine code is looked up by what the
    traces contain, so that a changed global or closure never gives a stale answer.
    """

    name = "jax"
    exact = True
    control: Any = _control
    compiled = True
    rematerialise = True
    unbounded = False
    sweeps = True
    tables: Any = jnp
    slice = 20_000  # steps before the first look at the clock and the keyboard

    def __init__(self, leaves: list[Any]):
        super().__init__(jnp)
        self.traced = self.differentiates = any(is_tracer(leaf) for leaf in leaves)
        self.real_type = np.dtype(jnp.result_type(float))
        self.epsilon = float(np.finfo(self.real_type).eps)
        self._devices = "" if self.traced or not leaves else ", ".join(map(str, leaves[0].devices()))

    @property
    def label(self) -> str:
        return "jax"

    @property
    def device_label(self) -> str:
        return self._devices

    # ---------------------------------------------------------------- control plane
    def real(self, value):
        if is_tracer(value) or isinstance(value, jax.Array):
            return value.astype(self.real_type)
        return self.real_type.type(value)

    def integer(self, value):
        return value.astype(np.int32) if is_tracer(value) else np.int32(value)

    def boolean(self, value):
        return value.astype(bool) if is_tracer(value) else np.bool_(value)

    def table(self, values):
        if is_tracer(values):
            return values.astype(self.real_type) if values.dtype.kind == "f" else values
        array = np.asarray(values)
        return array.astype(self.real_type) if array.dtype.kind == "f" else array

    def pick(self, table, *index):
        if all(not is_tracer(i) for i in index) and isinstance(table, np.ndarray):
            return table[index]
        return jnp.asarray(table)[index]

    def memory(self, array, into=None):
        return jnp.asarray(array)

    def whole(self, memory):
        return memory

    def replaced(self, table, index, value):
        return jnp.asarray(table).at[index].set(value)

    def scale(self, value, like):
        return jnp.asarray(value, dtype=self.real_dtype(like.dtype))

    def to_control(self, *scalars):
        values = tuple(jnp.asarray(scalar).astype(self.real_type) for scalar in scalars)
        return values[0] if len(values) == 1 else values

    # ---------------------------------------------------------------- data plane
    def real_dtype(self, dtype):
        return np.finfo(dtype).dtype

    def is_real(self, dtype):
        return jnp.issubdtype(dtype, jnp.floating)

    def all_finite(self, x):
        return is_tracer(x) or bool(np.all(np.isfinite(np.asarray(x))))

    def is_own(self, value, like):
        return isinstance(value, jax.Array | np.ndarray)

    def time(self, t, like):
        return jnp.asarray(t).astype(self.real_dtype(like.dtype))

    def combine(self, y, dt, weights, ks):
        real = self.real_dtype(ks[0].dtype)
        total = None
        for weight, k in zip(weights, ks, strict=False):
            if isinstance(weight, float):
                if weight == 0.0:
                    continue
                term = k if weight == 1.0 else weight * k
            else:
                term = jnp.asarray(weight).astype(real) * k
            total = term if total is None else total + term
        if total is None:
            return y if y is not None else jnp.zeros_like(ks[0])
        if not (isinstance(dt, float) and dt == 1.0):
            total = jnp.asarray(dt).astype(real) * total
        return total if y is None else y + total

    def rms(self, x):
        square = lax.real(x * lax.conj(x)) if jnp.iscomplexobj(x) else x * x
        return jnp.sqrt(jnp.mean(square))

    def stop_gradient(self, x):
        return jax.tree.map(lax.stop_gradient, x)

    # ---------------------------------------------------------------- control flow
    def select(self, pred, yes, no):
        return jax.tree.map(lambda a, b: a if a is b else jnp.where(pred, a, b), yes, no)

    def cond(self, pred, yes, no, *operands):
        if not is_tracer(pred):
            return yes(*operands) if pred else no(*operands)
        return lax.cond(pred, self._strong(yes), self._strong(no), *operands)

    def _strong(self, function):
        """Let both branches return arrays of definite types."""
        return lambda *operands: jax.tree.map(self._definite, function(*operands))

    def _definite(self, x):
        if isinstance(x, float):
            return jnp.asarray(x, dtype=self.real_type)
        x = jnp.asarray(x)
        return lax.convert_element_type(x, x.dtype)

    def while_loop(self, cond, body, carry, *, max_iterations, resumable=False, records: str | None = None):
        carry = jax.tree.map(self._definite, carry)
        # A resumable loop counts its own steps.
        loop = partial(while_loop, max_iterations=max_iterations, self_limited=resumable)
        if records is None or not jax.tree.leaves(getattr(carry, records)):
            return loop(cond, body, carry)
        kept = getattr(carry, records)

        def apart(carry, kept):
            carry = body(carry._replace(**{records: kept}))
            return carry._replace(**{records: ()}), getattr(carry, records)

        # A trajectory of a batch that has ended still writes, behind the rows that count.
        carry, kept = loop(cond, apart, carry._replace(**{records: ()}), buffers=kept)
        return carry._replace(**{records: kept})

    def scan(self, body, carry, xs):
        """Carry a state along the rows of `xs`; returns the last state and what `body` gave at each row."""
        return lax.scan(body, jax.tree.map(self._definite, carry), jnp.asarray(xs))

    def total(self, x):
        return jnp.sum(x)

    def guarded(self, function, carry):
        return function(carry)

    # ---------------------------------------------------------------- records
    def buffer(self, capacity, example):
        return jax.tree.map(lambda x: jnp.zeros((capacity, *np.shape(x)), dtype=self._definite(x).dtype), example)

    def put(self, buffer, index, value, when):
        if not is_tracer(when) and not when:
            return buffer

        def write(rows, x):
            if is_tracer(when) or is_tracer(index):
                fits = jnp.logical_and(when, index < rows.shape[0])
                x = jnp.where(fits, x, lax.dynamic_index_in_dim(rows, index, keepdims=False))
            return lax.dynamic_update_index_in_dim(rows, jnp.asarray(x, dtype=rows.dtype), index, 0)

        return jax.tree.map(write, buffer, value)

    def trimmed(self, buffer, count):
        if is_tracer(count):
            # Shapes are fixed inside a transformation: what was not written becomes zero, steps of no length among it.
            return self.filled(buffer, count, jax.tree.map(lambda x: jnp.zeros((), x.dtype), buffer))
        if int(count) == self.length(buffer):
            return buffer
        return jax.tree.map(lambda x: x[: int(count)], buffer)

    def joined(self, buffers):
        return buffers[0] if len(buffers) == 1 else jax.tree.map(lambda *parts: jnp.concatenate(parts), *buffers)

    def length(self, buffer):
        return jax.tree.leaves(buffer)[0].shape[0]

    def take(self, buffer, index):
        return jax.tree.map(lambda x: x[index], buffer)

    def stacked(self, buffer, example):
        return buffer

    def filled(self, buffer, count, rest):
        """The rows of a record, with `rest` behind the first `count`."""

        def fill(rows, x):
            behind = jnp.arange(rows.shape[0]) >= count
            return jnp.where(behind.reshape((-1,) + (1,) * (rows.ndim - 1)), jnp.asarray(x).astype(rows.dtype), rows)

        return jax.tree.map(fill, buffer, rest)

    def filtered(self, tree, mask):
        if not is_tracer(mask):
            rows = np.flatnonzero(np.asarray(mask))
            return jax.tree.map(lambda x: x[rows], tree)
        # Shapes are fixed inside a transformation: what is marked comes first, NaN behind it.
        order = jnp.argsort(~mask, stable=True)
        marked = mask[order]
        return jax.tree.map(lambda x: jnp.where(marked.reshape((-1,) + (1,) * (x.ndim - 1)), x[order], jnp.nan), tree)

    def data_times(self, times, like):
        dtype = self.real_dtype(like.dtype)
        return times if times.dtype == dtype and isinstance(times, jax.Array) else jnp.asarray(times).astype(dtype)

    def landed(self, tree):
        return jax.tree.map(lambda x: x if is_tracer(x) or np.ndim(x) else np.asarray(x)[()], tree)

    def evaluate(self, function, steps, times, direction):
        starts, lengths = steps[0], steps[1]
        if not any(map(is_tracer, (starts, times))):
            kept = np.flatnonzero(np.asarray(lengths) != 0.0)
            keys = direction * np.asarray(starts)[kept]
            places = np.maximum(np.searchsorted(keys, direction * np.asarray(times), side="right") - 1, 0)
            rows = [
                function(self.real(t), *self.take(steps, int(kept[i])))
                for t, i in zip(np.asarray(times), places, strict=True)
            ]
            return jax.tree.map(lambda *values: jnp.stack(values), *rows)

        def at(t):
            before = jnp.where((lengths != 0.0) & (direction * starts <= direction * t), direction * starts, -jnp.inf)
            return function(t, *self.take(steps, jnp.argmax(before)))

        return jax.vmap(at)(jnp.asarray(times).astype(self.real_type))

    def host(self, x):
        if is_tracer(x):
            return x
        if isinstance(x, list | tuple) and any(map(is_tracer, x)):
            return jnp.stack([jnp.asarray(item) for item in x])
        return np.asarray(x)

    def most(self, x):
        return np.max(np.asarray(x)).item()

    # ---------------------------------------------------------------- linear systems
    def lu(self, matrix):
        if matrix.shape[0] <= WRITTEN_OUT:
            return written_out.lu(jnp, matrix)
        factors, pivots = jax.scipy.linalg.lu_factor(matrix)
        regular = jnp.all(jnp.isfinite(matrix)) & jnp.all(jnp.diagonal(factors) != 0)
        return jnp.where(regular, factors, jnp.nan), pivots

    def lu_solve(self, factors, rhs):
        if rhs.shape[0] <= WRITTEN_OUT:
            return written_out.lu_solve(jnp, factors, rhs)
        return jax.scipy.linalg.lu_solve(factors, rhs)

    def sparse_lu(self, symbolic, values):
        # What leaves the program are arrays: the factors are found again by the values, on the host.
        return jnp.asarray(values)

    def sparse_solve(self, symbolic, factors, rhs):
        return sparse_solve(symbolic, factors, rhs)

    # ---------------------------------------------------------------- derivatives
    def jvp(self, function, x, dx):
        return jax.jvp(function, (x,), (dx,))

    def vjp(self, function, x):
        value, pull = jax.vjp(function, x)
        return value, lambda cotangent: pull(cotangent)[0]

    def pushed(self, function, x, masks):
        seeds = jnp.asarray(masks, dtype=x.dtype).reshape(-1, *x.shape)
        changes = jax.vmap(lambda dx: jax.jvp(function, (x,), (dx,))[1])(seeds)
        return changes.reshape(seeds.shape[0], -1), None

    def time_derivative(self, function, t, like):
        now = jnp.asarray(t, dtype=self.real_type)
        return jax.jvp(function, (now,), (jnp.ones_like(now),))[1]

    # ---------------------------------------------------------------- running
    def fixed_size(self):
        """The same backend with records of fixed size, as a batch needs them."""
        fixed = copy(self)
        fixed.traced = True
        return fixed

    def vmap(self, function, in_axes, out_axes):
        return jax.vmap(function, in_axes, out_axes)

    def arrays(self, tree, size):
        """Arrays with an axis of trajectories of what a user gave as an ensemble's numbers."""
        if isinstance(tree, list):
            return jnp.asarray(tree)
        return jax.tree.map(
            lambda x: jnp.broadcast_to(jnp.asarray(x), (size,)) if not np.shape(x) else jnp.asarray(x), tree
        )

    def program(self, entry, functions, examples):
        rules = self.differentiates
        try:
            staged = {name: stage(function, *examples[name], rules=rules) for name, function in functions.items()}
        except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError) as error:
            error.add_note(
                "evolvent: JAX traces the problem's functions. Write jnp.where for an if on a value, jnp.sin for "
                "math.sin or np.sin, and name the times at which f jumps in discontinuities=."
            )
            raise
        key = (entry.key, rules, tuple((name, program.key) for name, program in staged.items()), self.real_type)
        compiled = _programs.get(key)
        if compiled is None:
            calls = {name: program.call for name, program in staged.items()}

            def run(consts, operands):
                return entry({name: partial(call, consts[name]) for name, call in calls.items()}, *operands)

            compiled = _programs[key] = jax.jit(run)
            if len(_programs) > _KEPT:
                _programs.popitem(last=False)
        else:
            _programs.move_to_end(key)
        consts = {name: program.consts for name, program in staged.items()}
        return lambda *operands: compiled(consts, operands)
