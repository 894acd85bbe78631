"""Methods for second-order problems: their order, their dense output, and what splitting methods conserve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import evolvent as ev
from evolvent_ode import DP5, DPRKN6, DPRKN8, KahanLi8, McLachlan4, Nystrom4, Ruth3, VelocityVerlet, Yoshida6
from evolvent_ode._splitting import Composition

SPLITTINGS = [VelocityVerlet, Ruth3, McLachlan4, Yoshida6, KahanLi8]
ECCENTRICITY = 0.3
# Numbers of steps for a third of an orbit at which errors are asymptotic and above rounding.
STEPS = {
    VelocityVerlet: (100, 200),
    Ruth3: (200, 400),
    McLachlan4: (60, 120),
    Nystrom4: (60, 120),
    Yoshida6: (20, 40),
    KahanLi8: (10, 15),
    DPRKN6: (20, 40),
    DPRKN8: (8, 20),
}
methods = pytest.mark.parametrize("method", list(STEPS), ids=lambda method: method.__name__)


@pytest.fixture(params=["numpy", "array_api_strict"])
def xp(request):
    return pytest.importorskip(request.param)


def kepler(xp, t_span, y0=None):
    """The two-body problem from its pericentre on."""
    q0, v0 = exact(t_span[0]) if y0 is None else y0

    def attraction(t, q, v, p):
        return -q / xp.sqrt(xp.sum(q * q)) ** 3

    return ev.SecondOrderODEProblem(attraction, q0=xp.asarray(q0), v0=xp.asarray(v0), t_span=t_span)


def exact(t):
    """Position and velocity by Kepler's equation."""
    e, anomaly = ECCENTRICITY, t
    for _ in range(50):
        anomaly = anomaly - (anomaly - e * np.sin(anomaly) - t) / (1 - e * np.cos(anomaly))
    root, rate = np.sqrt(1 - e * e), 1 / (1 - e * np.cos(anomaly))
    q = np.stack([np.cos(anomaly) - e, root * np.sin(anomaly)], axis=-1)
    v = np.stack([-np.sin(anomaly) * rate, root * np.cos(anomaly) * rate], axis=-1)
    return q, v


def state(y):
    return np.stack([np.asarray(part) for part in y])


def fixed_steps(xp, method, t1, n):
    options = {"adaptive": False} if method.adaptive else {}
    return ev.solve(kepler(xp, (0.0, t1)), method(), dt=t1 / n, backend="eager", **options)


@methods
def test_positions_and_velocities_converge_with_the_claimed_order(xp, method):
    """Errors of fixed-step solutions of a nonlinear problem fall with the claimed power of the step."""
    few, many = STEPS[method]
    errors = [np.max(np.abs(state(fixed_steps(xp, method, 2.0, n).y)[:, -1] - exact(2.0))) for n in (few, many)]
    assert np.log(errors[0] / errors[1]) / np.log(many / few) == pytest.approx(method.order, abs=0.2)


@methods
def test_dense_output_is_of_the_claimed_order_within_one_step(method):
    """Inside a single step the error falls one power faster than the dense output's order."""
    theta = np.array([0.3, 0.6, 0.85])
    errors = []
    for h in (0.1, 0.05):
        problem = kepler(np, (1.0, 1.0 + h))
        options = {"adaptive": False} if method.adaptive else {}
        solution = ev.solve(problem, method(), dt=h, saveat=1.0 + h * theta, backend="eager", **options)
        errors.append(np.max(np.abs(state(solution.y) - exact(1.0 + h * theta))))
    assert np.log2(errors[0] / errors[1]) > method.dense_order + 0.6


@methods
def test_dense_output_meets_both_ends_of_a_step(method):
    """Interpolation at the times of the steps gives the steps' own states."""
    solution = fixed_steps(np, method, 1.0, 5)
    for i, t in enumerate(solution.t):
        np.testing.assert_allclose(state(solution(t)), state(solution.y)[:, i], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("method", [DPRKN6, DPRKN8], ids=lambda method: method.__name__)
@pytest.mark.parametrize("tolerance", [1e-6, 1e-9])
def test_adaptive_steps_keep_to_the_tolerance(xp, method, tolerance):
    """After an orbit the error is the tolerance, up to a factor of a few."""
    solution = ev.solve(kepler(xp, (0.0, 2 * np.pi)), method(), rtol=tolerance, atol=tolerance, backend="eager")
    assert np.max(np.abs(state(solution.y)[:, -1] - exact(2 * np.pi))) < 10 * tolerance


def test_dprkn8_needs_fewer_evaluations_than_a_first_order_method():
    """A method made for q'' = a(t, q) is cheaper than DP5 on the same problem at the same tolerance."""
    tight = {"rtol": 1e-10, "atol": 1e-10, "saveat": "end", "backend": "eager"}
    special = ev.solve(kepler(np, (0.0, 6.0)), DPRKN8(), **tight)

    def first_order(t, y, p):
        return np.concatenate([y[2:], -y[:2] / np.sqrt(np.sum(y[:2] ** 2)) ** 3])

    problem = ev.ODEProblem(first_order, y0=np.concatenate(exact(0.0)), t_span=(0.0, 6.0))
    general = ev.solve(problem, DP5(), **tight)
    assert special.stats.n_f < 0.75 * general.stats.n_f
    errors = [np.max(np.abs(np.ravel(s.y) - np.ravel(exact(6.0)))) for s in (special, general)]
    assert errors[0] < 2 * errors[1]


def test_nystrom4_follows_accelerations_that_depend_on_the_velocity():
    """A charge in a magnetic field, with friction, decays on its known spiral with fourth order."""
    errors = []
    for n in (20, 40):
        problem = ev.SecondOrderODEProblem(
            lambda t, q, v, p: np.stack([v[1], -v[0]]) - 0.1 * v,
            q0=np.zeros(2),
            v0=np.array([1.0, 0.0]),
            t_span=(0.0, 3.0),
        )
        v = ev.solve(problem, Nystrom4(), dt=3.0 / n, backend="eager").y[1][-1]
        errors.append(np.max(np.abs(v - np.exp(-0.3) * np.array([np.cos(3.0), -np.sin(3.0)]))))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(4, abs=0.2)


@pytest.mark.parametrize("method", [VelocityVerlet, Yoshida6, KahanLi8], ids=lambda method: method.__name__)
def test_symmetric_methods_return_when_time_is_reversed(method):
    """Steps forward, then the same steps backward, end where they began."""
    there = ev.solve(kepler(np, (0.0, 2.0)), method(), dt=0.05, saveat="end", backend="eager")
    y = tuple(part[-1] for part in there.y)
    back = ev.solve(kepler(np, (2.0, 0.0), y), method(), dt=0.05, saveat="end", backend="eager")
    np.testing.assert_allclose(state(back.y)[:, -1], exact(0.0), rtol=0, atol=1e-11)


class Plain:
    """Henon and Heiles' problem with what a stepper asks of its system and no more: it is stepped often."""

    class backend:
        xp = np

    def acceleration(self, t, q, v):
        x, y = q
        return np.array([-x - 2 * x * y, -y - x * x + y * y])

    def combine(self, y, dt, weights, ks):
        for weight, k in zip(weights, ks, strict=False):
            y = y + (dt * weight) * k
        return y

    def energy(self, state):
        (x, y), v = state
        return 0.5 * (v @ v + x * x + y * y) + x * x * y - y**3 / 3


@pytest.mark.parametrize(
    ("method", "dt", "bound"),
    [
        (VelocityVerlet, 0.05, 1e-3),
        (Ruth3, 0.1, 1e-4),
        (McLachlan4, 0.2, 1e-5),
        (Yoshida6, 0.2, 1e-4),
        (KahanLi8, 0.5, 1e-5),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_energy_stays_bounded_over_many_steps(method, dt, bound):
    """Over 100,000 steps of a chaotic orbit the energy oscillates but doesn't drift."""
    system, stepper = Plain(), method()
    y = np.array([[0.0, 0.1], [0.49, 0.0]])
    energy0, cache, worst = system.energy(y), stepper.start(system, 0.0, y), [0.0, 0.0]
    for i in range(100_000):
        step = stepper.step(system, i * dt, y, dt, cache)
        y, cache = step.y, step.cache
        if i % 7 == 0:
            half = int(i >= 50_000)
            worst[half] = max(worst[half], abs(system.energy(y) / energy0 - 1))
    assert max(worst) < bound
    assert worst[1] < 1.5 * worst[0]


def test_a_nystrom_method_drifts_where_splitting_methods_do_not():
    """The bounded energy is no accident of the problem: a method that isn't symplectic loses it."""
    run = ev.solve(kepler(np, (0.0, 300.0)), DPRKN6(), dt=0.3, adaptive=False, backend="eager")
    energy = np.sum(run.y[1] ** 2, axis=-1) / 2 - 1 / np.sqrt(np.sum(run.y[0] ** 2, axis=-1))
    later, sooner = abs(energy[-1] - energy[0]), abs(energy[len(energy) // 4] - energy[0])
    assert later > 2 * sooner


def test_compositions_check_themselves():
    """A composition with a wrong coefficient, length or symmetry is refused, with the reason."""
    with pytest.raises(ValueError, match="one kick more"):
        Composition(order=2, kicks=(1.0,), drifts=(1.0,))
    with pytest.raises(ValueError, match="same backward"):
        Composition(order=1, kicks=(1.0, 0.0), drifts=(1.0,))
    with pytest.raises(ValueError, match="order condition"):
        Composition(order=3, kicks=(0.5, 0.5), drifts=(1.0,))


def test_nystrom_tableaus_check_themselves():
    """A tableau with one wrong coefficient is refused, and so is an order that it doesn't have."""
    with pytest.raises(ValueError, match="misses the order condition"):
        replace(DPRKN6.tableau, b=(*DPRKN6.tableau.b[:-1], 1e-9))
    with pytest.raises(ValueError, match="misses the order condition"):
        replace(DPRKN8.tableau, order=9)
    with pytest.raises(ValueError, match="strictly lower triangular"):
        replace(Nystrom4.tableau, a=((), (0.125,), (0.125,), (0.0, 0.0, 0.5)))


@pytest.mark.parametrize("method", [Yoshida6, Nystrom4, DPRKN6, DPRKN8], ids=lambda method: method.__name__)
def test_a_solve_can_be_compiled(method):
    """Under jax.jit, where no value is known, steps are taken as well."""
    jax = pytest.importorskip("jax")
    options = {"rtol": 1e-5, "atol": 1e-5} if method.adaptive else {"dt": 0.1}

    def end(stiffness):
        y0 = {"q0": jax.numpy.ones(1), "v0": jax.numpy.zeros(1)}
        problem = ev.SecondOrderODEProblem(lambda t, q, v, p: -p * q, **y0, t_span=(0.0, 2.0), params=stiffness)
        return ev.solve(problem, method(), saveat="end", max_steps=500, **options).y[0][-1, 0]

    assert float(jax.jit(end)(2.0)) == pytest.approx(np.cos(2.0 * np.sqrt(2.0)), abs=1e-4)


@pytest.mark.parametrize("method", SPLITTINGS, ids=lambda method: method.__name__)
def test_splitting_methods_say_that_they_are_symplectic(method):
    """The chooser can tell splitting methods, and that they want fixed steps."""
    assert method.symplectic
    assert not method.adaptive
    assert method.problem_types == (ev.SecondOrderODEProblem,)
