"""The stiff and differential-algebraic reference problems are what they say."""

from itertools import pairwise

import array_api_compat.numpy as np_api
import numpy as np
import pytest

import evolvent as ev
from evolvent_testing import dae_problems, make_array, stiff_problems, to_numpy

STIFF, DAES = stiff_problems(), dae_problems()
BOTH = {**STIFF, **DAES}
every_problem = pytest.mark.parametrize("name", BOTH)
# SciPy's Radau takes more than two seconds on these.
LONG = ("beam", "brusselator_periodic", "emep", "medical_akzo_nobel", "ring_modulator")


def stacked(xp, value):
    return xp.stack(value) if isinstance(value, list) else value


def rate(given, t, y):
    return np.asarray(stacked(np_api, given.f(t, y, given.params)))


def inside(given):
    """Make a state with no entry zero, so that every term of f counts."""
    return given.y0 + 0.1 * np.broadcast_to(given.scale, given.y0.shape)


def test_all_of_the_test_set_is_there():
    """The lists have the 30 problems of stiff DETEST and those of the test set for initial value problems."""
    sizes = {"a": 4, "b": 5, "c": 5, "d": 6, "e": 5, "f": 5}
    assert {f"stiff_detest_{group}{i + 1}" for group, size in sizes.items() for i in range(size)} < set(STIFF)
    chemistry = {"robertson", "hires", "oregonator", "pollution", "pyrolysis", "medical_akzo_nobel", "emep"}
    assert chemistry | {"van_der_pol", "ring_modulator", "beam", "plate"} < set(STIFF)
    assert {"chemical_akzo_nobel", "transistor_amplifier", "pendulum", "robertson_dae"} == set(DAES)


@every_problem
def test_problem_is_documented(name):
    """Every problem says what it is, names its source, and has a reference."""
    given = BOTH[name](np_api)
    assert BOTH[name].__doc__
    assert given.source
    assert given.name == name
    assert given.stiff
    assert given.reference().shape == given.y0.shape
    assert given.error(given.reference()) == 0.0
    assert isinstance(given.problem(), ev.ODEProblem)


@every_problem
def test_f_is_written_for_every_array_library(name, xp):
    """F gives NumPy's values on every library, and keeps its arrays' dtype."""
    host = BOTH[name](np_api)
    given = BOTH[name](xp)
    t = 0.3 * host.t_span[0] + 0.7 * host.t_span[1]
    here = stacked(xp, given.f(make_array(xp, t), make_array(xp, inside(host)), given.params))
    assert type(here) is type(given.y0)
    assert here.dtype == given.y0.dtype
    there = rate(host, t, inside(host))
    np.testing.assert_allclose(to_numpy(here), there, rtol=1e-12, atol=1e-12 * np.max(np.abs(there)))


@every_problem
def test_f_takes_trajectories_in_a_trailing_axis(name):
    """With several trajectories in the last axis, f treats each as it would alone."""
    given = BOTH[name](np_api)
    lanes = np.stack([inside(given) * (1.0 + 0.01 * i) for i in range(3)], axis=-1)
    start, end = given.t_span
    t = start + (end - start) * np.asarray([0.1, 0.4, 0.7])
    together = rate(given, t, lanes)
    for i in range(3):
        alone = rate(given, t[i], lanes[..., i])
        np.testing.assert_allclose(together[..., i], alone, rtol=1e-12, atol=1e-12 * np.max(np.abs(alone)))


@every_problem
def test_sizes_and_stiffness_are_arguments(name):
    """A changed argument changes the problem, and takes away a reference that is no longer its own."""
    changes = {
        "van_der_pol": {"mu": 10.0},
        "brusselator_periodic": {"points": 8},
        "robertson_chain": {"cells": 3},
        "medical_akzo_nobel": {"points": 20},
    }
    if name not in changes:
        pytest.skip("has no argument, or a closed form for every value of it")
    given = BOTH[name](np_api, **changes[name])
    assert rate(given, given.t_span[0], given.y0).shape == given.y0.shape
    with pytest.raises(ValueError, match="default arguments"):
        given.reference()


@pytest.mark.parametrize("name", [name for name in STIFF if STIFF[name](np_api).exact is not None])
def test_exact_solution_starts_right_and_solves_the_equation(name):
    """The closed form has the initial value, and its derivative is f."""
    given = STIFF[name](np_api)
    np.testing.assert_allclose(given.reference(given.t_span[0]), given.y0, rtol=1e-14, atol=1e-14)
    width = 1e-6 * (given.t_span[1] - given.t_span[0])
    for t in np.linspace(*given.t_span, 8)[1:-1]:
        y = given.reference(t)
        slope = (given.reference(t + width) - given.reference(t - width)) / (2.0 * width)
        # What rounding leaves of a large rate times a difference that is zero.
        noise = 1e-16 * abs(given.params["stiffness"]) if name == "prothero_robinson" else 1e-14
        np.testing.assert_allclose(slope, rate(given, t, y), rtol=1e-5, atol=1e-5 * np.max(np.abs(slope)) + noise)


@pytest.mark.parametrize("name", [name for name in BOTH if BOTH[name](np_api).jacobian is not None])
def test_jacobian_is_the_derivative(name):
    """The Jacobian that a problem brings is that of its right side."""
    given = BOTH[name](np_api)
    y = given.y0 + 0.1
    columns = []
    for i in range(y.size):
        move = np.zeros_like(y)
        move[i] = 1e-6
        columns.append((rate(given, 0.0, y + move) - rate(given, 0.0, y - move)) / (2.0 * move[i]))
    found = given.jacobian(0.0, y, given.params)
    expected = np.stack(columns, axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9 * np.max(np.abs(expected)))


@pytest.mark.parametrize("name", DAES)
def test_mass_is_singular_and_the_initial_state_consistent(name):
    """Where combinations of the equations hold no derivative, the initial state satisfies them."""
    given = DAES[name](np_api)
    mass = np.diag(given.mass) if given.mass.ndim == 1 else given.mass
    left, sizes, _ = np.linalg.svd(mass)
    algebraic = left[:, sizes < 1e-12 * sizes[0]]
    assert algebraic.shape[1] > 0
    np.testing.assert_allclose(algebraic.T @ rate(given, 0.0, given.y0), 0.0, atol=1e-15)


def radau(given, rtol):
    """Solve with SciPy's Radau, from jump to jump; return the final state."""
    integrate = pytest.importorskip("scipy.integrate")
    shape = given.y0.shape
    y = given.y0.reshape(-1)
    times = [given.t_span[0], *given.discontinuities, given.t_span[1]]
    scale = np.broadcast_to(given.scale, shape).reshape(-1)
    for start, end in pairwise(times):
        last = np.nextafter(end, start)  # the rate at a jump is the next stretch's

        def f(t, y, last=last):
            return rate(given, min(t, last), y.reshape(shape)).reshape(-1)

        solution = integrate.solve_ivp(f, (start, end), y, "Radau", [end], rtol=rtol, atol=rtol * scale)
        assert solution.success
        y = solution.y[:, -1]
    return y.reshape(shape)


@pytest.mark.parametrize("name", [name for name in STIFF if name not in LONG])
def test_reference_agrees_with_scipy(name):
    """SciPy's Radau, written by others, comes to the same end."""
    given = STIFF[name](np_api)
    assert given.error(radau(given, 1e-6)) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["beam", "emep", "medical_akzo_nobel"])  # the others take it minutes
def test_long_reference_agrees_with_scipy(name):
    """SciPy's Radau comes to the same end of the problems that take it longer."""
    given = STIFF[name](np_api)
    assert given.error(radau(given, 1e-6)) < 1e-4


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "transistor_amplifier" else ()) for name in DAES]
)
def test_reference_of_dae_agrees_with_ida(name):
    """SUNDIALS' IDA comes to the same end."""
    ida = pytest.importorskip("sksundae.ida")
    given = DAES[name](np_api)
    mass = np.diag(given.mass) if given.mass.ndim == 1 else given.mass

    def residual(t, y, yp, out):
        out[:] = mass @ yp - rate(given, t, y)

    solver = ida.IDA(residual, rtol=1e-7, atol=1e-7 * given.scale, max_num_steps=100000)
    slope = np.linalg.lstsq(mass, rate(given, 0.0, given.y0), rcond=None)[0]
    solution = solver.solve(np.asarray(given.t_span), given.y0, slope)
    assert solution.success
    assert given.error(solution.y[-1]) < 1e-4


# Enright and Pryce (1987): the states at the end.
PUBLISHED = {
    "a2": [9.999912552999704e-2, 1.999982511586291e-1, 2.999975543202422e-1],
    "a3": [-1.353352661867235e-3, 1.368526917891521e-2, 1.503725348455117, 1.353352832366099e-1],
    "c1": [4.003223925456179e-4, 4.0016e-4, 4e-4, 2e-2],
    "c2": [1.999999997938994, 3.999999990839974e-2, 4.001599991537078e-2, 4.003201271914461e-2],
    "c3": [1.999999997939167, 3.999999990840744e-1, 4.159999990793773e-1, 4.333055990159567e-1],
    "c4": [1.999999997938846, 3.999999990839318, 1.999999991637941e1, 4.199999965390368e2],
    "c5": [1.999999997938846, 7.999999981678634, 1.359999993817714e2, 3.712799965967762e4],
    "d1": [2.224222010616901e1, 2.711071334484136e1, 4e2],
    "d2": [7.158270687193941e-1, 9.185534764557338e-2, 2.841637457458413e1],
    "d3": [6.397604446889910e-1, 5.630850708287990e-3, 3.602395553110090e-1, 3.170647969903515e-1],
    "d4": [5.976546980673215e-1, 1.402343408546138, -1.893386540441913e-6],
    "d5": [-9.916420698713913e-1, 9.833363588544478e-1],
    "d6": [8.523995440749948e-1, 1.476003981941319e-1, 5.773087333950041e-8],
    "e1": [1.000000000000012e-8, -1.625323873316817e-19, 2.025953375595861e-17, -1.853149807630002e-15],
    "e2": [-1.158701266031984, 4.304698089780476e-1],
    "e3": [4.253052197643089e-3, 5.317019548450387e-3, 2.627647748753926e1],
    "e4": [1.999999977523654e1, -2.000000022476345e1, -2.247634567084293e-7, 2.247634567084293e-7],
    "f1": [1.211129474696585e3, 1.271123619113051e-5, 1.208637804660361e3, 3.241981171933418e-4],
    "f2": [3.912699122292088e-1, 1.329964166084866e-3],
    "f3": [3.235910070806680e-13, 2.360679774997897e-7, 7.639319089351045e-14, 7.639319461070194e-7],
    "f4": [4.418303324022590, 1.290244712916425, 3.019282584050490],
    "f5": [1.713564284690712e-7, 3.713563071160676e-3, 6.189271785267793e-3, 9.545143571530929e-6],
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_states_of_stiff_detest_are_met(name):
    """The stored references of stiff DETEST agree with the published states to ten digits of the largest value."""
    given = STIFF[f"stiff_detest_{name}"](np_api)
    published = np.asarray(PUBLISHED[name])
    entries = slice(published.size)
    weights = np.broadcast_to(given.scale, given.y0.shape)[entries]
    np.testing.assert_allclose(given.reference()[entries] / weights, published / weights, rtol=1e-10, atol=1e-10)


def test_other_published_states_are_met():
    """The stored references agree with those of the literature where there are any."""
    # Test Set for IVP Solvers, Medical Akzo Nobel: entries 79, 200, 206 and 214 of the interleaved state.
    akzo = STIFF["medical_akzo_nobel"](np_api).reference().reshape(-1)[[78, 199, 205, 213]]
    published = [0.2339942217046434e-3, 0.6190822732534586e-5, 0.3234526094359604e-1, 0.8409284546320647]
    np.testing.assert_allclose(akzo, published, atol=2e-10)
    # The test set's plate, the first height and the middle row's first velocity.
    plate = STIFF["plate"](np_api).reference()
    np.testing.assert_allclose(
        [plate[0, 0, 0], plate[1, 2, 0]], [0.490143813851336e-3, -0.2355180609090818e-2], rtol=1e-12
    )
    # The test set's E5 has lost the digits of the balance between its second and third entry, not those of their mean.
    pyrolysis = STIFF["pyrolysis"](np_api).reference()
    np.testing.assert_allclose(
        np.mean(pyrolysis[1:3]), (0.8867655517642120e-22 + 0.8854814626268838e-22) / 2.0, rtol=1e-5
    )


def test_pendulum_keeps_its_length_and_energy():
    """At the pendulum's reference its length is one, its velocity is tangential and its energy that of the start."""
    across, up, right, rise, tension = DAES["pendulum"](np_api).reference()
    assert abs(across**2 + up**2 - 1.0) < 1e-13
    assert abs(across * right + up * rise) < 1e-13
    assert abs(0.5 * (right**2 + rise**2) + up) < 1e-13
    assert abs(tension + 3.0 * up) < 1e-13
