"""The sorting direct method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ._aggregator import Aggregator, Next
from ._draws import arrays
from ._propensities import invalid
from .direct import TINY


class Sorted(NamedTuple):
    """All propensities, the channels in the order in which they are looked through, and how often sums were made."""

    rates: Any
    order: Any


@dataclass(frozen=True)
class SortingDirect(Aggregator):
    """The direct method, with rates kept from event to event and those that fire often found first.

    For networks of some hundred channels, of which few do most.

    References
    ----------
    J. M. McCollum, G. D. Peterson, C. D. Cox, M. L. Simpson, N. F. Samatova, The sorting direct method for stochastic
    simulation of biochemical systems with varying reaction execution behavior, Computational Biology and Chemistry 30
    (2006) 39-49, doi:10.1016/j.compbiolchem.2005.10.007.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.MassAction([0.5], reactants=[{0: 1}], net=[{0: -1}])
    >>> solution = ev.solve(ev.JumpProblem([100], (0.0, 100.0), jumps=[decay]), "SortingDirect", seed=1)
    >>> int(solution.y[-1, 0])
    0
    """

    def begin(self, channels, t, x, constants, number):
        b, n = channels.backend, channels.network.n_channels
        order = np.arange(n)
        if b.lanes:
            order = np.repeat(order[:, None], b.lanes[0], axis=1)
        return Sorted(channels.all(t, x, constants), order)

    def changed(self, channels, t, x, constants, own, channel, draw):
        b = channels.backend
        functions = channels.of_functions(t, x)

        def update(rates, j):
            return b.replaced(rates, j, channels.of(x, constants, functions, j))

        return own._replace(rates=channels.each_dependent(channel, own.rates, update))

    def upcoming(self, channels, t, x, constants, own, draw):
        b, c, xp = channels.backend, channels.backend.control, arrays(channels.backend)
        first = channels.network.n_reactions
        culprit = invalid(b, [b.pick(own.rates, first + k) for k in range(len(channels.network.jumps))], first)
        total = xp.sum(b.whole(own.rates), axis=0)
        wanted = draw.uniform * total
        last = channels.network.n_channels - 1

        def further(s):
            place, upto = s
            return c.logical_and(upto <= wanted, place < last)

        def look(s):
            place, upto = s[0] + 1, s[1]
            return place, upto + b.pick(own.rates, b.integer(b.pick(own.order, place)))

        start = b.integer(0), b.pick(own.rates, b.integer(b.pick(own.order, b.integer(0))))
        place, _ = b.while_loop(further, look, start, max_iterations=last, resumable=True)
        channel = b.integer(b.pick(own.order, place))
        before = c.maximum(place - 1, b.integer(0))
        other = b.integer(b.pick(own.order, before))
        order = b.replaced(b.replaced(own.order, place, other), before, channel)
        time = t + draw.exponential / c.maximum(total, b.real(TINY))
        return Next(time, channel, own._replace(order=order), culprit)
