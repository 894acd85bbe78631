"""What may happen to a state while it evolves: events, doses, domains."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ._errors import InputError


def check_arity(name: str, function: Callable[..., Any], arguments: str) -> None:
    """Refuse a function that can't take `arguments`, such as "t, y, params", by position.

    What has no signature (some functions written in C) shows itself when it is called.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*arguments.split(", "))
    except TypeError:
        names = str(signature.replace(return_annotation=inspect.Signature.empty))
        raise InputError(name, f"must take ({arguments}), but its signature is {names}.") from None


@dataclass(frozen=True)
class Event:
    """Something that happens where a function of the state passes through zero.

    The root is found on the dense output, to rounding in time. If several events happen at one time, their effects
    are applied in the order in which the problem lists them, each seeing what the ones before it did.

    A condition is looked at four times a step: give ``max_step`` if it may cross and come back between two looks. Where
    it is zero at the start or behind an effect, it counts from the moment when it has shown a sign. So a ball whose
    bounces have become shorter than the rounding of time falls through the floor: end such a solve by an event on its
    energy.

    Parameters
    ----------
    condition : callable
        ``condition(t, y, params)``: a real scalar; the event is where it changes sign or reaches zero.
    effect : callable, optional
        ``effect(t, y, params)``: the new y, or a tuple ``(y, params)``, with which the solve goes on. Must be pure:
        return new values, change nothing in place. Without it the event is only recorded.
    terminal : bool or int
        End the solve at the first (True) or n-th (n) occurrence.
    direction : {0, 1, -1}
        Count only crossings from negative to positive (1) or from positive to negative (-1).
    name : str, optional
        The key in ``solution.events`` beside the event's number.

    Examples
    --------
    >>> import evolvent as ev
    >>> def ball(t, y, p):
    ...     return [y[1], -9.81]
    >>> bounce = ev.Event(lambda t, y, p: y[0], lambda t, y, p: [0.0, -0.9 * y[1]], direction=-1, name="bounce")
    >>> problem = ev.ODEProblem(ball, y0=[1.0, 0.0], t_span=(0.0, 1.0), events=[bounce])
    >>> round(float(ev.solve(problem, "Tsit5").events["bounce"].t[0]), 4)
    0.4515
    """

    condition: Callable[..., Any]
    effect: Callable[..., Any] | None = None
    terminal: bool | int = False
    direction: int = 0
    name: str | None = None

    def __post_init__(self) -> None:
        if not callable(self.condition):
            raise InputError(
                "condition",
                f"an event's condition must be a function (t, y, params), got {self.condition!r}.",
            )
        if self.effect is not None and not callable(self.effect):
            raise InputError("effect", f"an event's effect must be a function (t, y, params), got {self.effect!r}.")
        check_arity("condition", self.condition, "t, y, params")
        if self.effect is not None:
            check_arity("effect", self.effect, "t, y, params")
        if self.direction not in (-1, 0, 1):
            raise InputError("direction", f"must be -1, 0 or 1, got {self.direction!r}.")
        if int(self.terminal) < 0:
            raise InputError("terminal", f"must be False, True or a positive count, got {self.terminal!r}.")


@dataclass(frozen=True)
class Dose:
    """Something that happens at times known beforehand.

    Parameters
    ----------
    times : float or sequence of float
        When; the solve steps exactly onto each time within its span. The solution is right-continuous there.
    effect : callable
        ``effect(t, y, params)``: the new y, or a tuple ``(y, params)``. Must be pure.
    name : str, optional
        The key in ``solution.events``.
    """

    times: Any
    effect: Callable[..., Any]
    name: str | None = None

    def __post_init__(self) -> None:
        if not callable(self.effect):
            raise InputError("effect", f"a dose's effect must be a function (t, y, params), got {self.effect!r}.")
        check_arity("effect", self.effect, "t, y, params")


@dataclass(frozen=True)
class NonNegative:
    """Keep the state non-negative, where the exact solution is.

    f never sees a negative component; a trial step that falls below zero by more than `atol` is taken again with a
    fifth of the step size, and what remains of negative rounding is set to zero.

    Parameters
    ----------
    components : sequence of int, optional
        Indices into the flattened state; all of it by default.
    """

    components: Sequence[int] | None = None
