"""The next reaction method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ._aggregator import Aggregator, Next
from ._draws import arrays, starting
from ._heap import Heap, first, heapified, moved
from ._propensities import invalid
from .direct import TINY

NEVER = float("inf")


class Scheduled(NamedTuple):
    """All propensities, and when each channel fires next if nothing changes."""

    rates: Any
    times: Heap


@dataclass(frozen=True)
class NextReaction(Aggregator):
    """The next reaction method: each channel has its next time, and what fires is the first of a heap.

    For networks of many channels in which each event changes few rates: an event costs a rate, and a path of the heap,
    for each that it changes, and one random number.

    References
    ----------
    M. A. Gibson, J. Bruck, Efficient exact stochastic simulation of chemical systems with many species and many
    channels, Journal of Physical Chemistry A 104 (2000) 1876-1889, doi:10.1021/jp993732q.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.MassAction([0.5], reactants=[{0: 1}], net=[{0: -1}])
    >>> solution = ev.solve(ev.JumpProblem([100], (0.0, 100.0), jumps=[decay]), "NextReaction", seed=1)
    >>> int(solution.y[-1, 0])
    0
    """

    def begin(self, channels, t, x, constants, number):
        rates = channels.all(t, x, constants)
        return Scheduled(rates, heapified(channels.backend, first_times(channels, t, rates, number)))

    def changed(self, channels, t, x, constants, own, channel, draw):
        b = channels.backend
        functions = channels.of_functions(t, x)

        def update(own, j):
            old, new = b.pick(own.rates, j), channels.of(x, constants, functions, j)
            time = next_time(channels, t, j == channel, j, old, new, b.pick(own.times.keys, j), draw)
            return Scheduled(b.replaced(own.rates, j, new), moved(b, own.times, j, time))

        return channels.each_dependent(channel, own, update)

    def upcoming(self, channels, t, x, constants, own, draw):
        b, n = channels.backend, channels.network.n_reactions
        culprit = invalid(b, [b.pick(own.rates, n + k) for k in range(len(channels.network.jumps))], n)
        channel, time = first(b, own.times)
        return Next(time, channel, own, culprit)


def first_times(channels: Any, t: Any, rates: Any, number: Any) -> Any:
    """When each channel fires next, drawn anew for all: an array like `rates`."""
    xp = arrays(channels.backend)
    waiting, _ = starting(channels.system, number, channels.network.n_channels)
    return xp.where(rates > 0.0, t + waiting / xp.where(rates > 0.0, rates, 1.0), NEVER)


def next_time(channels: Any, t: Any, fired: Any, j: Any, old: Any, new: Any, time: Any, draw: Any) -> Any:
    """When channel `j` fires next, whose rate was `old` and is `new` at `t`.

    What is left of a waiting time stretches with the rate. A channel that fired draws a new one, and so does one that
    could not fire before.
    """
    b, c = channels.backend, channels.backend.control
    positive = c.maximum(new, b.real(TINY))

    def anew() -> Any:
        uniform, _ = draw.more(j)
        return -c.log(1.0 - uniform)  # of (0, 1]

    could_not = c.logical_and(c.logical_not(fired), c.logical_and(old <= 0.0, new > 0.0))
    waiting = c.where(fired, draw.exponential, b.cond(could_not, anew, lambda: b.real(0.0)))
    drawn = c.logical_or(fired, could_not)
    left = c.where(c.logical_and(old > 0.0, c.logical_not(drawn)), time - t, b.real(0.0))
    # Without a change the time stays as it is, without rounding.
    later = c.where(drawn, t + waiting / positive, c.where(old == new, time, t + old / positive * left))
    return c.where(new > 0.0, later, b.real(NEVER))
