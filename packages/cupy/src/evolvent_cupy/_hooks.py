"""How evolvent finds the CuPy backend; imports CuPy only when an array of it is at hand."""

from __future__ import annotations

from typing import Any

from evolvent import BackendError, hookimpl

INSTALL = "pip install 'evolvent-cupy[cuda12]', or [cuda13] where the driver is of CUDA 13"


class CupyFactory:
    """Offers the CuPy backend for CuPy's arrays."""

    name = "cupy"

    def claims(self, array: Any) -> bool:
        # Whoever has an array has imported CuPy: there is nothing to import here.
        return any(cls.__module__.partition(".")[0] == "cupy" for cls in type(array).__mro__)

    def make(self, leaves: list[Any]) -> Any:
        return self._backend().CupyBackend.of(leaves)

    def devices(self) -> list[str]:
        return self._backend().devices()

    def _backend(self) -> Any:
        try:
            from . import _backend
        except ImportError as error:
            raise BackendError("backend", f"CuPy can't be imported: {error}.", f"Try: {INSTALL}") from error
        return _backend


@hookimpl
def evolvent_backends():
    return [CupyFactory()]
