"""A linear map that knows its own transpose, as one JAX primitive.

JAX's reverse mode transposes the tangent map of a function. Where the tangent map is a loop JAX can't
transpose it, and where it can, the result may be a bad one; with this primitive it need not look inside.
`jax.custom_derivatives.linear_call` is the same idea, but can't be batched.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend import core
from jax.interpreters import ad, batching, mlir

__all__ = ["linear_call"]


_linear_p = core.Primitive("evolvent_linear")
_linear_p.multiple_results = True


def linear_call(apply: Callable, transpose: Callable, residuals: Any, linear: list[Any], out: list[Any]) -> list[Any]:
    """Call ``apply(residuals, linear)``, of which ``transpose(residuals, cotangents)`` is the transpose.

    Parameters
    ----------
    apply, transpose : callable
        Each takes the residuals and a list of arrays, in which it is linear, and returns a list of arrays.
        They must not close over tracers.
    residuals : pytree of arrays
        What both need to know.
    linear : list of arrays
        The operands.
    out : list of arrays
        Anything with the shapes and dtypes of the results, so that a reverse pass never traces `apply`.
    """
    flat, tree = jax.tree.flatten(residuals)
    nres = len(flat)

    def flat_apply(*args: Any) -> list[Any]:
        return apply(jax.tree.unflatten(tree, args[:nres]), list(args[nres:]))

    def flat_transpose(*args: Any) -> list[Any]:
        return transpose(jax.tree.unflatten(tree, args[:nres]), list(args[nres:]))

    shapes = tuple((x.shape, x.dtype) for x in out)
    return _linear_p.bind(*flat, *linear, apply=flat_apply, transpose=flat_transpose, nres=nres, shapes=shapes)


@_linear_p.def_impl
def _linear_impl(*args: Any, apply: Callable, **_: Any) -> list[Any]:
    return apply(*args)


@_linear_p.def_abstract_eval
def _linear_abstract_eval(*_: Any, shapes: Any, **__: Any) -> list[Any]:
    return [jax.core.ShapedArray(shape, dtype) for shape, dtype in shapes]


def _linear_jvp(primals: Any, tangents: Any, **params: Any) -> tuple[list[Any], list[Any]]:
    out = _linear_p.bind(*primals, **params)
    nres = params["nres"]
    moves = [not isinstance(d, ad.Zero) for d in tangents]
    if not any(moves[:nres]):
        return out, _linear_p.bind(*primals[:nres], *map(ad.instantiate_zeros, tangents[nres:]), **params)

    def of_moving(*operands: Any) -> list[Any]:
        operands_ = iter(operands)
        return params["apply"](*(next(operands_) if m else x for x, m in zip(primals, moves, strict=True)))

    moving = [(x, d) for x, d, m in zip(primals, tangents, moves, strict=True) if m]
    return out, jax.jvp(of_moving, *zip(*moving, strict=True))[1]


def _linear_transpose(cotangents: Any, *args: Any, apply: Callable, transpose: Callable, nres: int, shapes: Any) -> Any:
    residuals, linear = args[:nres], args[nres:]
    avals = [x.aval for x in linear]
    results = _linear_p.bind(
        *residuals,
        *map(ad.instantiate_zeros, cotangents),
        apply=transpose,
        transpose=apply,
        nres=nres,
        shapes=tuple((a.shape, a.dtype) for a in avals),
    )
    return [None] * nres + results


def _linear_batch(args: Any, dims: Any, *, apply: Callable, transpose: Callable, nres: int, shapes: Any) -> Any:
    size = next(x.shape[d] for x, d in zip(args, dims, strict=True) if d is not None)
    # every linear operand is batched, so that the transpose returns a batch of each and JAX sums where it
    # must
    linear = [batching.bdim_at_front(x, d, size) for x, d in zip(args[nres:], dims[nres:], strict=True)]
    axes = (*dims[:nres], *(0 for _ in linear))
    transposed_axes = (*dims[:nres], *(0 for _ in shapes))
    out = _linear_p.bind(
        *args[:nres],
        *linear,
        apply=jax.vmap(apply, in_axes=axes, axis_size=size),
        transpose=jax.vmap(transpose, in_axes=transposed_axes, axis_size=size),
        nres=nres,
        shapes=tuple(((size, *shape), dtype) for shape, dtype in shapes),
    )
    return out, [0] * len(out)


ad.primitive_jvps[_linear_p] = _linear_jvp
ad.primitive_transposes[_linear_p] = _linear_transpose
batching.primitive_batchers[_linear_p] = _linear_batch
mlir.register_lowering(_linear_p, mlir.lower_fun(_linear_impl, multiple_results=True))
