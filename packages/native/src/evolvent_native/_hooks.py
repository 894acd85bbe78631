"""How evolvent finds the native backend; imports the compiler only when a problem is solved."""

from __future__ import annotations

import os

from evolvent import hookimpl


def wanted() -> bool:
    """Whether arrays run natively without being asked to: ``EVOLVENT_NATIVE=off`` says no."""
    return os.environ.get("EVOLVENT_NATIVE", "on").lower() not in ("off", "0", "no")


class NativeFactory:
    """Offers the native backend for NumPy arrays, and for those of torch and JAX on the CPU that want no gradients."""

    name = "native"

    @property
    def claims_numpy(self) -> bool:
        return wanted()

    def claims(self, array) -> bool:
        return False

    def takes(self, leaves) -> bool:
        """Whether arrays of another library run natively."""
        from . import _foreign

        return wanted() and _foreign.takes(leaves)

    def make(self, leaves, forced: bool = False):
        from . import _foreign
        from ._backend import NativeBackend

        if _foreign.name_of(leaves):
            return _foreign.make(leaves, forced)
        return NativeBackend(leaves, forced=forced)

    def devices(self) -> list[str]:
        from ._machine import host

        return [f"cpu ({host()[0]})"]


@hookimpl
def evolvent_sparsity(function, arguments, backend):
    from ._derived import pattern_anywhere

    return pattern_anywhere(function, arguments, backend)


@hookimpl
def evolvent_dependence(function, arguments, backend):
    from ._derived import dependence_anywhere

    return dependence_anywhere(function, arguments, backend)


@hookimpl
def evolvent_stage(function, examples, backend):
    from ._eager_derivatives import staged

    return staged(function, examples, backend) if wanted() else None


@hookimpl
def evolvent_backends():
    return [NativeFactory()]
