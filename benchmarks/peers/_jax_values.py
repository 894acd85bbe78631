"""What every peer on JAX arrays needs: double precision, the case's numbers as arrays, finished results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._case import Case


def load() -> None:
    """Import JAX and let it use float64, as every other peer does."""
    import jax

    jax.config.update("jax_enable_x64", True)


def rhs_of(case: Case) -> Callable[[Any, Any, Any], Any]:
    """The case's right side, returning one array."""
    import jax.numpy as jnp

    def rhs(t, y, params):
        value = case.rhs(t, y, params)
        return jnp.stack(value) if isinstance(value, list) else value

    return rhs


def arrays_of(case: Case) -> tuple[Any, dict[str, Any]]:
    """Initial state and parameters as JAX arrays of the case's dtype."""
    import jax.numpy as jnp

    dtype = case.y0.dtype
    return jnp.asarray(case.y0), {name: jnp.asarray(value, dtype=dtype) for name, value in case.params.items()}


def finished(compiled: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    """A call that returns only when its result is there: JAX's own calls return at once."""
    return lambda: compiled(*arguments).block_until_ready()


def over_ensemble(solve: Callable[[Any, dict[str, Any]], Any], case: Case) -> Callable[[Any, dict[str, Any]], Any]:
    """Map a solve over the parameter that differs among trajectories."""
    import jax

    axes = {name: 0 if name == case.varied else None for name in case.params}
    return jax.vmap(solve, in_axes=(None, axes))


def gradient_of(solve: Callable[[Any, dict[str, Any]], Any], case: Case) -> Callable[[Any, dict[str, Any]], Any]:
    """Derivative of the mean square of a solve's states with respect to all parameters, as one vector."""
    import jax
    import jax.numpy as jnp

    derivative = jax.grad(lambda params, y0: jnp.mean(solve(y0, params) ** 2))

    def gradient(y0, params):
        # JAX sorts the keys of a dictionary; a gradient is compared in the case's order.
        by_name = derivative(params, y0)
        return jnp.concatenate([by_name[name].ravel() for name in case.params])

    return gradient
