"""Problems and what belongs to them are values."""

import dataclasses
import functools

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
    with pytest.raises(ev.InputError, match=r"^problem: must be a problem such as ev.ODEProblem"):
        ev.EnsembleProblem(ev.EnsembleProblem(problem, params=np.ones(4)), params=np.ones(2))


@pytest.mark.parametrize(
    ("y0", "given", "message"),
    [
        ([1.0, 2.0], np.ones((5, 3)), r"^y0: has shape \(5, 3\) where \(trajectories, 2\) is needed"),
        ([1.0, 2.0], np.ones(2), r"^y0: has shape \(2,\) where \(trajectories, 2\) is needed"),
        ([1.0, 2.0], [[1.0, 2.0, 3.0]], r"^y0: has shape \(1, 3\) where \(trajectories, 2\) is needed"),
        ([1.0, 2.0], [[1.0, 2.0], [3.0]], "^y0: can't be made an array"),
        ([1.0, 2.0], [np.ones(2), np.ones(2)], r"^y0: must be one array \(trajectories, \.\.\.\)"),
        (1.0, np.ones((2, 1)), r"^y0: has shape \(2, 1\) where \(trajectories,\) is needed"),
        ({"a": 1.0, "b": np.ones(2)}, {"a": np.ones(3), "b": np.ones(3)}, r"^y0: leaf 1 has shape \(3,\) where"),
        ({"a": 1.0}, {"b": np.ones(3)}, "^y0: must have the structure of the problem's y0"),
        ({"a": 1.0}, np.ones(3), "^y0: must have the structure of the problem's y0"),
    ],
)
def test_the_states_of_an_ensemble_are_like_the_members(y0, given, message):
    """Each leaf of y0 has the member's shape behind the axis of trajectories."""
    with pytest.raises(ev.InputError, match=message):
        ev.EnsembleProblem(ev.ODEProblem(decay, y0, (0.0, 1.0)), y0=given)


def test_the_states_of_a_second_order_ensemble():
    """They are the pair (q0, v0), also where a member's are numbers."""
    for q0, rows in ((1.0, np.ones(3)), ([1.0, 2.0], np.ones((3, 2)))):
        spring = ev.SecondOrderODEProblem(lambda t, q, v, p: -q, q0, q0, (0.0, 1.0))
        assert len(ev.EnsembleProblem(spring, y0=(rows, rows))) == 3
        with pytest.raises(ev.InputError, match=r"^y0: must have the structure"):
            ev.EnsembleProblem(spring, y0=rows)
        with pytest.raises(ev.InputError, match=r"^y0: leaf 1 has shape"):
            ev.EnsembleProblem(spring, y0=(rows, np.ones((3, 7))))


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ([(0, 1), (0, 2)], r"^t_span: give \(starts, ends\), not pairs"),
        ([(0, 1), (0, 2), (0, 3)], r"^t_span: must be a pair .* give \(starts, ends\)"),
        ((0.0, [1.0, 0.0]), "^t_span: has zero length for trajectory 1"),
        (([0.0, 1.0], [1.0, 1.0]), "^t_span: has zero length for trajectory 1"),
        (([0.0, 1.0], [1.0, 2.0, 3.0]), r"^t_span: has \(2,\) starts and \(3,\) ends"),
        ((0.0, ["noon", "one"]), "^t_span: must hold real numbers"),
        ((0.0, np.array([1.0, 1j])), "^t_span: must hold real numbers"),
    ],
)
def test_the_spans_of_an_ensemble(span, message):
    """They are starts and ends, each a number or one for every trajectory, and none is empty."""
    with pytest.raises(ev.InputError, match=message):
        ev.EnsembleProblem(ev.ODEProblem(decay, [1.0], (0.0, 1.0)), t_span=span)


def few(t, y):
    return y


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: ev.ODEProblem(few, [1.0], (0, 1)),
            r"^f: must take \(t, y, params\), but its signature is \(t, y\)\.$",
        ),
        (
            lambda: ev.SecondOrderODEProblem(decay, [1.0], [1.0], (0, 1)),
            r"^a: must take \(t, q, v, params\), but its signature is \(t, y, p\)\.$",
        ),
        (lambda: ev.ODEProblem(lambda t, y, p, *, k: y, [1.0], (0, 1)), r"^f: .* signature is \(t, y, p, \*, k\)"),
        (lambda: ev.Event(few), r"^condition: must take \(t, y, params\), but its signature is \(t, y\)"),
        (lambda: ev.Event(decay, few), r"^effect: must take \(t, y, params\)"),
        (lambda: ev.Dose([1.0], few), r"^effect: must take \(t, y, params\)"),
        (lambda: ev.ODEProblem(decay, [1.0], (0, 1), domain=few), r"^domain: must take \(t, y, params\)"),
    ],
)
def test_functions_take_what_they_are_given(make, message):
    """A function with too few or too many arguments is refused with its signature, before anything is solved."""
    with pytest.raises(ev.InputError, match=message):
        make()


@pytest.mark.parametrize("f", [lambda *args: args[1], lambda t, y, p=None, k=2: y, functools.partial(max, 0), max])
def test_functions_of_many_signatures(f):
    """Defaults, star arguments, partial functions and functions without a signature are taken."""
    assert ev.ODEProblem(f, [1.0], (0.0, 1.0)).f is f


def test_names_of_events_differ():
    """Two events or doses of one name could not be told apart in the solution."""
    events = [ev.Event(decay, name="bolus"), ev.Dose([0.5], decay, name="bolus")]
    with pytest.raises(ev.InputError, match=r"^events: 2 of them are named 'bolus'"):
        ev.ODEProblem(decay, [1.0], (0.0, 1.0), events=events)


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
