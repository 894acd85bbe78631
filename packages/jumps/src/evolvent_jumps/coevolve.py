"""Thinning with bounds that expire: rates that change between the jumps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from evolvent import InputError, VariableRate
from evolvent_stepping import Part

from ._aggregator import Aggregator, Next, _rate
from ._draws import arrays, starting
from ._heap import Heap, first, heapified, moved
from ._propensities import state_of
from .direct import TINY

ROUNDING = 1e-9  # by how much of it a rate may exceed its bound
BELOW_ZERO, ABOVE_BOUND, NO_BOUND = 0, 1, 2  # what may be wrong with a rate, in multiples of the number of channels


class Candidates(NamedTuple):
    """Of each channel, as a heap, the next time at which something may happen.

    `expires` says whether its bounds only expire there, `channel` is the one that comes first, `fault` what its rate
    will be found to be there, `arrived` what was found.
    """

    times: Heap
    upper: Any
    lower: Any
    expires: Any
    channel: Any
    fault: Any
    arrived: Any


@dataclass(frozen=True)
class Coevolve(Aggregator):
    """Candidates come at the rates' upper bounds, and are taken with the probability that the rates are of these.

    For jumps alone, some of which have rates that change with time and have bounds: inhomogeneous Poisson processes,
    Hawkes processes, schedules. A bound holds for as long as ``valid_for`` says; then, and when a jump changes its
    rate, it is asked for anew. Rates without change take part with candidates that are always taken. An event costs as
    much as it changes rates, and the logarithm of the number of channels for each.

    References
    ----------
    G. A. Zagatti, S. A. Isaacson, C. Rackauckas, V. Ilin, S.-K. Ng, S. Bressan, Extending JumpProcesses.jl for fast
    point process simulation with time-varying intensities (2023), doi:10.48550/arXiv.2306.06992.

    P. A. W. Lewis, G. S. Shedler, Simulation of nonhomogeneous Poisson processes by thinning, Naval Research Logistics
    Quarterly 26 (1979) 403-413, doi:10.1002/nav.3800260304.

    Examples
    --------
    >>> import numpy as np
    >>> import evolvent as ev
    >>> daily = ev.VariableRate(
    ...     lambda t, y, p: 1.0 + np.sin(2 * np.pi * t), lambda t, y, p: y + 1, upper_bound=lambda t, y, p: 2.0
    ... )
    >>> solution = ev.solve(ev.JumpProblem([0], (0.0, 1000.0), jumps=[daily]), "Coevolve", seed=1)
    >>> abs(int(solution.y[-1, 0]) - 1000) < 100
    True
    """

    thins: ClassVar[bool] = True
    varying: ClassVar[bool] = True

    def prepared(self, model):
        for jump, name in zip(model.problem.jumps, _names(model.problem), strict=True):
            if isinstance(jump, VariableRate) and jump.upper_bound is None and model.problem.over is None:
                raise InputError(
                    "algorithm",
                    f"{self.name} thins out candidates that come at an upper bound, and {name} has none.",
                    "Give it upper_bound=, take HazardIntegration, or leave the algorithm out.",
                )
        return super().prepared(model)

    def parts(self, model):
        found = super().parts(model)
        if self.network is not None and self.network.jumps:
            jumps = self.network.jumps
            found["bounds"] = Part(
                lambda t, y, params: tuple(x for jump in jumps for x in _bounds(model, jump, t, y, params))
            )
        return found

    def begin(self, channels, t, x, constants, number):
        b, xp = channels.backend, arrays(channels.backend)
        n = channels.network.n_channels
        upper, lower, valid, wrong = self._bounds_at(channels, t, x)
        rates = channels.all(t, x, constants, upper)
        drawn, _ = starting(channels.system, number, n)
        waiting = drawn / xp.where(rates > TINY, rates, TINY)
        valid, lower = (_of_all(b, xp, channels.network, values) for values in (valid, lower))
        none = b.integer(-1)
        expires = xp.where(waiting > valid, 1.0, 0.0)
        times = heapified(b, t + xp.where(waiting > valid, valid, waiting))
        return Candidates(times, rates, lower, expires, none, none, wrong)

    def changed(self, channels, t, x, constants, own, channel, draw):
        b, c, network = channels.backend, channels.backend.control, channels.network
        upper, lower, valid, wrong = self._bounds_at(channels, t, x)

        def renewed(own, j):
            rate = channels.of(x, constants, upper, j)
            uniform, _ = draw.more(j)
            waiting = -c.log(1.0 - uniform) / c.maximum(rate, b.real(TINY))
            longest, least = b.real(float("inf")), b.real(0.0)
            for k, (low, length) in enumerate(zip(lower, valid, strict=True)):
                here = j == network.n_reactions + k
                longest, least = c.where(here, length, longest), c.where(here, low, least)
            expires = waiting > longest
            return own._replace(
                times=moved(b, own.times, j, t + c.minimum(waiting, longest)),
                upper=b.replaced(own.upper, j, rate),
                lower=b.replaced(own.lower, j, least),
                expires=b.replaced(own.expires, j, c.where(expires, b.real(1.0), b.real(0.0))),
            )

        came = own.channel
        own = b.cond(
            channel >= 0, lambda own: channels.each_dependent(came, own, renewed), lambda own: renewed(own, came), own
        )
        return own._replace(arrived=c.where(own.fault >= 0, own.fault, wrong))

    def upcoming(self, channels, t, x, constants, own, draw):
        b, c, network = channels.backend, channels.backend.control, channels.network
        n = network.n_channels
        channel, time = first(b, own.times)
        upper = b.pick(own.upper, channel)
        expires = b.pick(own.expires, channel) > 0.0
        wanted = draw.uniform * upper
        varies = b.boolean(False)
        for k, jump in enumerate(network.jumps):
            if isinstance(jump, VariableRate):
                varies = c.logical_or(varies, channel == network.n_reactions + k)
        asks = c.logical_and(varies, c.logical_not(expires))
        asks = c.logical_and(asks, c.logical_and(c.isfinite(time), wanted >= b.pick(own.lower, channel)))
        rate = upper
        if network.jumps:
            when = c.where(asks, time, t)
            rate = b.cond(
                asks,
                lambda x: channels.of(x, constants, channels.of_functions(when, x), channel),
                lambda x: b.pick(own.upper, channel),
                x,
            )
        well = c.logical_and(rate >= 0.0, c.isfinite(rate))
        exceeds = c.logical_and(asks, rate > upper * (1.0 + ROUNDING))
        fault = c.where(exceeds, channel + b.integer(ABOVE_BOUND * n), b.integer(-1))
        fault = c.where(well, fault, channel + b.integer(BELOW_ZERO * n))
        taken = c.logical_and(c.logical_not(expires), c.logical_or(c.logical_not(asks), wanted < rate))
        taken = c.logical_and(taken, fault < 0)
        found = own._replace(channel=channel, fault=fault, arrived=b.integer(-1))
        return Next(time, c.where(taken, channel, b.integer(-1)), found, own.arrived)

    def diagnosis(self, run, state) -> str:
        """Name the jump whose rate or bound was none, and say what was wrong with it."""
        culprit = int(state.march.cache.culprit)
        network = run.stepper.network
        if culprit < 0 or network is None:
            return ""
        kind, channel = divmod(culprit, network.n_channels)
        name = network.names[channel]
        if kind == ABOVE_BOUND:
            return (
                f"That of {name} was above its upper_bound: give a greater one, or by valid_for= a shorter time for it."
            )
        if kind == NO_BOUND:
            return f"A bound of {name} was negative or not a number, or its valid_for not positive."
        return f"It is that of {name}."

    def _bounds_at(self, channels: Any, t: Any, x: Any) -> tuple[Any, Any, Any, Any]:
        """Upper and lower bounds and how long they hold, of all jumps with functions, and what is wrong with them."""
        b, c, network = channels.backend, channels.backend.control, channels.network
        if not network.jumps:
            return (), (), (), b.integer(-1)
        y = state_of(b, channels.plain(x), channels.like)
        values = channels.system.functions["bounds"](t, y, channels.system.params)
        values = b.to_control(*values)
        upper, lower, valid = values[::3], values[1::3], values[2::3]
        wrong = b.integer(-1)
        for k, jump in enumerate(network.jumps):
            number = network.n_reactions + k
            kind = NO_BOUND if isinstance(jump, VariableRate) else BELOW_ZERO
            well = c.logical_and(c.logical_and(upper[k] >= 0.0, c.isfinite(upper[k])), valid[k] > 0.0)
            wrong = c.where(well, wrong, b.integer(number + kind * network.n_channels))
        return upper, lower, valid, wrong


def _bounds(model: Any, jump: Any, t: Any, y: Any, params: Any) -> tuple[Any, Any, Any]:
    """The upper and the lower bound of a rate, and for how long they hold."""
    if not isinstance(jump, VariableRate):
        rate = _rate(model, jump, t, y, params)
        return rate, rate * 0.0, float("inf")
    found = []
    for name, otherwise in (("upper_bound", 0.0), ("lower_bound", 0.0), ("valid_for", float("inf"))):
        given = getattr(jump, name)
        value = otherwise if given is None else model._call(given, t, y, params)
        model._require_scalar(value, name, f"of {jump.name} " if jump.name else "")
        found.append(value)
    return tuple(found)  # pyright: ignore[reportReturnType]


def _of_all(b: Any, xp: Any, network: Any, values: tuple[Any, ...]) -> Any:
    """What the jumps with functions have, an array (channels,) and lanes; reactions have bounds for ever."""
    rows = [xp.zeros(b.lanes) + float("inf")] * network.n_reactions + [xp.zeros(b.lanes) + value for value in values]
    return xp.stack(rows)


def _names(problem: Any) -> list[str]:
    """What messages call the problem's jumps, a set of reactions one."""
    found, at = [], 0
    for jump in problem.jumps:
        found.append(problem.names[at])
        at += len(jump) if hasattr(jump, "reactants") else 1
    return found
