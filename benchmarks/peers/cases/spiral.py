"""The spiral that neural ODEs are taught on, with a net that is already fitted: the time is the solver's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from array_api_compat import array_namespace

from .. import _reference
from .._case import Case

WIDTH = 50


def net(t, y, p):
    """A layer of 50 hyperbolic tangents on the cubes of y."""
    xp = array_namespace(y)
    return xp.tanh(y**3 @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"]


def fitted_weights() -> dict[str, np.ndarray]:
    """Random features, fitted to ``y' = A y^3`` by ridge regression: a trained net, without the training.

    The spiral is that of R. T. Q. Chen et al., "Neural ordinary differential equations",
    https://doi.org/10.48550/arXiv.1806.07366.
    """
    random = np.random.default_rng(0)
    w1, b1 = random.normal(size=(2, WIDTH)) / 4.0, random.normal(size=WIDTH) / 2.0
    cubes = random.uniform(-2.0, 2.0, size=(2_000, 2)) ** 3
    wanted = cubes @ np.array([[-0.1, -2.0], [2.0, -0.1]])
    features = np.column_stack([np.tanh(cubes @ w1 + b1), np.ones(len(cubes))])
    normal = features.T @ features + 1e-2 * np.eye(WIDTH + 1)
    weights = np.linalg.solve(normal, features.T @ wanted)
    return {"w1": w1, "b1": b1, "w2": weights[:-1], "b2": weights[-1]}


def reference_gradient(case: Case) -> np.ndarray:
    """Derivative of mean(y^2) by complex steps: one solve for each weight, all of them side by side."""
    names, size = list(case.params), sum(value.size for value in case.params.values())
    flat = np.concatenate([case.params[name].ravel() for name in names])
    perturbed = flat + 1e-20j * np.eye(size)
    shapes = [case.params[name].shape for name in names]
    cuts = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])[:-1]
    p = {n: part.reshape(size, *s) for n, part, s in zip(names, np.split(perturbed, cuts, axis=1), shapes, strict=True)}

    def f(t, y):
        hidden = np.tanh(np.einsum("ni,nij->nj", y**3, p["w1"]) + p["b1"])
        return np.einsum("nj,nji->ni", hidden, p["w2"]) + p["b2"]

    states = _reference.integrate(f, np.tile(case.y0.astype(complex), (size, 1)), case)
    return np.mean(states**2, axis=(0, 2)).imag / 1e-20


SPIRAL_NEURAL_ODE = Case(
    name="spiral-neural-ode",
    title="Spiral neural ODE (2-50-2 tanh on y^3), t 0..1.5, 30 saved states, rtol = atol = 1e-6",
    task="trajectory",
    rhs=net,
    y0=np.array([2.0, 0.0]),
    params=fitted_weights(),
    t_span=(0.0, 1.5),
    saves=np.linspace(0.05, 1.5, 30),
    tolerances=(1e-6, 1e-4, 1e-5, 1e-7, 1e-8),
    reference=_reference.trajectory,
    peers=(
        "torchdiffeq-dopri5",
        "evolvent-torch",
        "evolvent-native",
        "evolvent-eager",
        "scipy-rk45",
        "evolvent-jax",
        "diffrax-tsit5",
    ),
    baseline="torchdiffeq-dopri5",
)

SPIRAL_GRADIENT = replace(
    SPIRAL_NEURAL_ODE,
    name="spiral-neural-ode-gradient",
    title="Spiral neural ODE, the same, forward and backward: d mean(y^2) / d weights",
    task="gradient",
    reference=reference_gradient,
    peers=("torchdiffeq-dopri5", "torchdiffeq-adjoint", "evolvent-torch", "evolvent-jax", "diffrax-tsit5"),
)
