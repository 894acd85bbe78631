"""Explicit tau-leaping."""

from __future__ import annotations

from dataclasses import dataclass

from ._leaping import Leaping


@dataclass(frozen=True)
class TauLeaping(Leaping):
    """Explicit tau-leaping: each channel fires a Poisson number of times, with its propensity at the leap's start.

    For large counts, where single firings hardly matter and nothing is stiff. Leaps are as long as no propensity
    changes by more than a fraction `epsilon`; with ``adaptive=False`` they have the length ``dt=``, unless a critical
    channel fires sooner. Leaps that would be shorter than a few exact steps are not made: 64 exact steps are. A leap
    that would make a count negative is made again with half the length. Of weak order 1: the bias of means and
    variances is proportional to epsilon, or dt.

    Parameters
    ----------
    epsilon : float
        By which fraction propensities may change within a leap.
    critical : int
        Channels that could fire fewer times than this fire one by one, each in a leap that ends with it.

    References
    ----------
    Y. Cao, D. T. Gillespie, L. R. Petzold, Efficient step size selection for the tau-leaping simulation method, Journal
    of Chemical Physics 124 (2006) 044109, doi:10.1063/1.2159468.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.MassAction([0.5], reactants=[{0: 1}], net=[{0: -1}])
    >>> problem = ev.JumpProblem([1_000_000], (0.0, 1.0), jumps=[decay])
    >>> solution = ev.solve(problem, "TauLeaping", seed=1)
    >>> abs(int(solution.y[-1, 0]) - 606_531) < 10_000
    True
    """

    def firings(self, leap, tau, memory):
        """Draw Poisson numbers with the propensities at the leap's start."""
        return leap.poisson(leap.free * tau), leap.channels.backend.boolean(True)
