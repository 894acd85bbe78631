"""From a problem and options to the numbers and the plan of a solve."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from evolvent import InputError

from ._control import StepControl
from ._model import Model
from ._options import SEED_WORD, Options
from ._state import Inputs, Plan


def prepare(model: Model, stepper: Any, options: Options, *, by_hand: bool = False) -> tuple[Plan, Inputs]:
    """Lay out what is fixed and what are numbers in a solve."""
    b, problem = model.backend, model.problem
    t0, t1 = span_of(b, problem.t_span)
    saves = save_times(b, options.saveat, t0, t1)
    stops, doses, fresh = stop_times(b, model, options, t0, t1)
    adaptive = options.is_adaptive(stepper)
    save = "none" if by_hand else ("steps" if saves is None else "times")
    dense = save == "steps" and options.save is None if options.dense is None else options.dense
    # Between its steps there is nothing to be interpolated.
    dense = dense and not stepper.marches
    recorded = b.traced and (save == "steps" or dense)
    max_steps = options.max_steps or (4_096 if recorded else stepper.most_steps)
    guarded = "" if problem.domain is None else ("nonnegative" if model.nonnegative is not None else "inside")
    plan = Plan(
        stepper=stepper,
        control=StepControl(beta=getattr(stepper, "controller", StepControl.beta), steady=stepper.steady),
        adaptive=adaptive,
        first_step_given=options.dt is not None,
        save=save,
        save_function=options.save is not None,
        dense=dense,
        between=not isinstance(options.saveat, str),
        n_saves=0 if saves is None else saves.shape[0],
        n_stops=doses.shape[0],
        directions=tuple(event.direction for event in model.events),
        terminal=tuple(int(event.terminal) for event in model.events),
        effects=tuple(event.effect is not None for event in model.events),
        n_doses=len(model.doses),
        jumps=bool(model.doses) or len(_times("discontinuities", problem.discontinuities)) > 0,
        guarded=guarded,
        max_steps=max_steps,
        capacity=max_steps + 2 if b.traced else min(max_steps + 2, b.rows_kept(model.y0)),
        max_events=options.max_events,
        counts=model.packing.counts and options.save is None,
        by_saves=b.sweeps,
        batched=b.traced,
        hidden=model.hidden,
    )
    rtol, atol = model.tolerances(*tolerances(b, model, options))
    span = b.control.abs(t1 - t0)
    inputs = Inputs(
        y0=model.y0,
        params=model.params0,
        t0=t0,
        direction=b.control.sign(t1 - t0) * b.real(1.0),
        span=span,
        rtol=rtol,
        atol=atol,
        dt=b.real(1.0 if options.dt is None else options.dt),
        min_step=b.real(0.0 if options.min_step is None else options.min_step),
        max_step=b.real(float("inf") if options.max_step is None else options.max_step),
        saves=b.table([0.0] if saves is None else saves),
        stops=b.table(stops),
        doses=b.table(doses),
        fresh=b.table(fresh),
        nonnegative=guarded_components(b, model),
        mass=model.mass,
        noise=noise_of(b, options.seed, options.trajectory) if stepper.random or model.random else (),
    )
    return plan, model.seeded(inputs)


def noise_of(b: Any, seed: Any, trajectory: Any) -> tuple[Any, Any, Any]:
    """The words of the key of the random numbers, and the trajectory, in control integers."""
    return b.integer(seed & SEED_WORD), b.integer(seed >> 31), b.integer(trajectory)


def span_of(b: Any, t_span: Any) -> tuple[Any, Any]:
    """The ends of the span in the control plane."""
    if any(getattr(t, "requires_grad", False) for t in t_span):
        raise InputError("t_span", "times are numbers of the host, through which autograd can't go.", "Detach them.")
    t0, t1 = b.real(t_span[0]), b.real(t_span[1])
    if not b.traced and not np.all(np.isfinite([t0, t1])):
        raise InputError("t_span", f"must be finite, got {t_span!r}.")
    return t0, t1


def save_times(b: Any, saveat: Any, t0: Any, t1: Any) -> Any:
    """The times to save, as an array; None for every step."""
    if saveat is None:
        return None
    if isinstance(saveat, str):
        return b.host([t1])
    if isinstance(saveat, int | float | np.number):
        return _spaced(b, saveat, t0, t1)
    times = b.host(saveat)
    if len(times.shape) == 2 and b.lanes:
        return np.moveaxis(times, 0, -1)  # a row of times for each trajectory, which `check_rows` has seen
    if len(times.shape) != 1 or times.shape[0] == 0:
        raise InputError("saveat", f"must be a one-dimensional array of times, got shape {tuple(times.shape)}.")
    if isinstance(times, np.ndarray) and _known(t0, t1):
        _check_times("saveat", times, t0, t1)
    return times


def check_rows(times: np.ndarray, starts: Any, ends: Any, count: int) -> None:
    """Check times to save where spans, or the times themselves, differ among `count` trajectories."""
    if times.ndim == 2 and times.shape[0] != count:
        raise InputError("saveat", f"has times for {times.shape[0]} trajectories, and there are {count}.")
    t0, t1 = (np.broadcast_to(np.asarray(t, dtype=float), (count,))[:, None] for t in (starts, ends))
    forward = np.sign(t1 - t0)
    unsorted = np.any(np.diff(times) * forward < 0.0, axis=-1)
    outside = np.any(((times - t0) * forward < 0.0) | ((times - t1) * forward > 0.0), axis=-1)
    wrong = np.flatnonzero(unsorted | outside | np.any(~np.isfinite(times), axis=-1))
    if wrong.size:
        i = int(wrong[0])
        try:
            _check_times("saveat", np.broadcast_to(times, (count, times.shape[-1]))[i], *t0[i], *t1[i])
        except InputError as error:
            raise InputError("saveat", f"of trajectory {i}: {str(error).removeprefix('saveat: ')}") from None


def _known(*times: Any) -> bool:
    """Whether these are single numbers, neither traced nor one a trajectory."""
    return all(isinstance(t, float | np.floating) for t in times)


def _spaced(b: Any, spacing: Any, t0: Any, t1: Any) -> np.ndarray:
    """Times from the start on, `spacing` apart."""
    if isinstance(spacing, bool) or not spacing > 0.0 or not np.isfinite(spacing):
        raise InputError("saveat", f"a spacing must be positive, got {spacing!r}.")
    if b.lanes and np.ptp(t0) == np.ptp(t1) == 0.0:
        t0, t1 = t0[0], t1[0]
    if not _known(t0, t1):
        raise InputError("saveat", "a spacing needs one span of known length.", "Give the times.")
    count = int(np.floor(abs(t1 - t0) / spacing * (1.0 + 1e-12)))
    if count > 100_000_000:
        raise InputError("saveat", f"a spacing of {spacing!r} makes {count} times.", "Give a larger one.")
    times = t0 + np.sign(t1 - t0) * spacing * np.arange(count + 1)
    return np.clip(times, min(t0, t1), max(t0, t1))  # the last may lie beyond the end by rounding


def _check_times(name: str, times: np.ndarray, t0: float, t1: float) -> None:
    forward = 1.0 if t1 > t0 else -1.0
    if not np.all(np.isfinite(times)):
        raise InputError(name, f"has NaN or infinite entries: {times!r}.")
    if np.any(np.diff(times) * forward < 0.0):
        raise InputError(
            name,
            "must be sorted in the direction of t_span.",
            f"Give np.sort(...){'[::-1]' if forward < 0 else ''}.",
        )
    outside = times[((times - t0) * forward < 0.0) | ((times - t1) * forward > 0.0)]
    if outside.size:
        raise InputError(name, f"{outside[0]!r} lies outside t_span = ({t0}, {t1}).")


def stop_times(b: Any, model: Model, options: Options, t0: Any, t1: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """All times to step onto, the end last, with the dose given at each (-1 for none) and whether f jumps there."""
    entries = [(t, -1, True) for t in _times("discontinuities", model.problem.discontinuities)]
    entries += [(t, -1, False) for t in _times("t_stops", options.t_stops)]
    for i, dose in enumerate(model.doses):
        entries += [(t, i, False) for t in _times("times", dose.times)]
    if not _known(t0, t1):
        return _stops_of_many(b, entries, t0, t1)
    forward = 1.0 if t1 > t0 else -1.0
    inside = [
        e
        for e in entries
        if (forward * (e[0] - t0) > 0.0 and forward * (t1 - e[0]) >= 0.0) or (e[0] == t0 and e[1] >= 0)
    ]
    inside.sort(key=lambda e: (forward * e[0], not e[2]))
    inside.append((t1, -1, False))
    times, doses, fresh = zip(*inside, strict=True)
    return np.asarray(times), np.asarray(doses, dtype=np.int32), np.asarray(fresh)


def _stops_of_many(
    b: Any, entries: list[tuple[float, int, bool]], t0: Any, t1: Any
) -> tuple[Any, np.ndarray, np.ndarray]:
    """The same where spans differ, or are traced: what lies outside a span becomes a plain stop at its nearer end."""
    xp = b.tables
    entries = sorted(entries, key=lambda e: (e[0], not e[2]))
    forward = t1 > t0
    rows, doses, fresh = [], [], []
    for up, down in zip(entries, reversed(entries), strict=True):
        t = xp.where(forward, up[0], down[0])
        dose, jump = xp.where(forward, up[1], down[1]), xp.where(forward, up[2], down[2])
        sign = xp.where(forward, 1.0, -1.0)
        outside = (sign * (t - t0) < 0.0) | (sign * (t1 - t) < 0.0)
        at_start = t == t0
        rows.append(xp.where(outside, xp.where(sign * (t - t0) < 0.0, t0, t1), t))
        doses.append(xp.where(outside, -1, dose))
        fresh.append(xp.where(outside | at_start, False, jump))
    rows.append(t1)
    doses.append(xp.full_like(t1, -1, dtype=xp.int32))
    fresh.append(xp.full_like(t1, False, dtype=bool))
    return xp.stack(rows), xp.stack(doses), xp.stack(fresh)


def _times(name: str, times: Any) -> list[float]:
    try:
        values = np.asarray(times, dtype=float).reshape(-1)
    except (TypeError, ValueError) as error:
        raise InputError(name, f"must be times, got {times!r}.") from error
    if not np.all(np.isfinite(values)):
        raise InputError(name, f"has NaN or infinite entries: {times!r}.")
    return values.tolist()


def tolerances(b: Any, model: Model, options: Options) -> tuple[Any, Any]:
    """Rtol and atol as they enter data-plane arithmetic."""
    y0 = model.y0
    eps = float(b.xp.finfo(b.real_dtype(y0.dtype)).eps)
    if eps > 1e-4:
        raise InputError("y0", f"{y0.dtype} is too coarse for error control and times.", "Give float32 or float64.")
    single = eps > 1e-10
    rtol = options.rtol if options.rtol is not None else (1e-4 if single else 1e-6)
    atol = options.atol if options.atol is not None else (1e-6 if single else 1e-8)
    if isinstance(atol, int | float | np.number) or hasattr(atol, "aval"):
        return b.scale(rtol, y0), b.scale(atol, y0)
    magnitude = b.xp.abs(y0)
    try:
        packed = model.packing.pack(b, atol, magnitude, "atol")
    except InputError as error:
        raise InputError("atol", f"must be a number or like y0: {error}") from error
    if not b.traced and bool(b.xp.any(packed < 0.0)):
        raise InputError("atol", "has negative entries.")
    return b.scale(rtol, y0), packed


def guarded_components(b: Any, model: Model) -> Any:
    """Which entries of the state must not be negative; None where nothing is guarded."""
    domain = model.nonnegative
    if domain is None:
        return None
    y0 = model.y0
    if not b.is_real(y0.dtype):
        raise InputError("domain", "a complex state can't be kept non-negative.")
    mask = np.ones(tuple(y0.shape), dtype=bool)
    if domain.components is not None:
        mask = np.zeros(tuple(y0.shape), dtype=bool)
        for component in domain.components:
            if not -mask.size <= component < mask.size:
                raise InputError("domain", f"there is no component {component} in a state of {mask.size}.")
        mask.reshape(-1)[list(domain.components)] = True
    array = b.xp.asarray(mask, device=b.device)
    require_nonnegative(b, array, y0)
    return array


def require_nonnegative(b: Any, mask: Any, y0: Any) -> None:
    """Refuse a start outside of what is guarded."""
    if not b.traced and bool(b.xp.any(b.xp.logical_and(mask, y0 < 0.0))):
        raise InputError("y0", "has negative entries, but domain=NonNegative() was asked for.")


def other_span(b: Any, inputs: Inputs, options: Options, t_span: Any) -> Inputs | None:
    """The numbers of a solve without stops over another span; None where that takes a closer look."""
    if type(t_span) is not tuple or len(t_span) != 2 or type(t_span[0]) is not float or type(t_span[1]) is not float:
        return None
    length = t_span[1] - t_span[0]
    if not (math.isfinite(length) and length != 0.0):
        return None
    t0, t1 = b.real(t_span[0]), b.real(t_span[1])
    direction = b.control.sign(t1 - t0) * b.real(1.0)
    saves = inputs.saves
    if options.saveat is not None and not isinstance(options.saveat, str):
        # They are finite and sorted in the direction of the span that they were given for.
        if isinstance(options.saveat, int | float | np.number) or direction != inputs.direction:
            return None
        if not (direction * (saves[0] - t0) >= 0.0 and direction * (t1 - saves[-1]) >= 0.0):
            return None
    elif options.saveat is not None:
        saves = b.table([t1])
    return inputs._replace(t0=t0, direction=direction, span=b.control.abs(t1 - t0), saves=saves, stops=b.table([t1]))
