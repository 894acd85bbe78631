"""Problems and what belongs to them are values."""

import dataclasses

import numpy as np
import pytest

import evolvent as ev


def decay(t, y, p):
    return -y


def test_problems_are_immutable():
    """A field can't be set; replace makes a variant and leaves the problem alone."""
    problem = ev.ODEProblem(decay, [1.0], (0.0, 1.0), params={"k": 1.0})
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.params = None
    other = problem.replace(params={"k": 2.0}, t_span=(0.0, 5.0))
    assert other.params == {"k": 2.0}
    assert other.t_span == (0.0, 5.0)
    assert other.f is problem.f
    assert problem.params == {"k": 1.0}


def test_one_event_needs_no_list():
    """events= takes one event, or any sequence, and keeps a tuple."""
    event, dose = ev.Event(decay), ev.Dose([0.5], decay)
    assert ev.ODEProblem(decay, [1.0], (0.0, 1.0), events=event).events == (event,)
    assert ev.ODEProblem(decay, [1.0], (0.0, 1.0), events=[event, dose]).events == (event, dose)


def test_ensembles_know_their_size():
    """len(ensemble) is the number of trajectories, whichever argument has them."""
    problem = ev.ODEProblem(decay, [1.0, 2.0], (0.0, 1.0), params=1.0)
    assert len(ev.EnsembleProblem(problem, y0=np.ones((3, 2)))) == 3
    assert len(ev.EnsembleProblem(problem, params=np.ones(4))) == 4
    assert len(ev.EnsembleProblem(problem, params=[1.0, 2.0])) == 2
    assert len(ev.EnsembleProblem(problem, t_span=(0.0, [1.0, 2.0, 3.0, 4.0, 5.0]))) == 5
    with pytest.raises(ev.InputError, match=r"^problem: must be an ODEProblem or SecondOrderODEProblem"):
        ev.EnsembleProblem(ev.EnsembleProblem(problem, params=np.ones(4)), params=np.ones(2))


def test_every_status_says_what_to_do():
    """Each status has an advice; those that did what was asked are ok."""
    for status in ev.Status:
        assert status.advice.endswith(".")
    assert {status.name for status in ev.Status if status.ok} == {"SUCCESS", "TERMINATED", "STOPPED"}


def test_plots(tmp_path):
    """solution.plot() draws every component, smoothly where the steps were kept; both sides of a jump."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    problem = ev.ODEProblem(lambda t, y, p: [-y[1], y[0]], [1.0, 0.0], (0.0, 3.0))
    solution = ev.solve(problem, "Tsit5")
    ax = solution.plot()
    assert len(ax.lines) == 2
    assert ax.lines[0].get_xdata().size > solution.t.size
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.cos(ax.lines[0].get_xdata()), atol=1e-4)
    ax.figure.savefig(tmp_path / "picture.png")
    dosed = problem.replace(events=[ev.Dose([1.0], lambda t, y, p: y + 1.0)])
    ax = ev.solve(dosed, "Tsit5").plot(color="k")
    assert np.sum(np.diff(ax.lines[0].get_xdata()) == 0.0) >= 1
    waves = ev.ODEProblem(lambda t, y, p: 1j * y, np.array([1.0 + 0.0j]), (0.0, 1.0))
    labels = [line.get_label() for line in ev.solve(waves, "Tsit5").plot().lines]
    assert labels == ["Re y[0]", "Im y[0]"]
    matplotlib.pyplot.close("all")
