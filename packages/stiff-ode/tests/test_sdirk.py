"""Diagonally implicit Runge-Kutta methods and additive pairs: their order, their stability, and stiff problems."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import prod

import array_api_compat.numpy as numpy_namespace
import numpy as np
import pytest

import evolvent as ev
import evolvent_stiff_ode
from evolvent_stiff_ode import DenseLU
from evolvent_testing import dae_problems, stiff_problems
from evolvent_testing.convergence import dense_slope, measured_order
from evolvent_testing.problems import rotation

PLAIN = ["ImplicitEuler", "ImplicitMidpoint", "Trapezoid", "TRBDF2", "SDIRK2", "Kvaerno3", "Kvaerno4", "Kvaerno5"]
PAIRS = ["KenCarp3", "KenCarp4", "KenCarp47", "KenCarp5", "KenCarp58", "ARS343"]
ALL = [*PLAIN, *PAIRS]
DAMPED = [name for name in ALL if name not in ("ImplicitMidpoint", "Trapezoid")]
SHARP = ["Kvaerno4", "Kvaerno5", "KenCarp4", "KenCarp47", "KenCarp5", "KenCarp58"]


def method(name):
    return getattr(evolvent_stiff_ode, name)()


# ---------------------------------------------------------------------------------------------------- coefficients
@cache
def coloured_forests(vertices, colours):
    """All multisets of trees with so many vertices together, each vertex of a colour: (colour, its forest)."""
    if vertices == 0:
        return ((),)
    found = set()
    for size in range(1, vertices + 1):
        for colour in colours:
            for below in coloured_forests(size - 1, colours):
                for others in coloured_forests(vertices - size, colours):
                    found.add(tuple(sorted(((colour, below), *others))))
    return tuple(sorted(found))


def vertices(forest):
    return sum(1 + vertices(below) for _, below in forest)


def density(forest):
    """Of the tree that a root makes of a forest."""
    return (1 + vertices(forest)) * prod(density(below) for _, below in forest)


def worst_residual(matrices, weights, order, theta=1.0):
    """By how much the worst of the conditions of an additive method's order, coupling ones included, is missed."""
    colours = tuple(matrices)

    @cache
    def phi(forest):
        product = np.ones(len(weights))
        for colour, below in forest:
            product = product * (matrices[colour] @ phi(below))
        return product

    forests = [forest for size in range(order) for forest in coloured_forests(size, colours)]
    return max(abs(weights @ phi(f) - theta ** (1 + vertices(f)) / density(f)) for f in forests)


def matrices(tableau):
    found = {"implicit": tableau.full}
    if tableau.explicit is not None:
        found["explicit"] = tableau.full_explicit
    return found


@pytest.mark.parametrize("name", ALL)
def test_coefficients_meet_the_order_conditions(name):
    """Step and embedded formula meet all conditions of their order, with those that couple a pair, and no more."""
    tableau = method(name).tableau
    weights = np.array(tableau.weights)
    assert worst_residual(matrices(tableau), weights, tableau.order) < 1e-14
    assert worst_residual(matrices(tableau), weights, tableau.order + 1) > 1e-5
    if name in ("ImplicitEuler", "Trapezoid", "ImplicitMidpoint"):  # estimated by other means
        return
    embedded = weights - np.array(tableau.error)
    assert worst_residual(matrices(tableau), embedded, tableau.error_order) < 1e-14
    assert np.max(np.abs(tableau.error)) > 1e-4


@pytest.mark.parametrize("name", ["KenCarp3", "KenCarp4", "KenCarp5", "KenCarp58", "Kvaerno5"])
def test_dense_output_meets_the_order_conditions(name):
    """Continuous weights have the order that the method claims, for both parts together; of order four, a slope too."""
    tableau = method(name).tableau
    stages, rows = len(tableau.c), np.array(tableau.dense)
    extended = {}
    for part, matrix in matrices(tableau).items():  # the derivative at the end may be one stage more
        extended[part] = np.zeros((rows.shape[1], rows.shape[1]))
        extended[part][:stages, :stages] = matrix
        extended[part][stages:, :stages] = tableau.weights
    powers, rounding = np.arange(1.0, len(rows) + 1.0), 1e-15 * (2.0 + np.max(np.abs(rows)))
    for theta in (0.2, 0.5, 0.9):
        assert worst_residual(extended, theta**powers @ rows, tableau.dense_order, theta) < rounding
    assert np.allclose(np.sum(rows, axis=0)[:stages], tableau.weights, rtol=0.0, atol=1e-13)
    if tableau.dense_order == 4:
        assert np.allclose(rows[0], np.eye(rows.shape[1])[0])
        assert np.allclose(powers @ rows, np.eye(rows.shape[1])[-1], atol=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_stability(name):
    """All are A-stable, and all but the midpoint and the trapezoidal rule L-stable."""
    tableau = method(name).tableau
    stages = len(tableau.c)

    def grows(z):
        return abs(
            1.0 + z * np.array(tableau.weights) @ np.linalg.solve(np.eye(stages) - z * tableau.full, np.ones(stages))
        )

    assert max(grows(1j * y) for y in np.logspace(-3, 4, 200)) <= 1.0 + 1e-9
    assert grows(-1e8) == pytest.approx(0.0 if name in DAMPED else 1.0, abs=2e-4)


def test_a_tableau_tells_what_is_wrong():
    """A row that does not add up to its node is an error that names it."""
    from evolvent_stiff_ode._sdirk_tableau import SdirkTableau

    with pytest.raises(ValueError, match=r"row of a sums to 1\.5"):
        SdirkTableau(order=1, error_order=None, gamma=1.0, c=(0.0, 1.0), a=((), (0.5,)))


# ---------------------------------------------------------------------------------------------------- order
@pytest.mark.parametrize("dense", [False, True], ids=["end", "dense"])
@pytest.mark.parametrize("name", ALL)
def test_order(name, dense):
    """With fixed steps the error falls by the order claimed, at the end and between the steps."""
    algorithm = method(name)
    problem = replace(rotation(numpy_namespace), t_span=(0.0, 3.0))
    counts = (16, 24, 32, 48, 64) if algorithm.order > 2 else (96, 128, 192, 256)
    options = {"dts": [3.0 / n for n in counts], "rtol": 1e-13, "atol": 1e-13}
    measured = measured_order(algorithm, problem, dense=dense, **options)
    claim = dense_slope(algorithm) if dense else algorithm.order
    assert measured.order == pytest.approx(claim, abs=0.2), measured


def coupled(t, y, p):
    """What both parts of the split problem have y = (sin t + 1.5, cos t + 2) for a solution of."""
    return np.sin(t) + 1.5, np.cos(t) + 2.0


def implicit(t, y, p):
    a, b = coupled(t, y, p)
    return [-2.0 * y[0] * y[1] + 2.0 * a * b + np.cos(t), -(y[1] ** 2) + y[0]]


def explicit(t, y, p):
    a, b = coupled(t, y, p)
    return [0.7 * y[0] * y[1] - 0.7 * a * b, b**2 - a - np.sin(t) + 0.4 * (y[0] ** 2 * y[1] - a * a * b)]


SPLIT = ev.SplitODEProblem(implicit, explicit, [1.5, 3.0], (0.0, 1.0))
SPLIT_END = np.array([np.sin(1.0) + 1.5, np.cos(1.0) + 2.0])


@pytest.mark.parametrize("name", PAIRS)
def test_order_of_pairs_on_split_problems(name):
    """A pair keeps its order where both parts are nonlinear and each drives the other."""
    counts = (64, 96) if method(name).order > 3 else (128, 256)
    errors = []
    for count in counts:
        solution = ev.solve(SPLIT, name, dt=1.0 / count, adaptive=False, rtol=1e-13, atol=1e-13, saveat="end")
        errors.append(np.max(np.abs(solution.y[-1] - SPLIT_END)))
    slope = np.log(errors[0] / errors[1]) / np.log(counts[1] / counts[0])
    assert slope == pytest.approx(method(name).order, abs=0.2), errors


@pytest.mark.parametrize("name", ALL)
def test_order_on_the_problem_of_prothero_and_robinson(name):
    """Where stiff components are forced the order falls to that of the stages; stiff accuracy divides by stiffness."""
    stiffness = 1e6
    problem = ev.ODEProblem(lambda t, y, p: [stiffness * (np.sin(t) - y[0]) + np.cos(t)], [0.0], (0.0, 1.0))
    errors = []
    for count in (20, 40):
        solution = ev.solve(problem, name, dt=1.0 / count, adaptive=False, rtol=1e-12, atol=1e-14, saveat="end")
        errors.append(abs(solution.y[-1, 0] - np.sin(1.0)))
    by_stages = 1 if name in ("ImplicitEuler", "SDIRK2", "ARS343") else 2
    assert np.log2(errors[0] / errors[1]) == pytest.approx(by_stages, abs=0.2), errors
    if name != "ImplicitMidpoint":
        assert errors[1] < 0.1 / stiffness


# ---------------------------------------------------------------------------------------------------- stiff problems
# How often SciPy 1.17's Radau evaluates f at these tolerances, Jacobians by differences not counted.
BY_RADAU = {"hires": 1934, "oregonator": 8619, "robertson": 4096, "van_der_pol": 7336}


@pytest.mark.parametrize("name", SHARP)
@pytest.mark.parametrize("problem", BY_RADAU)
def test_final_values(name, problem):
    """Methods of order four and five bring what the tolerance promises, with about as few evaluations as Radau."""
    reference = stiff_problems()[problem](np)
    tol = 1e-6
    solution = ev.solve(reference.problem(), name, rtol=tol, atol=tol * reference.scale, saveat="end")
    assert reference.error(solution.y[-1]) < 150.0 * tol
    stats = solution.stats
    assert stats.n_f < 1.5 * BY_RADAU[problem]
    assert stats.n_jacobians < stats.n_steps
    assert stats.n_factorisations < stats.n_steps
    assert stats.n_solves >= stats.n_newton_failures


@pytest.mark.parametrize("name", [n for n in DAMPED if n not in SHARP])
def test_final_values_of_low_orders(name):
    """Methods of low order solve HIRES at a coarse tolerance, to a few hundred times what is asked of each step."""
    reference = stiff_problems()["hires"](np)
    solution = ev.solve(reference.problem(), name, rtol=1e-4, atol=1e-8, saveat="end")
    assert reference.error(solution.y[-1]) < 300.0 * 1e-4


@pytest.mark.parametrize("name", [n for n in DAMPED if n != "ImplicitEuler"])
@pytest.mark.parametrize("problem", ["robertson_dae", "chemical_akzo_nobel"])
def test_singular_mass_matrices(name, problem):
    """Algebraic equations hold at the end of each step, and the solution has the accuracy asked for."""
    reference = dae_problems()[problem](np)
    tol = 1e-4
    solution = ev.solve(reference.problem(), name, rtol=tol, atol=tol * reference.scale, saveat="end")
    assert reference.error(solution.y[-1]) < 100.0 * tol


@pytest.mark.parametrize("name", ["TRBDF2", "Kvaerno5"])
def test_a_singular_mass_matrix_that_is_not_diagonal(name):
    """The transistor amplifier's capacitors couple its equations: the slope at the start must not be that of f."""
    reference = dae_problems()["transistor_amplifier"](np)
    solution = ev.solve(reference.problem(), name, rtol=1e-4, atol=1e-4 * reference.scale, saveat="end")
    assert reference.error(solution.y[-1]) < 100.0 * 1e-4


def test_a_regular_mass_matrix_is_divided_by():
    """``M y' = f`` has the solution of ``y' = M**-1 f``."""
    mass = np.array([[2.0, 1.0], [0.5, 3.0]])
    right = np.array([[-3.0, 1.0], [2.0, -50.0]])
    plain = ev.ODEProblem(lambda t, y, p: np.linalg.solve(mass, right) @ y, [1.0, 2.0], (0.0, 1.0))
    massive = ev.ODEProblem(lambda t, y, p: right @ y, [1.0, 2.0], (0.0, 1.0), mass=mass)
    options = {"rtol": 1e-9, "atol": 1e-10, "backend": "eager"}
    one, other = (ev.solve(problem, "KenCarp4", **options).y[-1] for problem in (plain, massive))
    assert np.allclose(one, other, rtol=1e-7)


def test_pairs_refuse_mass_matrices_of_split_problems():
    """The explicit part would have to be divided by the matrix: that is said."""
    problem = SPLIT.replace(mass=np.array([1.0, 2.0]))
    with pytest.raises(ev.InputError, match="KenCarp4 takes the explicit part"):
        ev.solve(problem, "KenCarp4")


def test_midpoint_refuses_mass_matrices_and_conserves_quadratic_invariants():
    """The implicit midpoint rule keeps y . y of a rotation to rounding, and takes no algebraic equations."""
    circle = ev.ODEProblem(lambda t, y, p: [y[1], -y[0]], [1.0, 0.0], (0.0, 200.0))
    y = ev.solve(circle, "ImplicitMidpoint", dt=0.25, rtol=1e-13, atol=1e-13).y
    assert np.max(np.abs(np.sum(y * y, axis=1) - 1.0)) < 1e-11
    with pytest.raises(ev.InputError, match="mass"):
        ev.solve(circle.replace(mass=np.array([1.0, 0.0])), "ImplicitMidpoint", dt=0.25)


# ---------------------------------------------------------------------------------------------------- the driver
def bend(t, y, p):
    return [p["k"] * (y[1] - y[0]), -y[0] * y[1] + 1.0]


@pytest.mark.parametrize(("name", "split"), [*((name, False) for name in ALL), *((name, True) for name in PAIRS)])
def test_native_code_is_the_eager_code(name, split):
    """Native code takes the same steps as eager NumPy, and comes to the same values."""
    problem = SPLIT if split else ev.ODEProblem(bend, [1.0, 0.2], (0.0, 2.0), {"k": 50.0})
    options = {"rtol": 1e-4, "atol": 1e-6, **({} if method(name).adaptive else {"dt": 0.02})}
    eager, native = (ev.solve(problem, name, backend=backend, **options) for backend in ("eager", "native"))
    assert native.stats.backend == "native"
    assert native.stats.n_f == pytest.approx(eager.stats.n_f, rel=0.02)
    assert np.allclose(eager.y[-1], native.y[-1], rtol=1e-7)


@pytest.mark.parametrize("name", ["TRBDF2", "Trapezoid"])
def test_other_libraries_come_to_the_same_values(name):
    """JAX, torch and a strict library of the Array API standard agree with NumPy."""
    jnp = pytest.importorskip("jax.numpy")
    torch = pytest.importorskip("torch")
    strict = pytest.importorskip("array_api_strict")
    y0 = [1.0, 0.2]
    options = {"rtol": 1e-4, "atol": 1e-6, "saveat": "end"}
    expected = ev.solve(ev.ODEProblem(bend, y0, (0.0, 2.0), {"k": 50.0}), name, backend="eager", **options).y[-1]
    starts = [("jax", jnp.asarray(y0)), ("eager", torch.tensor(y0, dtype=torch.float64)), ("eager", strict.asarray(y0))]
    for backend, start in starts:
        solution = ev.solve(ev.ODEProblem(bend, start, (0.0, 2.0), {"k": 50.0}), name, backend=backend, **options)
        single = str(solution.y.dtype).endswith("float32")
        assert type(solution.y) is type(start) or backend == "jax"
        found = [float(solution.y[-1, i]) for i in range(2)]
        assert np.allclose(found, expected, rtol=1e-3 if single else 1e-6)


@pytest.mark.parametrize("backend", ["eager", "native"])
def test_complex_states(backend):
    """A stiff decay in the complex plane, y' = (-1000 + 5i) (y - exp(it)) + i exp(it), follows its forcing."""
    rate = -1000.0 + 5.0j

    def f(t, y, p):
        forcing = np.cos(t) + 1j * np.sin(t)
        return [rate * (y[0] - forcing) + 1j * forcing]

    problem = ev.ODEProblem(f, np.array([1.0 + 0.0j]), (0.0, 1.0))
    solution = ev.solve(problem, "KenCarp4", rtol=1e-7, atol=1e-9, backend=backend)
    assert solution.stats.n_steps < 100
    assert abs(solution.y[-1, 0] - np.exp(1j)) < 1e-6


@pytest.mark.parametrize("name", ["Kvaerno5", "KenCarp47", "Trapezoid"])
def test_backward_in_time(name):
    """A solution runs back to where it came from."""
    problem = ev.ODEProblem(lambda t, y, p: [3.0 * (y[0] - np.sin(t)) + np.cos(t)], [np.sin(4.0)], (4.0, 0.0))
    solution = ev.solve(problem, name, rtol=1e-7, atol=1e-8, dense=True)
    assert abs(solution.y[-1, 0]) < 1e-5
    times = np.linspace(0.1, 3.9, 23)
    assert np.allclose(solution(times)[:, 0], np.sin(times), atol=1e-5)


def test_states_of_any_shape():
    """A scalar, a matrix and a second-order problem are solved as the vectors they stand for."""
    options = {"rtol": 1e-8, "atol": 1e-10, "saveat": "end"}
    scalar = ev.solve(ev.ODEProblem(lambda t, y, p: -30.0 * y, 1.0, (0.0, 0.1)), "KenCarp4", **options)
    assert float(scalar.y[-1]) == pytest.approx(np.exp(-3.0), rel=1e-6)
    matrix = ev.solve(ev.ODEProblem(lambda t, y, p: -30.0 * y, np.ones((2, 3)), (0.0, 0.1)), "KenCarp4", **options)
    assert np.allclose(matrix.y[-1], np.exp(-3.0), rtol=1e-6)
    spring = ev.SecondOrderODEProblem(lambda t, q, v, p: -100.0 * q - 20.0 * v, [1.0], [0.0], (0.0, 0.5))
    q, v = (part[-1, 0] for part in ev.solve(spring, "KenCarp5", **options).y)
    assert (q, v) == pytest.approx((6.0 * np.exp(-5.0), -50.0 * np.exp(-5.0)), rel=1e-5)


def test_trajectories_side_by_side():
    """Eager ensembles run in lanes, each with its own steps, and agree with solves one by one."""
    rates = np.array([1.0, 40.0, 2000.0])
    problem = ev.ODEProblem(
        lambda t, y, p: [-p["k"] * (y[0] - np.cos(t)), y[0] - y[1]], [0.0, 0.0], (0.0, 1.0), {"k": 1.0}
    )
    options = {"rtol": 1e-6, "atol": 1e-8, "saveat": "end", "backend": "eager"}
    together = ev.solve(ev.EnsembleProblem(problem, params={"k": rates}), "KenCarp4", **options)
    for i, rate in enumerate(rates):
        alone = ev.solve(problem.replace(params={"k": float(rate)}), "KenCarp4", **options)
        assert np.allclose(together[i].y[-1], alone.y[-1], rtol=1e-5, atol=1e-7)


def test_a_first_step_far_too_large_is_recovered_from():
    """Where Newton's iteration diverges the step is tried anew, with a new Jacobian or a smaller size."""
    reference = stiff_problems()["van_der_pol"](np)
    solution = ev.solve(reference.problem(t_span=(0.0, 1.0)), "Kvaerno5", dt=0.8, rtol=1e-6, atol=1e-9)
    assert solution.stats.n_newton_failures > 0
    small = ev.solve(reference.problem(t_span=(0.0, 1.0)), "KenCarp58", rtol=1e-8, atol=1e-11)
    assert np.allclose(solution.y[-1], small.y[-1], rtol=1e-4)


def test_guards_and_events_see_implicit_steps():
    """A guarded split problem stays nonnegative, and an event is found on dense output."""
    decay = ev.SplitODEProblem(
        lambda t, y, p: -50.0 * y, lambda t, y, p: 0.0 * y, [1.0, 2.0], (0.0, 1.0), domain=ev.NonNegative()
    )
    assert np.min(ev.solve(decay, "KenCarp3", rtol=1e-3, atol=1e-6).y) >= 0.0
    half = ev.Event(lambda t, y, p: y[0] - 0.5, terminal=True)
    problem = ev.ODEProblem(lambda t, y, p: -2.0 * y, [1.0], (0.0, 1.0), events=[half])
    solution = ev.solve(problem, "KenCarp47", rtol=1e-7, atol=1e-9)
    assert solution.t[-1] == pytest.approx(np.log(2.0) / 2.0, rel=1e-6)


def test_a_linear_solver_can_be_named():
    """A method takes a linear solver as a value, and says what it would take."""
    problem = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), [0.0], (0.0, 1.0))
    assert ev.solve(problem, evolvent_stiff_ode.TRBDF2(linear_solver=DenseLU())).success
    with pytest.raises(ev.InputError, match="linear_solver"):
        ev.solve(problem, evolvent_stiff_ode.TRBDF2(linear_solver="no such thing"))
