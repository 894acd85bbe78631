"""Semi-implicit BDF: order with and without a split, damping, dense output, changes of step size."""

from __future__ import annotations

import numpy as np
import pytest

import evolvent as ev
from evolvent_stiff_ode import SBDF2, SBDF3, SBDF4
from evolvent_testing import measured_order
from evolvent_testing.convergence import fit

METHODS = (SBDF2, SBDF3, SBDF4)
TIGHT = {"rtol": 1e-12, "atol": 1e-14}


@pytest.fixture(params=METHODS, ids=lambda method: method.__name__)
def method(request):
    return request.param()


def split(stiffness=-20.0):
    """y1 = cos t, held to it by the implicit part and driven by the explicit; y2 = exp(sin t), explicit alone."""
    return ev.SplitODEProblem(
        lambda t, y, p: [stiffness * (y[0] - np.cos(t)), 0.0 * y[1]],
        lambda t, y, p: [-np.sin(t), y[1] * np.cos(t)],
        np.array([1.0, 1.0]),
        (0.0, 2.0),
    )


def exact(t):
    t = np.asarray(t)
    return np.stack([np.cos(t), np.exp(np.sin(t))], axis=-1)


def shown(problem, method, counts, dense=False):
    """The order that fixed steps show, at the end or between the steps."""
    errors, times = [], np.linspace(0.05, 1.95, 150)
    for count in counts:
        solution = ev.solve(problem, method, dt=2.0 / count, adaptive=False, dense=dense, **TIGHT)
        y, t = (solution(times), times) if dense else (np.asarray(solution.y[-1]), 2.0)
        errors.append(float(np.max(np.abs(y - exact(t)))))
    return fit([2.0 / count for count in counts], errors, 1e-12, method.name).order


@pytest.mark.parametrize("dense", [False, True], ids=["steps", "between"])
def test_order_on_a_split_problem(method, dense):
    """With fixed steps the error falls with the claimed power, first steps and dense output included."""
    assert shown(split(), method, (80, 160, 320, 640), dense) == pytest.approx(method.order, abs=0.2)


def test_order_on_a_stiff_split_problem(method):
    """The stiffness of the implicit part costs no order."""
    assert shown(split(-1e6), method, (40, 80, 160, 320)) == pytest.approx(method.order, abs=0.25)


@pytest.mark.slow
def test_order_where_nothing_is_split(method):
    """On an ordinary problem the method is the BDF of its order."""
    assert measured_order(method, **TIGHT).order == pytest.approx(method.order, abs=0.2)


def test_formula_of_equal_steps():
    """A step of SBDF2 is Ascher, Ruuth and Wetton's: 3 y2 - 4 y1 + y0 = 2 h (2 g1 - g0 + f2)."""
    h, rate = 0.1, -3.0
    problem = ev.SplitODEProblem(lambda t, y, p: rate * y, lambda t, y, p: np.sin(y) + t, np.array([1.0]), (0.0, 2 * h))
    y = ev.solve(problem, SBDF2(), dt=h, adaptive=False, **TIGHT).y[:, 0]
    pushes = np.sin(y[:2]) + h * np.arange(2)
    assert 3 * y[2] - 4 * y[1] + y[0] == pytest.approx(2 * h * (2 * pushes[1] - pushes[0] + rate * y[2]), abs=1e-11)


def test_errors_follow_the_tolerance(method):
    """Adaptive steps of any ratio keep to the tolerance, up to the number of steps, at few rejections."""
    errors = []
    for tolerance in (1e-4, 1e-6):
        solution = ev.solve(split(-1e3), method, rtol=tolerance, atol=tolerance)
        errors.append(np.max(np.abs(np.asarray(solution.y) - exact(solution.t))))
        assert errors[-1] < 2.0 * tolerance * solution.stats.n_accepted
        assert solution.stats.n_rejected < 10 + 0.2 * solution.stats.n_accepted
    assert errors[1] < 0.1 * errors[0]


def test_diffusion_is_damped(method):
    """A start that does not fit a stiff implicit part is forgotten, with steps far longer than its time scale."""
    problem = split(-1e8).replace(y0=np.array([1.5, 1.0]))
    solution = ev.solve(problem, method, dt=0.02, adaptive=False, saveat="end", **TIGHT)
    np.testing.assert_allclose(solution.y[-1], exact(2.0), atol=1e-3)


def test_native_code_agrees(method):
    """Native code comes where NumPy comes."""
    options = {"rtol": 1e-5, "atol": 1e-5, "saveat": "end"}
    own, other = (ev.solve(split(), method, backend=backend, **options) for backend in ("eager", "native"))
    np.testing.assert_allclose(other.y[-1], own.y[-1], rtol=1e-8)


@pytest.mark.slow
def test_jax_agrees(method):
    """JAX comes where NumPy comes."""
    jax = pytest.importorskip("jax")
    options = {"rtol": 1e-5, "atol": 1e-5, "saveat": "end"}
    own = ev.solve(split(), method, backend="eager", **options)
    xp = jax.numpy
    with jax.enable_x64(True):
        problem = ev.SplitODEProblem(
            lambda t, y, p: xp.stack([-20.0 * (y[0] - xp.cos(t)), 0.0 * y[1]]),
            lambda t, y, p: xp.stack([-xp.sin(t), y[1] * xp.cos(t)]),
            xp.ones(2),
            (0.0, 2.0),
        )
        other = ev.solve(problem, method, backend="jax", **options)
    np.testing.assert_allclose(np.asarray(other.y[-1]), own.y[-1], rtol=1e-8)
