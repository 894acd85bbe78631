"""The CuPy backend of evolvent: NumPy's models on a CUDA device."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._backend import CupyBackend

__version__ = "0.1.0"

__all__ = ["CupyBackend"]


def __getattr__(name: str) -> Any:
    if name == "CupyBackend":
        from ._backend import CupyBackend

        return CupyBackend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
