"""Composition and rejection over sites, the direct method at each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ._aggregator import Next
from ._groups import chosen, grouped, moved
from ._sites import SiteAggregator
from .direct import TINY


@dataclass(frozen=True)
class DirectCRDirect(SiteAggregator):
    """The site of the next event by composition and rejection, what happens there by the direct method.

    For individuals that hop on large grids and graphs: an event costs the same for any number of sites.

    References
    ----------
    A. Slepoy, A. P. Thompson, S. J. Plimpton, A constant-time kinetic Monte Carlo algorithm for simulation of large
    biochemical reaction networks, Journal of Chemical Physics 128 (2008) 205101, doi:10.1063/1.2919546.

    K. R. Sanft, H. G. Othmer, Constant-complexity stochastic simulation algorithm with optimal binning, Journal of
    Chemical Physics 143 (2015) 074108, doi:10.1063/1.4928635.

    Examples
    --------
    >>> import numpy as np
    >>> import evolvent as ev
    >>> diffusion = ev.Hopping([1.0], (16, 16), periodic=True)
    >>> problem = ev.JumpProblem(np.full((1, 16, 16), 3), (0.0, 1.0), jumps=[diffusion])
    >>> int(ev.solve(problem, "DirectCRDirect", saveat="end", seed=1).y[-1].sum())
    768
    """

    def begin(self, channels: Any, t, x, constants, number):
        return grouped(channels.backend, channels.totals(x, constants))

    def changed(self, channels: Any, t, x, constants, own, channel, draw):
        b = channels.backend
        _, site, other = channels.where(channel)
        own = moved(b, own, site, channels.total(x, constants, site))
        if not channels.network.near.target.size:
            return own
        return moved(b, own, other, channels.total(x, constants, other))

    def upcoming(self, channels: Any, t, x, constants, own, draw):
        b, c = channels.backend, channels.backend.control
        found = chosen(b, own, draw.uniform, draw.more, b.integer(0))
        time = t + draw.exponential / c.maximum(found.total, b.real(TINY))
        # The number that found the site has told of it; what happens there takes another.
        channel = channels.chosen(x, constants, found.item, draw.more(b.integer(10**6))[0])
        return Next(time, channel, found.groups, b.integer(-1))
