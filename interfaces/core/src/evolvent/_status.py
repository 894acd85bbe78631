"""How a solve ended."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """How a solve ended; `advice` says what to do next."""

    RUNNING = 0
    SUCCESS = 1
    TERMINATED = 2
    STOPPED = 3
    MAX_STEPS = 4
    STEP_TOO_SMALL = 5
    NON_FINITE = 6
    WALL_TIME = 7
    INTERRUPTED = 8
    USER_ERROR = 9
    EVENT_LOG_FULL = 10
    EVENTS_ACCUMULATE = 11
    NEWTON_FAILED = 12
    SINGULAR_MATRIX = 13
    INCONSISTENT_START = 14
    INVALID_RATE = 15

    def __str__(self) -> str:
        return self.name

    @property
    def ok(self) -> bool:
        """Whether the solve did what was asked: reached the end, or was ended by an event or a callback."""
        return self in (Status.SUCCESS, Status.TERMINATED, Status.STOPPED)

    @property
    def advice(self) -> str:
        return _ADVICE[self]


_ADVICE = {
    Status.RUNNING: "The solve has not finished.",
    Status.SUCCESS: "The end of t_span was reached.",
    Status.TERMINATED: "A terminal event ended the solve.",
    Status.STOPPED: "The on_step callback ended the solve.",
    Status.MAX_STEPS: (
        "max_steps were taken before the end of t_span: raise max_steps, loosen rtol and atol, or take a stiff "
        "algorithm if the steps are tiny for no visible reason."
    ),
    Status.STEP_TOO_SMALL: (
        "The step size fell to its minimum: the solution may be singular near this time, the problem stiff or f "
        "discontinuous; loosen the tolerances, name discontinuities=, or lower min_step."
    ),
    Status.NON_FINITE: (
        "f or the state became NaN or infinite and smaller steps did not help: look at f there; give a domain (for "
        "example ev.NonNegative()) if f is undefined outside one."
    ),
    Status.WALL_TIME: "wall_time ran out: raise it, or loosen the tolerances.",
    Status.INTERRUPTED: "Interrupted from the keyboard.",
    Status.USER_ERROR: "A function of the problem raised an exception.",
    Status.EVENTS_ACCUMULATE: (
        "Events with effects follow each other ever faster, as the bounces of a ball do that comes to rest: make the "
        "event terminal once it has become small, or give the state a rest in its effect."
    ),
    Status.NEWTON_FAILED: (
        "Newton's iteration did not converge even in tiny steps: look whether f is smooth here, and whether a "
        "jacobian= of your own is right (check_jacobian=True compares it)."
    ),
    Status.SINGULAR_MATRIX: (
        "The matrix of a step's linear systems was singular or not finite whatever the step size: look at the Jacobian "
        "here; for a mass matrix, at whether its algebraic equations determine all that they should (index 1)."
    ),
    Status.INCONSISTENT_START: (
        "No values of the algebraic unknowns were found that satisfy the algebraic equations for the differential ones "
        "given, at the start or behind a jump: give a better guess of them, or look whether a solution exists."
    ),
    Status.INVALID_RATE: (
        "A rate was negative or not a number, or above the bound given for it: look at the rate there; where it is a "
        "difference or a root, keep it from below by xp.maximum(..., 0.0)."
    ),
    Status.EVENT_LOG_FULL: (
        "More events happened than the compiled log can hold: raise max_events, or look for an event that happens over "
        "and over at one time."
    ),
}
