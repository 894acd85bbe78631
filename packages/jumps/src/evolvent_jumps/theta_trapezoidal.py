"""The theta-trapezoidal leaping method."""

from __future__ import annotations

from dataclasses import dataclass

from evolvent import InputError

from ._draws import arrays
from ._leaping import Leaping


@dataclass(frozen=True)
class ThetaTrapezoidal(Leaping):
    """Leaping of second weak order: a leap to an inner time, and one from there with extrapolated propensities.

    For large counts where means and variances are wanted more exactly than `TauLeaping` gives them, at twice its work
    a leap: what is of first order in the length of leaps cancels. Lengths, critical channels and leaps made again are
    those of `TauLeaping`; critical channels keep their rates through a leap.

    Parameters
    ----------
    epsilon, critical
        As in `TauLeaping`.
    theta : float
        The inner time, as a fraction of the leap. With one half the second propensities are ``2 a(x') - a(x)``.

    References
    ----------
    D. F. Anderson, M. Koyama, Weak error analysis of numerical methods for stochastic models of population processes,
    Multiscale Modeling & Simulation 10 (2012) 1493-1524.
    Y. Hu, T. Li, B. Min, A weak second order tau-leaping method for chemical kinetic systems, Journal of Chemical
    Physics 135 (2011) 024113.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.MassAction([0.5], reactants=[{0: 1}], net=[{0: -1}])
    >>> problem = ev.JumpProblem([1_000_000], (0.0, 1.0), jumps=[decay])
    >>> solution = ev.solve(problem, "ThetaTrapezoidal", seed=1, dt=0.1, adaptive=False)
    >>> abs(int(solution.y[-1, 0]) - 606_531) < 5_000
    True
    """

    theta: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 < self.theta < 1.0:
            raise InputError("theta", f"must lie between 0 and 1, got {self.theta!r}.")

    def firings(self, leap, tau, memory):
        """Draw Poisson numbers of both parts of the leap, added up."""
        b, xp = leap.channels.backend, arrays(leap.channels.backend)
        inner, rest = self.theta, 1.0 - self.theta
        scale = 1.0 / (2.0 * inner * rest)
        first = leap.poisson(leap.free * (inner * tau))
        x = leap.x + leap.tables.changes(b, first)
        rates = leap.channels.all(leap.t, x, leap.cache.constants)
        rates = scale * rates - ((rest * rest + inner * inner) * scale) * leap.free
        usable = xp.logical_and(xp.logical_not(leap.critical), rates > 0.0)
        rates = xp.where(usable, rates, 0.0 * rates)
        second = leap.poisson(rates * (rest * tau), first=leap.free.shape[0])
        negative = xp.logical_and(leap.tables.guards(b), x < 0.0)
        return first + second, b.boolean(xp.logical_not(xp.any(negative, axis=0)))
