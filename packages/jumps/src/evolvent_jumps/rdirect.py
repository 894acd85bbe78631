"""The direct method with rejection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ._aggregator import Aggregator, Next
from ._draws import arrays
from ._propensities import invalid
from .direct import TINY


class Bounded(NamedTuple):
    """All propensities, what none of them exceeds, and how many events ago that was the largest one."""

    rates: Any
    peak: Any
    age: Any


@dataclass(frozen=True)
class RDirect(Aggregator):
    """The direct method with candidates of all channels alike, taken by their rate over the largest.

    For networks of many channels with rates of one size; where one is much larger than the mean, most candidates are
    rejected.

    References
    ----------
    D. T. Gillespie, A general method for numerically simulating the stochastic time evolution of coupled chemical
    reactions, Journal of Computational Physics 22 (1976) 403-434, doi:10.1016/0021-9991(76)90041-3, whose choice of a
    channel is here made by J. von Neumann's rejection.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.MassAction([0.5], reactants=[{0: 1}], net=[{0: -1}])
    >>> solution = ev.solve(ev.JumpProblem([100], (0.0, 100.0), jumps=[decay]), "RDirect", seed=1)
    >>> int(solution.y[-1, 0])
    0
    """

    def begin(self, channels, t, x, constants, number):
        b = channels.backend
        rates = channels.all(t, x, constants)
        return Bounded(rates, _largest(b, rates), b.integer(0))

    def changed(self, channels, t, x, constants, own, channel, draw):
        b, c = channels.backend, channels.backend.control
        functions = channels.of_functions(t, x)

        def update(s, j):
            rate = channels.of(x, constants, functions, j)
            return b.replaced(s[0], j, rate), c.maximum(s[1], rate)

        rates, peak = channels.each_dependent(channel, (own.rates, own.peak), update)
        return Bounded(rates, peak, own.age + 1)

    def upcoming(self, channels, t, x, constants, own, draw):
        b, c, n = channels.backend, channels.backend.control, channels.network.n_channels
        first = channels.network.n_reactions
        culprit = invalid(b, [b.pick(own.rates, first + k) for k in range(len(channels.network.jumps))], first)
        total = b.real(arrays(b).sum(b.whole(own.rates), axis=0))
        none = c.logical_or(c.logical_not(total > 0.0), culprit >= 0)

        def candidate(u):
            scaled = u * float(n)
            channel = c.minimum(b.integer(scaled), b.integer(n - 1))
            return channel, scaled - b.real(channel)

        def rejected(s):
            channel, level, peak = s[:3]
            return c.logical_not(c.logical_or(none, level * peak < b.pick(own.rates, channel)))

        def again(s):
            u, level = draw.more(s[3])
            return candidate(u)[0], level, s[2], s[3] + 1, s[4] + 1

        def searched(s):
            return b.while_loop(
                lambda s: c.logical_and(rejected(s), s[4] < n), again, s, max_iterations=n, resumable=True
            )

        def refreshed(s):
            # As many in vain as there are channels: the largest rate is not that large any more.
            channel, level = again(s)[:2]
            return searched((channel, level, _largest(b, own.rates), s[3] + 1, b.integer(0)))

        old = own.age >= n
        start = (*candidate(draw.uniform), own.peak, b.integer(0), c.where(old, b.integer(n), b.integer(0)))
        channel, _, peak, _, _ = b.while_loop(
            rejected, refreshed, searched(start), max_iterations=2**30, resumable=True
        )
        time = t + draw.exponential / c.maximum(total, b.real(TINY))
        return Next(time, channel, Bounded(own.rates, peak, c.where(old, b.integer(0), own.age)), culprit)


def _largest(b: Any, rates: Any) -> Any:
    return b.real(arrays(b).max(b.whole(rates), axis=0))
