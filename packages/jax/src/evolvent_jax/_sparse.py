"""Sparse linear systems, solved on the host by SuperLU."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from evolvent.linear import solved


def sparse_solve(symbolic: Any, values: Any, rhs: Any) -> Any:
    """Solve for right sides of shape (n,) or (n, m), with derivatives by the values and by the right sides."""
    dtype = jnp.result_type(values, rhs)
    values, rhs = jnp.asarray(values), jnp.asarray(rhs).astype(dtype)
    pattern = symbolic.pattern
    rows, columns = np.asarray(pattern.rows), np.asarray(pattern.columns)

    def times(x: Any) -> Any:
        weights = values.reshape(-1, *(1,) * (x.ndim - 1))
        return jnp.zeros_like(x).at[rows].add(weights * x[columns])

    def solve(of: Any, side: Any, *, transposed: bool) -> Any:
        kind = jax.ShapeDtypeStruct(side.shape, side.dtype)
        call = partial(_on_host, symbolic, side.ndim, transposed)
        return jax.pure_callback(call, kind, lax.stop_gradient(values), side, vmap_method="broadcast_all")

    return lax.custom_linear_solve(
        times, rhs, partial(solve, transposed=False), transpose_solve=partial(solve, transposed=True)
    )


def _on_host(symbolic: Any, axes: int, transposed: bool, values: Any, rhs: Any) -> np.ndarray:
    """The solutions, for matrices and right sides that may have axes in front."""
    values, rhs = np.asarray(values), np.asarray(rhs)
    if rhs.ndim == axes:
        return solved(symbolic, values, rhs, transposed=transposed)
    return np.stack([_on_host(symbolic, axes, transposed, v, r) for v, r in zip(values, rhs, strict=True)])
