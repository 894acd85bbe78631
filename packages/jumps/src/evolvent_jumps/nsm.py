"""The next subvolume method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ._aggregator import Next
from ._draws import arrays, starting
from ._heap import Heap, first, heapified, moved
from ._sites import SiteAggregator
from .direct import TINY


class Queue(NamedTuple):
    """When something happens next at each site, as a heap, and how often something does."""

    times: Heap
    totals: Any


@dataclass(frozen=True)
class NSM(SiteAggregator):
    """The next subvolume method: a queue tells the site where something happens next, the direct method what.

    For individuals that hop on grids and graphs: an event costs as much as there are reactions and species, and the
    logarithm of the number of sites.

    References
    ----------
    J. Elf, M. Ehrenberg, Spontaneous separation of bi-stable biochemical systems into spatial domains of opposite
    phases, Systems Biology 1 (2004) 230-236.

    Examples
    --------
    >>> import numpy as np
    >>> import evolvent as ev
    >>> diffusion = ev.Hopping([1.0], (16, 16), periodic=True)
    >>> problem = ev.JumpProblem(np.full((1, 16, 16), 3), (0.0, 1.0), jumps=[diffusion])
    >>> int(ev.solve(problem, "NSM", saveat="end", seed=1).y[-1].sum())
    768
    """

    def begin(self, channels: Any, t, x, constants, number):
        xp = arrays(channels.backend)
        totals = channels.totals(x, constants)
        exponentials, _ = starting(channels.system, number, channels.network.n_sites)
        return Queue(heapified(channels.backend, t + exponentials / xp.maximum(totals, TINY)), totals)

    def changed(self, channels: Any, t, x, constants, own, channel, draw):
        b, c = channels.backend, channels.backend.control
        hops, site, other = channels.where(channel)
        total = channels.total(x, constants, site)
        own = _put(b, own, site, t + draw.exponential / c.maximum(total, b.real(TINY)), total)
        if not channels.network.near.target.size:
            return own

        # Where somebody arrived, what was left of the time to wait is stretched, as with Gibson and Bruck. A reaction
        # writes again what is there: a branch would copy what it may change.
        before, old = b.pick(own.totals, other), b.pick(own.times.keys, other)
        after = channels.total(x, constants, other)
        fresh = c.logical_and(hops, before <= 0.0)
        left = b.cond(fresh, lambda: -c.log(1.0 - draw.more(b.integer(0))[0]), lambda: (old - t) * before)
        time = c.where(hops, t + left / c.maximum(after, b.real(TINY)), old)
        return _put(b, own, other, time, after)

    def upcoming(self, channels: Any, t, x, constants, own, draw):
        b = channels.backend
        site, time = first(b, own.times)
        channel = channels.chosen(x, constants, site, draw.uniform)
        return Next(time, channel, own, b.integer(-1))


def _put(b: Any, own: Queue, site: Any, time: Any, total: Any) -> Queue:
    return Queue(moved(b, own.times, site, time), b.replaced(own.totals, site, total))
