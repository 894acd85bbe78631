"""Callbacks, clocks, the keyboard and exceptions: nothing that was computed is lost."""

import signal
import subprocess
import sys
import textwrap
import time
import traceback
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

import evolvent as ev
from evolvent_stepping._watch import Watch


def rotation(t, y, p):
    return [-y[1], y[0]]


@pytest.fixture
def problem(numpy_or_jax, double):
    return ev.ODEProblem(rotation, double(numpy_or_jax, [1.0, 0.0]), (0.0, 10.0))


def circle(t):
    return np.stack([np.cos(t), np.sin(t)], axis=-1)


def test_on_step_sees_every_accepted_step(problem):
    """on_step(t, y) is called after each accepted step, in order, and changes nothing."""
    seen = []
    watched = ev.solve(problem, "Tsit5", on_step=lambda t, y: seen.append((float(t), np.asarray(y))))
    plain = ev.solve(problem, "Tsit5")
    assert np.array_equal([t for t, _ in seen], np.asarray(plain.t)[1:])
    assert_allclose([y for _, y in seen], np.asarray(plain.y)[1:], rtol=0, atol=1e-15)
    assert watched.status is ev.Status.SUCCESS
    assert watched.stats.n_steps == plain.stats.n_steps


@pytest.mark.parametrize("saveat", [None, [1.0, 2.0, 9.0]])
def test_on_step_stops_the_solve(problem, saveat):
    """If it returns True the solve ends there, in success."""
    solution = ev.solve(problem, "Tsit5", on_step=lambda t, y: t > 3.0, saveat=saveat)
    assert solution.status is ev.Status.STOPPED
    assert solution.success
    t = np.asarray(solution.t)
    assert 3.0 < t[-1] < 9.0
    assert_allclose(np.asarray(solution.y)[-1], circle(t[-1]), atol=1e-4)


def test_on_step_has_the_states_own_structure():
    """The callback sees nested states as the user's functions do."""
    seen = []
    problem = ev.ODEProblem(lambda t, y, p: {"a": -y["a"]}, {"a": 1.0}, (0.0, 1.0))
    ev.solve(problem, "Tsit5", on_step=lambda t, y: seen.append(set(y)))
    assert seen[0] == {"a"}


def test_an_exception_of_on_step_is_the_users_own():
    """What the callback raises reaches the caller, with the solution up to there."""

    def boom(t, y):
        raise RuntimeError("disk full")

    with pytest.raises((RuntimeError, ev.SolveError), match="disk full"):
        ev.solve(ev.ODEProblem(rotation, [1.0, 0.0], (0.0, 10.0)), "Tsit5", on_step=boom)


def test_wall_time_ends_a_long_solve():
    """wall_time= gives up in time, with the part that was computed."""

    def slow(t, y, p):
        time.sleep(0.001)
        return rotation(t, y, p)

    problem = ev.ODEProblem(slow, [1.0, 0.0], (0.0, 1000.0))
    began = time.perf_counter()
    with pytest.raises(ev.SolveError, match=r"^WALL_TIME .* raise it") as caught:
        ev.solve(problem, "Tsit5", wall_time=0.2)
    assert time.perf_counter() - began < 2.0
    solution = caught.value.solution
    assert solution.t.size > 2
    assert_allclose(solution.y[-1], circle(solution.t[-1]), atol=1e-3)


def test_progress_shows_how_far_and_how_long(problem, capsys):
    """progress=True draws a bar to 100 % with the time left, on standard error, and changes nothing."""
    solution = ev.solve(problem, "Tsit5", progress=True)
    out = capsys.readouterr()
    assert "100.0%" in out.err
    assert "<" in out.err  # elapsed<left
    assert out.out == ""
    assert solution.stats.n_steps == ev.solve(problem, "Tsit5").stats.n_steps


def failing(error, after):
    """A right-hand side that raises once time has come."""

    def f(t, y, p):
        if t > after:
            raise error
        return rotation(t, y, p)

    return f


@pytest.mark.parametrize("saveat", [None, [1.0, 2.0, 9.0]])
def test_an_interrupt_loses_nothing(saveat):
    """Ctrl-C inside f: the exception is a KeyboardInterrupt that carries the solution up to there."""
    problem = ev.ODEProblem(failing(KeyboardInterrupt(), 5.0), [1.0, 0.0], (0.0, 10.0))
    with pytest.raises(KeyboardInterrupt) as caught:
        ev.solve(problem, "Tsit5", saveat=saveat, rtol=1e-8, atol=1e-8)
    assert isinstance(caught.value, ev.SolveInterrupted)
    assert not isinstance(caught.value, Exception)  # a sweep with `except Exception` ends too
    solution = caught.value.solution
    assert solution.status is ev.Status.INTERRUPTED
    assert 3.0 < solution.t[-1] <= 5.0
    assert_allclose(solution.y, circle(solution.t), atol=1e-6)
    if saveat is None:
        assert_allclose(solution(2.5), circle(2.5), atol=1e-6)
        reference = ev.solve(problem.replace(f=rotation), "Tsit5", rtol=1e-8, atol=1e-8)
        assert np.array_equal(solution.t, reference.t[: solution.t.size])
    returned = ev.solve(problem, "Tsit5", saveat=saveat, throw=False)
    assert returned.status is ev.Status.INTERRUPTED


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_a_real_ctrl_c():
    """SIGINT to a process in the middle of a solve: the partial solution is at hand in its except clause."""
    code = """
        import time
        import evolvent as ev
        def f(t, y, p):
            time.sleep(1e-4)
            if t > 1.0 and not p["said"]:
                p["said"].append(print("ready", flush=True))
            return [-y[1], y[0]]
        try:
            ev.solve(ev.ODEProblem(f, [1.0, 0.0], (0.0, 1e6), params={"said": []}), "Tsit5")
        except KeyboardInterrupt as error:
            print(error.solution.status.name, error.solution.t.size > 1, error.solution.success)
    """
    code = code.replace('params={"said": []}', "params=None").replace('p["said"]', "said")
    code = textwrap.dedent(code).replace("def f", "said = []\ndef f", 1)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert out == "INTERRUPTED True False\n"
    assert process.returncode == 0


def test_an_exception_of_f_keeps_its_traceback():
    """`f` that raises: SolveError with the partial solution, its cause the user's own exception, traceback and all."""
    problem = ev.ODEProblem(failing(ZeroDivisionError("no such rate"), 5.0), [1.0, 0.0], (0.0, 10.0))
    with pytest.raises(
        ev.SolveError, match=r"^USER_ERROR at t = .*: f raised ZeroDivisionError\('no such rate'\)"
    ) as caught:
        ev.solve(problem, "Tsit5", rtol=1e-8, atol=1e-8)
    cause = caught.value.__cause__
    assert isinstance(cause, ZeroDivisionError)
    assert "raise error" in "".join(traceback.format_exception(cause))
    solution = caught.value.solution
    assert solution.status is ev.Status.USER_ERROR
    assert 3.0 < solution.t[-1] <= 5.0
    assert_allclose(solution.y, circle(solution.t), atol=1e-6)


def test_an_exception_at_the_very_start_keeps_its_traceback(numpy_or_jax, double):
    """`f` that can't even be called once: the user's exception is the error or its cause."""

    def f(t, y, p):
        return y * p["rate"]

    problem = ev.ODEProblem(f, double(numpy_or_jax, [1.0]), (0.0, 1.0), params={"speed": 1.0})
    with pytest.raises((KeyError, ev.SolveError)) as caught:
        ev.solve(problem, "Tsit5")
    text = "".join(traceback.format_exception(caught.value))
    assert 'return y * p["rate"]' in text
    assert "KeyError" in text


@pytest.mark.parametrize("what", ["effect", "condition", "save", "dose", "domain"])
def test_exceptions_of_other_functions(what):
    """Whichever function of the user raises, the error says which, and the solution up to there is kept."""

    def broken(t, y, p):
        if t > 4.0:
            raise ValueError("broken")
        return {"effect": y, "condition": y[0], "save": y, "dose": y, "domain": True}[what]

    problem = ev.ODEProblem(rotation, [1.0, 0.0], (0.0, 10.0))
    options = {}
    if what == "effect":
        problem = problem.replace(events=[ev.Event(lambda t, y, p: y[0], broken)])
    elif what == "condition":
        problem = problem.replace(events=[ev.Event(broken)])
    elif what == "dose":
        problem = problem.replace(events=[ev.Dose([1.0, 5.0], broken)])
    elif what == "domain":
        problem = problem.replace(domain=broken)
    else:
        options = {"save": broken}
    with pytest.raises(ev.SolveError, match="raised ValueError\\('broken'\\)") as caught:
        ev.solve(problem, "Tsit5", **options)
    assert caught.value.solution.t[-1] > 2.0


@pytest.mark.parametrize("wall_time", [None, 0.08, 3.0])
@pytest.mark.parametrize("rate", [1e3, 1e5, 1e7])
def test_looks_are_neither_rare_nor_dear(monkeypatch, rate, wall_time):
    """However fast steps are, the clock and the keyboard are looked at some twenty times a second, from early on.

    With a limit of time the looks are closer, so that little time is lost beyond it.
    """
    clock, steps, looks = [0.0], [0], []
    monkeypatch.setattr("evolvent_stepping._watch.time.monotonic", lambda: clock[0])
    backend = SimpleNamespace(traced=False, slice=20_000 if rate > 1e6 else 100, most=lambda x: x)
    options = SimpleNamespace(on_step=None, wall_time=wall_time, progress=False)
    run = SimpleNamespace(options=options, backend=backend, plan=SimpleNamespace(max_steps=10**9))
    watch = Watch(run, None)

    def advance(limit):
        clock[0] += (limit - steps[0]) / rate
        steps[0] = limit
        looks.append(clock[0])
        status = int(ev.Status.RUNNING)
        return SimpleNamespace(
            march=SimpleNamespace(accepted=limit, rejected=0, status=status, y=np.zeros(3), cache=())
        )

    state = advance(watch.first_limit())
    while watch.goes_on(state) and clock[0] < 5.0:
        state = advance(watch.next_limit(state))
    gaps = np.diff([0.0, *looks])
    pace = 0.05 if wall_time is None else min(0.05, wall_time / 8.0)
    assert gaps[0] <= 0.11
    assert gaps.max() <= max(gaps[0], 1.01 * pace)
    assert len(looks) <= 1.1 * clock[0] / pace + 8
    if wall_time is not None:
        assert watch.stopped == ev.Status.WALL_TIME
        assert clock[0] <= 1.13 * wall_time
