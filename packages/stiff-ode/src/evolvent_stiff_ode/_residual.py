"""Implicit problems ``F(t, y, y') = 0``, as multistep methods for ``y' = f`` see them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from evolvent import DAEProblem, Status
from evolvent_stepping import Entry, Part

from ._bdf import Multistep
from ._consistent import Found, search
from ._constraints import of_residual
from .linear.pattern import residual_patterns
from .linear.pencil import Pencil, derivatives
from .linear.solver import flat, size_of, unflat

SMALL = 50  # equations whose matrix is taken for full


class Implied:
    """An implicit problem as a multistep method sees it: all that one asks of a system.

    Attributes
    ----------
    mass : ()
        Not the identity: a start needs more than f.
    slope : array
        The derivative at which the residual is linearised; at a start, that of y.
    """

    mass = ()

    def __init__(self, system, slope=None):
        self.plain, self.slope = system, slope
        self.backend, self.combine, self.params = system.backend, system.combine, system.params
        self.functions, self.scaled_norm = system.functions, system.scaled_norm

    def jacobian(self, t, y):
        """Both derivatives of the residual."""
        return self.functions["jacobian"](t, y, self.slope, self.params)

    def f(self, t, y):
        """The derivative of y at a start, and what stands for it until the next one."""
        return self.slope


@dataclass(frozen=True)
class Residual(Multistep):
    """What makes a multistep formula one for residuals; the formula comes behind it among the bases."""

    traced: bool = field(default=False, repr=False, kw_only=True)

    problem_types: ClassVar[tuple[type, ...]] = (DAEProblem,)
    takes_mass: ClassVar[bool] = False

    def prepared(self, model):
        """Settle the linear solver, and which equations are algebraic."""
        # The rows of a residual come in any order: as long as that costs little, by a solver that exchanges them.
        small = isinstance(self.linear_solver, str) and self.linear_solver == "auto" and size_of(model) <= SMALL
        prepared = super(Residual, replace(self, linear_solver="dense") if small else self).prepared(model)
        b = model.backend
        if b.traced:
            # What is algebraic shows at the start itself.
            return replace(prepared, traced=True)
        try:
            by_slope = _by_slope(model, prepared.linear_solver)
        except Exception:
            if not b.lanes:
                raise
            # A function that takes one trajectory at a time can't be called here.
            return replace(prepared, traced=True)
        constraints = of_residual(model, by_slope)
        if constraints is not None and not b.lanes:
            patterns = residual_patterns(model)
            if patterns is not None:
                constraints.require_solvable(patterns[0].rows, patterns[0].columns)
        return replace(prepared, constraints=constraints)

    def parts(self, model):
        parts = self.solver.parts(model)
        guess = model.problem.yp0
        flat_guess = None if guess is None else model.like_state(guess, None)

        def slope0(t, y, params):
            b = model.backend
            if flat_guess is None:
                return b.zeros_like(y)
            array = b.xp.asarray(flat_guess, dtype=y.dtype, device=b.device)
            return unflat(b, b.xp.zeros_like(flat(b, y)) + (array[:, None] if b.lanes else array), y)

        parts["slope0"] = Part(slope0)
        if self.constraints is not None or self.traced:
            parts["time_derivative"] = Part(
                lambda t, y, yp, params: model.backend.time_derivative(
                    lambda t: model.residual(t, y, yp, params), t, y
                ),
                (model.backend.real(model.problem.t_span[0]), model.y0, model.y0, model.params0),
            )
        return parts

    @property
    def solver(self):
        """The linear solver of a prepared method."""
        return Pencil(self.linear_solver)

    def diagnosis(self, run, state):
        """Say which algebraic equations can't be satisfied."""
        model, m = run.model, state.march
        b = model.backend
        if int(m.status) != Status.INCONSISTENT_START or b.traced or b.lanes or self.constraints is None:
            return ""
        slope = self.parts(model)["slope0"].function(m.t, m.y, state.params)
        with np.errstate(all="ignore"):
            by_state, _ = derivatives(model, None, m.t, m.y, slope, state.params)
            left = model.residual(m.t, m.y, slope, state.params)
            return self.constraints.describe(np.asarray(b.host(by_state)), np.asarray(b.host(left)).reshape(-1))

    # ------------------------------------------------------------ the start
    def enter(self, system, t, y):
        """Begin at `y`, with algebraic components and a derivative that satisfy the equations."""
        found = self.consistent(system, t, y)
        slope = self._completed(system, t, *found.x)
        cache = super().start(Implied(system, slope), t, found.x[0])
        return Entry(found.x[0], cache._replace(raw=system.backend.boolean(False)), found.status, found.work)

    def start(self, system, t, y):
        """Begin at `y`."""
        return self.enter(system, t, y).cache

    def slope(self, system, t, y):
        """Find the derivative at a consistent state."""
        return self.consistent(system, t, y).x[1]

    def first_step(self, system, t, y, cache, direction, span):
        """Take a step between one that hardly changes the state and one that changes a hundredth of it."""
        b, c = system.backend, system.backend.control
        size, rate = b.to_control(system.scaled_norm(y, y, y), system.scaled_norm(cache.memory.values[0], y, y))
        rate = c.where(c.isfinite(rate), c.maximum(rate, 1e-30), 1e30)
        return c.minimum(1e-3 * span, c.sqrt(0.5 * c.maximum(0.01 * size, 0.5)) / rate)

    def consistent(self, system, t, y) -> Found:
        """Find the state near `y` and the derivative that satisfy the equations; differential components stay."""
        b, solver = system.backend, self.solver
        slope = system.functions["slope0"](t, y, system.params)

        def linearised(x):
            pair = b.stop_gradient(system.functions["jacobian"](t, *x, system.params))
            mask = self._mask(b, pair)
            return b.stop_gradient(solver.start_factors(system, pair, self.constraints, mask)), mask

        def correction(kept, x):
            (factors, scale), mask = kept
            change = -solver.solve(system, factors, system.residual(t, *x))
            algebraic = self._algebraic(b, mask, change)
            return algebraic, b.time(scale, y) * (change - algebraic)

        found = search(system, linearised, correction, (b.stop_gradient(y), b.stop_gradient(slope)))
        if not b.differentiates:
            return found
        moves = y - b.stop_gradient(y)
        slope = b.stop_gradient(found.x[1])
        kept = linearised(b.stop_gradient(found.x))
        state = b.stop_gradient(found.x[0]) + moves - self._algebraic(b, kept[1], moves)
        change = correction(kept, (state, slope))
        return found._replace(x=b.select(found.status == 0, (state + change[0], slope + change[1]), (y, slope)))

    def _completed(self, system, t, y, slope) -> Any:
        """Add the derivatives of the algebraic components: those of their equations are zero too."""
        if self.constraints is None and not self.traced:
            return slope
        b, solver = system.backend, self.solver
        pair = system.functions["jacobian"](t, y, slope, system.params)
        mask = self._mask(b, pair)
        known = slope - self._algebraic(b, mask, slope)
        rhs = system.functions["time_derivative"](t, y, slope, system.params) + solver.times(system, pair, known)
        factors, _ = solver.start_factors(system, pair, self.constraints, mask)
        return known - self._algebraic(b, mask, solver.solve(system, factors, rhs))

    def _mask(self, b, pair) -> Any:
        """Which entries are algebraic, where that shows in the derivatives alone."""
        return b.xp.all(pair[1] == 0.0, axis=0) if self.traced else ()

    def _algebraic(self, b, mask, x) -> Any:
        """The algebraic part of an array like y."""
        if self.traced:
            vector = flat(b, x)
            return unflat(b, b.xp.where(mask, vector, b.xp.zeros_like(vector)), x)
        if self.constraints is None:
            return b.zeros_like(x)
        return unflat(b, self.constraints.algebraic(b, flat(b, x)), x)

    # ------------------------------------------------------------ the steps
    def defect(self, system, t, y, slope):
        """What is left of the equation."""
        return -system.plain.residual(t, y, slope)

    def predicted(self, system, t, y, dt, order, memory):
        """Extrapolate over a step; the residual is linearised there."""
        prediction = super().predicted(system, t, y, dt, order, memory)
        system.slope = prediction.slope
        return prediction

    def step(self, system, t, y, dt, cache):
        """Take a step with the residual."""
        return super().step(Implied(system, system.backend.zeros_like(y)), t, y, dt, cache)

    def _sloping(self, system, t, y, dt) -> Any:
        """The memory of a new start in the middle: what the last iteration left of the constraints is predicted too."""
        state, slope = self.consistent(system.plain, t, y).x
        slope = self._completed(system.plain, t, state, slope)
        slope = system.combine(slope, 1.0 / dt, (1.0,), (state - y,))
        b = system.backend
        known = b.control.isfinite(b.to_control(b.stop_gradient(b.rms(slope))))
        return self.begun(system, t, y, b.select(known, slope, b.zeros_like(slope)))


def _by_slope(model, solver) -> Any:
    """The residual's derivative by y' at the start, on the host."""
    from scipy.sparse import csr_array

    b = model.backend
    y = model.y0
    t = b.real(model.problem.t_span[0])
    guess = model.problem.yp0
    slope = b.zeros_like(y)
    if guess is not None:
        array = b.xp.asarray(model.like_state(guess, None), dtype=y.dtype, device=b.device)
        slope = unflat(b, b.xp.zeros_like(flat(b, y)) + (array[:, None] if b.lanes else array), y)
    pattern = getattr(solver, "jacobian_pattern", None)
    with np.errstate(all="ignore"):
        entries = np.asarray(b.host(derivatives(model, pattern, t, y, slope, model.params0)[1]))
    if b.lanes:
        entries = entries[..., 0]
    if pattern is None:
        return entries
    return csr_array((entries, (pattern.rows, pattern.columns)), shape=pattern.shape)
