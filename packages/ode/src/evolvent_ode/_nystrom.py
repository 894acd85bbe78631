"""Runge-Kutta-Nystrom steps from a tableau: the one place where they are taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np

from evolvent import SecondOrderODEProblem
from evolvent_stepping import Step, Stepper

from ._nystrom_conditions import nystrom_residuals
from ._second_order import Quintic, quintic

Row = tuple[float, ...]


@dataclass(frozen=True)
class NystromInterpolant:
    """Dense output: ``position[i][j]`` and ``velocity[i][j]`` belong to ``theta**(j + 1)`` of stage i."""

    order: int
    position: tuple[Row, ...]
    velocity: tuple[Row, ...]


@dataclass(frozen=True)
class NystromTableau:
    """A Nystrom method's coefficients, checked against its order conditions.

    Parameters
    ----------
    order : int
        The order of position and velocity.
    c : tuple of float
        Nodes (s).
    a : tuple of tuples of float
        Coefficients of the stages' positions, times dt**2; row i has i entries.
    b, b_velocity : tuples of float
        Weights of position (times dt**2) and velocity (times dt).
    a_velocity : tuple of tuples of float, optional
        Coefficients of the stages' velocities, times dt; None for accelerations without velocity.
    error, error_velocity : tuples of float, optional
        Weights minus those of the embedded method.
    error_order : int, optional
        The order of the embedded method.
    interpolant : NystromInterpolant, optional
        Dense output of the method's own; else a Hermite polynomial.

    Raises
    ------
    ValueError
        If shapes disagree or an order condition doesn't hold.
    """

    order: int
    c: Row
    a: tuple[Row, ...]
    b: Row
    b_velocity: Row
    a_velocity: tuple[Row, ...] | None = None
    error: Row | None = None
    error_velocity: Row | None = None
    error_order: int | None = None
    interpolant: NystromInterpolant | None = None
    tolerance: float = field(default=1e-13, repr=False)

    def __post_init__(self) -> None:
        stages = len(self.c)
        if {stages} != {len(self.a), len(self.b), len(self.b_velocity)} or any(
            len(row) != i for i, row in enumerate(self.a)
        ):
            raise ValueError(f"tableau: a, b and b_velocity must have {stages} rows and a be strictly lower triangular")
        b, b_velocity = np.asarray(self.b), np.asarray(self.b_velocity)
        self._check("", b, b_velocity, self.order)
        if self.error is not None and self.error_order is not None:
            self._check("embedded ", b - self.error, b_velocity - self.error_velocity, self.error_order)
        if self.interpolant is not None:
            for theta in (0.25, 0.7):
                b, b_velocity = (
                    np.asarray(_weights(rows, theta)) for rows in (self.interpolant.position, self.interpolant.velocity)
                )
                self._check("interpolated ", b, b_velocity, self.interpolant.order, theta)

    def _check(self, name: str, b, b_velocity, order: int, theta: float = 1.0) -> None:
        a_velocity = None if self.a_velocity is None else _square(self.a_velocity)
        found = nystrom_residuals(np.asarray(self.c), _square(self.a), a_velocity, b, b_velocity, order, theta)
        for what, tree, residual in found:
            if abs(residual) > self.tolerance:
                raise ValueError(f"tableau: the {name}{what} misses the order condition of {tree} by {residual:.2e}")

    @cached_property
    def fsal(self) -> bool:
        """Whether the last stage is the acceleration at the end of the step (first same as last)."""
        return self.a_velocity is None and self.c[-1] == 1.0 and self.b[-1] == 0.0 and self.a[-1] == self.b[:-1]


def _square(rows) -> np.ndarray:
    square = np.zeros((len(rows), len(rows)))
    for i, row in enumerate(rows):
        square[i, :i] = row
    return square


class NystromStages(NamedTuple):
    """One step's stages, for dense output of the method's own."""

    t: Any
    dt: Any
    y0: Any
    k: tuple[Any, ...]


@dataclass(frozen=True)
class Nystrom(Stepper):
    """A Runge-Kutta-Nystrom method; a subclass is its `tableau` and a docstring.

    The cache is the acceleration at the step's start.
    """

    problem_types = (SecondOrderODEProblem,)
    tableau: ClassVar[NystromTableau]

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        tableau = getattr(cls, "tableau", None)
        if tableau is not None:
            cls.order = tableau.order
            cls.error_order = tableau.error_order
            cls.adaptive = tableau.error is not None
            cls.velocity_free = tableau.a_velocity is None
            cls.dense_order = min(tableau.order, 3) if tableau.interpolant is None else tableau.interpolant.order

    def start(self, system, t, y):
        """Evaluate the acceleration."""
        return system.acceleration(t, y[0, ...], y[1, ...])

    def step(self, system, t, y, dt, cache) -> Step:
        """Compute the stages, the state at the end and the embedded formula's difference from it."""
        tableau = self.tableau
        q0, v0, k = y[0, ...], y[1, ...], [cache]
        q = q0
        for i in range(1, len(tableau.c)):
            c = tableau.c[i]
            q = _move(system, q0, v0, dt, c, tableau.a[i], k)
            v = v0 if tableau.a_velocity is None else system.combine(v0, dt, tableau.a_velocity[i], k)
            k.append(system.acceleration(t + c * dt, q, v))
        v1 = system.combine(v0, dt, tableau.b_velocity, k)
        if tableau.fsal:
            q1 = q
        else:
            q1 = _move(system, q0, v0, dt, 1.0, tableau.b, k)
            k.append(system.acceleration(t + dt, q1, v1))
        stack = system.backend.xp.stack
        y1, error = stack([q1, v1]), None
        if tableau.error is not None:
            e = system.combine(None, dt, _scaled(dt, tableau.error), k)
            error = stack([e, system.combine(None, dt, tableau.error_velocity, k)])
        if tableau.interpolant is None:
            return Step(y1, error, k[-1], Quintic(t, dt, y, y1, cache, k[-1]))
        return Step(y1, error, k[-1], NystromStages(t, dt, y, tuple(k)))

    def interpolate(self, system, dense, theta):
        """Evaluate the method's own interpolant, or Hermite polynomials where it has none."""
        interpolant = self.tableau.interpolant
        if interpolant is None:
            return quintic(system, dense, theta)
        q0, v0, dt = dense.y0[0, ...], dense.y0[1, ...], dense.dt
        q = _move(system, q0, v0, dt, theta, _weights(interpolant.position, theta), dense.k)
        v = system.combine(v0, dt, _weights(interpolant.velocity, theta), dense.k)
        return system.backend.xp.stack([q, v])


def _weights(rows, theta):
    """Evaluate each row's ``sum_j row[j] * theta**(j + 1)``; a row of zeros stays a Python zero."""
    values = []
    for row in rows:
        value = 0.0
        for coefficient in reversed(row) if any(row) else ():
            value = (value + coefficient) * theta
        values.append(value)
    return values


def _move(system, q, v, dt, c, weights, k):
    """Compute ``q + c dt v + dt**2 sum_i weights[i] k[i]``."""
    return system.combine(q, dt, (c, *_scaled(dt, weights)), (v, *k))


def _scaled(dt, weights):
    # A Python zero stays one: `combine` skips those.
    return [dt * w if not (isinstance(w, float) and w == 0.0) else 0.0 for w in weights]
