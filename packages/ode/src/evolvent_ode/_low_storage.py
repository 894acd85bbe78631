"""Explicit Runge-Kutta steps in two or three registers, however many stages.

A tableau with s stages keeps s derivatives until the step is done. These schemes keep two or three arrays
of the state's size, which is why they are chosen for discretised partial differential equations: so they
are stepped as published, and their tableau only serves to check them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from evolvent_stepping import Hermite, Step, Stepper

from ._tableau import Row, Tableau


@dataclass(frozen=True)
class TwoRegisters:
    """Williamson's 2N scheme: ``d = a_i d + f(u)``, then ``u = u + dt b_i d``.

    Parameters
    ----------
    order : int
        Its order.
    a, b, c : tuples of float
        One entry a stage; ``a[0]`` and ``c[0]`` are zero.

    References
    ----------
    J. H. Williamson, Low-storage Runge-Kutta schemes, Journal of Computational Physics 35 (1980) 48-56,
    doi:10.1016/0021-9991(80)90033-9.
    """

    order: int
    a: Row
    b: Row
    c: Row
    error_order: ClassVar[None] = None

    def __post_init__(self) -> None:
        butcher_tableau(self)

    def advance(self, system, t, y, dt, f0) -> tuple[Any, Any, None]:
        """Return the state and the derivative at the end of the step, and no error estimate."""
        increment = f0
        u = system.combine(y, dt, self.b[:1], [increment])
        for a, b, c in zip(self.a[1:], self.b[1:], self.c[1:], strict=True):
            increment = system.combine(system.f(t + c * dt, u), 1.0, [a], [increment])
            u = system.combine(u, dt, [b], [increment])
        return u, system.f(t + dt, u), None


@dataclass(frozen=True)
class ThreeRegisters:
    """Ketcheson's 3S* scheme: ``s = s + delta_i u``, then ``u = gamma_i . (u, s, y0) + dt beta_i f(u)``.

    Parameters
    ----------
    order : int
        Its order.
    gamma1, gamma2, gamma3, delta, beta, c : tuples of float
        One entry a stage; both u and s start as y0, and the first stage is ``u = y0 + dt beta_0 f(y0)``.
    error : tuple of float, optional
        ``b - b_hat`` for each stage and for the derivative at the end of the step; takes one more register.
    error_order : int, optional
        The order of the embedded formula.

    References
    ----------
    D. I. Ketcheson, Runge-Kutta methods with minimum storage implementations, Journal of
    Computational Physics 229 (2010) 1763-1773, doi:10.1016/j.jcp.2009.11.006.
    """

    order: int
    gamma1: Row
    gamma2: Row
    gamma3: Row
    delta: Row
    beta: Row
    c: Row
    error: Row | None = None
    error_order: int | None = None

    def __post_init__(self) -> None:
        butcher_tableau(self)

    def advance(self, system, t, y, dt, f0) -> tuple[Any, Any, Any]:
        """Return the state and the derivative at the end of the step, and the error estimate."""
        u, s = system.combine(y, dt, self.beta[:1], [f0]), y
        error = None if self.error is None else system.combine(None, dt, self.error[:1], [f0])
        for i in range(1, len(self.beta)):
            f = system.f(t + self.c[i] * dt, u)
            s = system.combine(s, 1.0, [self.delta[i]], [u]) if self.delta[i] else s
            gammas = self.gamma1[i], self.gamma2[i], self.gamma3[i]
            u = system.combine(None, 1.0, [*gammas, self.beta[i] * dt], [u, s, y, f])
            if self.error is not None and self.error[i]:
                error = system.combine(error, dt, [self.error[i]], [f])
        f1 = system.f(t + dt, u)
        if self.error is not None and self.error[-1]:
            error = system.combine(error, dt, [self.error[-1]], [f1])
        return u, f1, error


class UnitVectors:
    """A system whose states are coefficients of (y0, k_0, k_1 ...): a step on it lays the method bare."""

    def __init__(self, stages: int):
        self.unit = np.eye(stages + 2)
        self.nodes = [0.0]
        self.states = [self.unit[0]]

    def f(self, t, y):
        """Record where the derivative is asked for and answer with the next unit vector."""
        self.nodes.append(t)
        self.states.append(y)
        return self.unit[len(self.states)]

    def combine(self, y, dt, weights, ks):
        """Combine as any system does."""
        return (0.0 if y is None else y) + dt * sum(w * k for w, k in zip(weights, ks, strict=False))


def butcher_tableau(scheme: TwoRegisters | ThreeRegisters) -> Tableau:
    """Find a scheme's tableau by taking a step on unit vectors, and so check the step that users take.

    The derivative at the end of the step is its last stage (FSAL), since every method hands that on.

    Raises
    ------
    ValueError
        If the order conditions don't hold.
    """
    system = UnitVectors(len(scheme.b if isinstance(scheme, TwoRegisters) else scheme.beta))
    y1, _, error = scheme.advance(system, 0.0, system.unit[0], 1.0, system.unit[1])
    a = tuple(tuple(state[1 : i + 1].tolist()) for i, state in enumerate(system.states))
    return Tableau(
        order=scheme.order,
        c=tuple(system.nodes),
        a=a,
        b=tuple(y1[1:].tolist()),
        error=None if error is None else tuple(error[1:].tolist()),
        error_order=scheme.error_order,
    )


@dataclass(frozen=True)
class LowStorage(Stepper):
    """An explicit Runge-Kutta method in few registers; a subclass is its `scheme` and a docstring.

    The cache is the derivative at the step's start; dense output is the cubic Hermite polynomial.
    """

    scheme: ClassVar[TwoRegisters | ThreeRegisters]

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        scheme = vars(cls).get("scheme")
        if scheme is not None:
            cls.order = scheme.order
            cls.error_order = scheme.error_order
            cls.adaptive = scheme.error_order is not None
            cls.dense_order = min(scheme.order, 3)

    def step(self, system, t, y, dt, cache) -> Step:
        """Advance the registers through all stages."""
        y1, f1, error = self.scheme.advance(system, t, y, dt, cache)
        return Step(y1, error, f1, Hermite(t, dt, y, y1, cache, f1))
