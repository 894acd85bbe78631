"""The direct method with composition and rejection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ._aggregator import Aggregator, Next
from ._groups import Groups, chosen, grouped, moved
from ._propensities import invalid
from .direct import TINY


class Composition(NamedTuple):
    """Channels grouped by their rates, and the channel whose rate is none."""

    groups: Groups
    culprit: Any


@dataclass(frozen=True)
class DirectCR(Aggregator):
    """The direct method with rates grouped by powers of two: choosing a channel costs the same however many there are.

    For large networks in which a jump changes few rates.

    References
    ----------
    A. Slepoy, A. P. Thompson, S. J. Plimpton, A constant-time kinetic Monte Carlo algorithm for simulation of large
    biochemical reaction networks, Journal of Chemical Physics 128 (2008) 205101, doi:10.1063/1.2919546.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.MassAction([0.5], reactants=[{0: 1}], net=[{0: -1}])
    >>> solution = ev.solve(ev.JumpProblem([100], (0.0, 100.0), jumps=[decay]), "DirectCR", seed=1)
    >>> int(solution.y[-1, 0])
    0
    """

    def begin(self, channels, t, x, constants, number):
        b, first = channels.backend, channels.network.n_reactions
        rates = channels.all(t, x, constants)
        culprit = invalid(b, [b.pick(rates, first + k) for k in range(len(channels.network.jumps))], first)
        return Composition(grouped(b, rates), culprit)

    def changed(self, channels, t, x, constants, own, channel, draw):
        b = channels.backend
        functions = channels.of_functions(t, x)

        def update(groups, j):
            return moved(b, groups, j, channels.of(x, constants, functions, j))

        culprit = invalid(b, functions, channels.network.n_reactions)
        return Composition(channels.each_dependent(channel, own.groups, update), culprit)

    def upcoming(self, channels, t, x, constants, own, draw):
        b, c = channels.backend, channels.backend.control
        found = chosen(b, own.groups, draw.uniform, draw.more, b.integer(0))
        time = t + draw.exponential / c.maximum(found.total, b.real(TINY))
        return Next(time, found.item, own._replace(groups=found.groups), own.culprit)
