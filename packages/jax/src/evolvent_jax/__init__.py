"""JAX for evolvent: whole solves under jit, differentiable in both directions, batched by vmap."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._backend import JaxBackend

__version__ = "0.1.0"

__all__ = ["JaxBackend"]


def __getattr__(name):
    # Only on request: the hooks live in this package too, and finding them must not import JAX.
    if name == "JaxBackend":
        from ._backend import JaxBackend

        return JaxBackend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
