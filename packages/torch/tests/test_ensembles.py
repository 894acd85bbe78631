"""Ensembles of trajectories on tensors: every lane is what it would be alone, derivatives included."""

from typing import Any

import pytest

import evolvent as ev

torch = pytest.importorskip("torch")

TIGHT: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-9}


def lotka_volterra(t, y, p):
    hares, lynx = y
    return [p["a"] * hares - 0.028 * hares * lynx, 0.024 * hares * lynx - 0.8 * lynx]


def problem(**options):
    y0 = torch.tensor([33.956, 5.933], dtype=torch.float64)
    params = {"a": torch.tensor(0.55, dtype=torch.float64)}
    return ev.ODEProblem(lotka_volterra, y0, t_span=(0.0, 5.0), params=params, **options)


def ends(one, rates):
    """The trajectories' ends, solved together, and each alone."""
    together = ev.solve(ev.EnsembleProblem(one, params={"a": rates}), "Tsit5", **TIGHT)
    alone = [ev.solve(one.replace(params={"a": rate}), "Tsit5", **TIGHT) for rate in rates]
    return together.y[:, -1], torch.stack([solution.y[-1] for solution in alone])


THRESHOLD = ev.Event(lambda t, y, p: y[0] - 80.0 * p["a"], terminal=True)
REAPED = ev.Event(lambda t, y, p: y[0] - 80.0 * p["a"], lambda t, y, p: y * p["a"], direction=1)


@pytest.mark.parametrize("events", [(), (THRESHOLD,), (REAPED,)], ids=["plain", "terminal", "effect"])
def test_derivatives_of_each_trajectory(events):
    """Values and derivatives are those of the trajectories alone, event times and effects included."""
    rates = torch.linspace(0.5, 0.6, 3, dtype=torch.float64).requires_grad_()
    together, alone = ends(problem(events=events), rates)
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-9)
    (found,) = torch.autograd.grad(together[:, 1].sum(), rates)
    (expected,) = torch.autograd.grad(alone[:, 1].sum(), rates)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
