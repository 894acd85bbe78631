"""How often each channel fires, and what its firing changes."""

from __future__ import annotations

from typing import Any

import numpy as np

from evolvent.lanes import to_numpy

from ._draws import arrays
from ._network import SMALL


def counts_of(b: Any, y: Any) -> Any:
    """The state as an array of the control plane, where counting is done: eagerly that of the host."""
    return y if b.compiled or isinstance(y, arrays(b).ndarray) else to_numpy(y).astype(float)


def state_of(b: Any, x: Any, like: Any) -> Any:
    """Counts as the state's own library has them."""
    if b.compiled or isinstance(like, arrays(b).ndarray):
        return x
    return b.xp.asarray(x, dtype=like.dtype, device=b.device)


class Channels:
    """The channels of a network in one solve.

    Parameters
    ----------
    like : array
        The state, as its own library has it.
    """

    def __init__(self, network: Any, system: Any, like: Any):
        self.network, self.system, self.like = network, system, like
        self.backend = system.backend
        # Of many species few change at a time: their counts are written to in place.
        self.in_place = network.n_species > SMALL
        # Counts change when a jump is found already: what comes next then waits for no look into a table.
        self.looks_ahead = network.written_out and not network.jumps

    def ahead(self, x: Any, channel: Any) -> Any:
        """The counts behind the next jump, or nothing where that is not looked at before."""
        return x + _row(self.backend, self.network.net_rows, channel) if self.looks_ahead else ()

    def plain(self, x: Any) -> Any:
        """Counts as an array, wherever they are kept."""
        return self.backend.whole(x)

    def constants(self, t: Any) -> Any:
        """The rate constants of all reactions, with their factors, as the parameters are now."""
        if not self.network.n_reactions:
            return ()
        b = self.backend
        found = counts_of(b, self.system.functions["constants"](t, self.like, self.system.params))
        factors = self.network.factors
        return found * (factors[:, None] if b.lanes and found.ndim == 2 else factors)

    def of_functions(self, t: Any, x: Any) -> tuple[Any, ...]:
        """The rates of all channels that are functions, control scalars."""
        if not self.network.jumps:
            return ()
        b = self.backend
        rates = self.system.functions["rates"](t, state_of(b, self.plain(x), self.like), self.system.params)
        return b.to_control(*rates) if len(rates) > 1 else (b.to_control(*rates),)

    def written_out(self, t: Any, x: Any, constants: Any) -> list[Any]:
        """All propensities, control scalars."""
        b, network = self.backend, self.network
        counts = [b.pick(x, i) for i in range(network.n_species)]
        found = []
        for j in range(network.n_reactions):
            a = b.pick(constants, j)
            for i, n in network.reactants[j].items():
                for k in range(n):
                    a = a * (counts[i] - float(k) if k else counts[i])
            found.append(a)
        return [*found, *self.of_functions(t, x)]

    def of(self, x: Any, constants: Any, functions: tuple[Any, ...], channel: Any) -> Any:
        """One channel's propensity, a control scalar; `functions` are what `of_functions` gave at these counts."""
        b, c, network = self.backend, self.backend.control, self.network
        a: Any = b.real(0.0)
        if network.n_reactions:
            last = network.n_reactions - 1
            j = c.minimum(channel, b.integer(last)) if network.jumps else channel
            a = b.pick(constants, j)
            for slots, scales, offsets in network.factor_columns:
                factor = b.pick(x, b.pick(slots, j))
                if scales is not None:
                    factor = factor * b.pick(scales, j)
                if offsets is not None:
                    factor = factor - b.pick(offsets, j)
                a = a * factor
        for k, rate in enumerate(functions):
            a = c.where(channel == network.n_reactions + k, rate, a)
        return a

    def all(self, t: Any, x: Any, constants: Any, functions: Any = None) -> Any:
        """All propensities, an array (channels,) and lanes; `functions` as in `of`, asked for when None."""
        xp = arrays(self.backend)
        parts = [self.of_reactions(x, constants)] if self.network.n_reactions else []
        functions = self.of_functions(t, x) if functions is None else functions
        if functions:
            parts.append(xp.stack([xp.asarray(rate) for rate in functions]))
        return parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)

    def of_reactions(self, x: Any, constants: Any) -> Any:
        """The propensities of all reactions by mass action, an array (reactions,) and lanes."""
        b, xp, a, x = self.backend, arrays(self.backend), constants, self.plain(x)
        wide = (slice(None), None) if b.lanes else slice(None)
        if b.lanes and a.ndim == 1:
            a = a[:, None]
        for slots, scales, offsets in self.network.factor_columns:
            factor = xp.take(x, slots, axis=0)
            factor = factor if scales is None else factor * scales[wide]
            a = a * (factor if offsets is None else factor - offsets[wide])
        return a

    def each_dependent(self, channel: Any, carry: Any, body: Any) -> Any:
        """Carry a tree through ``body(carry, dependent)`` for each channel whose rate `channel` may change."""
        b, (start, dependents) = self.backend, self.network.dependents
        first, behind = b.pick(start, channel), b.pick(start, channel + 1)
        longest = int(np.max(np.diff(start), initial=0))
        _, carry = b.while_loop(
            lambda s: s[0] < behind,
            lambda s: (s[0] + 1, body(s[1], b.integer(b.pick(dependents, s[0])))),
            (b.integer(first), carry),
            max_iterations=longest,
            resumable=True,
        )
        return carry

    def fired(self, t: Any, x: Any, channel: Any) -> Any:
        """The counts after a channel fired."""
        b, network = self.backend, self.network
        if network.n_reactions:
            x = x + _row(b, network.net_rows, channel) if network.n_species <= SMALL else self._added(x, channel)
        for j in range(len(network.jumps)):
            x = b.cond(
                channel == network.n_reactions + j,
                lambda x, j=j: self._affected(t, x, j),
                lambda x: x,
                x,
            )
        return x

    def _affected(self, t: Any, x: Any, j: int) -> Any:
        """The counts after the effect of a jump with functions."""
        b = self.backend
        y = self.system.functions[f"jump{j}"](t, state_of(b, self.plain(x), self.like), self.system.params)
        return b.memory(counts_of(b, y), x) if self.in_place else counts_of(b, y)

    def _added(self, x: Any, channel: Any) -> Any:
        """The counts with a reaction's changes added one by one."""
        b, network = self.backend, self.network
        start = network.net_start
        _, x = b.while_loop(
            lambda s: s[0] < b.pick(start, channel + 1),
            lambda s: (s[0] + 1, self._with_change(s[1], s[0])),
            (b.integer(b.pick(start, channel)), x),
            max_iterations=int(np.max(np.diff(start), initial=0)),
            resumable=True,
        )
        return x

    def _with_change(self, x: Any, k: Any) -> Any:
        b, network = self.backend, self.network
        species = b.integer(b.pick(network.net_species, k))
        return b.replaced(x, species, b.pick(x, species) + b.real(b.pick(network.net_change, k)))


def _row(b: Any, table: Any, i: Any) -> Any:
    """One row of a constant table; with lanes each lane's own, a column."""
    return table[i].T if b.lanes else b.pick(table, i)


def invalid(b: Any, rates: Any, first: int) -> Any:
    """The number of the first rate that is negative or NaN, counted from `first`; -1 where all are well."""
    c = b.control
    found = b.integer(-1)
    for j, rate in reversed(list(enumerate(rates))):
        well = c.logical_and(rate >= 0.0, c.isfinite(rate))
        found = c.where(well, found, b.integer(first + j))
    return found
