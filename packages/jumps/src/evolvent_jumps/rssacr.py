"""The rejection-based algorithm with composition and rejection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ._aggregator import Aggregator, Next, kept
from ._groups import Groups, chosen, grouped, moved
from ._intervals import Intervals, around, bounds, moved_on, thinned
from ._propensities import invalid


class GroupedBounds(NamedTuple):
    """Intervals of counts, lower bounds of rates, channels grouped by upper ones, and the one whose rate is none."""

    intervals: Intervals
    lower: Any
    groups: Groups
    culprit: Any


@dataclass(frozen=True)
class RSSACR(Aggregator):
    """Candidates by upper bounds of the rates, grouped by powers of two: few rates are computed, and none is sought.

    For large networks, also those in which a jump changes many rates.

    References
    ----------
    V. H. Thanh, C. Priami, R. Zunino, Efficient rejection-based simulation of biochemical reactions with stochastic
    noise and delays, Journal of Chemical Physics 141 (2014) 134116, doi:10.1063/1.4896985.

    A. Slepoy, A. P. Thompson, S. J. Plimpton, A constant-time kinetic Monte Carlo algorithm for simulation of large
    biochemical reaction networks, Journal of Chemical Physics 128 (2008) 205101, doi:10.1063/1.2919546.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.MassAction([0.5], reactants=[{0: 1}], net=[{0: -1}])
    >>> solution = ev.solve(ev.JumpProblem([100], (0.0, 100.0), jumps=[decay]), "RSSACR", seed=1)
    >>> int(solution.y[-1, 0])
    0
    """

    def begin(self, channels, t, x, constants, number):
        b, first = channels.backend, channels.network.n_reactions
        intervals = around(b, x)
        lower, upper = bounds(channels, t, x, constants, intervals)
        culprit = invalid(b, [b.pick(upper, first + k) for k in range(len(channels.network.jumps))], first)
        return GroupedBounds(intervals, lower, grouped(b, upper), culprit)

    def changed(self, channels, t, x, constants, own, channel, draw):
        b = channels.backend
        functions = channels.of_functions(t, x)

        def rebound(s, j, low, high):
            return b.replaced(s[0], j, low), moved(b, s[1], j, high)

        carry = own.lower, own.groups
        intervals, (lower, groups) = moved_on(channels, x, constants, functions, channel, own.intervals, carry, rebound)
        return GroupedBounds(intervals, lower, groups, invalid(b, functions, channels.network.n_reactions))

    def upcoming(self, channels, t, x, constants, own, draw):
        b, c = channels.backend, channels.backend.control

        def propose(own, uniform, used):
            found = chosen(b, own.groups, uniform, draw.more, used)
            total = c.where(own.culprit >= 0, b.real(0.0), found.total)
            return found.item, found.level, total, found.used, own._replace(groups=found.groups)

        def bounded(own, intervals, lower, upper):
            return own._replace(
                intervals=kept(b, intervals, own.intervals),
                lower=b.memory(lower, own.lower),
                groups=grouped(b, upper, own.groups),
            )

        time, channel, own = thinned(channels, t, x, constants, draw, own, propose, bounded)
        return Next(time, channel, own, own.culprit)
