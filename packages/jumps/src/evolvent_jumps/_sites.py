"""What methods for networks with sites have in common: rates at one site, and what happens there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from evolvent import InputError, JumpProblem

from ._aggregator import Aggregator
from ._draws import arrays
from ._places import Places
from ._propensities import Channels

STEPS = 64  # of a bisection, more than any number of ways wants


class SiteChannels(Channels):
    """The channels of a network with sites in one solve."""

    network: Places

    def _rates(self, constant: Any, count: Any) -> list[Any]:
        """The rates of all that may happen, of one site or as arrays of all sites."""
        places = self.network
        found = []
        for j, row in enumerate(places.local.reactants):
            a = constant(j)
            for s, n in row.items():
                for k in range(n):
                    a = a * (count(s) - float(k) if k else count(s))
            found.append(a)
        return found + [constant(places.local.n_reactions + s) * count(s) for s in range(places.n_species)]

    def at(self, x: Any, constants: Any, site: Any) -> list[Any]:
        """The rates of all that may happen at a site, control scalars."""
        b, n, kinds = self.backend, self.network.n_sites, self.network.n_kinds
        counts = [b.pick(x, site + s * n) for s in range(self.network.n_species)]
        first = site * kinds
        return self._rates(lambda j: b.pick(constants, first + j), lambda s: counts[s])

    def total(self, x: Any, constants: Any, site: Any) -> Any:
        """How often something happens at a site."""
        return sum_of(self.at(x, constants, site))

    def totals(self, x: Any, constants: Any) -> Any:
        """How often something happens at each site, an array (sites,) and lanes."""
        places, xp = self.network, arrays(self.backend)
        table = xp.reshape(constants, (places.n_sites, places.n_kinds, *constants.shape[1:]))
        counts = xp.reshape(x, (places.n_species, places.n_sites, *x.shape[1:]))
        wide = (..., None) if self.backend.lanes and table.ndim == 2 else ...
        return sum_of(self._rates(lambda j: table[:, j, ...][wide], lambda s: counts[s, ...]))

    def chosen(self, x: Any, constants: Any, site: Any, uniform: Any) -> Any:
        """The channel that fires at a site."""
        b, c, places = self.backend, self.backend.control, self.network
        reactions = places.local.n_reactions
        rates = self.at(x, constants, site)
        wanted = uniform * sum_of(rates)
        kind, before, rate, upto = b.integer(0), b.real(0.0), rates[0], rates[0]
        for following in rates[1:]:
            further = wanted >= upto
            kind = kind + c.where(further, b.integer(1), b.integer(0))
            before, rate = c.where(further, upto, before), c.where(further, following, rate)
            upto = upto + following
        # How far into its share of the rates a number fell is uniform again.
        rest = (wanted - before) / c.where(rate > 0.0, rate, b.real(1.0)) if len(rates) > 1 else uniform
        way = self._way(site, c.minimum(c.maximum(rest, b.real(0.0)), b.real(1.0)))
        hop = places.first_hop + (kind - reactions) * places.n_ways + way
        return c.where(kind >= reactions, hop, kind * places.n_sites + site) if reactions else hop

    def _way(self, site: Any, uniform: Any) -> Any:
        """The way that somebody takes who hops from a site."""
        b, c, places = self.backend, self.backend.control, self.network
        first, behind = b.pick(places.start, site), b.pick(places.start, site + 1)
        last = c.maximum(behind - 1, first)
        if places.even:
            return c.minimum(first + b.integer(c.floor(uniform * (behind - first))), last)

        def halve(s: Any) -> Any:
            low, high = s
            middle = (low + high) // 2
            beyond = uniform >= b.pick(places.upto, middle)
            return c.where(beyond, middle + 1, low), c.where(beyond, high, middle)

        low, _ = b.while_loop(
            lambda s: s[0] < s[1], halve, (b.integer(first), b.integer(last)), max_iterations=STEPS, resumable=True
        )
        return low

    def where(self, channel: Any) -> tuple[Any, Any, Any]:
        """Whether a channel is a hop, the site where it happens, and that where it leads."""
        b, c, places = self.backend, self.backend.control, self.network
        hop = c.maximum(channel - places.first_hop, b.integer(0))
        way = hop % places.n_ways
        source, target = b.integer(b.pick(places.source, way)), b.integer(b.pick(places.target, way))
        hops = channel >= places.first_hop
        if not places.local.n_reactions:
            return hops, source, target
        site = channel % places.n_sites
        return hops, c.where(hops, source, site), c.where(hops, target, site)

    def fired(self, t: Any, x: Any, channel: Any) -> Any:
        b, c, places = self.backend, self.backend.control, self.network
        n = places.n_sites
        hops, source, target = self.where(channel)
        hop = c.maximum(channel - places.first_hop, b.integer(0))
        species = hop // places.n_ways
        writes = [(species * n + source, b.real(-1.0)), (species * n + target, b.real(1.0))]
        if places.local.n_reactions:
            writes = self._reacting(writes, hops, source, c.minimum(channel // n, places.local.n_reactions - 1))
        for entry, change in writes:
            x = b.replaced(x, entry, b.pick(x, entry) + change)
        return x

    def _reacting(self, writes: list[Any], hops: Any, site: Any, reaction: Any) -> list[Any]:
        """What is written where, for a channel that is either a hop or a reaction."""
        b, c, places = self.backend, self.backend.control, self.network
        width = max(2, *map(len, places.changes))
        rows = [[*row, *[(0, 0)] * (width - len(row))] for row in places.changes]
        still = (site, b.real(0.0))
        found = []
        for k in range(width):
            species, change = (b.table([row[k][which] for row in rows]) for which in (0, 1))
            entry = b.pick(species, reaction) * places.n_sites + site
            moved = writes[k] if k < 2 else still
            change = b.real(b.pick(change, reaction))
            found.append((b.integer(c.where(hops, moved[0], entry)), c.where(hops, moved[1], change)))
        return found


@dataclass(frozen=True)
class SiteAggregator(Aggregator):
    """An exact method for networks with sites."""

    network: Places | None = field(default=None, repr=False, kw_only=True)  # pyright: ignore

    def prepared(self, model) -> SiteAggregator:
        problem: JumpProblem = model.problem
        if problem.hopping is None:
            raise InputError(
                "algorithm",
                f"{self.name} is for individuals that hop between sites, and this problem has no ev.Hopping.",
                "Add one, or leave the algorithm out.",
            )
        places = Places(problem)
        if len(places.local.reactions) + 1 < len(problem.jumps):
            raise InputError(
                "algorithm",
                f"{self.name} is for ev.MassAction and ev.Hopping, and this problem has jumps with functions too.",
                "Leave the algorithm out.",
            )
        return replace(self, network=places)

    def channels(self, system, y):
        return SiteChannels(self.network, system, y)


def sum_of(rates: list[Any]) -> Any:
    """The sum of control scalars, from the first to the last on every backend."""
    total = rates[0]
    for rate in rates[1:]:
        total = total + rate
    return total
