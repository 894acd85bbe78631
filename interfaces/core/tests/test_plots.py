"""Pictures of solutions: every component, smooth between steps, with its jumps and its name."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose

import evolvent as ev

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _closed():
    yield
    matplotlib.pyplot.close("all")


def labels(solution):
    return [line.get_label() for line in solution.plot().lines]


def ball(height=1.0):
    bounce = ev.Event(lambda t, y, p: y[0], lambda t, y, p: [0.0, -0.9 * y[1]], direction=-1)
    return ev.ODEProblem(lambda t, y, p: [y[1], -9.81], [height, 0.0], (0.0, 2.0), events=[bounce])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_bouncing_ball_flies_in_parabolas(dtype):
    """Between two bounces the curve reaches the exact apex, 0.81 of the one before; nothing lies below the floor."""
    problem = ball().replace(y0=np.array([1.0, 0.0], dtype=dtype))
    height, speed = ev.solve(problem, "Tsit5").plot().lines
    t, y = height.get_xdata(), height.get_ydata()
    fall = np.sqrt(2.0 / 9.81)
    flight = (t > fall) & (t < fall * 2.8)
    assert_allclose(np.max(y[flight]), 0.81, rtol=2e-3)
    assert np.min(y) > -1e-6
    (first,) = np.flatnonzero((np.diff(t) == 0.0) & (t[:-1] < 1.0))
    v = speed.get_ydata()
    assert_allclose(v[first : first + 2], [-9.81 * fall, 0.9 * 9.81 * fall], rtol=1e-5)


def test_several_jumps_at_one_time_are_drawn_in_their_order():
    """Two effects at one time: the vertical line goes through the states in between, and the curve goes on."""
    doses = [ev.Dose([1.0], lambda t, y, p: y + 1.0), ev.Dose([1.0], lambda t, y, p: 3.0 * y)]
    problem = ev.ODEProblem(lambda t, y, p: 0.0 * y, [1.0], (0.0, 2.0), events=doses)
    (line,) = ev.solve(problem, "Tsit5").plot().lines
    assert np.all(np.diff(line.get_ydata()) >= 0.0)
    assert set(np.unique(line.get_ydata())) <= {1.0, 2.0, 6.0}
    assert line.get_ydata()[-1] == 6.0


class SIR(NamedTuple):
    S: Any
    I: Any  # noqa: E741
    R: Any


@dataclass
class Cell:
    a: Any
    b: Any


@pytest.mark.parametrize(
    ("y0", "names"),
    [
        ([1.0, 0.0], ["y[0]", "y[1]"]),
        (np.ones((1, 2)), ["y[0, 0]", "y[0, 1]"]),
        (np.array([1.0 + 0.0j]), ["Re y[0]", "Im y[0]"]),
        ({"S": 1.0, "I": 0.5, "R": 0.0}, ["I", "R", "S"]),
        (SIR(1.0, 0.5, 0.0), ["S", "I", "R"]),
        (Cell(np.ones(2), 1.0), ["a[0]", "a[1]", "b"]),
        ({"cell": Cell(np.ones(1), SIR(1.0, 2.0, 3.0))}, ["cell.a[0]", "cell.b.S", "cell.b.I", "cell.b.R"]),
        ((np.ones(1), {"z": 1.0}), ["y[0][0]", "y[1].z"]),
    ],
)
def test_components_are_labelled_by_their_names(y0, names):
    """A leaf has the name under which the user's functions find it."""
    assert labels(ev.solve(ev.ODEProblem(lambda t, y, p: y, y0, (0.0, 1.0)), "Tsit5")) == names


def test_positions_and_velocities():
    """A second-order problem's components are q and v; what save= returns has its own names."""
    spring = ev.SecondOrderODEProblem(lambda t, q, v, p: -q, [1.0], [0.0], t_span=(0.0, 3.0))
    assert labels(ev.solve(spring, "DPRKN6")) == ["q[0]", "v[0]"]
    saved = ev.solve(spring, "DPRKN6", save=lambda t, y, p: {"energy": y[0][0] ** 2 + y[1][0] ** 2})
    assert labels(saved) == ["energy"]


@pytest.mark.parametrize("dense", [None, True])
def test_an_ensemble_is_drawn_in_one_colour_a_component(dense):
    """Every trajectory has a line for each component; the legend has one for each component."""
    heights = np.array([1.0, 2.0, 0.5])
    many = ev.EnsembleProblem(ball(), y0=np.stack([heights, 0.0 * heights], axis=1))
    ax = ev.solve(many, "Tsit5", dense=dense).plot()
    assert len(ax.lines) == 6
    assert [line.get_color() for line in ax.lines] == [ax.lines[0].get_color(), ax.lines[1].get_color()] * 3
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["y[0]", "y[1]"]
    for line, height in zip(ax.lines[::2], heights, strict=True):
        assert line.get_ydata()[0] == height
        assert line.get_xdata()[-1] == 2.0
        assert np.min(line.get_ydata()) > -1e-6
        assert line.get_alpha() < 1.0


def test_an_ensemble_has_a_short_repr():
    """It says how the trajectories ended, how many times were saved and what it cost."""
    many = ev.EnsembleProblem(ball(), y0=np.array([[1.0, 0.0], [2.0, 0.0]]))
    solution = ev.solve(many, "Tsit5", saveat=[1.0, 2.0])
    assert repr(solution) == (
        f"EnsembleSolution(Tsit5, 2 trajectories: 2 SUCCESS, 2 times, {solution.stats.n_steps} steps, "
        f"{solution.stats.backend})"
    )
