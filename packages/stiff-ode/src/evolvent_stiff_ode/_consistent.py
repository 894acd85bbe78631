"""Consistent initial values: the algebraic unknowns that belong to given differential ones."""

from __future__ import annotations

from typing import Any, NamedTuple

from evolvent import Status
from evolvent_stepping import Work

from .linear.mass import mass_times
from .linear.solver import flat, unflat

TINY = 1e-3  # a correction of this much of the tolerance is none
ENOUGH = 0.3  # and where rounding allows no better one, of this much
DECREASE = 1e-4  # of what a full step promises, that a step must bring
SHORTEST = 1e-4  # part of a step that is tried
TRIALS = 100
# Of the part of M in the matrix: for algebraic entries, and for sums of them, which a sharper one would round off.
SHARPNESS = (1e8, 1e4)


class Search(NamedTuple):
    """Newton's iteration on its way: the point, the factors there, the step from there and its size."""

    x: tuple[Any, ...]
    step: tuple[Any, ...]
    factors: Any
    size: Any
    scale: Any
    part: Any
    trials: Any
    matrices: Any
    done: Any
    failed: Any


class Found(NamedTuple):
    """A point, the status to end with where there is none (else 0), and what the search cost."""

    x: tuple[Any, ...]
    status: Any
    work: Work


def consistent(system, solver, constraints, t, y) -> Found:
    """Find the state near `y` that satisfies the algebraic equations of ``M y' = f``, with the same ``M y``.

    With a large shift the matrix of a step, ``shift * M - J``, takes f to a change whose algebraic part is Newton's.
    """
    b = system.backend

    def linearised(x):
        jacobian = b.stop_gradient(system.jacobian(t, x[0]))
        shift = sharp_shift(system, solver, jacobian, constraints)
        return b.stop_gradient(solver.factor(system, jacobian, shift)), shift

    def correction(kept, x):
        factors, shift = kept
        f = system.f(t, x[0])
        # The first solution has y' / shift for its differential part; f without M y' is the second one's right side.
        change = b.time(shift, y) * solver.solve(system, factors, f)
        change = solver.solve(system, factors, f - mass_times(system, change))
        return (unflat(b, constraints.algebraic(b, flat(b, change)), y),)

    found = search(system, linearised, correction, (b.stop_gradient(y),))
    found = found._replace(work=found.work._replace(solves=2 * found.work.solves))
    if not b.differentiates:
        return found
    # One more step, which derivatives follow from the differential part and the parameters (implicit function theorem).
    moves = y - b.stop_gradient(y)
    state = b.stop_gradient(found.x[0]) + moves - unflat(b, constraints.algebraic(b, flat(b, moves)), y)
    refined = state + correction(linearised((b.stop_gradient(state),)), (state,))[0]
    return found._replace(x=(b.select(found.status == 0, refined, y),))


def sharp_shift(system, solver, jacobian, constraints) -> Any:
    """A shift beside which a Jacobian hardly counts for what M acts on."""
    b, c = system.backend, system.backend.control
    bound = b.to_control(b.stop_gradient(solver.bound(system, jacobian)))
    sharp = SHARPNESS[0 if constraints.simple else 1] / constraints.least
    return sharp * c.where(c.logical_and(c.isfinite(bound), bound > 0.0), bound, 1e4)


def differential_slope(system, solver, constraints, t, y) -> Any:
    """Solve ``M y' = f`` for what M acts on, at a consistent state."""
    b = system.backend
    shift = b.real(SHARPNESS[0])
    factors = solver.factor(system, system.jacobian(t, y), shift)
    slope = b.time(shift, y) * solver.solve(system, factors, system.f(t, y))
    return slope if constraints is None else slope - unflat(b, constraints.algebraic(b, flat(b, slope)), y)


def search(system, linearised, correction, x) -> Found:
    """Seek a point whose correction is nothing beside the tolerance, by Newton's steps or parts of them.

    Parameters
    ----------
    linearised : callable
        From a point, a tuple of arrays like y, to what its corrections are computed with.
    correction : callable
        ``correction(factors, x)``: Newton's step from x. The size of a point's is what must decrease: of the first
        array in units of the tolerance, of a second one beside the array itself.
    x : tuple of arrays
        Where to begin; returned as it is if its correction is small.

    References
    ----------
    P. N. Brown, A. C. Hindmarsh, L. R. Petzold, Consistent initial condition calculation for differential-algebraic
    systems, SIAM J. Sci. Comput. 19 (1998), doi:10.1137/S1064827595289996.
    """
    b, c = system.backend, system.backend.control
    before = system.calls
    like = x[0]

    def norm(step, scale):
        sizes = [b.to_control(b.stop_gradient(system.scaled_norm(part, like, like))) for part in step]
        return sizes[0] if len(step) == 1 else sizes[0] + sizes[1] / scale

    def scale_of(x, step):
        if len(x) == 1:
            return b.real(1.0)
        rate = b.to_control(b.stop_gradient(system.scaled_norm(x[1] + step[1], like, like)))
        return c.where(c.logical_and(c.isfinite(rate), rate > 0.0), rate, 1.0)

    factors = linearised(x)
    step = correction(factors, x)
    scale = scale_of(x, step)
    size = norm(step, scale)
    zero, one = b.integer(0), b.integer(1)
    broken = c.logical_not(c.isfinite(size))
    began = Search(x, step, factors, size, scale, b.real(1.0), zero, one, size <= TINY, broken)

    def goes_on(s):
        return c.logical_not(c.logical_or(s.done, s.failed))

    def attempt(s):
        trial = tuple(system.combine(old, s.part, (1.0,), (by,)) for old, by in zip(s.x, s.step, strict=True))
        simplified = correction(s.factors, trial)
        left = norm(simplified, s.scale)
        good = left <= (1.0 - DECREASE * s.part) * s.size

        def relinearised():
            factors = linearised(trial)
            return factors, correction(factors, trial)

        # Derivatives from far away may make an error look small: those at the point itself judge.
        factors, step = b.cond(good, relinearised, lambda: (s.factors, s.step))
        scale = c.where(good, scale_of(trial, step), s.scale)
        size = c.where(good, norm(step, scale), s.size)
        done = c.logical_and(good, size <= TINY)
        polished = tuple(old + by for old, by in zip(trial, step, strict=True))
        x = b.select(done, polished, b.select(good, trial, s.x))
        part = c.where(good, 1.0, 0.5 * s.part)
        stuck = part < SHORTEST
        best = c.logical_and(stuck, s.size <= ENOUGH)
        broken = c.logical_or(c.logical_and(stuck, s.size > ENOUGH), c.logical_not(c.isfinite(size)))
        matrices = s.matrices + c.where(good, one, zero)
        done = c.logical_or(done, best)
        return Search(x, step, factors, size, scale, part, s.trials + one, matrices, done, broken)

    s = b.while_loop(goes_on, attempt, began, max_iterations=TRIALS)
    system.calls = before  # the loop's calls are counted by its trials
    status = c.where(s.done, zero, b.integer(Status.INCONSISTENT_START))
    solves = s.trials + s.matrices
    failures = c.where(s.done, zero, one)
    return Found(b.select(s.done, s.x, x), status, Work(solves, s.matrices, s.matrices, solves, failures))
