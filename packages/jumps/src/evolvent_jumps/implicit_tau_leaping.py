"""Implicit tau-leaping, and the switch between it and the explicit method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._draws import arrays
from ._leap_sizes import wide
from ._leaping import Leap, Leaping
from ._propensities import counts_of, state_of

MOST_ITERATIONS = 16


@dataclass(frozen=True)
class ImplicitTauLeaping(Leaping):
    """Tau-leaping for stiff networks: the mean number of firings is that at the leap's end, the noise its start's.

    For networks where fast reactions and their reverses nearly balance, while slow ones do what is of interest. Where
    leaps that leave balanced pairs out of account can be `stiff` times as long as those of `TauLeaping`, they are
    taken, and implicitly; else explicit ones are. With ``adaptive=False`` all are implicit, of length ``dt=``. Of weak
    order 1; fast species fluctuate less than they should behind long leaps.

    Parameters
    ----------
    epsilon, critical
        As in `TauLeaping`.
    balance : float
        A reaction and its reverse balance if their propensities differ by no more than this fraction.
    stiff : float
        By how much longer implicit leaps must be to be taken.

    References
    ----------
    M. Rathinam, L. R. Petzold, Y. Cao, D. T. Gillespie, Stiffness in stochastic chemically reacting systems: the
    implicit tau-leaping method, Journal of Chemical Physics 119 (2003) 12784-12794, doi:10.1063/1.1627296.
    Y. Cao, D. T. Gillespie, L. R. Petzold, Adaptive explicit-implicit tau-leaping method with automatic tau selection,
    Journal of Chemical Physics 126 (2007) 224101.

    Examples
    --------
    >>> import evolvent as ev
    >>> fast = ev.MassAction([1e4, 1e4, 1.0], [{0: 1}, {1: 1}, {1: 1}], [{0: -1, 1: 1}, {0: 1, 1: -1}, {1: -1}])
    >>> problem = ev.JumpProblem([50_000, 50_000], (0.0, 1.0), jumps=[fast])
    >>> solution = ev.solve(problem, "ImplicitTauLeaping", seed=1, saveat="end")
    >>> solution.stats.n_steps < 1_000
    True
    """

    balance: float = 0.05
    stiff: float = 100.0

    def fixed(self, leap):
        """Take leaps of given length implicitly."""
        return leap.channels.backend.boolean(True)

    def length(self, leap):
        """Find the longest leap, and whether it is to be implicit."""
        b, xp = leap.channels.backend, arrays(leap.channels.backend)
        other = xp.take(leap.free, leap.tables.partner, axis=0)
        near = xp.abs(leap.free - other) <= self.balance * xp.minimum(leap.free, other)
        paired = leap.tables.partner != np.arange(leap.tables.partner.size)
        slow = xp.where(xp.logical_and(near, wide(b, paired)), 0.0 * leap.free, leap.free)
        explicit = leap.tables.longest(b, leap.x, leap.free, self.epsilon)
        implicit = leap.tables.longest(b, leap.x, slow, self.epsilon)
        longer = implicit > self.stiff * explicit
        return b.control.where(longer, implicit, explicit), longer

    def firings(self, leap, tau, memory):
        """Draw Poisson numbers, and where leaps are implicit their mean moved to the leap's end."""
        b, xp = leap.channels.backend, arrays(leap.channels.backend)
        drawn = leap.poisson(leap.free * tau)
        if not leap.tables.network.n_reactions:
            return drawn, b.boolean(True)

        def implicit() -> Any:
            noise = drawn - leap.free * tau
            x, well = _later_counts(leap, tau, noise)
            rates, _ = _free_rates(leap, x)
            rest = xp.zeros((noise.shape[0] - rates.shape[0], *b.lanes), dtype=rates.dtype)
            firings = xp.floor(noise + tau * xp.concat([rates, rest], axis=0) + 0.5)
            return xp.where(firings > 0.0, firings, 0.0 * firings), well

        return b.cond(memory, implicit, lambda: (drawn, b.boolean(True)))


def _later_counts(leap: Leap, tau: Any, noise: Any) -> tuple[Any, Any]:
    """Solve ``X = x + V (noise + tau a(X))`` by Newton's method; also whether it converged."""
    channels, b, xp = leap.channels, leap.channels.backend, arrays(leap.channels.backend)
    network, c = leap.tables.network, b.control
    net = network.net_rows[: network.n_reactions].T
    start = leap.x + leap.tables.changes(b, noise)

    def iterate(s: Any) -> Any:
        x, _, turn = s
        rates, slopes = _free_rates(leap, x)
        slopes = np.tensordot(net, slopes, 1) if b.lanes else xp.matmul(xp.asarray(net), slopes)
        change = np.tensordot(net, rates, 1) if b.lanes else xp.matmul(xp.asarray(net), rates)
        matrix = np.eye(network.n_species)[(..., None) if b.lanes else ...] - tau * slopes
        factors = b.lu(state_of(b, matrix, channels.like))
        step = counts_of(b, b.lu_solve(factors, state_of(b, start + tau * change - x, channels.like)))
        return x + step, b.real(xp.max(xp.abs(step) / (1.0 + xp.abs(x)), axis=0)), turn + 1

    x, size, _ = b.while_loop(
        lambda s: c.logical_and(s[1] > 1e-6, s[2] < MOST_ITERATIONS),
        iterate,
        (leap.x, b.real(1.0), b.integer(0)),
        max_iterations=MOST_ITERATIONS,
        resumable=True,
    )
    return x, size <= 1e-6


def _free_rates(leap: Leap, x: Any) -> tuple[Any, Any]:
    """The propensities of the reactions that leap, and their derivatives (reactions, species), at any real counts."""
    b, xp, network = leap.channels.backend, arrays(leap.channels.backend), leap.tables.network
    n, ones = network.n_reactions, np.eye(network.n_species)
    constants = leap.cache.constants
    constants = constants[:, None] if b.lanes and constants.ndim == 1 else constants
    constants = xp.where(leap.critical[:n], 0.0 * leap.rates[:n], constants + 0.0 * leap.rates[:n])
    factors = []
    for slots, scales, offsets in network.factor_columns:
        factor = xp.take(x, slots, axis=0)
        factor = factor if scales is None else factor * wide(b, scales)
        factors.append(factor if offsets is None else factor - wide(b, offsets))
    rates, slopes = constants, xp.zeros((n, network.n_species, *b.lanes), dtype=x.dtype)
    for r, (slots, scales, _) in enumerate(network.factor_columns):
        rates, slope = rates * factors[r], constants
        for k, factor in enumerate(factors):
            slope = slope if k == r else slope * factor
        places = ones[slots] if scales is None else ones[slots] * scales[:, None]
        slopes = slopes + slope[:, None] * (places[..., None] if b.lanes else places)
    return rates, slopes
