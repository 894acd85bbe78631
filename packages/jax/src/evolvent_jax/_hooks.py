"""How evolvent finds the JAX backend; imports JAX only when an array of it is at hand."""

from evolvent import hookimpl


class JaxFactory:
    """Offers the JAX backend for JAX arrays and tracers."""

    name = "jax"

    def claims(self, array) -> bool:
        import sys

        jax = sys.modules.get("jax")
        return jax is not None and isinstance(array, jax.Array)

    def make(self, leaves):
        from ._backend import JaxBackend

        return JaxBackend(leaves)

    def devices(self) -> list[str]:
        import jax

        return [str(device) for device in jax.devices()]


@hookimpl
def evolvent_backends():
    return [JaxFactory()]
