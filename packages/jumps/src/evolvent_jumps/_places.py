"""Networks with sites: what happens at each, who hops where, and the same as one flat network."""

from __future__ import annotations

from functools import cached_property
from hashlib import blake2b
from types import SimpleNamespace
from typing import Any

import numpy as np

from evolvent import InputError, MassAction
from evolvent.trees import flatten, is_nested

from ._network import Network


class Places:
    """Reactions at sites and hops between them.

    Species s at site i is entry ``s * n_sites + i`` of the state. Channels are numbered reaction by reaction, each
    with its sites, then hops by species, each with the ways of the graph. Rate constants lie site by site: those of
    its reactions, then those of its species' hops.

    Attributes
    ----------
    local : Network
        The reactions at one site.
    n_kinds : int
        What may happen at a site: each reaction, and each species' hop.
    factors : numpy.ndarray, (sites * kinds,)
        What rate constants are multiplied with: for ways to choose, and for the weights of all ways out.
    changes : list of list of tuple
        For each reaction the species and by how much each changes.
    source, target, upto : numpy.ndarray, (ways,)
        Of each way of the graph, and which part of its site's weight it and those before it have.
    """

    jumps: tuple[Any, ...] = ()  # with functions, as a `Network` has them: none
    written_out = False

    def __init__(self, problem: Any):
        hopping = problem.hopping
        self.near = near = hopping.neighbours
        self.n_sites = near.n_sites
        self.species = _species_of(problem)
        self.n_species = len(self.species)
        reactions = [jump for jump in problem.jumps if isinstance(jump, MassAction)]
        names = [jump.name_of(j) for jump in reactions for j in range(len(jump))]
        alone = SimpleNamespace(jumps=reactions, names=names, dependencies=None)
        self.local = Network(alone, self._place, self.n_species)
        self.n_kinds = self.local.n_reactions + self.n_species
        weights = np.zeros(self.n_sites)
        np.add.at(weights, near.source, near.weight)
        at_site = np.concatenate([self.local.factors, np.ones(self.n_species)])
        self.factors = np.tile(at_site, (self.n_sites, 1))
        self.factors[:, self.local.n_reactions :] *= weights[:, None]
        self.factors = self.factors.ravel()
        # A graph without ways keeps one, of no weight, for compilers.
        self.n_ways = max(near.target.size, 1)
        self.start = near.start
        self.source, self.target = (_padded(array) for array in (near.source, near.target))
        self.upto = _padded(_parts_upto(near))
        self.even = bool(np.allclose(near.weight * np.diff(near.start)[near.source], weights[near.source], rtol=1e-14))
        self.changes = [sorted(row.items()) for row in self.local.net]

    @property
    def n_reactions(self) -> int:
        """How many rate constants there are."""
        return self.n_sites * self.n_kinds

    @property
    def first_hop(self) -> int:
        """The number of the first channel that is a hop."""
        return self.local.n_reactions * self.n_sites

    @cached_property
    def names(self) -> list[str]:
        """What messages call the rate constants."""
        hops = [f"hopping of species {name!r}" for name in self.species]
        return [f"{name} at site {i}" for i in range(self.n_sites) for name in (*self.local.names, *hops)]

    def _place(self, species: Any) -> int:
        known = ", ".join(map(str, self.species))
        if isinstance(species, int) and -self.n_species <= species < self.n_species:
            return species % self.n_species
        if species not in self.species:
            raise InputError("reactants", f"there is no species {species!r} in y0; there are {known}.")
        return self.species.index(species)

    @cached_property
    def digest(self) -> bytes:
        """Names what code depends on."""
        hashed = blake2b(self.local.digest, digest_size=32)
        for array in (self.start, self.target, self.upto, self.factors):
            hashed.update(repr((array.shape, array.dtype.str)).encode())
            hashed.update(array.tobytes())
        return hashed.digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Places) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def constants(self, model: Any, params: Any) -> Any:
        """All rate constants as the parameters are now, (sites * kinds,) and lanes, without their factors."""
        b, given = model.backend, model.params(params)
        reactions = [jump for jump in model.problem.jumps if isinstance(jump, MassAction)]
        parts = [_at_sites(b, model.y0.dtype, jump.rates, len(jump), self.n_sites, given) for jump in reactions]
        rates = model.problem.hopping.rates
        parts.append(_at_sites(b, model.y0.dtype, rates, self.n_species, self.n_sites, given))
        together = b.xp.concat(parts, axis=0)
        order = (1, 0, *range(2, together.ndim))
        return b.xp.reshape(b.xp.permute_dims(together, order), (self.n_reactions, *b.lanes))


class FlatNetwork(Network):
    """A network with sites as one of species that are each at one site, for methods that know of no sites."""

    def __init__(self, problem: Any):
        places = Places(problem)
        self.places, local, n = places, places.local, places.n_sites
        sites = np.arange(n)
        reactants = _everywhere(local.reactants, n) + [
            {s * n + int(i): 1} for s in range(places.n_species) for i in places.near.source
        ]
        net = _everywhere(local.net, n) + [
            {s * n + int(i): -1, s * n + int(j): 1}
            for s in range(places.n_species)
            for i, j in zip(places.near.source, places.near.target, strict=True)
        ]
        names = [f"{name} at site {i}" for name in local.names for i in sites]
        for name in places.species:
            names += [
                f"hop of species {name!r} from site {i} to {j}"
                for i, j in zip(places.near.source, places.near.target, strict=True)
            ]
        flat = MassAction(np.zeros(len(net)), reactants, net, names=names, combinatoric=False)
        others = [jump for jump in problem.jumps if not isinstance(jump, MassAction) and jump is not problem.hopping]
        other_names = [jump.name or f"jump {k}" for k, jump in enumerate(others)]
        alone = SimpleNamespace(jumps=[flat, *others], names=[*names, *other_names], dependencies=None)
        super().__init__(alone, int, places.n_species * n)
        kinds, reactions = places.n_kinds, local.n_reactions
        weights = np.tile(places.near.weight, places.n_species)
        self.factors = np.concatenate([np.repeat(local.factors, n), weights])
        hops = [places.near.source * kinds + reactions + s for s in range(places.n_species)]
        self.picked = np.concatenate([*(sites * kinds + j for j in range(reactions)), *hops]).astype(np.int64)

    def constants(self, model: Any, params: Any) -> Any:
        """The rate constants of all channels, without their factors."""
        return model.backend.xp.take(
            self.places.constants(model, params), model.backend.xp.asarray(self.picked), axis=0
        )


def _everywhere(rows: list[dict[int, int]], n: int) -> list[dict[int, int]]:
    return [{s * n + i: count for s, count in row.items()} for row in rows for i in range(n)]


def _species_of(problem: Any) -> list[Any]:
    """The species' names: the keys of a dict, else their numbers."""
    y0 = problem.y0
    if not is_nested(y0):
        return list(range(np.shape(y0)[0]))
    if isinstance(y0, dict):
        return flatten({name: name for name in y0})[0]
    return list(range(len(flatten(y0, lists=False)[0])))


def _padded(array: np.ndarray) -> np.ndarray:
    return array if array.size else np.zeros(1, array.dtype)


def _parts_upto(near: Any) -> np.ndarray:
    """Of each way, which part of its site's weight lies up to it; one at the last of each site."""
    found = np.ones(near.target.size)
    for first, behind in zip(near.start[:-1], near.start[1:], strict=True):
        if behind > first:
            found[first:behind] = np.cumsum(near.weight[first:behind]) / np.sum(near.weight[first:behind])
            found[behind - 1] = 1.0
    return found


def _at_sites(b: Any, dtype: Any, rates: Any, rows: int, sites: int, params: Any) -> Any:
    """Rates as an array (rows, sites) and lanes, given as (rows,) or (rows, sites)."""
    xp, called = b.xp, callable(rates)
    like = xp.zeros((rows, *b.lanes), dtype=b.real_dtype(dtype), device=b.device)
    given = b.called(rates, params) if called else rates
    if not called and _is_plain(given):
        given = xp.asarray(np.asarray(given, dtype=float), dtype=like.dtype, device=b.device)
    shape = _shape_of(given)
    lanes = bool(b.lanes) and (len(shape) == 3 or (len(shape) == 2 and shape[1:] == b.lanes and (called or sites == 1)))
    of_lanes = b.lanes if lanes or isinstance(given, list | tuple) else ()
    by_site = len(shape) - len(b.lanes if lanes else ()) == 2
    wanted = (rows, sites, *of_lanes) if by_site else (rows, *of_lanes)
    array = b.as_array(list(given) if isinstance(given, tuple) else given, like, wanted, "rates")
    array = array if by_site else xp.reshape(array, (rows, 1, *of_lanes))
    if b.lanes and not of_lanes:
        array = array[..., None]
    return xp.broadcast_to(array, (rows, sites, *b.lanes))


def _is_plain(given: Any) -> bool:
    """Whether rates are the host's numbers."""
    if isinstance(given, list | tuple):
        return all(map(_is_plain, given))
    return isinstance(given, int | float | np.ndarray | np.generic)


def _shape_of(given: Any) -> tuple[int, ...]:
    if isinstance(given, list | tuple):
        return (len(given), *(_shape_of(given[0]) if len(given) else ()))
    return tuple(np.shape(given))
