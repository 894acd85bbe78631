"""Radau IIA methods: their coefficients, orders, stability, and what they give on problems with known solutions."""

from itertools import pairwise

import array_api_compat.numpy as np_api
import numpy as np
import pytest

import evolvent as ev
import evolvent_stiff_ode
from evolvent_stiff_ode._radau_tableau import radau
from evolvent_testing import problems
from evolvent_testing.convergence import measured_order

FIXED = {"RadauIIA3": 2, "RadauIIA5": 3, "RadauIIA9": 5}
METHODS = [*FIXED, "RadauIIA"]
every_method = pytest.mark.parametrize("name", METHODS)
every_order = pytest.mark.parametrize("name", FIXED)
every_size = pytest.mark.parametrize("stages", [2, 3, 5, 7])


def matrix(table):
    return np.linalg.inv(np.asarray(table.outwards) @ np.asarray(table.scaled))


@every_size
def test_coefficients_satisfy_the_order_conditions(stages):
    """Quadrature of order 2 s - 1, stages of order s, and a step that ends where the last stage does."""
    table = radau(stages)
    a, c = matrix(table), np.asarray(table.c)
    assert c[-1] == pytest.approx(1.0, abs=1e-15)
    for k in range(1, 2 * stages):
        assert a[-1] @ c ** (k - 1) == pytest.approx(1.0 / k, abs=1e-13)
    for k in range(1, stages + 1):
        np.testing.assert_allclose(a @ c ** (k - 1), c**k / k, atol=1e-13)


def test_coefficients_are_the_published_ones():
    """Nodes and eigenvalues of the three-stage method are those of Hairer and Wanner, section IV.8."""
    table = radau(3)
    root = np.sqrt(6.0)
    np.testing.assert_allclose(table.c, [(4.0 - root) / 10.0, (4.0 + root) / 10.0, 1.0], rtol=1e-15)
    gamma = 3.0 + 3.0 ** (2.0 / 3.0) - 3.0 ** (1.0 / 3.0)
    alpha = 3.0 + 0.5 * (3.0 ** (1.0 / 3.0) - 3.0 ** (2.0 / 3.0))
    beta = 0.5 * (3.0 ** (5.0 / 6.0) + 3.0 ** (7.0 / 6.0))
    assert table.gamma == pytest.approx(gamma, rel=1e-14)
    assert table.pairs[0] == pytest.approx((alpha, beta), rel=1e-14)
    np.testing.assert_allclose(table.begins, [(13 + 7 * root) / 3, (13 - 7 * root) / 3, 1 / 3], rtol=1e-13)


@every_size
def test_stability(stages):
    """Nowhere on the imaginary axis do perturbations grow, and infinitely stiff ones are gone after a step."""
    a, one = matrix(radau(stages)), np.ones(stages)

    def stability(z):
        return abs(1.0 + z * (a[-1] @ np.linalg.solve(np.eye(stages) - z * a, one)))

    assert max(map(stability, 1j * np.logspace(-3, 6, 400))) <= 1.0 + 1e-9
    assert stability(-1e8) < 1e-6


@every_order
@pytest.mark.parametrize("dense", [False, True])
def test_measured_orders(name, dense):
    """On a problem that is not stiff the end converges at the order, and the dense output at that of the stages."""
    stages = FIXED[name]
    # What iterations leave must be less than the steps' errors.
    shown = measured_order(
        getattr(evolvent_stiff_ode, name)(), problems.clockwork(np_api), dense=dense, rtol=1e-12, atol=1e-12
    )
    claim = stages + 1 if dense else 2 * stages - 1
    # The error of nine orders falls faster before rounding takes over.
    assert claim - 0.2 <= shown.order <= claim + (0.6 if stages == 5 else 0.2), str(shown)


@every_order
def test_order_where_stiff(name):
    """On Prothero and Robinson's problem the order is that of the stages."""
    stiff = ev.ODEProblem(lambda t, y, p: -1e3 * (y - np.cos(t)) - np.sin(t), np.asarray([1.0]), (0.0, 4.0))
    errors = []
    for steps in (12, 24, 48):
        solution = ev.solve(stiff, name, dt=4.0 / steps, adaptive=False, saveat="end", rtol=1e-12, atol=1e-12)
        errors.append(float(np.abs(solution.y[-1, 0] - np.cos(4.0))))
    assert 0.5 * np.log2(errors[0] / errors[-1]) == pytest.approx(FIXED[name], abs=0.25)


PUBLISHED = ["robertson", "hires", "oregonator", "pollution", "van_der_pol"]


@every_method
@pytest.mark.parametrize("problem", PUBLISHED)
def test_published_values(name, problem):
    """Final values agree with the published ones to what the tolerance promises."""
    given = getattr(problems, problem)(np_api)
    tolerance = 1e-5 if name == "RadauIIA3" else 1e-7
    solution = ev.solve(given.problem(), name, rtol=tolerance, atol=tolerance * given.scale, saveat="end")
    # The Oregonator's pulses come late by an error that the tolerance does not bound.
    factor = 200.0 if problem == "oregonator" else 20.0
    assert given.error(solution.y[-1]) < factor * tolerance


@pytest.mark.parametrize("name", ["RadauIIA5", "RadauIIA9", "RadauIIA"])
def test_singular_mass_matrix(name):
    """Robertson's reaction with a conservation law in place of an equation ends at its published state."""
    given = problems.robertson_dae(np_api)
    solution = ev.solve(given.problem(), name, rtol=1e-8, atol=1e-13, saveat="end")
    assert given.error(solution.y[-1]) < 1e-5
    assert np.sum(solution.y[-1]) == pytest.approx(1.0, abs=1e-12)


def test_work_is_that_of_the_literature():
    """On HIRES no more steps, calls of f, Jacobians and factorisations than by SciPy at the same tolerances."""
    from scipy.integrate import solve_ivp

    given = problems.hires(np_api)
    stats = ev.solve(given.problem(), "RadauIIA5", rtol=1e-6, atol=1e-10, saveat="end").stats
    f = given.problem().f
    other = solve_ivp(
        lambda t, y: np.asarray(f(t, y, given.params)), given.t_span, given.y0, method="Radau", rtol=1e-6, atol=1e-10
    )
    assert stats.n_steps <= 1.1 * len(other.t)
    assert stats.n_f <= 0.9 * other.nfev
    assert stats.n_jacobians <= 1.1 * other.njev
    assert stats.n_factorisations <= 1.1 * other.nlu


def test_order_rises_where_it_pays():
    """At a stringent tolerance adaptive order takes far fewer steps than order five alone."""
    given = problems.hires(np_api)
    steps = [
        ev.solve(given.problem(), name, rtol=1e-10, atol=1e-14, saveat="end").stats.n_steps
        for name in ("RadauIIA", "RadauIIA5")
    ]
    assert steps[0] < 0.2 * steps[1]


@every_method
@pytest.mark.parametrize("backend", ["eager", "native"])
def test_complex_state(name, backend):
    """A stiff linear equation with complex coefficients is solved, conjugate eigenvalues each by their own matrix."""
    rate, forced = -100.0 + 50.0j, 1.0j

    def exact(t):
        part = rate / (rate - forced)
        return part * np.exp(forced * t) + (1.0 + 0.5j - part) * np.exp(rate * t)

    problem = ev.ODEProblem(lambda t, y, p: rate * (y - np.exp(1j * t)), y0=np.asarray([1.0 + 0.5j]), t_span=(0.0, 2.0))
    solution = ev.solve(problem, name, rtol=1e-8, atol=1e-8, backend=backend, saveat="end")
    assert abs(solution.y[-1, 0] - exact(2.0)) < 1e-7


@every_method
def test_backward_in_time(name):
    """A rotation is followed backward."""
    problem = ev.ODEProblem(
        lambda t, y, p: np.stack([y[1], -y[0]]), y0=np.asarray([np.cos(3.0), -np.sin(3.0)]), t_span=(3.0, 0.0)
    )
    solution = ev.solve(problem, name, rtol=1e-7, atol=1e-7, saveat=[2.0, 0.5, 0.0])
    np.testing.assert_allclose(solution.y[:, 0], np.cos([2.0, 0.5, 0.0]), atol=3e-6)


@pytest.mark.parametrize("name", ["RadauIIA3", "RadauIIA5"])
@pytest.mark.parametrize("library", ["jax", "torch"])
def test_libraries_agree(name, library):
    """Natively compiled, by JAX and by torch the result is that of NumPy."""
    from evolvent_testing.backends import load_namespace, to_numpy

    options = {"rtol": 1e-5, "atol": 1e-8, "saveat": "end"}
    plain = ev.solve(problems.robertson(np_api).problem(t_span=(0.0, 1.0)), name, backend="eager", **options).y[-1]
    native = ev.solve(problems.robertson(np_api).problem(t_span=(0.0, 1.0)), name, backend="native", **options).y[-1]
    xp = load_namespace(library)
    backend = "jax" if library == "jax" else "eager"
    other = ev.solve(problems.robertson(xp).problem(t_span=(0.0, 1.0)), name, backend=backend, **options).y[-1]
    np.testing.assert_allclose(native, plain, rtol=1e-9)
    np.testing.assert_allclose(to_numpy(other), plain, rtol=1e-9)


@every_method
def test_lanes_are_solved_as_they_would_be_alone(name):
    """Trajectories that run side by side don't see each other."""
    given = problems.robertson(np_api)
    alone = given.problem(t_span=(0.0, 100.0))
    starts = np.stack([np.asarray(given.y0) * k for k in (1.0, 1.1, 1.2)])
    options = {"rtol": 1e-6, "atol": 1e-10, "saveat": "end", "backend": "eager"}
    together = ev.solve(ev.EnsembleProblem(alone, y0=starts), name, **options)
    for start, found in zip(starts, np.asarray(together.y), strict=True):
        one = ev.solve(alone.replace(y0=start), name, **options)
        np.testing.assert_allclose(found[-1], one.y[-1], rtol=1e-10)


def test_iterations_that_fail_are_recovered_from():
    """Where the Jacobian changes at once by a million the step is tried anew, and the result is right."""

    def f(t, y, p):
        return np.where(t < 0.5, -1.0, -1e6) * (y**3 - 1.0)

    problem = ev.ODEProblem(f, y0=np.asarray([2.0]), t_span=(0.0, 1.0))
    solution = ev.solve(problem, "RadauIIA5", rtol=1e-6, atol=1e-9, saveat="end", backend="eager")
    assert solution.y[-1, 0] == pytest.approx(1.0, abs=1e-7)
    assert solution.stats.n_newton_failures > 0


def test_dense_output_hits_the_ends_of_steps():
    """The collocation polynomial has the states at both ends of each step."""
    given = problems.hires(np_api)
    solution = ev.solve(given.problem(t_span=(0.0, 5.0)), "RadauIIA5", rtol=1e-6, atol=1e-9, dense=True)
    for start, end in pairwise(solution.t[:20]):
        np.testing.assert_allclose(solution(0.999999999 * start + 1e-9 * end), solution(start), atol=1e-8)
    np.testing.assert_allclose(solution(solution.t[3]), solution.y[3], atol=1e-14)
