"""What can be seen of a problem's fields before it is solved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._errors import InputError
from ._events import Dose, Event, NonNegative, check_arity
from ._trees import flatten, is_nested


def check_state(name: str, value: Any) -> None:
    """Look at what NumPy can look at; the arrays of other libraries are looked at by their backend."""
    leaves = flatten(value)[0]
    if not leaves:
        raise InputError(name, f"has no entries, got {value!r}.")
    for leaf in leaves:
        if isinstance(leaf, str | bytes) or callable(leaf):
            raise InputError(name, f"must hold numbers, got {leaf!r}.")
        if isinstance(leaf, int | float | complex | np.ndarray | np.generic):
            array = np.asarray(leaf)
            if array.dtype.kind not in "biufc":
                raise InputError(name, f"must hold numbers, got an array of dtype {array.dtype}.")
            if not np.all(np.isfinite(array)):
                raise InputError(name, f"has NaN or infinite entries: {value!r}.", "Give finite initial values.")


def check_rows(problem: Any, y0: Any) -> None:
    """Look whether each leaf of an ensemble's y0 is the member's with one axis more in front."""
    rows, given = flatten(y0, lists=False)
    if hasattr(problem, "q0") or is_nested(problem.state0):
        own, structure = flatten(problem.state0, lists=False)
        if given != structure:
            raise InputError("y0", f"must have the structure of the problem's y0, {structure}, got {given}.")
        pairs = [(f"leaf {i} " if len(own) > 1 else "", *pair) for i, pair in enumerate(zip(own, rows, strict=True))]
    elif len(rows) == 1 and rows[0] is y0:
        pairs = [("", problem.state0, y0)]
    else:
        raise InputError("y0", f"must be one array (trajectories, ...) of the members' y0, got {y0!r}.")
    for which, one, many in pairs:
        try:
            needed, shape = tuple(np.shape(one)), tuple(np.shape(many))
        except ValueError:
            raise InputError("y0", f"{which}can't be made an array: {many!r}.") from None
        if not shape:
            raise InputError("y0", f"each leaf needs an axis of trajectories in front, got {many!r}.")
        if shape[1:] != needed:
            wanted = ", ".join(map(str, ("trajectories", *needed))) + ("" if needed else ",")
            raise InputError("y0", f"{which}has shape {shape} where ({wanted}) is needed.")


def check_span(problem: Any) -> None:
    try:
        t0, t1 = problem.t_span
    except (TypeError, ValueError):
        advice = "For spans that differ give (starts, ends)." if hasattr(problem, "problem") else ""
        raise InputError("t_span", f"must be a pair (start, end), got {problem.t_span!r}.", advice) from None
    for t in (t0, t1):
        if isinstance(t, tuple):
            raise InputError("t_span", f"give (starts, ends), not pairs (start, end), got {problem.t_span!r}.")
        if isinstance(t, str | complex) or t is None:
            raise InputError("t_span", f"must hold two real numbers, got {problem.t_span!r}.")
    starts, ends = on_host(t0), on_host(t1)
    if starts is None or ends is None:
        return
    if not (np.all(np.isfinite(starts)) and np.all(np.isfinite(ends))):
        raise InputError("t_span", f"must be finite, got {problem.t_span!r}.", "A terminal Event ends a solve early.")
    if starts.shape and ends.shape and starts.shape != ends.shape:
        raise InputError("t_span", f"has {starts.shape} starts and {ends.shape} ends.", "Give as many of both.")
    if np.any(starts == ends):
        where = np.flatnonzero(np.equal(*np.broadcast_arrays(starts, ends)))
        of = f" for trajectory {where[0]}" if starts.shape or ends.shape else ""
        raise InputError("t_span", f"has zero length{of}: {problem.t_span!r}.")


def on_host(t: Any) -> np.ndarray | None:
    """Times as NumPy sees them; None for a tracer and what else has no values yet."""
    ours = isinstance(t, int | float | list | np.generic | np.ndarray)
    try:
        times = np.asarray(t)
    except Exception:
        times = np.asarray(None)
    if times.dtype.kind in "biuf":
        return times
    if ours:
        raise InputError("t_span", f"must hold real numbers, got {t!r}.")
    return None


def check_events(problem: Any) -> None:
    events = problem.events
    if isinstance(events, Event | Dose):
        object.__setattr__(problem, "events", (events,))
    elif not isinstance(events, Sequence) or not all(isinstance(event, Event | Dose) for event in events):
        raise InputError("events", f"must be a sequence of ev.Event and ev.Dose, got {events!r}.")
    else:
        object.__setattr__(problem, "events", tuple(events))
    names = [event.name for event in problem.events if event.name is not None]
    for name in names:
        if names.count(name) > 1:
            raise InputError("events", f"{names.count(name)} of them are named {name!r}.", "Give each its own name.")


def check_domain(domain: Any) -> None:
    if domain is not None and not isinstance(domain, NonNegative) and not callable(domain):
        raise InputError("domain", f"must be ev.NonNegative or a function (t, y, params), got {domain!r}.")
    if callable(domain):
        check_arity("domain", domain, "t, y, params")


def check_alike(name: str, value: Any, y0: Any) -> None:
    """Look whether a tree has the entries of y0."""
    given, needed = ([tuple(np.shape(leaf)) for leaf in flatten(x, lists=False)[0]] for x in (value, y0))
    if given != needed:
        one = len(needed) == 1
        raise InputError(name, f"must be like y0, {needed[0] if one else needed}, got {given[0] if one else given}.")


def check_linear(problem: Any, arguments: str = "t, y, params") -> None:
    """Look at what implicit methods are given; shapes are looked at where the state's is known."""
    hint = getattr(problem, "stiff", None)
    if hint is not None and not isinstance(hint, bool | np.bool_):
        raise InputError("stiff", f"must be True, False or None, got {hint!r}.")
    if problem.jacobian is not None:
        if not callable(problem.jacobian):
            raise InputError("jacobian", f"must be a function ({arguments}), got {problem.jacobian!r}.")
        check_arity("jacobian", problem.jacobian, arguments)
    for name in ("mass", "sparsity"):
        value = getattr(problem, name, None)
        if value is None:
            continue
        dims = len(np.shape(value)) if not hasattr(value, "tocoo") else 2
        if dims not in ((1, 2) if name == "mass" else (2,)):
            raise InputError(name, f"must be a matrix, got {value!r}.")
        if name == "mass" and not hasattr(value, "tocoo") and not_finite(value):
            raise InputError(name, "has NaN or infinite entries.")


def not_finite(value: Any) -> bool:
    array = np.asarray(value) if isinstance(value, list | tuple | np.ndarray) else None
    return array is not None and array.dtype.kind in "fc" and not bool(np.all(np.isfinite(array)))
