"""How long a leap may be, and which reactions may not leap: what of this depends on the network alone, as tables."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ._draws import arrays
from ._network import SMALL, Network
from .direct import TINY

HASTY = 2  # the order that rates by functions are taken to have in the species they ask for


class LeapTables:
    """The tables of a network.

    Attributes
    ----------
    asked : numpy.ndarray of int
        The species that rates depend on.
    order, copies : numpy.ndarray
        Of each of those: the highest order of a reaction that takes it, and how many of it that reaction takes.
    consumed : list of (species, amounts)
        Of each reaction, one pair of arrays after the other: what it takes and uses up; amounts of -inf behind.
    guarded : numpy.ndarray of bool
        The species that some reaction takes and uses up: they can't become negative.
    partner : numpy.ndarray of int
        The reaction that undoes each reaction, or itself.
    """

    def __init__(self, network: Network):
        self.network = network
        highest: dict[int, tuple[int, int]] = {}
        for row in network.reactants:
            for species, n in row.items():
                highest[species] = max(highest.get(species, (0, 0)), (sum(row.values()), n))
        for k in range(len(network.jumps)):
            wanted = None if network.patterns is None else network.patterns[k]
            for species in range(network.n_species) if wanted is None else wanted:
                highest[species] = max(highest.get(species, (0, 0)), (HASTY, 1))
        self.asked = np.asarray(sorted(highest), np.int64)
        self.order = np.asarray([float(highest[i][0]) for i in self.asked])
        self.copies = np.asarray([float(highest[i][1]) for i in self.asked])
        used = [
            [(i, -float(row[i])) for i in sorted(row) if row[i] < 0 and i in taken]
            for row, taken in zip(network.net, network.reactants, strict=True)
        ]
        self.consumed = _columns(used, -np.inf)
        self.guarded = np.zeros(network.n_species, bool)
        self.guarded[[i for row in used for i, _ in row]] = True
        self.sums = _columns(_transposed(network), 0.0)
        self.partner = _partners(network)

    def critical(self, b: Any, x: Any, threshold: int) -> Any:
        """Which channels are within a few firings of using up what they take; those with functions always are."""
        xp, network = arrays(b), self.network
        n = network.n_reactions
        found = xp.zeros((n, *b.lanes), dtype=bool)
        for species, amounts in self.consumed:
            found = xp.logical_or(found, xp.take(x, species, axis=0) < wide(b, threshold * amounts))
        if not network.jumps:
            return found
        return xp.concat([found, xp.ones((len(network.jumps), *b.lanes), dtype=bool)], axis=0)

    def guards(self, b: Any) -> Any:
        """Which counts may not become negative."""
        return wide(b, self.guarded)

    def changes(self, b: Any, firings: Any, power: int = 1) -> Any:
        """The sum of what these numbers of firings, or rates, change in each species; of squares with a power of 2."""
        xp, network = arrays(b), self.network
        if len(self.sums) > SMALL:
            return xp.matmul(xp.asarray(network.net_rows.T**power), firings)
        total: Any = xp.zeros((network.n_species, *b.lanes), dtype=firings.dtype)
        for channels, amounts in self.sums:
            total = total + wide(b, amounts**power) * xp.take(firings, channels, axis=0)
        return total

    def longest(self, b: Any, x: Any, rates: Any, epsilon: float) -> Any:
        """The longest time in which no propensity changes by more than a fraction epsilon: equation 33 of the paper."""
        xp, c = arrays(b), b.control
        if not self.asked.size:
            return b.real(float("inf"))
        counts = xp.take(x, self.asked, axis=0)
        weight: Any = 1.0 + 0.0 * counts
        for k in range(1, int(np.max(self.copies))):
            share = counts / xp.maximum(counts - float(k), 1.0 + 0.0 * counts)
            weight = weight + wide(b, np.where(self.copies > k, 1.0, 0.0)) * share
        bound = epsilon * counts / (wide(b, self.order / self.copies) * weight)
        bound = xp.maximum(bound, 1.0 + 0.0 * counts)
        drift = xp.abs(xp.take(self.changes(b, rates), self.asked, axis=0))
        spread = xp.take(self.changes(b, rates, 2), self.asked, axis=0)
        tiny = TINY + 0.0 * counts
        times = xp.minimum(bound / xp.maximum(drift, tiny), bound * bound / xp.maximum(spread, tiny))
        time = b.real(xp.min(times, axis=0))
        return c.where(time < 1.0 / TINY, time, b.real(float("inf")))


@lru_cache(maxsize=64)
def tables_of(network: Network) -> LeapTables:
    """The tables of a network, made once."""
    return LeapTables(network)


def wide(b: Any, table: Any) -> Any:
    """A table of numbers, a row each, beside arrays that have lanes."""
    return table[:, None] if b.lanes else table


def _columns(rows: list[list[tuple[int, float]]], rest: float) -> list[tuple[np.ndarray, np.ndarray]]:
    width = max(map(len, rows), default=0)
    filled = [row + [(0, rest)] * (width - len(row)) for row in rows]
    return [
        (np.asarray([row[r][0] for row in filled], np.int64), np.asarray([row[r][1] for row in filled]))
        for r in range(width)
    ]


def _transposed(network: Network) -> list[list[tuple[int, float]]]:
    rows: list[list[tuple[int, float]]] = [[] for _ in range(network.n_species)]
    for j, net in enumerate(network.net):
        for species, change in net.items():
            rows[species].append((j, float(change)))
    return rows


def _partners(network: Network) -> np.ndarray:
    products = []
    for taken, net in zip(network.reactants, network.net, strict=True):
        after = {i: taken.get(i, 0) + net.get(i, 0) for i in {*taken, *net}}
        products.append(frozenset((i, n) for i, n in after.items() if n))
    found = np.arange(network.n_channels)
    ahead = {(frozenset(t.items()), p): j for j, (t, p) in enumerate(zip(network.reactants, products, strict=True))}
    for (taken, product), j in ahead.items():
        found[j] = ahead.get((product, taken), j)
    return found
