"""What evolvent learns of this package before torch is imported."""

from __future__ import annotations

import sys
from typing import Any

from evolvent import hookimpl


class TorchFactory:
    """Offers the torch backend for tensors."""

    name = "torch"

    def claims(self, array: Any) -> bool:
        # Whoever has a tensor has imported torch: there is nothing to import here.
        tensor = getattr(sys.modules.get("torch"), "Tensor", None)
        return tensor is not None and isinstance(array, tensor)

    def make(self, leaves: list[Any]) -> Any:
        from ._backend import TorchBackend

        return TorchBackend.of(leaves)

    def devices(self) -> list[str]:
        import torch

        cuda = [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
        return ["cpu", *cuda]


@hookimpl
def evolvent_backends():
    return [TorchFactory()]
