"""torchdiffeq: dopri5, and its adjoint for gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._case import Case
from ._torch_values import arrays_of

METHODS = ("dopri5", "adjoint")
INSTALL = "pip install torchdiffeq"


def load(method: str) -> None:
    """Import what a solve needs."""
    import torch  # noqa: F401
    import torchdiffeq  # noqa: F401


def times_of(case: Case) -> Any:
    """The save times after the start, which torchdiffeq takes for the first of them."""
    import torch

    return torch.tensor(np.concatenate([case.t_span[:1], case.saves]))


def rhs_of(case: Case, params: dict[str, Any]) -> Callable[[Any, Any], Any]:
    """The case's right side as a plain function: a module's call would cost as much as a layer."""
    import torch

    def rhs(t, y):
        value = case.rhs(t, y, params)
        return torch.stack(value) if isinstance(value, list) else value

    return rhs


def trajectory(case: Case, tolerance: float, method: str) -> Callable[[], Any]:
    """States at the save times."""
    import torch
    from torchdiffeq import odeint

    y0, params = arrays_of(case)
    rhs, times = rhs_of(case, params), times_of(case)

    @torch.no_grad()
    def solve():
        return odeint(rhs, y0, times, rtol=tolerance, atol=tolerance, method="dopri5")[1:]

    return solve


def gradient(case: Case, tolerance: float, method: str) -> Callable[[], Any]:
    """Derivative of the mean square of the states, through the steps or by the adjoint equation."""
    import torch
    from torchdiffeq import odeint, odeint_adjoint

    y0, params = arrays_of(case, requires_grad=True)
    rhs, times, weights = rhs_of(case, params), times_of(case), list(params.values())
    options = {"rtol": tolerance, "atol": tolerance, "method": "dopri5"}

    def solve():
        if method == "adjoint":
            states = odeint_adjoint(rhs, y0, times, adjoint_params=weights, **options)[1:]
        else:
            states = odeint(rhs, y0, times, **options)[1:]
        parts = torch.autograd.grad(torch.mean(states**2), weights)
        return torch.cat([part.ravel() for part in parts])

    return solve
