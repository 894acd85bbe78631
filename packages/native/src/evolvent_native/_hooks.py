"""How evolvent finds the native backend; imports the compiler only when a problem is solved."""

from __future__ import annotations

from evolvent import hookimpl


class NativeFactory:
    """Offers the native backend for NumPy arrays."""

    name = "native"
    claims_numpy = True

    def claims(self, array) -> bool:
        return False

    def make(self, leaves, forced: bool = False):
        from ._backend import NativeBackend

        return NativeBackend(leaves, forced=forced)

    def devices(self) -> list[str]:
        from ._machine import host

        return [f"cpu ({host()[0]})"]


@hookimpl
def evolvent_backends():
    return [NativeFactory()]
