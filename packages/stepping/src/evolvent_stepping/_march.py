"""The inner loop: one trial step after the other, until something has to be looked at."""

from __future__ import annotations

from typing import Any

from evolvent import Status

from ._dense import Again
from ._events import first_crossing, signs_at
from ._state import RUNNING, Crossing, Inputs, March, Plan


def begin(plan: Plan, system: Any, inputs: Inputs) -> March:
    """Stand at the start of the span, ready to step."""
    b = system.backend
    t = inputs.t0
    entry = plan.stepper.enter(system, t, inputs.y0)
    y, cache = entry.y, entry.cache
    if plan.first_step_given:
        dt = inputs.dt
    else:
        dt = b.stop_gradient(plan.stepper.first_step(system, t, y, cache, inputs.direction, inputs.span))
    dt = b.control.maximum(b.control.minimum(dt, inputs.max_step), inputs.min_step)
    signs = signs_at(b, system.functions["conditions"](t, y, system.params)) if plan.directions else ()
    zero = b.integer(0)
    return March(
        t=t,
        dt=dt,
        y=y,
        cache=cache,
        start=t,
        length=dt * inputs.direction,
        record=_first_record(plan, system, t, y, cache),
        memory=plan.control.start(b),
        accepted=zero,
        rejected=zero,
        calls=b.integer(system.calls) if entry.work is None else entry.work.f + b.integer(system.calls),
        status=b.integer(RUNNING) if entry.status is None else entry.status,
        crossing=Crossing(b.boolean(False), b.real(0.0), b.real(1.0), signs) if plan.directions else (),
        log=(),
        logged=zero,
        work=((zero,) * 4 if entry.work is None else tuple(entry.work[1:])) if plan.stepper.implicit else (),
    )


def _first_record(plan: Plan, system: Any, t: Any, y: Any, cache: Any) -> Any:
    """What stands for the record of a last step at the very start."""
    if not plan.looks_inside:
        return ()
    if plan.stepper.retakes:
        return Again(y, cache) if system.backend.rematerialise else None
    return plan.stepper.at_rest(system, t, y)


def _record(plan: Plan, system: Any, m: March, step: Any) -> Any:
    """What a step leaves for its dense output."""
    if not plan.looks_inside:
        return ()
    return Again(m.y, m.cache) if system.backend.rematerialise and plan.stepper.retakes else step.dense


def march(plan: Plan, system: Any, inputs: Inputs, m: March, target: Any, save: Any, limit: Any, value: Any) -> March:
    """Step until `target` is hit, the time `save` is passed, an event is seen, or `limit` steps were tried."""
    if plan.stepper.marches:
        return plan.stepper.march(plan, system, inputs, m, target, save, limit, value)
    b = system.backend
    c = b.control
    direction = inputs.direction

    def goes_on(m: March) -> Any:
        going = direction * (target - m.t) > 0.0
        if not plan.blind:
            going = c.logical_and(m.status == RUNNING, going)
        if save is not None:
            going = c.logical_and(going, direction * (save - m.t) > 0.0)
        going = c.logical_and(going, m.accepted + m.rejected < limit)
        if plan.directions:
            going = c.logical_and(going, c.logical_not(m.crossing.pending))
        if plan.logs and not b.unbounded:
            going = c.logical_and(going, m.logged < plan.capacity)
        return going

    return b.while_loop(
        goes_on,
        lambda m: attempt(plan, system, inputs, m, target, value),
        m,
        max_iterations=plan.max_steps,
        resumable=True,
        records="log",
    )


def attempt(plan: Plan, system: Any, inputs: Inputs, m: March, target: Any, value: Any) -> March:
    """Try one step, and keep it if its error allows."""
    b, c = system.backend, system.backend.control
    gap = target - m.t
    hits = m.dt >= inputs.direction * gap * (1.0 - 1e-8)
    h = c.where(hits, gap, inputs.direction * m.dt)
    before = system.calls
    step = plan.stepper.step(system, m.t, m.y, h, m.cache)
    calls = m.calls + (step.work.f if step.work is not None else system.calls - before)
    spent = () if step.work is None else step.work[1:]
    work = tuple(done + more for done, more in zip(m.work, spent, strict=True)) if m.work else ()
    one = b.integer(1)
    if plan.blind:
        return m._replace(
            t=c.where(hits, target, m.t + h),
            y=step.y,
            cache=step.cache,
            start=m.t,
            length=h,
            record=_record(plan, system, m, step),
            accepted=m.accepted + one,
            calls=calls,
            work=work,
        )
    y1, error, outside = judge(plan, system, inputs, m, step, m.t + h)
    accepted, dt, memory, status = decide(plan, b, inputs, m, step, h, hits, error, outside)
    tried = March(
        t=c.where(hits, target, m.t + h),
        dt=dt,
        y=y1,
        cache=step.cache,
        start=m.t,
        length=h,
        record=_record(plan, system, m, step),
        memory=memory,
        accepted=m.accepted + one,
        rejected=m.rejected,
        calls=calls,
        status=status,
        crossing=m.crossing,
        log=m.log,
        logged=m.logged,
        work=work,
    )
    stayed = m._replace(dt=dt, memory=memory, rejected=m.rejected + one, calls=calls, status=status, work=work)
    if step.retry is not None:
        stayed = stayed._replace(cache=step.retry)
    if plan.directions:
        crossing = b.cond(
            accepted,
            lambda: first_crossing(plan, system, step.dense, m.t, h, m.crossing.signs, b.real(0.0)),
            lambda: m.crossing,
        )
        tried, stayed = tried._replace(crossing=crossing), stayed._replace(crossing=crossing)
    if plan.logs:
        when = c.logical_and(accepted, c.logical_not(crossing.pending)) if plan.directions else accepted
        tried = record_step(plan, system, tried, when, value)
        stayed = stayed._replace(log=tried.log)
    return b.select(accepted, tried, stayed)


def judge(plan: Plan, system: Any, inputs: Inputs, m: March, step: Any, t1: Any) -> tuple[Any, Any, Any]:
    """The new state, its error in units of the tolerance, and whether it left its domain: one transfer to the host."""
    b, c = system.backend, system.backend.control
    y1 = step.y
    if plan.adaptive:
        norm = plan.stepper.error_norm(system, b.stop_gradient(step.error), b.stop_gradient(m.y), b.stop_gradient(y1))
    else:
        norm = b.rms(b.stop_gradient(y1))
    if plan.guarded == "":
        return y1, b.to_control(norm), b.boolean(False)
    if plan.guarded == "nonnegative":
        kept = system.clipped(y1)
        norm, excess = b.to_control(norm, b.rms((y1 - kept) / inputs.atol))
        return kept, norm, excess > 1.0
    inside = system.functions["inside"](t1, b.stop_gradient(y1), system.params)
    norm, inside = b.to_control(norm, inside)
    return y1, norm, c.logical_not(inside > 0.0)


def decide(plan, b, inputs, m, step, h, hits, error, outside) -> tuple[Any, Any, Any, Any]:
    """Whether to keep a step, the size of the next, the controller's memory, and whether the solve has failed."""
    c = b.control
    broken = c.where(outside, b.integer(Status.STEP_TOO_SMALL), b.integer(Status.NON_FINITE))
    well, own = c.logical_not(outside), None
    if step.reason is not None:
        own = step.reason > RUNNING
        well = c.logical_and(well, c.logical_not(own))
        # What stumbled over a NaN is told as that.
        broken = c.where(c.logical_and(own, c.isfinite(error)), step.reason, broken)
    if not plan.adaptive:
        accepted = c.logical_and(c.isfinite(error), well)
        # The same step again, where the method wants to try it with a new Jacobian.
        goes_on = accepted if own is None else c.logical_or(accepted, c.logical_and(own, step.factor == 1.0))
        return accepted, m.dt, m.memory, c.where(goes_on, m.status, broken)
    accepted = c.logical_and(error <= 1.0, well)
    judged = c.where(well, error, b.real(1e10))
    factor, memory = plan.control.factor(b, judged, plan.error_order, m.memory, accepted)
    if step.factor is not None:
        knows = c.isfinite(error) if step.reason is None else c.logical_or(c.isfinite(error), own)
        factor = c.where(c.logical_and(step.factor > 0.0, knows), step.factor, factor)
    length = c.abs(h)
    proposed = length * factor
    # A step cut short to hit its target says nothing against the size that it was cut from.
    dt = c.where(c.logical_and(hits, accepted), c.maximum(m.dt, proposed), proposed)
    # At t = 0 too, a step has a least length: its reciprocal must be a number.
    least = c.maximum(c.maximum(inputs.min_step, 1e-30 * inputs.span), 4.0 * b.epsilon * c.abs(m.t))
    dt = c.maximum(c.minimum(dt, inputs.max_step), least)
    stuck = c.logical_and(c.logical_not(accepted), length <= least)
    usual = c.isfinite(error) if own is None else c.logical_and(c.isfinite(error), c.logical_not(own))
    failed = c.where(usual, b.integer(Status.STEP_TOO_SMALL), broken)
    return accepted, dt, memory, c.where(stuck, failed, m.status)


def record_step(plan: Plan, system: Any, m: March, when: Any, value: Any) -> March:
    """Put the step that ends at ``m.t`` into the log of steps."""
    b = system.backend
    points, steps = m.log
    if plan.save == "steps":
        points = b.put(points, m.logged, (m.t, value(m.t, m.y, system.params)), when)
    if plan.dense:
        steps = b.put(steps, m.logged, (m.start, m.length, m.record, system.params), when)
    return m._replace(log=(points, steps), logged=m.logged + b.control.where(when, b.integer(1), b.integer(0)))
