"""The first reaction method."""

from __future__ import annotations

from dataclasses import dataclass

from ._aggregator import Aggregator, Next
from ._draws import arrays
from ._propensities import invalid
from .direct import TINY


@dataclass(frozen=True)
class FirstReaction(Aggregator):
    """The first reaction method: every channel draws a waiting time at every event, and the least wins.

    For checks of other methods: an event costs a random number for each channel.

    References
    ----------
    D. T. Gillespie, A general method for numerically simulating the stochastic time evolution of coupled chemical
    reactions, Journal of Computational Physics 22 (1976) 403-434, doi:10.1016/0021-9991(76)90041-3.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.MassAction([0.5], reactants=[{0: 1}], net=[{0: -1}])
    >>> solution = ev.solve(ev.JumpProblem([100], (0.0, 100.0), jumps=[decay]), "FirstReaction", seed=1)
    >>> int(solution.y[-1, 0])
    0
    """

    def begin(self, channels, t, x, constants, number):
        return ()

    def upcoming(self, channels, t, x, constants, own, draw):
        b, xp, network = channels.backend, arrays(channels.backend), channels.network
        rates = channels.all(t, x, constants)
        first = network.n_reactions
        culprit = invalid(b, [b.pick(rates, first + k) for k in range(len(network.jumps))], first)
        # A rate of zero waits behind the end of any span.
        waiting = draw.each(network.n_channels) / xp.where(rates > 0.0, rates, TINY)
        channel = b.integer(xp.argmin(waiting, axis=0))
        return Next(t + b.pick(waiting, channel), channel, own, culprit)
