"""Gillespie's direct method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ._aggregator import Aggregator, Next
from ._draws import arrays
from ._propensities import invalid

TINY = 1e-35  # a sum of rates is taken for no smaller: the next jump then comes behind the end of any span


@dataclass(frozen=True)
class Direct(Aggregator):
    """The direct method: all rates are summed up, and two random numbers tell when and which.

    For networks of a few channels: an event costs as much as there are rates.

    References
    ----------
    D. T. Gillespie, A general method for numerically simulating the stochastic time evolution of coupled chemical
    reactions, Journal of Computational Physics 22 (1976) 403-434, doi:10.1016/0021-9991(76)90041-3.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.MassAction([0.5], reactants=[{0: 1}], net=[{0: -1}])
    >>> solution = ev.solve(ev.JumpProblem([100], (0.0, 100.0), jumps=[decay]), "Direct", seed=1)
    >>> int(solution.y[-1, 0])
    0
    """

    def begin(self, channels, t, x, constants, number):
        return ()

    def upcoming(self, channels, t, x, constants, own, draw):
        b, c, first = channels.backend, channels.backend.control, channels.network.n_reactions
        if channels.network.written_out:
            rates = channels.written_out(t, x, constants)
            culprit = invalid(b, rates[first:], first)
            total, channel = _among_numbers(b, rates, draw.uniform)
        else:
            rates = channels.all(t, x, constants)
            culprit = invalid(b, [b.pick(rates, first + k) for k in range(len(channels.network.jumps))], first)
            total, channel = _among_array(b, rates, draw.uniform)
        return Next(t + draw.exponential / c.maximum(total, b.real(TINY)), channel, own, culprit)


def _among_numbers(b: Any, rates: list[Any], uniform: Any) -> tuple[Any, Any]:
    """The sum of all rates, and the channel that a uniform stands for."""
    c = b.control
    sums = [rates[0]]
    for rate in rates[1:]:
        sums.append(sums[-1] + rate)
    wanted = uniform * sums[-1]
    channel = b.integer(0)
    for upto in sums[:-1]:
        channel = channel + c.where(wanted >= upto, b.integer(1), b.integer(0))
    return sums[-1], channel


def _among_array(b: Any, rates: Any, uniform: Any) -> tuple[Any, Any]:
    """The same for rates as an array."""
    c, last = b.control, rates.shape[0] - 1
    total = b.real(arrays(b).sum(rates, axis=0))
    wanted = uniform * total

    def look(s: Any) -> Any:
        place, upto, found = s
        rate = b.pick(rates, place + 1)
        # Sums in another order differ by rounding: then it is the last channel that has a rate.
        return place + 1, upto + rate, c.where(rate > 0.0, place + 1, found)

    start = b.integer(-1), b.real(0.0), b.integer(0)
    _, _, channel = b.while_loop(
        lambda s: c.logical_and(s[1] <= wanted, s[0] < last), look, start, max_iterations=last + 1, resumable=True
    )
    return total, channel
