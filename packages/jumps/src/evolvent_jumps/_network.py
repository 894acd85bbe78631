"""What may happen and what it changes, as arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from hashlib import blake2b
from math import factorial
from typing import Any

import numpy as np

from evolvent import ConstantRate, InputError, MassAction
from evolvent.trees import flatten

INDEX = np.int32  # of the tables: what an event reads of them ought to stay near the processor
SMALL = 32  # species and channels that are written out, each an expression of its own


class Network:
    """The channels of a jump problem: reactions by mass action first, then jumps with functions.

    Two networks with the same numbers are equal, and so is the machine code made for them.

    Attributes
    ----------
    slots : numpy.ndarray of int, (reactions, most reactants)
        Each factor of a reaction's propensity is ``scale * y[slot] - offset``: a reactant's falling factorial, a factor
        each, and ones behind.
    factors : numpy.ndarray, (reactions,)
        What rate constants are multiplied with, for ways to choose.
    net_start, net_species, net_change : numpy.ndarray
        The species that channel j changes are numbers ``net_start[j]`` to ``net_start[j + 1]`` of the latter two.
        Those that functions change are not among them.
    order : list of int
        The number of each channel among the problem's jumps.
    """

    def __init__(self, problem: Any, places: Callable[[Any], int], n_species: int):
        self.n_species = n_species
        self.reactions: list[MassAction] = [jump for jump in problem.jumps if isinstance(jump, MassAction)]
        self.jumps: list[Any] = [jump for jump in problem.jumps if not isinstance(jump, MassAction)]
        self.order = _order(problem.jumps)
        names = problem.names
        self.names = [names[j] for j in self.order]
        reactants = [{places(s): n for s, n in row.items()} for jump in self.reactions for row in jump.reactants]
        net = [{places(s): n for s, n in row.items()} for jump in self.reactions for row in jump.net]
        counted = [jump.combinatoric for jump in self.reactions for _ in range(len(jump))]
        self.factors = np.asarray(
            [
                1.0 / np.prod([factorial(n) for n in row.values()]) if count else 1.0
                for row, count in zip(reactants, counted, strict=True)
            ]
        )
        self.slots, self.scales, self.offsets = _factors(reactants)
        self.net_start, self.net_species, self.net_change = _compressed([row.items() for row in net])
        self.reactants, self.net = reactants, net
        self.given = problem.dependencies
        self.patterns: Any = None  # of the rates of functions: the species that each asks for, None for all

    @property
    def n_reactions(self) -> int:
        return len(self.reactants)

    @property
    def n_channels(self) -> int:
        return len(self.reactants) + len(self.jumps)

    @property
    def max_order(self) -> int:
        """The most individuals that a reaction takes."""
        return max((sum(row.values()) for row in self.reactants), default=0)

    @property
    def written_out(self) -> bool:
        """Whether every propensity is an expression of its own, and a change one row of a table."""
        return max(self.n_species, self.n_channels) <= SMALL

    @cached_property
    def net_rows(self) -> np.ndarray:
        """What each channel adds, (channels, species); zeros for those with functions."""
        rows = np.zeros((self.n_channels, self.n_species))
        for j, row in enumerate(self.net):
            for species, change in row.items():
                rows[j, species] = change
        return rows

    @cached_property
    def factor_columns(self) -> list[tuple[np.ndarray, np.ndarray | None, np.ndarray | None]]:
        """The factors of all propensities, one after the other: slots, scales, offsets; None where all are trivial."""
        return [
            (
                np.ascontiguousarray(self.slots[:, r]),
                None if np.all(self.scales[:, r] == 1.0) else np.ascontiguousarray(self.scales[:, r]),
                None if np.all(self.offsets[:, r] == 0.0) else np.ascontiguousarray(self.offsets[:, r]),
            )
            for r in range(self.slots.shape[1])
        ]

    @cached_property
    def dependents(self) -> tuple[np.ndarray, np.ndarray]:
        """The channels whose rates channel j may change: of the second array those from ``first[j]`` to the next."""
        start, channels, _ = _compressed([[(i, 0) for i in row] for row in self._dependent_rows()])
        return start, channels

    @cached_property
    def takers(self) -> tuple[np.ndarray, np.ndarray]:
        """The reactions that take species i: of the second array those from ``first[i]`` to the next."""
        rows: list[list[tuple[int, int]]] = [[] for _ in range(self.n_species)]
        for j, row in enumerate(self.reactants):
            for species in row:
                rows[species].append((j, 0))
        start, reactions, _ = _compressed(rows)
        return start, reactions

    def _dependent_rows(self) -> list[list[int]]:
        n = self.n_reactions
        if self.given is not None:
            place = {number: j for j, number in enumerate(self.order)}
            return [sorted({j, *(place[int(i)] for i in self.given[self.order[j]])}) for j in range(self.n_channels)]
        asking: list[set[int]] = [set() for _ in range(self.n_species)]
        for j, row in enumerate(self.reactants):
            for species in row:
                asking[species].add(j)
        for k in range(len(self.jumps)):
            wanted = None if self.patterns is None else self.patterns[k]
            for species in range(self.n_species) if wanted is None else wanted:
                asking[species].add(n + k)
        rows = [sorted({j, *(i for species in row for i in asking[species])}) for j, row in enumerate(self.net)]
        # An effect may change anything.
        return rows + [list(range(self.n_channels))] * len(self.jumps)

    def constants(self, model: Any, params: Any) -> Any:
        """The rate constants of all reactions as the parameters are now, (reactions,) and lanes, without `factors`."""
        b, given = model.backend, model.params(params)
        dtype = b.real_dtype(model.y0.dtype)
        found = []
        for jump in self.reactions:
            rates = b.called(jump.rates, given) if callable(jump.rates) else jump.rates
            like = b.xp.zeros((len(jump), *b.lanes), dtype=dtype, device=b.device)
            listed = list(rates) if isinstance(rates, tuple) else rates
            found.append(b.as_array(listed, like, _shape_of(rates, jump, b), "rates"))
        return found[0] if len(found) == 1 else b.xp.concat(found, axis=0)

    @cached_property
    def digest(self) -> bytes:
        """Names what code depends on."""
        hashed = blake2b(digest_size=32)
        arrays = (
            self.slots,
            self.scales,
            self.offsets,
            self.factors,
            self.net_start,
            self.net_species,
            self.net_change,
        )
        for array in arrays:
            hashed.update(repr((array.shape, array.dtype.str)).encode())
            hashed.update(array.tobytes())
        hashed.update(repr((self.n_species, self.given, self.patterns, [_kind(jump) for jump in self.jumps])).encode())
        return hashed.digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


def network_of(model: Any) -> Network:
    """The channels of a model's problem, with species by their places in the flat state."""
    if model.problem.hopping is not None:
        from ._places import FlatNetwork

        return FlatNetwork(model.problem)
    shape = tuple(model.y0.shape)
    if len(shape) - len(model.backend.lanes) != 1 and any(isinstance(j, MassAction) for j in model.problem.jumps):
        raise InputError("y0", f"mass action wants a vector of species, got shape {shape}.")
    n = int(np.prod(shape[: len(shape) - len(model.backend.lanes)], dtype=np.int64))
    names = _names(model.problem.y0, len(model.backend.lanes))

    def place(species: Any) -> int:
        found = names.get(species) if isinstance(species, str) else species
        if found is None:
            known = ", ".join(names) if names else "none, since y0 is no dict"
            raise InputError("reactants", f"there is no species named {species!r} in y0; there are {known}.")
        if not isinstance(found, int) or not -n <= found < n:
            raise InputError("reactants", f"there is no species {species!r} in a state of {n}.")
        return found % n

    return Network(model.problem, place, n)


def _names(y0: Any, lanes: int) -> dict[str, int]:
    """The places of a dict's entries in the flat state, where each is a number, or one in each lane."""
    if not isinstance(y0, dict) or any(len(np.shape(x)) != lanes for x in y0.values()):
        return {}
    ordered, _ = flatten({name: name for name in y0})
    return {name: i for i, name in enumerate(ordered)}


def _order(jumps: Any) -> list[int]:
    """The problem's numbers of the jumps, reactions first."""
    reactions, others, at = [], [], 0
    for jump in jumps:
        if isinstance(jump, MassAction):
            reactions += range(at, at + len(jump))
            at += len(jump)
        else:
            others.append(at)
            at += 1
    return reactions + others


def _kind(jump: Any) -> tuple[Any, ...]:
    bounds = () if isinstance(jump, ConstantRate) else (jump.upper_bound, jump.lower_bound, jump.valid_for)
    return (type(jump).__name__, *(given is not None for given in bounds))


def _shape_of(rates: Any, jump: Any, b: Any) -> tuple[int, ...]:
    """What shape rate constants have: with lanes each may have one of its own."""
    deep = isinstance(rates, list | tuple) and any(np.shape(x) for x in rates)
    lanes = b.lanes if deep or len(np.shape(rates) if not isinstance(rates, list | tuple) else ()) == 2 else ()
    return (len(jump), *lanes)


def _factors(reactants: list[dict[int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The factors of each reaction's propensity, filled up with ones."""
    rows = [[(i, k) for i, n in sorted(row.items()) for k in range(n)] for row in reactants]
    width = max(map(len, rows), default=0)
    slots = np.zeros((len(rows), width), INDEX)
    scales, offsets = np.zeros((len(rows), width)), np.full((len(rows), width), -1.0)
    for j, row in enumerate(rows):
        for r, (species, offset) in enumerate(row):
            slots[j, r], scales[j, r], offsets[j, r] = species, 1.0, offset
    return slots, scales, offsets


def _compressed(rows: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of pairs behind each other, with where each row starts."""
    start, places, values, small = [0], [], [], True
    for row in rows:
        for place, value in row:
            places.append(place)
            values.append(value)
            small = small and abs(value) < 2**24
        start.append(len(places))
    kind = np.float32 if small else np.float64
    return np.asarray(start, INDEX), np.asarray(places, INDEX), np.asarray(values, kind)
