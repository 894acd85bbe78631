"""A while loop that JAX can differentiate in every direction.

`jax.lax.while_loop` has no reverse mode, because the number of states to keep is not known in advance. With
a bound on that number two levels of checkpoints suffice: the forward pass keeps every S-th state, the
backward pass recomputes one segment of S states at a time and walks it in reverse. Whatever the number n of
iterations that ran, the cost is n steps forward, n recomputed and n transposed; with S =
sqrt(max_iterations) the memory is 2 S states.

The loop is a `jax.custom_jvp` function, so that forward mode stays available. Its tangent map is one linear
operation that knows its own transpose, so that reverse mode never looks inside the loop.
"""

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jax.extend import core
from jax.interpreters import ad, batching, mlir

from evolvent_jax._linear import linear_call

__all__ = ["any_lane", "while_loop"]


def while_loop(
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[..., Any],
    carry: Any,
    *,
    max_iterations: int,
    self_limited: bool = False,
    buffers: Any = None,
) -> Any:
    """Repeat `body_fun` while `cond_fun` holds, at most `max_iterations` times, differentiably.

    Without derivatives this is `jax.lax.while_loop`. Forward mode, reverse mode and forward over either
    work, inside and outside of `jit` and `vmap`, also with respect to values that the functions close over;
    reverse mode over a derivative of the loop does not. The cost of a reverse pass is proportional to the
    iterations that ran, its memory to the square root of `max_iterations`.

    Parameters
    ----------
    cond_fun : callable
        Takes the carry, returns a boolean scalar.
    body_fun : callable
        Takes the carry, returns the next one: same structure, shapes and dtypes.
    carry : pytree of arrays
        The initial state; Python scalars take the dtype that the body gives them.
    max_iterations : int
        The loop stops after this many iterations even if `cond_fun` still holds.
    self_limited : bool
        The caller's word that `cond_fun` itself stops the loop by then, for instance because it looks at a
        step counter of its own. It saves the counter that enforces the bound.
    buffers : pytree of arrays, optional
        State that `cond_fun` is not given: `body_fun` is then called with ``(carry, buffers)`` and returns
        both. It is for large arrays written a little at a time. Under `vmap`, when some lanes have ended and
        others have not, JAX's loop copies the whole carry in every iteration to hold the ended lanes still;
        buffers are not copied. In return `body_fun`, which goes on being called with the final carry of an
        ended lane, must then leave its buffers as they are, for instance by writing at an index out of
        bounds.

    Returns
    -------
    pytree of arrays
        The final carry, or the pair of final carry and buffers.

    Raises
    ------
    TypeError
        If `body_fun` changes the structure, a shape or a dtype (the error names the leaf), or `cond_fun`
        doesn't return a boolean scalar.
    ValueError
        If `max_iterations` is negative or does not fit 32 bits.

    References
    ----------
    A. Griewank, "Achieving logarithmic growth of temporal and spatial complexity in reverse automatic
    differentiation", Optimization Methods and Software 1 (1992), doi:10.1080/10556789208805505. Two levels of
    checkpoints compute every state only twice.

    Examples
    --------
    >>> import jax
    >>> def power_above(limit, x):
    ...     return while_loop(lambda y: y < limit, lambda y: y * x, x, max_iterations=100)
    >>> float(power_above(10.0, 2.0)), float(jax.grad(power_above, argnums=1)(10.0, 2.0))
    (16.0, 32.0)
    """
    limit = operator.index(max_iterations)
    if not 0 <= limit < 2**31 - 1:
        raise ValueError(f"max_iterations must be at least 0 and below 2**31 - 1; got {limit}")
    held = [True] * len(jax.tree.leaves(carry)) + [False] * len(jax.tree.leaves(buffers))
    if buffers is None:
        leaves, tree = jax.tree.flatten(carry)
        body, body_consts, leaves = _trace_body(body_fun, leaves, tree)
        cond, cond_consts = _trace_cond(cond_fun, leaves, tree)
    else:
        leaves, tree = jax.tree.flatten((carry, buffers))
        body, body_consts, leaves = _trace_body(lambda both: body_fun(*both), leaves, tree)
        cond, cond_consts = _trace_cond(lambda both: cond_fun(both[0]), leaves, tree)
    loop = _Loop(cond, len(cond_consts), body, len(body_consts), limit, self_limited, held)
    call = jax.custom_jvp(loop.run)
    call.defjvp(loop.jvp, symbolic_zeros=True)
    return jax.tree.unflatten(tree, call(*cond_consts, *body_consts, *leaves))


def _trace(fun: Callable, leaves: Sequence[Any]) -> tuple[core.ClosedJaxpr, list[Any]]:
    """Jaxpr of `fun` with its closed-over arrays as leading inputs, and these arrays."""
    closed = jax.make_jaxpr(lambda *args: fun(*args))(*leaves)
    jaxpr = closed.jaxpr
    open_jaxpr = jaxpr.replace(constvars=[], invars=[*jaxpr.constvars, *jaxpr.invars])
    return core.ClosedJaxpr(open_jaxpr, []), list(closed.consts)


def _trace_body(body_fun: Callable, leaves: list[Any], tree: Any) -> tuple[core.ClosedJaxpr, list[Any], list[Any]]:
    """Trace the body; a weakly typed initial leaf takes the body's dtype, at the price of a second trace."""
    weak = [jax.typeof(x).weak_type for x in leaves]
    leaves = [_strong(x) for x in leaves]
    while True:
        widened: dict[int, Any] = {}

        def flat_body(*args: Any) -> list[Any]:
            out, out_tree = jax.tree.flatten_with_path(body_fun(jax.tree.unflatten(tree, args)))
            if out_tree != tree:
                raise TypeError(f"body_fun changed the structure of the carry from {tree} to {out_tree}")
            results = []
            for i, ((path, new), old) in enumerate(zip(out, args, strict=True)):
                dtype = jnp.result_type(new, old)
                if dtype != old.dtype and weak[i]:
                    widened[i] = dtype  # noqa: B023
                    new = old
                elif dtype != old.dtype or jnp.shape(new) != old.shape:
                    raise TypeError(
                        f"body_fun changed the carry at {jax.tree_util.keystr(path) or 'its only leaf'} "
                        f"from {_describe(old)} to {_describe(new)}"
                    )
                results.append(lax.convert_element_type(new, old.dtype))
            return results

        jaxpr, consts = _trace(flat_body, leaves)
        if not widened:
            return jaxpr, consts, leaves
        leaves = [lax.convert_element_type(x, widened.get(i, x.dtype)) for i, x in enumerate(leaves)]


def _trace_cond(cond_fun: Callable, leaves: list[Any], tree: Any) -> tuple[core.ClosedJaxpr, list[Any]]:
    jaxpr, consts = _trace(lambda *args: cond_fun(jax.tree.unflatten(tree, args)), leaves)
    if len(jaxpr.out_avals) != 1 or jaxpr.out_avals[0].shape != () or jaxpr.out_avals[0].dtype != bool:
        raise TypeError(f"cond_fun must return one boolean scalar; it returned {jaxpr.out_avals}")
    return jaxpr, consts


def _strong(x: Any) -> jax.Array:
    x = jnp.asarray(x)
    return lax.convert_element_type(x, x.dtype)


def _describe(x: Any) -> str:
    return f"{jnp.result_type(x)}{list(jnp.shape(x))}"


def _moving(body: core.ClosedJaxpr, moving: Sequence[bool]) -> list[bool]:
    """Which results of the body may have a tangent, when the inputs marked do; errs on the side of yes."""
    seen = {v for v, moves in zip(body.jaxpr.invars, moving, strict=True) if moves}
    for eqn in body.jaxpr.eqns:
        if eqn.primitive.name == "stop_gradient":
            continue
        if any(not isinstance(v, core.Literal) and v in seen for v in eqn.invars):
            seen.update(v for v in eqn.outvars if _is_inexact(v.aval))
    return [not isinstance(v, core.Literal) and v in seen for v in body.jaxpr.outvars]


def _is_inexact(aval: Any) -> bool:
    return jnp.issubdtype(aval.dtype, jnp.inexact)


class _Loop:
    """One traced loop: operands are the condition's consts, the body's consts, and the carry's leaves."""

    def __init__(
        self,
        cond: core.ClosedJaxpr,
        cond_nconsts: int,
        body: core.ClosedJaxpr,
        body_nconsts: int,
        limit: int,
        self_limited: bool,
        held: list[bool],
    ) -> None:
        self.cond, self.cond_nconsts = cond, cond_nconsts
        self.body, self.body_nconsts = body, body_nconsts
        self.limit, self.self_limited, self.held = limit, self_limited, held
        self.stride = max(1, math.isqrt(max(limit - 1, 0)) + 1)

    def split(self, operands: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        a, b = self.cond_nconsts, self.cond_nconsts + self.body_nconsts
        return list(operands[:a]), list(operands[a:b]), list(operands[b:])

    def holds(self, consts: list[Any], carry: Sequence[Any]) -> Any:
        return core.jaxpr_as_fun(self.cond)(*consts, *carry)[0]

    def next(self, consts: list[Any], carry: Sequence[Any]) -> list[Any]:
        return core.jaxpr_as_fun(self.body)(*consts, *carry)

    def run(self, *operands: Any) -> list[Any]:
        """The loop without derivatives."""
        if self.self_limited and all(self.held):
            # bound directly, because `lax.while_loop` would trace both functions again
            return lax.while_p.bind(
                *operands,
                cond_nconsts=self.cond_nconsts,
                cond_jaxpr=self.cond,
                body_nconsts=self.body_nconsts,
                body_jaxpr=self.body,
            )
        cond_consts, body_consts, carry = self.split(operands)
        counter = [] if self.self_limited else [jnp.int32(0)]

        def active(state: Any) -> Any:
            holds = self.holds(cond_consts, state[1])
            return holds if self.self_limited else holds & (state[0][0] < self.limit)

        def step(state: Any) -> Any:
            return [i + 1 for i in state[0]], self.next(body_consts, state[1])

        return _held_loop(active, step, (counter, carry), ([True] * len(counter), self.held))[1]

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        cond_consts, consts, carry = self.split([jnp.asarray(x) for x in primals])
        _, dconsts, dcarry = self.split(tangents)
        const_moves, moves = _present(dconsts), _present(dcarry)
        while (grown := list(map(operator.or_, moves, _moving(self.body, const_moves + moves)))) != moves:
            moves = grown
        if not any(moves):
            out = self.run(*primals)
            return out, [_no_tangent(x) for x in out]

        out, count, checkpoints = self.run_with_checkpoints(cond_consts, consts, carry)
        tangent = _Tangent(self, const_moves, moves)
        linear = [_instantiate(d) for d in _pick(const_moves, dconsts) + _pick(moves, dcarry)]
        results = iter(
            linear_call(
                tangent.apply,
                tangent.transpose,
                (consts, carry, count, checkpoints),
                linear,
                [x for x, m in zip(out, moves, strict=True) if m],
            )
        )
        return out, [next(results) if m else _no_tangent(x) for x, m in zip(out, moves, strict=True)]

    def run_with_checkpoints(
        self, cond_consts: list[Any], consts: list[Any], carry: list[Any]
    ) -> tuple[list[Any], Any, list[Any]]:
        """The final carry, the number of iterations, and the states 0, S, 2 S, ..."""

        def active(state: Any) -> Any:
            return (state[0] < self.limit) & self.holds(cond_consts, state[1])

        def step(state: Any) -> Any:
            i, now, slots = state
            # Slot ceil(i / S): the last state to reach slot k is number k S, so that no condition is needed.
            # An idle lane only touches the slot behind its own last segment, hence the one slot more.
            slots = [_write(b, x, (i + self.stride - 1) // self.stride) for b, x in zip(slots, now, strict=True)]
            return i + 1, self.next(consts, now), slots

        slots = _stacks(carry, -(-self.limit // self.stride) + 1)
        count, out, slots = _held_loop(
            active, step, (jnp.int32(0), carry, slots), (True, self.held, [False] * len(slots))
        )
        return out, count, slots


class _Tangent:
    """The linear map from the tangents of the operands to those of the final carry, where there are any."""

    def __init__(self, loop: _Loop, const_moves: list[bool], moves: list[bool]) -> None:
        self.loop, self.const_moves, self.moves = loop, const_moves, moves

    def step(self, consts: list[Any], carry: list[Any]) -> tuple[Callable, list[Any]]:
        """One iteration as a function of the moving operands only, and these operands."""

        def moving_step(*operands: Any) -> tuple[list[Any], list[Any]]:
            operands_ = iter(operands)
            consts_ = [next(operands_) if m else x for x, m in zip(consts, self.const_moves, strict=True)]
            carry_ = [next(operands_) if m else x for x, m in zip(carry, self.moves, strict=True)]
            out = self.loop.next(consts_, carry_)
            return _pick(self.moves, out), out

        return moving_step, _pick(self.const_moves, consts) + _pick(self.moves, carry)

    def apply(self, residuals: Any, tangents: Sequence[Any]) -> list[Any]:
        """Forward mode: primal and tangent advance together."""
        consts, carry, count, _ = residuals
        nconsts = sum(self.const_moves)
        dconsts, dcarry = list(tangents[:nconsts]), list(tangents[nconsts:])

        def body(state: Any) -> Any:
            i, carry, dcarry = state
            step, operands = self.step(consts, carry)
            _, dcarry, carry = jax.jvp(step, operands, dconsts + dcarry, has_aux=True)
            return i + 1, carry, dcarry

        held = (True, self.loop.held, _pick(self.moves, self.loop.held))
        return _held_loop(lambda state: state[0] < count, body, (jnp.int32(0), carry, dcarry), held)[2]

    def transpose(self, residuals: Any, cotangents: Sequence[Any]) -> list[Any]:
        """Reverse mode: segment by segment, the last one first."""
        consts, _, count, checkpoints = residuals
        stride = self.loop.stride
        dconsts = [jnp.zeros_like(x) for x in _pick(self.const_moves, consts)]

        def segment(state: Any) -> Any:
            k, dconsts, dcarry = state
            length = jnp.where(k < 0, 0, jnp.minimum(stride, count - k * stride))
            states = self.recompute(consts, [_read(b, k) for b in checkpoints], length)
            dconsts, dcarry = self.walk_back(consts, states, length, dconsts, dcarry)
            return k - 1, dconsts, dcarry

        last = (count + stride - 1) // stride - 1
        _, dconsts, dcarry = _held_loop(lambda state: state[0] >= 0, segment, (last, dconsts, list(cotangents)))
        return dconsts + dcarry

    def recompute(self, consts: list[Any], first: list[Any], length: Any) -> list[Any]:
        """The states of one segment, stacked; one slot more for what idle lanes write."""

        def step(state: Any) -> Any:
            i, now, slots = state
            now = self.loop.next(consts, now)
            return i + 1, now, [_write(b, x, i) for b, x in zip(slots, now, strict=True)]

        slots = _stacks(first, self.loop.stride + 1)
        return _held_loop(
            lambda state: state[0] < length,
            step,
            (jnp.int32(1), first, slots),
            (True, self.loop.held, [False] * len(slots)),
        )[2]

    def walk_back(
        self, consts: list[Any], states: list[Any], length: Any, dconsts: list[Any], dcarry: list[Any]
    ) -> tuple[list[Any], list[Any]]:
        nconsts = len(dconsts)

        def step(state: Any) -> Any:
            i, dconsts, dcarry = state
            moving_step, operands = self.step(consts, [_read(b, i) for b in states])
            _, pullback, _ = jax.vjp(moving_step, *operands, has_aux=True)
            back = pullback(dcarry)
            dconsts = [a + b for a, b in zip(dconsts, back[:nconsts], strict=True)]
            return i - 1, dconsts, list(back[nconsts:])

        _, dconsts, dcarry = _held_loop(lambda state: state[0] >= 0, step, (length - 1, dconsts, dcarry))
        return dconsts, dcarry


def _pick(flags: Sequence[bool], values: Sequence[Any]) -> list[Any]:
    return [x for x, flag in zip(values, flags, strict=True) if flag]


def _present(tangents: Sequence[Any]) -> list[bool]:
    return [not isinstance(d, SymbolicZero) and _is_inexact(jax.typeof(d)) for d in tangents]


def _instantiate(tangent: Any) -> Any:
    if isinstance(tangent, SymbolicZero):
        return jnp.zeros(tangent.aval.shape, tangent.aval.dtype)
    return jnp.asarray(tangent)


def _no_tangent(x: Any) -> SymbolicZero:
    return SymbolicZero(jax.typeof(x).to_tangent_aval())


def _held_loop(active: Callable, step: Callable, state: Any, held: Any = None) -> Any:
    """`lax.while_loop` that under `vmap` holds ended lanes still by itself, and only where `held` says so.

    Batching a while loop whose condition differs between lanes makes JAX select between the old and the new
    carry in every iteration, which copies the large arrays in it. Here the condition is one for all lanes,
    and arrays that aren't held are written in place: what an ended lane writes there has to be harmless.
    """
    held = jax.tree.map(lambda _: True, state) if held is None else held

    def body(state: Any) -> Any:
        runs = active(state)
        return jax.tree.map(
            lambda hold, new, old: _unless_idle_p.bind(runs, new, old) if hold else new,
            held,
            step(state),
            state,
        )

    return lax.while_loop(lambda state: any_lane(active(state)), body, state)


def any_lane(flag: Any) -> Any:
    """`flag` itself; under `vmap` whether it holds in any lane, as a value that isn't batched.

    As the condition of a loop it keeps JAX from selecting between the old and the new carry of idle lanes in
    each iteration, which copies the whole carry; the body must then leave a finished lane unchanged by
    itself.
    """
    return _any_lane_p.bind(flag)


# Primitives rather than `jax.custom_batching.custom_vmap`, which batches a primal value whenever its tangent
# is.
_any_lane_p = core.Primitive("evolvent_any_lane")
_any_lane_p.def_impl(lambda flag: flag)
_any_lane_p.def_abstract_eval(lambda flag: flag)
mlir.register_lowering(_any_lane_p, mlir.lower_fun(lambda flag: flag, multiple_results=False))
batching.primitive_batchers[_any_lane_p] = lambda args, dims: (any_lane(jnp.any(args[0], axis=dims[0])), None)

# `new`, because outside of `vmap` no lane is ever idle inside the loop; a batched flag makes it a selection.
_unless_idle_p = core.Primitive("evolvent_unless_idle")
_unless_idle_p.def_impl(lambda active, new, old: new)
_unless_idle_p.def_abstract_eval(lambda active, new, old: new)
mlir.register_lowering(_unless_idle_p, mlir.lower_fun(lambda active, new, old: new, multiple_results=False))


def _unless_idle_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    active, *values = primals
    out = _unless_idle_p.bind(active, *values)
    return out, _unless_idle_p.bind(active, *map(ad.instantiate_zeros, tangents[1:]))


def _unless_idle_batch(args: Any, dims: Any) -> tuple[Any, int]:
    size = next(x.shape[d] for x, d in zip(args, dims, strict=True) if d is not None)
    new, old = (batching.bdim_at_front(x, d, size) for x, d in zip(args[1:], dims[1:], strict=True))
    if dims[0] is None:
        return _unless_idle_p.bind(args[0], new, old), 0
    active = jnp.moveaxis(args[0], dims[0], 0)
    return jnp.where(active.reshape(active.shape + (1,) * (new.ndim - active.ndim)), new, old), 0


ad.primitive_jvps[_unless_idle_p] = _unless_idle_jvp
batching.primitive_batchers[_unless_idle_p] = _unless_idle_batch


def _stacks(values: Sequence[Any], slots: int) -> list[Any]:
    return [jnp.broadcast_to(x, (slots, *jnp.shape(x))) for x in values]


def _write(buffer: Any, value: Any, slot: Any) -> Any:
    return lax.dynamic_update_index_in_dim(buffer, value, slot, 0)


def _read(buffer: Any, slot: Any) -> Any:
    return lax.dynamic_index_in_dim(buffer, slot, 0, keepdims=False)
