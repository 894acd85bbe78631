"""What is saved, and when."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import evolvent as ev

TIGHT = {"rtol": 1e-10, "atol": 1e-12}


def rotation(t, y, p):
    return [-y[1], y[0]]


def circle(t):
    return np.stack([np.cos(t), np.sin(t)], axis=-1)


@pytest.fixture
def problem(xp, double):
    return ev.ODEProblem(rotation, double(xp, [1.0, 0.0]), (0.0, 3.0))


def test_given_times_are_saved_exactly_and_nothing_else(xp, problem):
    """saveat= saves at those times, both ends among them, the exact solution to tolerance."""
    times = np.array([0.0, 0.1, 1.7, 1.7000001, 3.0])
    solution = ev.solve(problem, "Tsit5", saveat=times, **TIGHT)
    assert np.array_equal(np.asarray(solution.t), times)
    assert_allclose(np.asarray(solution.y), circle(times), atol=1e-8)
    assert isinstance(solution.y, type(xp.zeros(1)))
    assert isinstance(solution.t, type(xp.zeros(1)))


def test_saving_times_do_not_change_the_steps(numpy_or_jax, double):
    """However many points are saved, the same steps are taken."""
    problem = ev.ODEProblem(rotation, double(numpy_or_jax, [1.0, 0.0]), (0.0, 3.0))
    few = ev.solve(problem, "Tsit5", saveat=[3.0])
    many = ev.solve(problem, "Tsit5", saveat=np.linspace(0.0, 3.0, 100))
    assert few.stats.n_steps == many.stats.n_steps
    assert few.stats.n_f == many.stats.n_f
    assert_allclose(np.asarray(few.y[-1, :]), np.asarray(many.y[-1, :]), rtol=0, atol=1e-15)


@pytest.mark.parametrize("method", ["Tsit5", "RK4"])
@pytest.mark.parametrize("jumps", [(), (1.0,), (1.0, 3.0)], ids=["smooth", "a jump inside", "a jump at the end"])
def test_the_end_alone_is_what_saving_the_end_gives(numpy_or_jax, double, method, jumps):
    """saveat="end" keeps nothing to look inside of steps by, and takes the steps and gives the state of saveat=[t1]."""
    step = {"dt": 0.01} if method == "RK4" else TIGHT
    problem = ev.ODEProblem(rotation, double(numpy_or_jax, [1.0, 0.0]), (0.0, 3.0), discontinuities=jumps)
    end, named = (ev.solve(problem, method, saveat=saveat, **step) for saveat in ("end", [3.0]))
    assert np.asarray(end.t).tolist() == [3.0]
    assert end.stats.n_f == named.stats.n_f
    assert_allclose(np.asarray(end.y), np.asarray(named.y), rtol=0, atol=1e-15)
    assert_allclose(np.asarray(end.y), circle(np.array([3.0])), atol=1e-8)


def test_times_may_be_an_array_of_the_problems_own_library(xp, double, problem):
    """saveat= takes the arrays that the problem is made of, lists and tuples."""
    for saveat in (double(xp, [0.5, 1.0]), [0.5, 1.0], (0.5, 1.0)):
        assert_allclose(np.asarray(ev.solve(problem, "Tsit5", saveat=saveat).t), [0.5, 1.0], rtol=0)


def test_one_time_may_be_saved_twice():
    """A time that saveat= has twice is saved twice."""
    problem = ev.ODEProblem(rotation, [1.0, 0.0], (0.0, 3.0))
    solution = ev.solve(problem, "Tsit5", saveat=[0.0, 0.0, 1.0, 1.0, 3.0, 3.0], **TIGHT)
    assert solution.t.tolist() == [0.0, 0.0, 1.0, 1.0, 3.0, 3.0]
    assert_allclose(solution.y, circle(solution.t), atol=1e-8)


@pytest.mark.parametrize(
    ("span", "spacing", "expected"),
    [
        ((0.0, 1.0), 0.25, [0.0, 0.25, 0.5, 0.75, 1.0]),
        ((0.0, 1.0), 0.4, [0.0, 0.4, 0.8]),
        ((1.0, 0.0), 0.25, [1.0, 0.75, 0.5, 0.25, 0.0]),
        ((0.0, 0.3), 0.1, [0.0, 0.1, 0.2, 0.3]),
        ((0.0, 1.0), 2, [0.0]),
    ],
)
def test_a_spacing_saves_from_the_start_on(span, spacing, expected):
    """saveat=h saves at t0, t0 + h, ... as far as the span goes, rounding included."""
    problem = ev.ODEProblem(rotation, [1.0, 0.0], span)
    solution = ev.solve(problem, "Tsit5", saveat=spacing, **TIGHT)
    assert_allclose(solution.t, expected, rtol=1e-14)
    assert_allclose(solution.y, circle(solution.t - span[0]), atol=1e-8)


def test_the_end_alone(xp, problem):
    """saveat="end" saves one point."""
    solution = ev.solve(problem, "Tsit5", saveat="end", **TIGHT)
    assert np.asarray(solution.t).tolist() == [3.0]
    assert_allclose(np.asarray(solution.y), circle(np.array([3.0])), atol=1e-8)


def test_every_step_by_default(xp, problem):
    """Without saveat= the start and every accepted step are saved, each of the exact solution."""
    solution = ev.solve(problem, "Tsit5", **TIGHT)
    t = np.asarray(solution.t)
    assert t[0] == 0.0
    assert t[-1] == 3.0
    assert np.all(np.diff(t) > 0.0)
    assert t.size == solution.stats.n_accepted + 1
    assert_allclose(np.asarray(solution.y), circle(t), atol=1e-8)


def test_more_steps_than_a_record_holds_at_first(numpy_or_jax, double):
    """Saving thousands of steps loses none and repeats none."""
    problem = ev.ODEProblem(rotation, double(numpy_or_jax, [1.0, 0.0]), (0.0, 3.0))
    solution = ev.solve(problem, "RK4", dt=3.0 / 2500, adaptive=False)
    assert_allclose(np.asarray(solution.t), np.linspace(0.0, 3.0, 2501), rtol=1e-12, atol=1e-15)
    assert_allclose(np.asarray(solution.y), circle(np.asarray(solution.t)), atol=1e-11)
    assert_allclose(np.asarray(solution(1.2345)), circle(1.2345), atol=1e-11)


def test_a_function_of_the_state_is_saved_in_its_place(numpy_or_jax, double):
    """save= saves what a function makes of (t, y, params): a tree of arrays of its own shapes."""
    problem = ev.ODEProblem(rotation, double(numpy_or_jax, [1.0, 0.0]), (0.0, 3.0), params={"mass": 2.0})
    times = np.linspace(0.0, 3.0, 7)

    def report(t, y, p):
        return {"energy": p["mass"] * (y[0] ** 2 + y[1] ** 2), "pair": (y[:1], 2.0 * t)}

    saved = ev.solve(problem, "Tsit5", saveat=times, save=report, **TIGHT).y
    assert_allclose(np.asarray(saved["energy"]), 2.0 * np.ones(7), rtol=1e-8)
    assert_allclose(np.asarray(saved["pair"][0]), np.cos(times)[:, None], atol=1e-8)
    assert_allclose(np.asarray(saved["pair"][1]), 2.0 * times)
    every = ev.solve(problem, "Tsit5", save=lambda t, y, p: y[0] ** 2 + y[1] ** 2)
    assert every.y.shape == every.t.shape
    dense = ev.solve(problem, "Tsit5", save=lambda t, y, p: y[1], dense=True, **TIGHT)
    assert_allclose(np.asarray(dense(1.0)), np.sin(1.0), atol=1e-7)


def test_a_saved_function_on_libraries_that_compile_nothing(eager_xp, double):
    """save= returns arrays of the problem's library."""
    problem = ev.ODEProblem(rotation, double(eager_xp, [1.0, 0.0]), (0.0, 3.0))
    saved = ev.solve(problem, "Tsit5", saveat=[1.0, 2.0], save=lambda t, y, p: (y[0], t), **TIGHT).y
    assert isinstance(saved[0], type(eager_xp.zeros(1)))
    assert_allclose(np.asarray(saved[0]), np.cos([1.0, 2.0]), atol=1e-8)
    assert_allclose(np.asarray(saved[1]), [1.0, 2.0])


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_the_dtype_stays(xp, dtype):
    """The solution has the dtype of y0, its times the real dtype of that precision."""
    dtype = getattr(xp, dtype)
    y0 = xp.asarray([1.0, 0.0], dtype=dtype)
    solution = ev.solve(ev.ODEProblem(lambda t, y, p: -y, y0, (0.0, 1.0)), "Tsit5", saveat=[0.5, 1.0])
    assert solution.y.dtype == dtype
    assert solution.t.dtype == (xp.float32 if dtype in (xp.float32, xp.complex64) else xp.float64)
    assert_allclose(np.asarray(solution.y[:, 0]), np.exp([-0.5, -1.0]), rtol=1e-3)
    assert solution.y.shape == (2, 2)


def test_arrays_of_any_shape(eager_xp):
    """A state may be a scalar array or have many axes: saved times come in front."""
    for shape in ((), (1,), (2, 3), (1, 2, 2)):
        y0 = eager_xp.ones(shape, dtype=eager_xp.float64)
        solution = ev.solve(ev.ODEProblem(lambda t, y, p: -y, y0, (0.0, 1.0)), "Tsit5", saveat=[0.0, 1.0])
        assert tuple(solution.y.shape) == (2, *shape)
        assert_allclose(np.asarray(solution.y[1, ...]), np.full(shape, np.exp(-1.0)), rtol=1e-5)
