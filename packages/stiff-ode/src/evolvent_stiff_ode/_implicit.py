"""What implicit methods share: a linear solver, and what it is staged with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from evolvent_stepping import Entry, Part, Stepper

from ._consistent import consistent, differential_slope
from ._constraints import Constraints, constraints_of
from ._diagnosis import explain_failure
from ._newton import Linearisation
from .linear.pattern import pattern_of
from .linear.solver import LinearSolver


@dataclass(frozen=True)
class Implicit(Stepper):
    """A method that solves linear systems with the Jacobian.

    Parameters
    ----------
    linear_solver : LinearSolver or str
        How; "auto" chooses by size and density.
    """

    linear_solver: Any = "auto"
    constraints: Constraints | None = field(default=None, repr=False, kw_only=True)

    implicit: ClassVar[bool] = True
    adaptive = True
    wants_time_derivative: ClassVar[bool] = False
    solves_once: ClassVar[bool] = False  # whether no iteration mends what a linear solver leaves

    def prepared(self, model):
        """Settle the linear solver for the problem, and which equations of it are algebraic."""
        from .linear.choice import linear_solver_for

        constraints = constraints_of(model)
        if constraints is not None and not model.backend.lanes:
            pattern = pattern_of(model)
            if pattern is not None:
                constraints.require_solvable(pattern.rows, pattern.columns)
        return replace(
            self,
            linear_solver=linear_solver_for(self.linear_solver, model, exactly=self.solves_once),
            constraints=constraints,
        )

    def parts(self, model):
        parts = self.solver.parts(model)
        if self.wants_time_derivative:
            parts["time_derivative"] = Part(
                lambda t, y, params: _time_derivative(model, t, y, params), key=("time derivative", model.splits)
            )
        return parts

    def enter(self, system, t, y):
        """Begin at `y`, with other algebraic components where these do not satisfy their equations."""
        if self.constraints is None:
            return super().enter(system, t, y)
        found = consistent(system, self.solver, self.constraints, t, y)
        return Entry(found.x[0], self.start(system, t, found.x[0]), found.status, found.work)

    def slope(self, system, t, y):
        """Solve ``M y' = f`` for the differential components."""
        if system.mass is None:
            return system.f(t, y)
        return differential_slope(system, self.solver, self.constraints, t, y)

    def measured_step(self, system, t, y, dt, cache) -> tuple[Any, Any]:
        """Take a step, and give the Jacobian that it was taken with."""
        step = self.step(system, t, y, dt, cache)
        kept = next(part for part in step.cache if isinstance(part, Linearisation))
        return step, kept.jacobian

    def diagnosis(self, run, state):
        """Look at f and the Jacobian where a solve has failed."""
        return explain_failure(self, run, state)

    @property
    def solver(self) -> LinearSolver:
        """The linear solver of a prepared method."""
        return self.linear_solver


def _time_derivative(model, t, y, params) -> Any:
    return model.backend.time_derivative(lambda t: model.derivative(t, y, params), t, y)
