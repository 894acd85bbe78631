"""States and parameters that are dicts, tuples, NamedTuples and dataclasses, and scalars."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose

import evolvent as ev

TIGHT = {"rtol": 1e-9, "atol": 1e-11}


class Orbit(NamedTuple):
    position: Any
    velocity: Any


@dataclass(frozen=True)
class Pendulum:
    angle: Any
    speed: Any


@dataclass
class Rates:
    growth: Any
    names: str = "per day"


def test_a_dict(xp, double):
    """`f` gets and returns a dict; the solution is a dict of arrays, time first."""

    def f(t, y, p):
        return {"x": -y["x"], "matrix": 2.0 * y["matrix"]}

    y0 = {"x": double(xp, [1.0, 2.0]), "matrix": double(xp, [[1.0, 2.0, 3.0]])}
    solution = ev.solve(ev.ODEProblem(f, y0, (0.0, 1.0)), "Tsit5", saveat=[0.0, 0.5, 1.0], **TIGHT)
    assert set(solution.y) == {"x", "matrix"}
    assert tuple(solution.y["matrix"].shape) == (3, 1, 3)
    assert_allclose(np.asarray(solution.y["x"])[:, 1], 2.0 * np.exp([0.0, -0.5, -1.0]), rtol=1e-7)
    assert_allclose(np.asarray(solution.y["matrix"])[-1], np.exp(2.0) * np.array([[1.0, 2.0, 3.0]]), rtol=1e-7)


@pytest.mark.parametrize(
    ("y0", "f"),
    [
        (Orbit([1.0, 0.0], [0.0, 1.0]), lambda t, y, p: Orbit(y.velocity, -y.position)),
        (([1.0, 0.0], [0.0, 1.0]), lambda t, y, p: (y[1], -y[0])),
        (
            {"a": {"b": ([1.0, 0.0],)}, "c": [0.0, 1.0]},
            lambda t, y, p: {"a": {"b": (y["c"],)}, "c": -y["a"]["b"][0]},
        ),
    ],
    ids=["NamedTuple", "tuple", "nested"],
)
def test_structures(numpy_or_jax, double, y0, f):
    """The same harmonic motion in several structures; each comes back as it went in."""
    xp = numpy_or_jax
    import optree

    y0 = optree.tree_map(lambda leaf: double(xp, leaf), y0, is_leaf=lambda x: isinstance(x, list))
    solution = ev.solve(ev.ODEProblem(f, y0, (0.0, 2.0)), "Tsit5", saveat=[1.0, 2.0], **TIGHT)
    assert optree.tree_structure(solution.y) == optree.tree_structure(y0)
    first = np.asarray(optree.tree_leaves(solution.y)[0])
    assert_allclose(first, np.stack([np.cos([1.0, 2.0]), np.sin([1.0, 2.0])], axis=1), atol=1e-7)


def test_a_dataclass_state_and_dataclass_params():
    """Dataclasses are looked into, with and without arrays in them; strings are constants."""

    def f(t, y, p):
        assert isinstance(y, Pendulum)
        assert p.names == "per day"
        return Pendulum(y.speed, -p.growth * y.angle)

    problem = ev.ODEProblem(f, Pendulum(1.0, 0.0), (0.0, 2.0), params=Rates(4.0))
    solution = ev.solve(problem, "Tsit5", saveat=[1.0, 2.0], **TIGHT)
    assert isinstance(solution.y, Pendulum)
    assert_allclose(solution.y.angle, np.cos([2.0, 4.0]), atol=1e-7)
    assert_allclose(solution.y.speed, -2.0 * np.sin([2.0, 4.0]), atol=1e-7)


def test_lists_stand_for_arrays_inside_a_structure():
    """A list of numbers is an array, in y0 and in what f returns."""

    def f(t, y, p):
        return {"x": [y["x"][1], -y["x"][0]], "n": -y["n"]}

    solution = ev.solve(ev.ODEProblem(f, {"x": [1.0, 0.0], "n": 3}, (0.0, 1.0)), "Tsit5", **TIGHT)
    assert solution.y["x"].shape[1:] == (2,)
    assert_allclose(solution.y["x"][-1], [np.cos(1.0), -np.sin(1.0)], atol=1e-8)
    assert_allclose(solution.y["n"][-1], 3.0 * np.exp(-1.0), rtol=1e-8)


def test_mixed_dtypes_are_restored(xp):
    """float32 beside complex128: computed in the common dtype, each leaf comes back in its own."""
    y0 = {"real": xp.asarray([1.0, 2.0], dtype=xp.float32), "wave": xp.asarray([1.0 + 0.0j], dtype=xp.complex128)}

    def f(t, y, p):
        assert y["real"].dtype == xp.float32
        return {"real": -y["real"], "wave": 1j * y["wave"]}

    solution = ev.solve(ev.ODEProblem(f, y0, (0.0, 1.0)), "Tsit5", saveat=[1.0], **TIGHT)
    assert solution.y["real"].dtype == xp.float32
    assert solution.y["wave"].dtype == xp.complex128
    assert_allclose(np.asarray(solution.y["real"])[0], np.exp(-1.0) * np.array([1.0, 2.0]), rtol=1e-5)
    assert_allclose(np.asarray(solution.y["wave"])[0], [np.exp(1j)], rtol=1e-7)


@pytest.mark.parametrize("y0", [1.0, 1, np.float64(1.0), np.array(1.0)])
def test_a_scalar_state(y0):
    """A number is a state: f gets and returns one, y has the axis of times alone."""
    solution = ev.solve(ev.ODEProblem(lambda t, y, p: -p * y, y0, (0.0, 1.0), params=2.0), "Tsit5", **TIGHT)
    assert solution.y.shape == solution.t.shape
    assert_allclose(solution.y, np.exp(-2.0 * solution.t), rtol=1e-7)
    assert_allclose(solution(0.3), np.exp(-0.6), rtol=1e-7)


def test_integers_are_promoted(xp):
    """Integer y0 becomes the library's default float: documented, and true of lists and arrays."""
    default = xp.asarray(1.0).dtype
    for y0 in (xp.asarray([1, 2]), [xp.asarray(1)][0]):
        solution = ev.solve(ev.ODEProblem(lambda t, y, p: -y, y0, (0, 1)), "Tsit5", saveat="end")
        assert solution.y.dtype == default
    assert ev.solve(ev.ODEProblem(lambda t, y, p: -y, [1, 2], (0, 1)), "Tsit5").y.dtype == np.float64
    assert ev.solve(ev.ODEProblem(lambda t, y, p: -y, [True], (0, 1)), "Tsit5").y.dtype == np.float64


def test_parameters_of_every_kind(xp, double):
    """Arrays, numbers, strings, functions, None and lists among the parameters arrive as they are."""
    params = {"k": double(xp, [1.0, 2.0]), "n": 2, "kind": "decay", "law": abs, "none": None, "list": [0.5, 3]}

    def f(t, y, p):
        assert p["kind"] == "decay"
        assert p["n"] == 2
        assert isinstance(p["n"], int)
        assert p["law"](-1) == 1
        assert p["none"] is None
        return -p["k"] * y * p["list"][0] * p["n"]

    problem = ev.ODEProblem(f, double(xp, [1.0, 1.0]), (0.0, 1.0), params=params)
    solution = ev.solve(problem, "Tsit5", saveat="end", **TIGHT)
    assert_allclose(np.asarray(solution.y)[-1], np.exp([-1.0, -2.0]), rtol=1e-7)


def test_what_f_may_return(eager_xp, double):
    """An array, a list of scalars, a tuple, nested lists: all are derivatives of an array state."""
    y0 = double(eager_xp, [[1.0, 2.0], [3.0, 4.0]])
    for f in (
        lambda t, y, p: -y,
        lambda t, y, p: [[-y[0, 0], -y[0, 1]], [-y[1, 0], -y[1, 1]]],
        lambda t, y, p: (-y[0, :], -y[1, :]),
    ):
        y = ev.solve(ev.ODEProblem(f, y0, (0.0, 1.0)), "Tsit5", saveat="end", **TIGHT).y
        assert_allclose(np.asarray(y)[0], np.exp(-1.0) * np.array([[1.0, 2.0], [3.0, 4.0]]), rtol=1e-7)


def test_a_second_order_problem_gives_a_pair(xp, double):
    """The solution of a SecondOrderODEProblem is (q, v), by its own methods and by first-order ones."""
    problem = ev.SecondOrderODEProblem(
        lambda t, q, v, p: -p * q, double(xp, [1.0]), double(xp, [0.0]), (0.0, 2.0), params=4.0
    )
    for name in ("DPRKN6", "Tsit5"):
        q, v = ev.solve(problem, name, saveat=[1.0, 2.0], **TIGHT).y
        assert_allclose(np.asarray(q)[:, 0], np.cos([2.0, 4.0]), atol=1e-6)
        assert_allclose(np.asarray(v)[:, 0], -2.0 * np.sin([2.0, 4.0]), atol=1e-6)
