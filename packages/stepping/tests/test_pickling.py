"""Problems, algorithms, solutions and errors pass between processes."""

import copy
import pickle
import subprocess
import sys
import textwrap
from importlib import import_module

import numpy as np
import pytest
from numpy.testing import assert_allclose

import evolvent as ev


def rotation(t, y, p):
    return [-p["speed"] * y[1], p["speed"] * y[0]]


def crossing(t, y, p):
    return y[0]


def jump(t, y, p):
    return 2.0 * y


def first(t, y, p):
    return y[0]


def problem(y0, **changes):
    return ev.ODEProblem(rotation, y0, (0.0, 2.0), params={"speed": 1.0}).replace(**changes)


def again(value):
    return pickle.loads(pickle.dumps(value))


def test_problems_and_algorithms(xp, double):
    """A problem that was pickled is solved to the same bits, by a pickled algorithm."""
    given = problem(double(xp, [1.0, 0.0]), events=[ev.Event(crossing), ev.Dose([1.0], jump)])
    algorithm = ev.load_algorithm("Tsit5")()
    assert again(algorithm) == algorithm
    assert hash(again(algorithm)) == hash(algorithm)
    a, b = ev.solve(given, algorithm), ev.solve(again(given), again(algorithm))
    assert np.array_equal(np.asarray(a.y), np.asarray(b.y))


def test_solutions_with_their_dense_output(xp, double):
    """A pickled solution has the same arrays, status, statistics and events, and interpolates to the same bits."""
    given = problem(double(xp, [1.0, 0.0]), events=[ev.Event(crossing, name="zero")])
    solution = ev.solve(given, "Tsit5")
    for copied in (again(solution), copy.deepcopy(solution)):
        assert isinstance(copied.y, type(solution.y))
        assert np.array_equal(np.asarray(copied.y), np.asarray(solution.y))
        assert copied.status is ev.Status.SUCCESS
        assert copied.stats == solution.stats
        assert np.array_equal(np.asarray(copied.events["zero"].t), np.asarray(solution.events["zero"].t))
        assert np.array_equal(np.asarray(copied([0.3, 2.0])), np.asarray(solution([0.3, 2.0])))


def test_solutions_with_a_saved_function():
    """save= comes along."""
    solution = ev.solve(problem([1.0, 0.0]), "Tsit5", save=first, dense=True, rtol=1e-8)
    assert_allclose(again(solution)(0.7), np.cos(0.7), rtol=1e-6)


def test_a_callback_need_not_be_picklable():
    """on_step= was for the solve alone."""
    solution = ev.solve(problem([1.0, 0.0]), "Tsit5", on_step=lambda t, y: None)
    assert_allclose(again(solution)(0.7), solution(0.7), rtol=0)


def test_ensembles(numpy_or_jax, double):
    """An ensemble's solution keeps its members, and their dense output."""
    given = ev.EnsembleProblem(problem(double(numpy_or_jax, [1.0, 0.0])), params={"speed": np.array([1.0, 2.0])})
    if numpy_or_jax is not np:
        given = ev.EnsembleProblem(given.problem, params={"speed": double(numpy_or_jax, [1.0, 2.0])})
    solution = ev.solve(given, "Tsit5", dense=True, saveat="end", rtol=1e-8)
    copied = again(solution)
    assert np.array_equal(np.asarray(copied.y), np.asarray(solution.y))
    assert_allclose(np.asarray(copied[1](0.5)), [np.cos(1.0), np.sin(1.0)], rtol=1e-6)


def test_errors():
    """Errors arrive with their message and the partial solution."""
    with pytest.raises(ev.SolveError) as caught:
        ev.solve(problem([1.0, 0.0]), "Tsit5", max_steps=3)
    error = again(caught.value)
    assert str(error) == str(caught.value)
    assert error.status is ev.Status.MAX_STEPS
    assert np.array_equal(error.solution.t, caught.value.solution.t)
    with pytest.raises(ev.InputError) as caught:
        ev.solve(problem([1.0, 0.0]), "Tsit5", rtol=-1.0)
    error = again(caught.value)
    assert str(error) == str(caught.value)
    assert error.argument == "rtol"
    with pytest.raises(ev.UnknownAlgorithmError) as caught:
        ev.solve(problem([1.0, 0.0]), "Tsit6")
    assert str(again(caught.value)) == str(caught.value)


def test_in_another_process(tmp_path, monkeypatch):
    """A solve in a fresh process gives the same bits back."""
    (tmp_path / "fading.py").write_text("def f(t, y, p):\n    return -y\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    given = problem([1.0, 0.5], f=import_module("fading").f)
    code = """
        import pickle, sys
        import evolvent as ev
        problem = pickle.load(sys.stdin.buffer)
        pickle.dump(ev.solve(problem, "Tsit5"), sys.stdout.buffer)
    """
    run = [sys.executable, "-c", textwrap.dedent(code)]
    there = pickle.loads(subprocess.run(run, input=pickle.dumps(given), capture_output=True, check=True).stdout)
    here = ev.solve(given, "Tsit5")
    assert np.array_equal(there.y, here.y)
    assert np.array_equal(there(1.0), here(1.0))
