"""The rejection-based stochastic simulation algorithm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ._aggregator import Aggregator, Next, kept
from ._draws import arrays
from ._intervals import Intervals, around, bounds, moved_on, thinned
from ._propensities import invalid


class Bounds(NamedTuple):
    """Intervals of counts, the bounds of rates for them, and the channel whose rate is none."""

    intervals: Intervals
    lower: Any
    upper: Any
    culprit: Any


@dataclass(frozen=True)
class RSSA(Aggregator):
    """Candidates by upper bounds of the rates, which hold until a count has changed by a tenth, taken by their rate.

    For networks of some ten channels in which a jump changes many rates: few of them are computed.

    References
    ----------
    V. H. Thanh, C. Priami, R. Zunino, Efficient rejection-based simulation of biochemical reactions with stochastic
    noise and delays, Journal of Chemical Physics 141 (2014) 134116, doi:10.1063/1.4896985.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.MassAction([0.5], reactants=[{0: 1}], net=[{0: -1}])
    >>> solution = ev.solve(ev.JumpProblem([100], (0.0, 100.0), jumps=[decay]), "RSSA", seed=1)
    >>> int(solution.y[-1, 0])
    0
    """

    def begin(self, channels, t, x, constants, number):
        b, first = channels.backend, channels.network.n_reactions
        intervals = around(b, x)
        lower, upper = bounds(channels, t, x, constants, intervals)
        culprit = invalid(b, [b.pick(upper, first + k) for k in range(len(channels.network.jumps))], first)
        return Bounds(intervals, lower, upper, culprit)

    def changed(self, channels, t, x, constants, own, channel, draw):
        b = channels.backend
        functions = channels.of_functions(t, x)

        def rebound(s, j, low, high):
            return b.replaced(s[0], j, low), b.replaced(s[1], j, high)

        carry = own.lower, own.upper
        intervals, (lower, upper) = moved_on(channels, x, constants, functions, channel, own.intervals, carry, rebound)
        return Bounds(intervals, lower, upper, invalid(b, functions, channels.network.n_reactions))

    def upcoming(self, channels, t, x, constants, own, draw):
        b, c = channels.backend, channels.backend.control

        def propose(own, uniform, used):
            total = b.real(arrays(b).sum(b.whole(own.upper), axis=0))
            total = c.where(own.culprit >= 0, b.real(0.0), total)
            channel, level = _sought(b, own.upper, uniform * total)
            return channel, level, total, used, own

        def bounded(own, intervals, lower, upper):
            intervals, lower, upper = kept(b, (intervals, lower, upper), (own.intervals, own.lower, own.upper))
            return Bounds(intervals, lower, upper, own.culprit)

        time, channel, own = thinned(channels, t, x, constants, draw, own, propose, bounded)
        return Next(time, channel, own, own.culprit)


def _sought(b: Any, rates: Any, wanted: Any) -> tuple[Any, Any]:
    """The channel in which a part of the sum of rates lies, and how far in it."""
    c, last = b.control, rates.shape[0] - 1

    def look(s: Any) -> Any:
        place, upto, found, before = s
        rate = b.pick(rates, place + 1)
        some = rate > 0.0
        return place + 1, upto + rate, c.where(some, place + 1, found), c.where(some, upto, before)

    start = b.integer(-1), b.real(0.0), b.integer(0), b.real(0.0)
    _, _, channel, before = b.while_loop(
        lambda s: c.logical_and(s[1] <= wanted, s[0] < last), look, start, max_iterations=last + 1, resumable=True
    )
    return channel, wanted - before
