"""torchdiffeq: dopri5, and its adjoint for gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._case import Case

METHODS = ("dopri5", "adjoint")
INSTALL = "pip install torchdiffeq"


def load(method: str) -> None:
    """Import what a solve needs."""
    import torch  # noqa: F401
    import torchdiffeq  # noqa: F401


def module_of(case: Case) -> Any:
    """The case's right side as the module that torchdiffeq's adjoint asks for, its arrays as parameters."""
    import torch

    class RightSide(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.numbers = {name: p for name, p in case.params.items() if not isinstance(p, np.ndarray)}
            self.arrays = torch.nn.ParameterDict(
                {name: torch.tensor(p) for name, p in case.params.items() if isinstance(p, np.ndarray)}
            )
            # A ParameterDict is slow to look things up in.
            self.by_name = self.numbers | dict(self.arrays.items())

        def forward(self, t, y):
            value = case.rhs(t, y, self.by_name)
            return torch.stack(value) if isinstance(value, list) else value

    return RightSide()


def trajectory(case: Case, tolerance: float, method: str) -> Callable[[], np.ndarray]:
    """States at the save times."""
    import torch
    from torchdiffeq import odeint

    rhs, y0 = module_of(case), torch.tensor(case.y0)
    times = torch.tensor(np.concatenate([case.t_span[:1], case.saves]))

    @torch.no_grad()
    def solve():
        return odeint(rhs, y0, times, rtol=tolerance, atol=tolerance, method="dopri5")[1:].numpy()

    return solve


def gradient(case: Case, tolerance: float, method: str) -> Callable[[], np.ndarray]:
    """Derivative of the mean square of the states, through the steps or by the adjoint equation."""
    import torch
    from torchdiffeq import odeint, odeint_adjoint

    integrate = odeint_adjoint if method == "adjoint" else odeint
    rhs, y0 = module_of(case), torch.tensor(case.y0)
    weights = [rhs.by_name[name] for name in case.params]
    times = torch.tensor(np.concatenate([case.t_span[:1], case.saves]))

    def solve():
        states = integrate(rhs, y0, times, rtol=tolerance, atol=tolerance, method="dopri5")[1:]
        parts = torch.autograd.grad(torch.mean(states**2), weights)
        return torch.cat([part.ravel() for part in parts]).numpy()

    return solve
