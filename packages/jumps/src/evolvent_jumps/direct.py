"""Gillespie's direct method."""

from __future__ import annotations

from dataclasses import dataclass

from ._aggregator import Aggregator, Next
from ._propensities import invalid

TINY = 1e-35  # a sum of rates is taken for no smaller: the next jump then comes behind the end of any span


@dataclass(frozen=True)
class Direct(Aggregator):
    """The direct method: all rates are summed up, and two random numbers tell when and which.

    For networks of a few channels: an event costs as much as there are rates.

    References
    ----------
    D. T. Gillespie, A general method for numerically simulating the stochastic time evolution of coupled chemical
    reactions, Journal of Computational Physics 22 (1976) 403-434, doi:10.1016/0021-9991(76)90041-3.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.MassAction([0.5], reactants=[{0: 1}], net=[{0: -1}])
    >>> solution = ev.solve(ev.JumpProblem([100], (0.0, 100.0), jumps=[decay]), "Direct", seed=1)
    >>> int(solution.y[-1, 0])
    0
    """

    def begin(self, channels, t, x, constants, number):
        return ()

    def upcoming(self, channels, t, x, constants, own, draw):
        b, c = channels.backend, channels.backend.control
        rates = channels.written_out(t, x, constants)
        first = channels.network.n_reactions
        culprit = invalid(b, rates[first:], first)
        sums = [rates[0]]
        for rate in rates[1:]:
            sums.append(sums[-1] + rate)
        total = sums[-1]
        wanted = draw.uniform * total
        channel = b.integer(0)
        for upto in sums[:-1]:
            channel = channel + c.where(wanted >= upto, b.integer(1), b.integer(0))
        return Next(t + draw.exponential / c.maximum(total, b.real(TINY)), channel, own, culprit)
