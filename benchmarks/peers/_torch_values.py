"""What every peer on torch tensors needs: the case's numbers as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._case import Case


def arrays_of(case: Case, requires_grad: bool = False) -> tuple[Any, dict[str, Any]]:
    """Initial state and parameters as tensors; numbers stay numbers."""
    import torch

    params = {
        name: torch.tensor(value, requires_grad=requires_grad) if isinstance(value, np.ndarray) else value
        for name, value in case.params.items()
    }
    return torch.tensor(case.y0), params
