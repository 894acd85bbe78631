"""JAX for evolvent: whole solves under jit, differentiable in both directions, batched by vmap."""

from ._backend import JaxBackend

__version__ = "0.1.0"

__all__ = ["JaxBackend"]
