"""Rosenbrock steps from a tableau: the one place where they are taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from evolvent_stepping import Step, Work

from ._implicit import Implicit
from ._rosenbrock_tableau import RosenbrockTableau
from .linear.mass import mass_times


class Stages(NamedTuple):
    """One step's ends, and what its dense output bends the line between them by."""

    t: Any
    dt: Any
    y0: Any
    y1: Any
    bends: tuple[Any, ...]


@dataclass(frozen=True)
class Rosenbrock(Implicit):
    """A Rosenbrock method; a subclass is its `tableau` and a docstring.

    Each step evaluates the Jacobian and the time derivative at its start, factorises one matrix and solves one linear
    system a stage: no iteration, so that nothing can fail to converge. The state may have algebraic components (a
    singular mass matrix).
    """

    tableau: ClassVar[RosenbrockTableau]
    # Hairer and Wanner's choice for RODAS: without memory, which costs a tenth of the steps here.
    controller: ClassVar[tuple[float, float, float]] = (1.0, 0.0, 0.0)
    takes_mass: ClassVar[bool] = True
    retakes: ClassVar[bool] = False
    wants_time_derivative: ClassVar[bool] = True
    solves_once: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        tableau = vars(cls).get("tableau")
        if tableau is not None:
            cls.order, cls.error_order, cls.dense_order = tableau.order, tableau.error_order, tableau.dense_order

    def start(self, system, t, y):
        """Keep the derivative, where the method hands it on; else nothing."""
        return system.f(t, y) if self.tableau.fsal else ()

    def at_rest(self, system, t, y):
        """A step of no length."""
        return Stages(t, 0.0 * t, y, y, tuple(system.backend.zeros_like(y) for _ in self.tableau.dense))

    def step(self, system, t, y, dt, cache) -> Step:
        """Solve one linear system a stage."""
        return self._step(system, t, y, dt, cache, system.jacobian(t, y))

    def measured_step(self, system, t, y, dt, cache):
        """Take a step, and give its Jacobian."""
        jacobian = system.jacobian(t, y)
        return self._step(system, t, y, dt, cache, jacobian), jacobian

    def _step(self, system, t, y, dt, cache, jacobian) -> Step:
        tableau, solver = self.tableau, self.solver
        slope = system.time_derivative(t, y)
        factors = solver.factor(system, jacobian, (1.0 / tableau.gamma) / dt)
        stages: list[Any] = []
        calls = system.calls
        f = cache if tableau.fsal else system.f(t, y)
        for i, alpha in enumerate(tableau.alpha):
            if i and not tableau.same_point(i):
                f = system.f(t + alpha * dt, system.combine(y, 1.0, tableau.a[i], stages))
            rhs = system.combine(f, dt, (tableau.d[i],), (slope,))
            if i and system.mass is None:
                rhs = system.combine(rhs, 1.0 / dt, tableau.c[i], stages)
            elif i:
                rhs = rhs + mass_times(system, system.combine(None, 1.0 / dt, tableau.c[i], stages))
            stages.append(solver.solve(system, factors, rhs))
        y1 = system.combine(y, 1.0, tableau.m, stages)
        error = system.combine(None, 1.0, tableau.error, stages)
        bends = tuple(system.combine(None, 1.0, row, stages) for row in tableau.dense)
        b = system.backend
        one = b.integer(1)
        work = Work(b.integer(system.calls - calls), one, one, b.integer(len(stages)), b.integer(0))
        return Step(y1, error, f if tableau.fsal else cache, Stages(t, dt, y, y1, bends), work=work)

    def interpolate(self, system, dense, theta):
        """Evaluate the method's own continuous extension, Hairer and Wanner's (IV.7)."""
        rest = 1.0 - theta
        weights, power = [], theta * rest
        for _ in dense.bends:
            weights.append(power)
            power = power * theta
        return system.combine(None, 1.0, (rest, theta, *weights), (dense.y0, dense.y1, *dense.bends))
