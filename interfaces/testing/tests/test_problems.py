"""The reference problems are what they say."""

import math

import array_api_compat.numpy as np_api
import numpy as np
import pytest

from evolvent_testing import make_array, reference_problems, to_numpy
from evolvent_testing.backends import library_of

MAKERS = reference_problems()
every_problem = pytest.mark.parametrize("name", MAKERS)


def first_order(given):
    """Write the problem as ``f(t, y) -> dy`` on one flat array, as SciPy wants it."""
    if given.second_order:
        q0, v0 = given.y0
        half = q0.size

        def f(t, y):
            return np.concatenate([y[half:], given.f(t, y[:half], y[half:], given.params)])

        return f, np.concatenate([q0, v0])

    def f(t, y):
        return np.reshape(np.asarray(given.f(t, y.reshape(given.y0.shape), given.params)), -1)

    return f, given.y0.reshape(-1)


def rate(given, t):
    if given.second_order:
        return given.f(t, *given.y0, given.params)
    return given.f(t, given.y0, given.params)


def stacked(xp, value):
    return xp.stack(value) if isinstance(value, list) else value


def test_all_of_detest_and_the_classics_are_there():
    """The list has the 25 problems of DETEST and the classics of the textbooks."""
    assert {f"detest_{group}{number}" for group in "abcde" for number in range(1, 6)} < set(MAKERS)
    classics = [
        "pleiades",
        "arenstorf",
        "fitzhugh_nagumo",
        "rigid_body",
        "kepler",
        "lorenz",
        "brusselator_1d",
        "brusselator_2d",
    ]
    assert set(classics) < set(MAKERS)


@every_problem
def test_problem_is_documented(name):
    """Every problem says what it is, names its source, and has a reference."""
    given = MAKERS[name](np_api)
    assert MAKERS[name].__doc__
    assert given.source
    assert given.name == name
    assert given.digits >= 13
    shape = (2, *given.y0[0].shape) if given.second_order else given.y0.shape
    assert given.reference().shape == shape


@every_problem
def test_reference_agrees_with_scipy(name):
    """SciPy's DOP853, written by others, comes to the same end."""
    integrate = pytest.importorskip("scipy.integrate")
    given = MAKERS[name](np_api)
    if given.events:
        pytest.skip("has effects, which SciPy has not")
    f, y0 = first_order(given)
    reference = given.reference().reshape(-1)
    # DOP853's dense output and error control are not needed: only the state at the end is looked at.
    solution = integrate.solve_ivp(
        f, given.t_span, y0, method="DOP853", rtol=1e-11, atol=1e-13, t_eval=[given.t_span[1]]
    )
    np.testing.assert_allclose(solution.y[:, -1], reference, rtol=1e-6, atol=2e-7 * np.max(np.abs(reference)))


@pytest.mark.parametrize("name", [name for name in MAKERS if MAKERS[name](np_api).exact is not None])
def test_exact_solution_starts_right_and_solves_the_equation(name):
    """The closed form has the initial value, and its derivative is f."""
    given = MAKERS[name](np_api)
    start = np.stack(given.y0) if given.second_order else given.y0
    np.testing.assert_allclose(given.reference(given.t_span[0]), start, rtol=1e-14, atol=1e-14)
    width = 1e-5 * (given.t_span[1] - given.t_span[0])
    for t in np.linspace(*given.t_span, 8)[1:-1]:  # none of them the time of an event
        y = given.reference(t)
        slope = (given.reference(t + width) - given.reference(t - width)) / (2.0 * width)
        if given.second_order:
            expected = np.stack([y[1], given.f(t, y[0], y[1], given.params)])
        else:
            expected = np.asarray(given.f(t, y, given.params))
        np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-5 * np.max(np.abs(expected)))


@every_problem
def test_f_is_written_for_every_array_library(name, xp):
    """F gives NumPy's values on every library, and keeps its arrays' dtype."""
    given = MAKERS[name](xp)
    start = given.y0[0] if given.second_order else given.y0
    here = stacked(xp, rate(given, make_array(xp, 0.3)))
    assert type(here) is type(start)
    assert here.dtype == start.dtype
    there = stacked(np_api, rate(MAKERS[name](np_api), 0.3))
    np.testing.assert_allclose(to_numpy(here), there, rtol=1e-13, atol=1e-13)


@every_problem
def test_f_takes_trajectories_in_a_trailing_axis(name):
    """With several trajectories in the last axis, f treats each as it would alone."""
    given = MAKERS[name](np_api)
    start = np.stack(given.y0) if given.second_order else given.y0
    lanes = np.stack([start * (1.0 + 0.01 * i) for i in range(3)], axis=-1)
    t = np.asarray([0.1, 0.2, 0.3])
    split = (lambda y: tuple(y)) if given.second_order else (lambda y: (y,))
    together = stacked(np_api, given.f(t, *split(lanes), given.params))
    for i in range(3):
        alone = stacked(np_api, given.f(t[i], *split(lanes[..., i]), given.params))
        np.testing.assert_allclose(together[..., i], alone, rtol=1e-13, atol=1e-13)


def test_single_precision_is_made_on_request(xp):
    """The dtype that was asked for is the state's, complex where the problem is."""
    assert MAKERS["pleiades"](xp, dtype=xp.float32).y0.dtype == xp.float32
    assert MAKERS["rabi"](xp, dtype=xp.float32).y0.dtype == xp.complex64
    assert library_of(xp)


def test_reference_between_is_refused_where_there_is_none():
    """A problem with a computed reference has it at the end alone, and says so."""
    with pytest.raises(ValueError, match="at t = 10"):
        MAKERS["lorenz"](np_api).reference(3.0)


def test_published_values_are_met():
    """The stored references agree with those of the literature where there are any."""
    # Test Set for IVP Solvers (Mazzia, Magherini), Pleiades: x of the first star, y velocity of the last.
    pleiades = MAKERS["pleiades"](np_api).reference()
    np.testing.assert_allclose(pleiades[[0, 27]], [0.3706139143970502, -1.947020434263292], rtol=1e-13)
    # Hairer, Norsett and Wanner: the orbit of Arenstorf is periodic.
    arenstorf = MAKERS["arenstorf"](np_api)
    np.testing.assert_allclose(arenstorf.reference(), arenstorf.y0, atol=2e-9)
    assert math.isclose(MAKERS["detest_c5"](np_api).reference()[0], -4.7927302243, rel_tol=1e-10)
