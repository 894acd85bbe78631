"""Which of torch's transformations a solve runs under. torch has no public way to ask."""

from __future__ import annotations

import torch
from torch.autograd import forward_ad


def transforming() -> bool:
    """Whether a transformation of torch.func is at work, or forward-mode differentiation by dual tensors."""
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


def is_batched(x: torch.Tensor) -> bool:
    """Whether ``torch.func.vmap`` hides one axis of x, at whatever depth of transformations."""
    while torch._C._functorch.is_functorch_wrapped_tensor(x):
        if torch._C._functorch.is_batchedtensor(x):
            return True
        x = torch._C._functorch.get_unwrapped(x)
    return False
