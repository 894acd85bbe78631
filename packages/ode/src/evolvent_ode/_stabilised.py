"""What stabilised methods share: the spectral radius, which says how many stages a step needs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any, ClassVar, NamedTuple

from evolvent_stepping import Hermite, Step, Stepper, Work

INTERVAL = 25  # steps for which an estimate of the spectral radius is trusted
ITERATIONS = 50
SAFETY = 1.2  # the power method comes from below


class Spectrum(NamedTuple):
    """The derivative at the step's start, and what is known of the Jacobian's largest eigenvalue."""

    derivative: Any
    direction: Any
    radius: Any
    age: Any


class Power(NamedTuple):
    """The state of the power method."""

    direction: Any
    radius: Any
    before: Any
    count: Any


@dataclass(frozen=True)
class Stabilised(Stepper):
    """An explicit method whose real stability interval grows with the square of the number of stages.

    Parameters
    ----------
    spectral_radius : callable, optional
        ``spectral_radius(t, y, params)`` gives an upper bound of the absolute values of the Jacobian's
        eigenvalues, a scalar; without it the power method estimates one every 25 steps, and after a rejected
        step.
    """

    spectral_radius: Callable[..., Any] | None = None

    adaptive = True
    stabilised: ClassVar[bool] = True
    user_functions: ClassVar[tuple[str, ...]] = ("spectral_radius",)

    def start(self, system, t, y):
        """Evaluate the derivative; the spectral radius is still to be found, unless the user tells it."""
        b = system.backend
        derivative, direction = system.f(t, y), _chirp(b, y)
        if self.spectral_radius is None:
            return Spectrum(derivative, direction, b.real(0.0), b.integer(INTERVAL))
        return Spectrum(derivative, direction, b.to_control(self._told(system, t, y)), b.integer(0))

    @abstractmethod
    def advance(self, system, t, y, dt, f0, reach) -> tuple[Any, Any, Any, Any]:
        """Take one step, stable for eigenvalues down to ``-reach / abs(dt)``: y1, f1, error, calls of f."""

    def step(self, system, t, y, dt, cache) -> Step:
        """Estimate the spectral radius where that is due, then take one step."""
        b, c = system.backend, system.backend.control
        direction, radius, spent, age = cache.direction, cache.radius, b.integer(0), cache.age
        if self.spectral_radius is None:
            stale = age >= INTERVAL
            known = (direction, radius, spent)
            direction, radius, spent = b.cond(stale, lambda: _power_method(system, t, y, cache), lambda: known)
            age = c.where(stale, b.integer(0), age)
        # A radius of NaN leaves no way to count stages; the error will then be NaN as well.
        reach = c.abs(dt) * c.where(c.isfinite(radius), radius, b.real(0.0))
        y1, f1, error, calls = self.advance(system, t, y, dt, cache.derivative, reach)
        # Perhaps the estimate was to blame for a rejection, unless it was made just now.
        again = c.where(age == 0, b.integer(1), b.integer(INTERVAL))
        retry = Spectrum(cache.derivative, direction, radius, again)
        following = radius
        if self.spectral_radius is not None:
            # The next step's radius and this one's error travel to the host together.
            norm = b.stop_gradient(system.scaled_norm(error, y, y1))
            error, following = b.to_control(norm, self._told(system, t + dt, y1))
        return Step(
            y1,
            error,
            Spectrum(f1, direction, following, age + b.integer(1)),
            Hermite(t, dt, y, y1, cache.derivative, f1),
            retry=retry,
            work=Work(spent + calls),
        )

    def error_norm(self, system, error, y0, y1):
        """Measure the error, unless its norm went to the host before."""
        return system.scaled_norm(error, y0, y1) if self.spectral_radius is None else error

    def _told(self, system, t, y):
        function = system.functions.get("spectral_radius", self.spectral_radius)
        return system.backend.stop_gradient(function(t, y, system.params))


def _chirp(b, y):
    """A direction with something of every eigenvector in it, unlike smooth states and derivatives."""
    xp = b.xp
    ones = xp.ones_like(xp.abs(y))
    phase = 0.0 * ones
    for axis in range(y.ndim - len(b.lanes)):
        phase = phase + sqrt(axis + 1.0) * xp.cumulative_sum(ones, axis=axis)
    wave = xp.sin(1.0 + phase * phase) + 0.0 * y
    return wave / b.rms(wave)


def _power_method(system, t, y, known: Spectrum):
    """Iterate ``z = J z / |J z|`` with difference quotients until |J z| settles to one per cent.

    Two iterations a round, and all but the decision whether to go on in the data plane: where the last
    direction still holds, an estimate costs the host one wait.
    """
    b, c, xp = system.backend, system.backend.control, system.backend.xp
    f0 = b.stop_gradient(known.derivative)
    y = b.stop_gradient(y)
    size = b.rms(y)
    one = xp.ones_like(size)
    delta = sqrt(float(xp.finfo(y.dtype).eps)) * xp.where(size > 0.0, size, one)

    def turned(direction):
        quotient = (b.stop_gradient(system.f(t, y + delta * direction)) - f0) / delta
        radius = b.rms(quotient)
        usable = xp.logical_and(radius > 0.0, xp.isfinite(radius))
        return xp.where(usable, quotient / xp.where(usable, radius, one), direction), radius

    def unsettled(power):
        moving = c.abs(power.radius - power.before) > 0.01 * power.radius
        return c.logical_and(power.count < ITERATIONS, c.logical_or(power.count < 2, moving))

    def iterate(power):
        direction, before = turned(power.direction)
        direction, radius = turned(direction)
        before, radius = b.to_control(before, radius)
        return Power(direction, radius, before, power.count + b.integer(2))

    first = Power(known.direction, b.real(0.0), b.real(0.0), b.integer(0))
    last = b.while_loop(unsettled, iterate, first, max_iterations=ITERATIONS // 2)
    return last.direction, SAFETY * last.radius, last.count


def penalty(b, too_long):
    """The factor of an error estimate that gets a step rejected for which no number of stages would do."""
    return b.control.where(too_long, b.real(1e10), b.real(1.0))
