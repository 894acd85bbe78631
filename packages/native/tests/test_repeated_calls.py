"""Compiled solves that are called again: the same numbers as a solve of its own, in memory that is used again."""

import pickle
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import evolvent as ev

SPAN = (0.0, 2.0)
AT = [0.0, 0.3, 1.0, 2.0]


def decay(t, y, p):
    return -p * y


def swing(t, y, p):
    a, b = p
    return np.stack([a * y[1], -b * y[0]])


def named(t, y, p):
    return {"u": -p["rate"] * y["u"], "v": p["gain"] * y["u"][0] - y["v"]}


def alike(one, other):
    """Whether two solutions hold the same numbers."""
    assert one.status is other.status
    assert np.array_equal(one.t, other.t)
    assert np.asarray(one.t).dtype == np.asarray(other.t).dtype
    both = [
        (s.y["u"], s.y["v"]) if isinstance(s.y, dict) else s.y if isinstance(s.y, tuple) else (s.y,)
        for s in (one, other)
    ]
    for x, y in zip(*both, strict=True):
        assert x.dtype == y.dtype
        assert np.array_equal(x, y)
    for name in ("n_steps", "n_accepted", "n_rejected", "n_f", "backend", "algorithm"):
        assert getattr(one.stats, name) == getattr(other.stats, name)
    return True


KINDS = {
    "a number": (decay, np.array([1.0, 2.0]), 0.5, np.array([3.0, -1.0]), 0.7),
    "single precision": (decay, np.array([1.0, 2.0], np.float32), 0.5, np.array([3.0, -1.0], np.float32), 0.7),
    "complex": (decay, np.array([1.0 + 1j, 2.0]), 0.5 + 1j, np.array([3.0, -1j]), 0.7 - 2j),
    "no axes": (decay, np.array(1.0), 0.5, np.array(2.0), 0.7),
    "two axes": (decay, np.ones((2, 3)), np.ones(3), np.full((2, 3), 2.0), np.array([0.1, 0.2, 0.3])),
    "lists": (swing, [1.0, 0.0], [1.0, 2.0], [0.5, 0.1], [1.5, 2.5]),
    "a tuple": (swing, np.array([1.0, 0.0]), (1.0, 2.0), np.array([0.5, 0.1]), (1.5, 2.5)),
    "nested": (
        named,
        {"v": np.array(1.0), "u": np.array([1.0, 2.0])},
        {"rate": 1.0, "gain": 2.0},
        {"v": np.array(0.0), "u": np.array([1.0, 3.0])},
        {"gain": 1.5, "rate": 0.5},
    ),
    "long": (decay, np.linspace(0.0, 1.0, 20_000), np.linspace(1.0, 2.0, 20_000), np.ones(20_000), np.ones(20_000)),
}


@pytest.mark.parametrize("saveat", ["end", AT, None])
@pytest.mark.parametrize("kind", KINDS)
def test_a_call_solves_as_a_fresh_solve_does(kind, saveat):
    """Whatever numbers a call gives, of whatever kind, its solution is that of a solve of its own, bit by bit."""
    f, y0, params, other_y0, other_params = KINDS[kind]
    problem = ev.ODEProblem(f, y0, SPAN, params)
    run = ev.compile(problem, "Tsit5", saveat=saveat)
    assert run().stats.backend == "native"
    for _ in range(2):
        for given in (
            {},
            {"y0": other_y0},
            {"params": other_params},
            {"y0": other_y0, "params": other_params},
            {"t_span": (-0.5, 2.5)},
            {"t_span": (-0.5, 2.5), "params": other_params, "y0": other_y0},
        ):
            fresh = ev.solve(problem.replace(**given), "Tsit5", saveat=saveat)
            solution = run(**given)
            assert alike(solution, fresh)
            if saveat is None:
                assert np.array_equal(_first(solution(1.1)), _first(fresh(1.1)))
                assert np.array_equal(_first(solution(solution.t[-1])), _first(fresh(fresh.t[-1])))
            else:
                assert np.array_equal(_first(solution(solution.t[-1])), _first(fresh.y)[-1])
            for name, value in given.items():
                assert getattr(solution.problem, name) is value


def _first(tree):
    return tree["u"] if isinstance(tree, dict) else tree


def test_second_order_problems_are_called_again():
    """Positions and velocities come in and go out as pairs."""
    problem = ev.SecondOrderODEProblem(lambda t, q, v, p: -p * q, np.ones(2), np.zeros(2), SPAN, 1.0)
    run = ev.compile(problem, "Nystrom4", saveat=AT, dt=0.1)
    start = (np.array([2.0, 1.0]), np.array([0.0, 1.0]))
    for _ in range(2):
        fresh = ev.solve(problem.replace(q0=start[0], v0=start[1]), "Nystrom4", saveat=AT, dt=0.1)
        assert alike(run(y0=start), fresh)


def test_what_is_saved_may_be_a_tree():
    """A function of what to save gives its own tree in each call."""
    problem = ev.ODEProblem(swing, np.array([1.0, 0.0]), SPAN, (1.0, 1.0))
    for saveat in (AT, None):
        run = ev.compile(problem, "Tsit5", saveat=saveat, save=lambda t, y, p: (y[0] * p[0], y * t))
        for params in ((2.0, 1.0), (3.0, 1.0)):
            fresh = ev.solve(
                problem.replace(params=params), "Tsit5", saveat=saveat, save=lambda t, y, p: (y[0] * p[0], y * t)
            )
            assert alike(run(params=params), fresh)


def test_a_solution_outlives_the_next_call():
    """No later call writes to what an earlier one returned, nor does writing to a solution change a later one."""
    for saveat in (AT, None):
        run = ev.compile(ev.ODEProblem(decay, np.array([1.0, 2.0]), SPAN, 0.5), "Tsit5", saveat=saveat)
        first = run(params=0.25)
        t, y = first.t.copy(), first.y.copy()
        inside = None if saveat else first(1.1)
        run(params=0.9)
        assert np.array_equal(first.t, t)
        assert np.array_equal(first.y, y)
        if inside is not None:
            assert np.array_equal(first(1.1), inside)
        first.y[...] = np.nan
        assert np.array_equal(run(params=0.25).y, y)


def test_solutions_of_calls_pickle():
    """They come back with their numbers, those inside of steps too."""
    run = ev.compile(ev.ODEProblem(decay, np.array([1.0, 2.0]), SPAN, 0.5), "Tsit5")
    solution = run(params=0.25)
    back = pickle.loads(pickle.dumps(solution))
    assert alike(back, solution)
    assert np.array_equal(back(1.3), solution(1.3))


def test_arrays_of_the_problem_are_read_anew():
    """Parameters that stay are read where they are, in each call."""
    rate = np.array([0.5, 1.0])
    strided = np.zeros((2, 2))[:, 0]
    for params in (rate, strided, np.array(0.5)):
        run = ev.compile(ev.ODEProblem(decay, np.array([1.0, 2.0]), SPAN, params), "Tsit5", saveat="end")
        run()
        params[...] = 0.125
        assert alike(run(), run(params=params.copy()))
        assert np.allclose(run().y[-1], np.array([1.0, 2.0]) * np.exp(-0.25), rtol=1e-5)


def test_threads_share_a_handle():
    """Calls at the same time don't see each other's numbers."""
    run = ev.compile(ev.ODEProblem(decay, np.ones(50), (0.0, 20.0), 0.5), "Tsit5", saveat=AT)
    rates = np.linspace(0.1, 1.0, 400).tolist()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda rate: run(params=rate), rates))
    for rate, solution in zip(rates, found, strict=True):
        assert np.array_equal(solution.y, run(params=rate).y)


def test_a_solve_that_takes_longer_goes_on_in_slices():
    """Many more steps than a slice takes, more than a record holds: still what a fresh solve gives."""
    problem = ev.ODEProblem(swing, np.array([1.0, 0.0]), (0.0, 1.0), (1.0, 1.0))
    for saveat, span in (("end", (0.0, 3000.0)), (None, (0.0, 9000.0))):
        run = ev.compile(problem, "Tsit5", saveat=saveat, rtol=1e-9, atol=1e-12, max_steps=1_000_000)
        fresh = ev.solve(
            problem.replace(t_span=span), "Tsit5", saveat=saveat, rtol=1e-9, atol=1e-12, max_steps=1_000_000
        )
        assert fresh.stats.n_steps > 20_000
        assert alike(run(t_span=span), fresh)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no alarm clock")
def test_an_interrupt_ends_a_long_call():
    """Ctrl-C in the middle of machine code: what was computed is in the exception, and the handle is as good as new."""
    problem = ev.ODEProblem(swing, np.array([1.0, 0.0]), (0.0, 1.0), (1.0, 1.0))
    run = ev.compile(problem, "Tsit5", saveat="end", max_steps=10**9)
    before = run().y
    old = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        began = time.perf_counter()
        with pytest.raises(ev.SolveInterrupted) as caught:
            run(t_span=(0.0, 1e9))
    finally:
        signal.signal(signal.SIGALRM, old)
    assert time.perf_counter() - began < 5.0
    assert caught.value.solution.status is ev.Status.INTERRUPTED
    assert caught.value.solution.t[-1] > 1.0
    assert np.array_equal(run().y, before)


def test_failures_are_those_of_a_fresh_solve():
    """A call that fails raises with what was computed, or tells by its status."""
    problem = ev.ODEProblem(lambda t, y, p: p * y**2, np.array([1.0]), SPAN, 0.1)
    run = ev.compile(problem, "Tsit5", saveat=AT)
    with pytest.raises(ev.SolveError, match="STEP_TOO_SMALL") as caught:
        run(params=1.0)
    with pytest.raises(ev.SolveError, match="STEP_TOO_SMALL") as fresh:
        ev.solve(problem.replace(params=1.0), "Tsit5", saveat=AT)
    assert str(caught.value) == str(fresh.value)
    assert alike(caught.value.solution, fresh.value.solution)
    assert run(params=0.1).success
    few = ev.compile(problem, "Tsit5", saveat=AT, max_steps=3, throw=False)
    assert few(params=0.2).status is ev.Status.MAX_STEPS
    assert few(params=0.2).stats.n_steps == 3


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("start", [np.array([1.0, 2.0]), [1.0, 2.0]])
def test_states_that_are_not_finite_are_refused(start, wrong):
    """A call says so of a state with NaN or infinity, and solves from one that is merely large."""
    run = ev.compile(ev.ODEProblem(decay, start, SPAN, 0.5), "Tsit5", saveat="end")
    with pytest.raises(ev.InputError, match="NaN or infinite"):
        run(y0=type(start)([1.0, wrong]) if type(start) is list else np.array([1.0, wrong]))
    large = [1e200, 1.0] if type(start) is list else np.array([1e200, 1.0])
    assert np.allclose(run(y0=large).y[-1] / large, np.exp(-1.0), rtol=1e-4)


def test_domains_are_looked_at_in_each_call():
    """A state that must not be negative is refused where it is."""
    problem = ev.ODEProblem(decay, np.array([1.0, 2.0]), SPAN, 0.5, domain=ev.NonNegative())
    run = ev.compile(problem, "Tsit5", saveat="end")
    assert alike(
        run(y0=np.array([2.0, 0.0])), ev.solve(problem.replace(y0=np.array([2.0, 0.0])), "Tsit5", saveat="end")
    )
    with pytest.raises(ev.InputError, match="negative"):
        run(y0=np.array([1.0, -1.0]))


def test_other_kinds_are_solved_anew():
    """Numbers of another shape or type than the problem's give what a fresh solve gives."""
    problem = ev.ODEProblem(decay, np.array([1.0, 2.0]), SPAN, 0.5)
    run = ev.compile(problem, "Tsit5", saveat=AT)
    for given in (
        {"y0": np.array([1.0, 2.0, 3.0])},
        {"y0": np.array([1.0, 2.0], np.float32)},
        {"params": np.array([0.5, 0.25])},
        {"y0": [1, 2]},
        {"params": 1},
    ):
        fresh = ev.solve(problem.replace(**given), "Tsit5", saveat=AT)
        assert alike(run(**given), fresh)
    with pytest.raises(ev.InputError, match="structure"):
        run(params=(0.5, 0.5))
