"""Cox and Matthews' exponential time differencing Runge-Kutta method."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

from evolvent import InputError
from evolvent_stepping import Hermite, Step, Work

from ._exponential import Exponential
from .linear.dense import DenseLU
from .linear.solver import size_of

LARGEST = 2000  # equations whose matrices can still be had


class Kept(NamedTuple):
    """The derivative, and the functions of the linear part with the step size that they are for."""

    slope: Any
    linear: Any
    length: Any
    half: Any
    whole: tuple[Any, ...]


@dataclass(frozen=True)
class ETDRK4(Exponential):
    """ETDRK4: fixed steps for an `evolvent.SplitODEProblem` whose implicit part is linear, as of spectral methods.

    Order 4, four stages, third-order dense output. The linear part is solved exactly: functions of its Jacobian at the
    start are computed once for all steps of one size, entry by entry where it is diagonal (give ``sparsity``), else as
    full matrices. Of an ODEProblem the Jacobian at the start is the linear part.

    References
    ----------
    S. M. Cox, P. C. Matthews, Exponential time differencing for stiff systems, J. Comput. Phys. 176 (2002),
    doi:10.1006/jcph.2002.6995; A.-K. Kassam, L. N. Trefethen, Fourth-order time-stepping for stiff PDEs, SIAM J. Sci.
    Comput. 26 (2005), doi:10.1137/S1064827502410633.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff, slow = (lambda t, y, p: -1000.0 * y), (lambda t, y, p: 1000.0 / (1.0 + 0.0 * y))
    >>> problem = ev.SplitODEProblem(stiff, slow, y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(problem, "ETDRK4", dt=0.1).y[-1, 0]), 6)
    1.0
    """

    order = 4
    dense_order = 3
    adaptive = False
    splits = True
    error_order: ClassVar[None] = None

    def prepared(self, model):
        """Settle the form of the linear part."""
        ready, n = super().prepared(model), size_of(model)
        if ready.diagonal:
            return ready
        if n > LARGEST:
            raise InputError(
                "algorithm",
                f"ETDRK4 takes up to {LARGEST} equations unless their linear part is diagonal, got {n}.",
                "Take EXPRB43, which works in Krylov spaces; or give sparsity= where the Jacobian is diagonal.",
            )
        return replace(ready, linear_solver=DenseLU())

    def start(self, system, t, y):
        """Find the derivative and the linear part; its functions follow with the first step."""
        b = system.backend
        linear = system.jacobian(t, y)
        half, whole = self._functions(system, linear, b.real(0.0))
        return Kept(system.f(t, y), linear, b.real(0.0), half, whole)

    def measured_step(self, system, t, y, dt, cache):
        """Take a step, and give the linear part."""
        return self.step(system, t, y, dt, cache), cache.linear

    def _functions(self, system, linear, dt) -> tuple[Any, tuple[Any, ...]]:
        whole, half = self.functions(system, linear, dt, 3)
        return half[1], whole[1:]

    def step(self, system, t, y, dt, cache) -> Step:
        """Take the stages, with what is not linear as its difference from that at the start."""
        b = system.backend
        slope, linear = cache.slope, cache.linear
        half, whole = b.cond(
            dt == cache.length,
            lambda: (cache.half, cache.whole),
            lambda: self._functions(system, linear, dt),
        )
        middle = t + 0.5 * dt

        def changed(x, f) -> Any:
            return f - slope - self.solver.times(system, linear, x - y)

        def onward(x, f) -> Any:
            return system.combine(x, 0.5 * dt, (1.0,), (self.applied(system, half, f),))

        first = onward(y, slope)
        there = system.f(middle, first)
        change1 = changed(first, there)
        second = onward(y, slope + change1)
        change2 = changed(second, system.f(middle, second))
        third = onward(first, there + 2.0 * change2 - change1)
        change3 = changed(third, system.f(t + dt, third))
        # In the weights phi_1 - 3 phi_2 + 4 phi_3, 2 phi_2 - 4 phi_3 twice, 4 phi_3 - phi_2 the first takes the rest.
        both = change1 + change2
        parts = (
            self.applied(system, whole[0], slope),
            self.applied(system, whole[1], 2.0 * both - change3),
            self.applied(system, whole[2], change3 - both),
        )
        y1 = system.combine(y, dt, (1.0, 1.0, 4.0), parts)
        end = system.f(t + dt, y1)
        zero, made = b.integer(0), b.control.where(dt == cache.length, b.integer(0), b.integer(1))
        work = Work(b.integer(4), zero, made, zero, zero)
        return Step(y1, None, Kept(end, linear, dt, half, whole), Hermite(t, dt, y, y1, slope, end), work=work)
