"""Step size control."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Any, NamedTuple

LEAST = log(1e-4)  # smaller errors are mostly rounding, and not to be remembered


class Memory(NamedTuple):
    """What the controller remembers: logarithms of the last two error norms, and whether the last step was rejected."""

    last: Any
    before: Any
    rejected: Any


@dataclass(frozen=True)
class StepControl:
    """Proportional, integral and derivative control of the logarithm of the step size.

    The next step is ``safety * e0**(-b0/k) * e1**(-b1/k) * e2**(-b2/k)`` times the last one, with the last three
    errors in units of the tolerance, k one more than the order of the error estimate. The default is Hairer's PI
    control of DOPRI5.

    References
    ----------
    E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, section IV.2, doi:10.1007/978-3-642-05221-7;
    G. Soderlind, Digital filters in adaptive time-stepping, ACM TOMS 29 (2003), doi:10.1145/641876.641877.
    """

    beta: tuple[float, float, float] = (0.85, -0.2, 0.0)
    safety: float = 0.9
    smallest: float = 0.2
    largest: float = 10.0
    steady: float = 1.0

    def start(self, b) -> Memory:
        return Memory(b.real(0.0), b.real(0.0), b.boolean(False))

    def factor(self, b, error, order: int, memory: Memory, accepted) -> tuple[Any, Memory]:
        """Propose the ratio of the next step size to this one, and the new memory."""
        c = b.control
        k = order + 1.0
        b0, b1, b2 = self.beta
        # Zero error must not divide, and a non-finite one must shrink the step.
        bounded = c.where(error < 1e10, c.where(error > 1e-10, error, b.real(1e-10)), b.real(1e10))
        if b1 or b2:
            # One logarithm and one exponential: powers of all three errors would take as many of each.
            e0 = c.log(bounded)
            steered = b0 * e0 + b1 * memory.last
            if b2:
                steered = steered + b2 * memory.before
            change = self.safety * c.exp(c.where(accepted, steered, b0 * e0) * (-1.0 / k))
            last, before = c.where(accepted, c.maximum(e0, LEAST), memory.last), memory.before
            if b2:
                before = c.where(accepted, memory.last, memory.before)
        else:
            change = _over_power(c, self.safety, bounded, b0 / k)
            last, before = memory.last, memory.before
        largest = c.where(c.logical_and(accepted, c.logical_not(memory.rejected)), b.real(self.largest), b.real(1.0))
        memory = Memory(last, before, c.logical_not(accepted))
        # These are numbers: unlike minimum and maximum, nothing here has to care for NaN.
        change = c.where(change < largest, change, largest)
        factor = c.where(change > self.smallest, change, b.real(self.smallest))
        if self.steady > 1.0:
            # A step that hardly changes can go on with its factorisation.
            same = c.logical_and(accepted, c.logical_and(factor >= 0.95, factor < self.steady))
            factor = c.where(same, b.real(1.0), factor)
        return factor, memory


def _over_power(c, above: float, x, exponent: float) -> Any:
    """Divide by a power of a positive number: by square roots where they will do, at a third of the cost."""
    if exponent == 0.5:
        return above / c.sqrt(x)
    if exponent == 0.25:
        return above / c.sqrt(c.sqrt(x))
    return above * c.exp(c.log(x) * -exponent)


def initial_step(system, t, y, f0, direction, order: int, span) -> Any:
    """Guess the first step size (Hairer, Norsett, Wanner, Solving ODEs I, section II.4)."""
    b = system.backend
    c = b.control
    d0, d1 = b.to_control(system.scaled_norm(y, y, y), system.scaled_norm(f0, y, y))
    tiny = c.logical_or(d0 < 1e-5, d1 < 1e-5)
    h0 = c.where(tiny, b.real(1e-6), 0.01 * d0 / c.maximum(d1, 1e-30))
    h0 = c.minimum(c.where(c.logical_and(c.isfinite(h0), h0 > 0.0), h0, b.real(1e-6)), span)
    f1 = system.f(t + direction * h0, system.combine(y, direction * h0, (1.0,), (f0,)))
    d2 = b.to_control(system.scaled_norm(f1 - f0, y, y)) / h0
    # Where f is not finite the first step must be a number all the same, for the solve to end with that message.
    steepest = c.maximum(*(c.where(c.isfinite(d), d, b.real(1e30)) for d in (d1, d2)))
    h1 = c.where(
        steepest <= 1e-15,
        c.maximum(b.real(1e-6), h0 * 1e-3),
        c.power(0.01 / c.maximum(steepest, 1e-30), 1.0 / (order + 1.0)),
    )
    return c.minimum(c.minimum(100.0 * h0, h1), span)
