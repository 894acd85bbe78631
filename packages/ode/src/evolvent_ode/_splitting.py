"""Symplectic steps that alternate kicks of the velocity and drifts of the position."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from evolvent import SecondOrderODEProblem
from evolvent_stepping import Step, Stepper

from ._nystrom_conditions import nystrom_residuals
from ._second_order import Quintic, quintic

Row = tuple[float, ...]


@dataclass(frozen=True)
class Composition:
    """Fractions of a step, checked against the order conditions: kick, drift, kick, ..., drift, kick.

    Parameters
    ----------
    order : int
        The order of the method.
    kicks : tuple of float
        Fractions by which the velocity goes on, one more than drifts; a zero is skipped.
    drifts : tuple of float
        Fractions by which the position goes on.
    symmetric : bool
        Whether the step is its own inverse in reversed time.

    Raises
    ------
    ValueError
        If the numbers of kicks and drifts, the symmetry or an order condition doesn't hold.
    """

    order: int
    kicks: Row
    drifts: Row
    symmetric: bool = True
    tolerance: float = field(default=1e-14, repr=False)

    @classmethod
    def of_verlet(cls, order: int, half: Row) -> Composition:
        """Compose Verlet steps of fractions ``half[0], ..., half[-1], ..., half[0]``."""
        steps = (*half, *half[-2::-1])
        return cls(order, tuple((x + y) / 2 for x, y in zip((0.0, *steps), (*steps, 0.0), strict=True)), steps)

    def __post_init__(self) -> None:
        if len(self.kicks) != len(self.drifts) + 1:
            raise ValueError(f"composition: {len(self.drifts)} drifts need one kick more, not {len(self.kicks)}")
        if self.symmetric and (self.kicks != self.kicks[::-1] or self.drifts != self.drifts[::-1]):
            raise ValueError("composition: kicks and drifts must read the same backward")
        kicks = np.asarray(self.kicks)
        c = np.cumsum([0.0, *self.drifts])
        # The step is a Nystrom method: what kick j adds to the velocity moves the position until stage i.
        a = np.tril(kicks * (c[:, None] - c), -1)
        for what, tree, residual in nystrom_residuals(c, a, None, kicks * (c[-1] - c), kicks, self.order):
            if abs(residual) > self.tolerance:
                raise ValueError(f"composition: the {what} misses the order condition of {tree} by {residual:.2e}")


@dataclass(frozen=True)
class Splitting(Stepper):
    """A symplectic method for q'' = a(t, q); a subclass is its `composition` and a docstring.

    The acceleration must not depend on the velocity: it is then a function of position and time alone, and
    each kick and each drift is an exact Hamiltonian flow. The step size stays fixed, without which the
    long-term behaviour is lost. The cache is the acceleration at the step's start.
    """

    problem_types = (SecondOrderODEProblem,)
    symplectic: ClassVar[bool] = True
    velocity_free: ClassVar[bool] = True
    composition: ClassVar[Composition]

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "composition"):
            cls.order = cls.composition.order
            cls.dense_order = min(cls.order, 3)

    def start(self, system, t, y):
        """Evaluate the acceleration."""
        return system.acceleration(t, y[0, ...], y[1, ...])

    def step(self, system, t, y, dt, cache) -> Step:
        """Kick and drift in turn; the last acceleration is the next step's first."""
        composition = self.composition
        q, v, a, elapsed = y[0, ...], y[1, ...], cache, 0.0
        v = system.combine(v, dt, composition.kicks[:1], (a,))
        for drift, kick in zip(composition.drifts, composition.kicks[1:], strict=True):
            q = system.combine(q, dt, (drift,), (v,))
            elapsed += drift
            a = system.acceleration(t + elapsed * dt, q, v)
            if kick != 0.0:
                v = system.combine(v, dt, (kick,), (a,))
        y1 = system.backend.xp.stack([q, v])
        return Step(y1, None, a, Quintic(t, dt, y, y1, cache, a))

    def interpolate(self, system, dense, theta):
        """Evaluate Hermite polynomials."""
        return quintic(system, dense, theta)
