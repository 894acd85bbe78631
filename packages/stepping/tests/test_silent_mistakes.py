"""Mistakes that would give a wrong answer without a word: each is an error, or does no harm."""

from __future__ import annotations

import numpy as np
import pytest

import evolvent as ev

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("make", [np.asarray, torch.asarray], ids=["numpy", "torch"])
def test_f_that_changes_its_state_in_place(make):
    """A function f may not write to its y: the error says so, and the user's y0 is as it was."""

    def f(t, y, p):
        y *= -1.0
        return y

    y0 = make([1.0])
    with pytest.raises((ev.SolveError, ev.InputError), match=r"read-only|changes its y in place"):
        ev.solve(ev.ODEProblem(f, y0, (0.0, 1.0)), "Tsit5")
    if make is np.asarray:
        assert y0[0] == 1.0


@pytest.mark.parametrize("make", [np.asarray, torch.asarray], ids=["numpy", "torch"])
def test_f_that_returns_one_buffer_ever_again(make):
    """A function that writes its result to the same array each time gives the right solution."""
    buffer = make([0.0, 0.0])
    y0 = make([1.0, 0.0])

    def whole(t, y, p):
        buffer[0], buffer[1] = y[1], -y[0]
        return buffer

    def view(t, y, p):
        return whole(t, y, p)[:]

    for f in (whole, view):
        end = ev.solve(ev.ODEProblem(f, y0, (0.0, 3.0)), "Tsit5", rtol=1e-6, atol=1e-6, saveat="end").y[-1]
        np.testing.assert_allclose(np.asarray(end), [np.cos(3.0), -np.sin(3.0)], atol=1e-4)


def test_condition_that_is_a_truth_value():
    """A condition that compares instead of passing through zero is refused, with what to return."""
    event = ev.Event(lambda t, y, p: y[0] < 0.0, terminal=True)
    with pytest.raises(ev.InputError, match=r"condition: .*truth value.* y\[0\], not y\[0\] < 0"):
        ev.solve(ev.ODEProblem(lambda t, y, p: [-1.0], [1.0], (0.0, 2.0), events=[event]), "Tsit5")


@pytest.mark.parametrize("keeps", [0.5, 0.8])
def test_bounces_that_accumulate(keeps):
    """A ball that comes to rest in finite time ends the solve there, and does not fall through the floor."""
    bounce = ev.Event(lambda t, y, p: y[0], lambda t, y, p: [0.0, -keeps * y[1]], direction=-1)
    ball = ev.ODEProblem(lambda t, y, p: [y[1], -9.81], [10.0, 0.0], (0.0, 40.0), events=[bounce])
    with pytest.raises(ev.SolveError, match="EVENTS_ACCUMULATE") as caught:
        ev.solve(ball, "Tsit5")
    fall = np.sqrt(20.0 / 9.81)
    at_rest = fall + 2.0 * fall * keeps / (1.0 - keeps)
    np.testing.assert_allclose(caught.value.solution.t[-1], at_rest, rtol=1e-8)
    assert np.min(caught.value.solution.y[:, 0]) > -1e-9


@pytest.mark.parametrize("algorithm", ["VelocityVerlet", "KahanLi8", "DPRKN6", "DPRKN8"])
def test_acceleration_that_depends_on_the_velocity(algorithm):
    """A method for q'' = a(t, q) refuses friction, and names one that takes it."""
    friction = ev.SecondOrderODEProblem(lambda t, q, v, p: -v, [1.0], [-1.0], (0.0, 1.0))
    with pytest.raises(ev.InputError, match=f"{algorithm} is for accelerations .* Nystrom4"):
        ev.solve(friction, algorithm, dt=0.1)
    np.testing.assert_allclose(ev.solve(friction, "Nystrom4", dt=0.1).y[0][-1], np.exp(-1.0), rtol=1e-5)


def test_state_too_coarse_for_error_control():
    """Half precision is refused at once, instead of running out of steps."""
    problem = ev.ODEProblem(lambda t, y, p: -y, np.ones(1, dtype=np.float16), (0.0, 1.0))
    with pytest.raises(ev.InputError, match="y0: float16 is too coarse"):
        ev.solve(problem, "Tsit5")
