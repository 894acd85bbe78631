"""The PyTorch backend of evolvent: autograd through a solve, on CPU and CUDA."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._backend import TorchBackend

__version__ = "0.1.0"

__all__ = ["TorchBackend"]


def __getattr__(name: str) -> Any:
    if name == "TorchBackend":
        from ._backend import TorchBackend

        return TorchBackend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
