"""Where conditions cross zero: seen by signs along a step, found on its dense output."""

from __future__ import annotations

from typing import Any

from ._state import Crossing, Plan

SAMPLES = 4  # looks per step: a condition that crosses twice between two of them goes unseen


def signs_at(b, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The signs of the conditions' values; zero where a condition is exactly zero (or NaN)."""
    return tuple(_sign(b, value) for value in numbers(b, values))


def numbers(b, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The conditions' values in the control plane, in one transfer."""
    values = tuple(b.stop_gradient(value) for value in values)
    return b.to_control(*values) if len(values) > 1 else (b.to_control(*values),)


def _sign(b, value):
    c = b.control
    return c.where(value > 0.0, b.real(1.0), c.where(value < 0.0, b.real(-1.0), b.real(0.0)))


def conditions_at(plan: Plan, system: Any, dense: Any, t: Any, dt: Any, theta: Any) -> tuple[Any, ...]:
    """Evaluate all conditions at the fraction `theta` of a step."""
    return numbers(system.backend, values_at(plan, system, dense, t, dt, theta))


def values_at(plan: Plan, system: Any, dense: Any, t: Any, dt: Any, theta: Any) -> tuple[Any, ...]:
    """The conditions' values in the data plane."""
    y = plan.stepper.interpolate(system, dense, theta)
    return system.functions["conditions"](t + theta * dt, y, system.params)


def first_crossing(plan: Plan, system: Any, dense: Any, t: Any, dt: Any, signs: Any, start: Any) -> Crossing:
    """Look along a step, from its fraction `start` on, for the first interval in which an event's condition crosses.

    A condition that starts at zero has no sign until it shows one: what crossed before is not found again.
    """
    b, c = system.backend, system.backend.control
    dense = plan.stepper.complete(system, dense)
    found, low, high = b.boolean(False), start, b.real(1.0)
    previous = start
    theta, now = departure(plan, system, dense, t, dt, signs, start)
    for j in range(SAMPLES + 1):
        if j > 0:
            theta = b.real(1.0) if j == SAMPLES else start + (1.0 - start) * (j / SAMPLES)
            now = signs_at(b, values_at(plan, system, dense, t, dt, theta))
        seen = b.boolean(False)
        for direction, old, new in zip(plan.directions, signs, now, strict=True):
            seen = c.logical_or(seen, c.logical_and(_counts(c, direction, old), old * new <= 0.0))
        first = c.logical_and(seen, c.logical_not(found))
        low, high = c.where(first, previous, low), c.where(first, theta, high)
        found = c.logical_or(found, seen)
        signs = tuple(c.where(c.logical_or(found, new == 0.0), old, new) for old, new in zip(signs, now, strict=True))
        previous = theta
    return Crossing(found, low, high, signs)


def departure(plan: Plan, system: Any, dense: Any, t: Any, dt: Any, signs: Any, start: Any) -> tuple[Any, Any]:
    """Go as far behind `start` as it takes for conditions that are zero there to show their signs.

    A ball that has just bounced may be up and down again within a small part of the next step.

    Returns
    -------
    theta, signs
        The fraction of the step, and all signs there; `start` and `signs` themselves where none is zero.
    """
    b, c = system.backend, system.backend.control
    unsigned = tuple(sign == 0.0 for sign in signs)
    farthest = start + (1.0 - start) / SAMPLES
    # Nearer than this to the root that was found last, a sign says nothing.
    nearest = 1000.0 * b.epsilon * c.maximum(c.abs(t), c.abs(dt)) / c.maximum(c.abs(dt), 1e-30)

    def unfinished(carry):
        theta, now = carry
        waiting = b.boolean(False)
        for sign, was in zip(now, unsigned, strict=True):
            waiting = c.logical_or(waiting, c.logical_and(was, sign == 0.0))
        return c.logical_and(waiting, theta < farthest)

    def search(start, signs):
        noise = tuple(8.0 * c.abs(value) for value in conditions_at(plan, system, dense, t, dt, start))

        def look(carry):
            theta = c.minimum(farthest, start + c.maximum(nearest, 8.0 * (carry[0] - start)))
            values = conditions_at(plan, system, dense, t, dt, theta)
            return theta, tuple(
                c.where(c.logical_and(was, c.abs(value) <= least), b.real(0.0), _sign(b, value))
                for was, value, least in zip(unsigned, values, noise, strict=True)
            )

        return b.while_loop(unfinished, look, (start, signs), max_iterations=24)

    return b.cond(unfinished((start, signs)), search, lambda start, signs: (start, signs), start, signs)


def _counts(c, direction: int, old):
    """Whether a change away from the sign `old` is an event: an unsigned condition can't cross."""
    return c.logical_and(old != 0.0, direction * old <= 0.0) if direction else old != 0.0


def locate(plan: Plan, system: Any, dense: Any, t: Any, dt: Any, crossing: Crossing) -> Any:
    """Find the first crossing to rounding in time: the fraction of the step just at or behind it.

    The earliest root is where the least of the conditions, each times its old sign, turns from positive: one
    function, one bracket, whatever the number of events. By Chandrupatla's method.

    References
    ----------
    T. R. Chandrupatla, A new hybrid quadratic/bisection algorithm, Advances in Engineering Software 28 (1997),
    doi:10.1016/s0965-9978(96)00051-8.
    """
    b, c = system.backend, system.backend.control

    def least(theta):
        value = b.real(1e300 if b.epsilon < 1e-10 else 1e30)
        for direction, sign, g in zip(
            plan.directions, crossing.signs, conditions_at(plan, system, dense, t, dt, theta), strict=True
        ):
            value = c.where(_counts(c, direction, sign), c.minimum(value, sign * g), value)
        return value

    width = (
        4.0 * b.epsilon * c.maximum(c.abs(t), c.abs(dt)) / c.maximum(c.abs(dt), 1e-300 if b.epsilon < 1e-10 else 1e-30)
    )
    return bracketed_root(b, least, crossing.low, crossing.high, width)


def at_crossing(
    plan: Plan, system: Any, dense: Any, t: Any, dt: Any, crossing: Crossing
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Which events happen at a crossing that was located, and all conditions' values there."""
    c = system.backend.control
    residuals = conditions_at(plan, system, dense, t, dt, crossing.high)
    happened = tuple(
        c.logical_and(_counts(c, direction, sign), sign * g <= 0.0)
        for direction, sign, g in zip(plan.directions, crossing.signs, residuals, strict=True)
    )
    return happened, residuals


def bracketed_root(b, function, low, high, width) -> Any:
    """Where a function, positive at `low` and not at `high`, turns: the far end of a bracket no wider than `width`."""
    c = b.control

    def divide(numerator, denominator):
        return numerator / c.where(denominator == 0.0, b.real(1.0), denominator)

    def unfinished(carry):
        x1, f1, x2, f2, *_ = carry
        return c.logical_and(c.abs(x2 - x1) > width, c.logical_and(f1 != 0.0, f2 != 0.0))

    def body(carry):
        x1, f1, x2, f2, x3, f3, step = carry
        x = x1 + step * (x2 - x1)
        f = function(x)
        same = (f > 0.0) == (f1 > 0.0)
        x3, f3 = c.where(same, x1, x2), c.where(same, f1, f2)
        x2, f2 = c.where(same, x2, x1), c.where(same, f2, f1)
        x1, f1 = x, f
        xi, phi = divide(x1 - x2, x3 - x2), divide(f1 - f2, f3 - f2)
        smooth = c.logical_and(phi * phi < xi, (1.0 - phi) * (1.0 - phi) < 1.0 - xi)
        inverse = divide(f1, f2 - f1) * divide(f3, f2 - f3) + divide(x3 - x1, x2 - x1) * divide(f1, f3 - f1) * divide(
            f2, f3 - f2
        )
        margin = c.minimum(b.real(0.5), divide(0.5 * width, c.abs(x2 - x1)))
        step = c.where(smooth, c.minimum(c.maximum(inverse, margin), 1.0 - margin), b.real(0.5))
        return x1, f1, x2, f2, x3, f3, step

    f_low, f_high = function(low), function(high)
    start = (high, f_high, low, f_low, high, f_high, b.real(0.5))
    x1, f1, x2, f2, *_ = b.while_loop(unfinished, body, start, max_iterations=120)
    behind = c.where(f1 <= 0.0, x1, x2)
    return c.where(c.logical_or(f1 <= 0.0, f2 <= 0.0), behind, high)
