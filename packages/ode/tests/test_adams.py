"""Adams' method of variable order: accuracy in proportion to the tolerance, orders, steps, dense output."""

from __future__ import annotations

import numpy as np
import pytest

import evolvent as ev
from evolvent_ode import DP5, DPRKN8, VCABM
from evolvent_ode._adams import HIGHEST, ROWS, Order, aged, integrals, ratios, updated
from evolvent_stepping import System


@pytest.fixture(params=["numpy", "array_api_strict"])
def xp(request):
    return pytest.importorskip(request.param)


def logistic(xp, t_span=(0.0, 5.0)):
    """Growth to saturation with a periodic rate, whose solution is known."""
    y0 = xp.asarray(solved(t_span[0]))
    return ev.ODEProblem(lambda t, y, p: y * (1.0 - y) * (1.0 + float(np.cos(float(t)))), y0=y0, t_span=t_span)


def solved(t):
    return 1.0 / (1.0 + np.array([9.0, 3.0]) * np.exp(-np.expand_dims(t + np.sin(t), -1)))


def arenstorf():
    """The restricted three-body problem over one period of a closed orbit (Hairer et al., section II.0)."""
    moon = 0.012277471
    earth = 1.0 - moon

    def f(t, y, p):
        x, z, u, w = y
        d1, d2 = ((x + moon) ** 2 + z * z) ** 1.5, ((x - earth) ** 2 + z * z) ** 1.5
        a = x + 2 * w - earth * (x + moon) / d1 - moon * (x - earth) / d2
        return np.array([u, w, a, z - 2 * u - earth * z / d1 - moon * z / d2])

    y0 = np.array([0.994, 0.0, 0.0, -2.00158510637908252240537862224])
    return ev.ODEProblem(f, y0=y0, t_span=(0.0, 17.0652165601579625588917206249))


def pleiades_forces(positions):
    """Accelerations of seven stars in a plane, of masses 1 to 7; positions (2, 7)."""
    masses = np.arange(1.0, 8.0)
    apart = positions[:, None, :] - positions[:, :, None]
    cubes = (np.sum(apart**2, axis=0) + np.eye(7)) ** 1.5
    return np.sum(masses * apart / cubes, axis=-1)


POSITIONS = np.array([[3.0, 3, -1, -3, 2, -2, 2], [3, -3, 2, 0, 0, -4, 4]])
VELOCITIES = np.array([[0.0, 0, 0, 0, 0, 1.75, -1.5], [0, 0, 0, -1.25, 1, 0, 0]])


def solve(problem, tolerance, method=None, **options):
    return ev.solve(problem, method or VCABM(), rtol=tolerance, atol=tolerance, backend="eager", **options)


def test_errors_follow_the_tolerance(xp):
    """Over eight powers of ten of the tolerance the error is never far above it, and falls in proportion."""
    tolerances = (1e-3, 1e-5, 1e-7, 1e-9, 1e-11)
    errors = []
    for tolerance in tolerances:
        solution = solve(logistic(xp), tolerance, saveat=0.5)
        errors.append(np.max(np.abs(np.asarray(solution.y) - solved(np.asarray(solution.t)))))
    assert all(error < 20 * tolerance for error, tolerance in zip(errors, tolerances, strict=True))
    slope = np.polyfit(np.log10(tolerances), np.log10(errors), 1)[0]
    assert slope == pytest.approx(1.0, abs=0.2)


def test_arenstorf_orbit_closes_with_half_the_evaluations_of_dp5():
    """At a tight tolerance the closed orbit is met again for less than half of DP5's calls of f."""
    problem = arenstorf()
    adams = solve(problem, 1e-11, saveat="end")
    dp5 = solve(problem, 1e-11, DP5(), saveat="end")
    assert np.max(np.abs(adams.y[-1] - problem.y0)) < 1e-5
    assert adams.stats.n_f < 0.5 * dp5.stats.n_f


def test_pleiades_is_solved_with_half_the_evaluations_of_dp5():
    """Seven stars with close encounters: in agreement with a Nystrom method, and cheaper than DP5."""
    reference_problem = ev.SecondOrderODEProblem(
        lambda t, q, v, p: pleiades_forces(q), q0=POSITIONS, v0=VELOCITIES, t_span=(0.0, 3.0)
    )
    reference = np.stack([part[-1] for part in solve(reference_problem, 1e-13, DPRKN8(), saveat="end").y])
    problem = ev.ODEProblem(
        lambda t, y, p: np.stack([y[1], pleiades_forces(y[0])]),
        y0=np.stack([POSITIONS, VELOCITIES]),
        t_span=(0.0, 3.0),
    )
    adams = solve(problem, 1e-9, saveat="end")
    dp5 = solve(problem, 1e-9, DP5(), saveat="end")
    assert np.max(np.abs(adams.y[-1] - reference)) < 1e-4
    assert adams.stats.n_f < 0.5 * dp5.stats.n_f


def test_dense_output_is_as_good_as_the_steps():
    """Between the steps the error is of the size that it has at the steps."""
    solution = solve(logistic(np), 1e-8)
    at_steps = np.max(np.abs(solution.y - solved(solution.t)))
    between = np.linspace(0.0, 5.0, 503)
    inside = np.max(np.abs(np.stack([solution(t) for t in between]) - solved(between)))
    assert inside < 3 * at_steps


def test_dense_output_is_continuous():
    """The corrector's polynomial runs from the state at a step's start to the one at its end."""
    system, stepper, y = system_of(lambda t, y, p: np.stack([y[1], -y[0]])), VCABM(), np.array([1.0, 0.0])
    t, dt, cache = 0.0, 1e-3, stepper.start(system, 0.0, y)
    for _ in range(30):
        step = stepper.step(system, t, y, dt, cache)
        np.testing.assert_allclose(stepper.interpolate(system, step.dense, 0.0), y, rtol=0, atol=1e-15)
        np.testing.assert_allclose(stepper.interpolate(system, step.dense, 1.0), step.y, rtol=0, atol=1e-15)
        t, y, dt, cache = t + dt, step.y, dt * min(step.factor, 1.3), step.cache


def system_of(f):
    return System(ev.EagerBackend(np), {"f": f}, (), 1e-8, 1e-8)


def test_polynomials_up_to_the_order_are_integrated_exactly():
    """With a full history of unequal steps the predictor is exact for polynomial derivatives."""
    rng = np.random.default_rng(3)
    polynomial = np.polynomial.Polynomial(rng.normal(size=ROWS))
    system, t = system_of(None), 0.0
    control = system.backend.control
    order = Order.of(control, HIGHEST)
    steps = rng.uniform(0.05, 0.15, size=ROWS + 3).tolist()
    differences, ages = (np.full(1, polynomial(0.0)), *[np.zeros(1)] * HIGHEST), (0.0,) * ROWS
    for dt in steps[:-1]:
        f1 = np.atleast_1d(polynomial(t + dt))
        differences = updated(system, order, ratios(control, ages, dt), differences, f1)
        ages, t = aged(ages, dt), t + dt
    dt = steps[-1]
    beta = ratios(control, ages, dt)
    for theta in (0.4, 1.0):
        g = integrals(ages, dt, theta)
        computed = dt * sum(x * z * d[0] for x, z, d in zip(g, beta, differences, strict=True))
        exact = polynomial.integ()(t + theta * dt) - polynomial.integ()(t)
        assert computed == pytest.approx(exact, rel=1e-9)


def test_coefficients_are_integrals_of_products():
    """On unequal steps each coefficient is its integral, which Gauss and Legendre's formula finds exactly."""
    ages = tuple(np.cumsum([0.0, 0.3, 0.1, 0.2, 0.4, 0.05, 0.3, 0.2, 0.1, 0.2, 0.3, 0.1, 0.2]).tolist())
    nodes, weights = np.polynomial.legendre.leggauss(7)
    for dt, theta in ((0.2, 1.0), (0.05, 0.3), (0.7, 0.9)):
        s = dt * theta * (nodes + 1.0) / 2.0
        factors = [(s + age) / (dt + age) for age in ages[:-1]]
        products = [np.prod(factors[:j], axis=0) * np.ones(7) for j in range(ROWS)]
        expected = [theta * weights @ product / 2.0 for product in products]
        np.testing.assert_allclose(integrals(ages, dt, theta), expected, rtol=1e-11)


def test_coefficients_on_equal_steps_are_the_classical_ones():
    """On equal steps g_j is Adams and Bashforth's 1, 1/2, 5/12, 3/8, 251/720, 95/288."""
    g = integrals(tuple(0.2 * i for i in range(ROWS)), 0.2)
    np.testing.assert_allclose(g[:6], [1, 1 / 2, 5 / 12, 3 / 8, 251 / 720, 95 / 288], rtol=1e-14)


def test_order_rises_with_the_tolerance():
    """Smooth problems are solved at higher orders where the tolerance is tighter."""
    orders = []
    for tolerance in (1e-3, 1e-6, 1e-11):
        integrator_orders = []
        system = System(ev.EagerBackend(np), {"f": lambda t, y, p: np.stack([y[1], -y[0]])}, (), tolerance, tolerance)
        stepper, y, t, dt = VCABM(), np.array([1.0, 0.0]), 0.0, 1e-3
        cache = stepper.start(system, t, y)
        for _ in range(150):
            step = stepper.step(system, t, y, dt, cache)
            if float(stepper.error_norm(system, step.error, y, step.y)) <= 1:
                t, y, cache = t + dt, step.y, step.cache
                integrator_orders.append(cache.order)
            else:
                cache = step.retry
            dt *= step.factor
        assert 1 <= min(integrator_orders) <= max(integrator_orders) <= 12
        orders.append(np.mean(integrator_orders[-50:]))
    assert orders[0] < orders[1] < orders[2]


def test_two_evaluations_a_step():
    """Each trial step costs two calls of f, whatever its order."""
    stats = solve(logistic(np), 1e-8, saveat="end").stats
    assert 2 * stats.n_steps <= stats.n_f <= 2 * stats.n_steps + 4


def test_stops_and_short_steps_cost_little_accuracy():
    """Steps cut short to hit given times, some of them close together, leave the error at the tolerance."""
    stops = [0.5, 0.5001, 1.3, 1.300001, 2.9, 4.0]
    solution = solve(logistic(np), 1e-8, t_stops=stops)
    assert set(stops) <= set(solution.t.tolist())
    assert np.max(np.abs(solution.y - solved(solution.t))) < 2e-7


def test_backward_in_time_returns_to_the_start():
    """Integrating back from the end finds the initial state."""
    solution = solve(logistic(np, (5.0, 0.0)), 1e-10, saveat="end")
    np.testing.assert_allclose(solution.y[-1], solved(0.0), rtol=0, atol=1e-7)


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-4), (np.complex128, 1e-6), (np.complex64, 1e-4)])
def test_precision_and_kind_of_the_state_are_kept(dtype, bound):
    """Single precision and complex states are solved as what they are."""
    rate = -1.0 if np.dtype(dtype).kind == "f" else -0.5 + 2.0j
    problem = ev.ODEProblem(lambda t, y, p: dtype(rate) * y, y0=np.array([1.0, 2.0], dtype=dtype), t_span=(0.0, 2.0))
    solution = solve(problem, bound / 10, saveat="end")
    assert solution.y.dtype == dtype
    np.testing.assert_allclose(solution.y[-1], np.array([1.0, 2.0]) * np.exp(2 * rate), rtol=0, atol=bound)


def test_a_discontinuity_is_passed():
    """A jump in f makes the order fall, and after it the solution is as good as before."""
    problem = ev.ODEProblem(
        lambda t, y, p: np.where(t < 1.0, 1.0, -2.0) * np.ones(1), y0=np.zeros(1), t_span=(0.0, 2.0)
    )
    solution = solve(problem, 1e-8, saveat="end")
    assert float(solution.y[-1, 0]) == pytest.approx(-1.0, abs=1e-6)


def test_a_solve_can_be_compiled():
    """Under jax.jit, where no value is known, order and step are chosen as well."""
    jax = pytest.importorskip("jax")

    def end(rate):
        problem = ev.ODEProblem(lambda t, y, p: -p * y * y, y0=jax.numpy.ones(2), t_span=(0.0, 5.0), params=rate)
        return ev.solve(problem, VCABM(), rtol=1e-4, atol=1e-4, saveat="end", max_steps=500).y[-1]

    np.testing.assert_allclose(np.asarray(jax.jit(end)(0.8)), 1.0 / 5.0, rtol=0, atol=1e-3)


def test_trajectories_of_an_ensemble_choose_their_own_orders():
    """Each trajectory of a batch has the steps that it has alone, and its bits don't depend on the others."""
    problem = ev.ODEProblem(lambda t, y, p: [y[1], -p * y[0]], y0=np.array([1.0, 0.0]), t_span=(0.0, 5.0), params=1.0)
    rates = np.array([0.5, 4.0, 60.0])
    batch = solve(ev.EnsembleProblem(problem, params=rates), 1e-7, saveat="end")
    for i, rate in enumerate(rates):
        fewer = solve(ev.EnsembleProblem(problem, params=rates[i : i + 1]), 1e-7, saveat="end")
        assert np.asarray(batch.y)[i].tolist() == np.asarray(fewer.y)[0].tolist()
        alone = solve(problem.replace(params=float(rate)), 1e-7, saveat="end")
        # While the steps double, so do the rounding errors in each further difference.
        np.testing.assert_allclose(np.asarray(batch.y)[i, -1], alone.y[-1], rtol=1e-8, atol=1e-8)
