"""The coefficients of the explicit Runge-Kutta methods, against the theory of order and known solutions."""

from __future__ import annotations

import importlib
import math
import pkgutil
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import evolvent_ode
from evolvent_ode._low_storage import LowStorage, butcher_tableau
from evolvent_ode._order_conditions import forest, order_residuals
from evolvent_ode._runge_kutta import RungeKutta
from evolvent_ode._tableau import Interpolant, Tableau


def explicit_runge_kutta():
    """Collect the methods from the package's modules, so that a new one needs no line here."""
    for module in pkgutil.iter_modules(evolvent_ode.__path__, "evolvent_ode."):
        if not module.name.split(".")[-1].startswith("_"):
            for value in vars(importlib.import_module(module.name)).values():
                here = isinstance(value, type) and value.__module__ == module.name
                if here and issubclass(value, RungeKutta | LowStorage):
                    yield value


METHODS = list(explicit_runge_kutta())
METHODS_BY_NAME = {method.__name__: method for method in METHODS}
INTERPOLATED = [m for m in METHODS if issubclass(m, RungeKutta) and m.tableau.interpolant is not None]
every_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
every_interpolant = pytest.mark.parametrize("method", INTERPOLATED, ids=lambda method: method.__name__)


def tableau_of(method) -> Tableau:
    return method.tableau if issubclass(method, RungeKutta) else butcher_tableau(method.scheme)


def worst(tableau, weights, order, theta=1.0):
    """The largest residual of the order conditions of each size, from one vertex up to `order`."""
    residuals = abs(order_residuals(tableau.dense_a[: len(weights), : len(weights)], weights, order, theta))
    return [residuals[forest(order).size == size].max() for size in range(1, order + 1)]


class KeplerSystem:
    """The two-body problem in extended precision, with what a stepper asks of its system."""

    eccentricity = np.longdouble(0.2)

    def f(self, t, y):
        q, v = y[:2], y[2:]
        return np.concatenate([v, -q / np.sqrt(q @ q) ** 3])

    def combine(self, y, dt, weights, ks):
        total = sum(w * k for w, k in zip(weights, ks, strict=False) if w)
        return dt * total if y is None else y + dt * total

    def exact(self, t):
        """Follow the orbit from its perihelion on: Kepler's equation, solved by Newton's method."""
        t, e = np.longdouble(t), self.eccentricity
        anomaly = t
        for _ in range(20):
            anomaly = anomaly - (anomaly - e * np.sin(anomaly) - t) / (1 - e * np.cos(anomaly))
        root, speed = np.sqrt(1 - e * e), 1 / (1 - e * np.cos(anomaly))
        x, y = np.cos(anomaly), np.sin(anomaly)
        return np.array([x - e, root * y, -y * speed, root * x * speed])


def slope(method, sizes, errors):
    """Measure the order that the errors show, by least squares, at the smallest steps free of rounding.

    The problem is solved in extended precision, but the coefficients are doubles: by how much they miss the
    order conditions shows at last, and low storage adds the rounding of sums of states.
    """
    tableau = tableau_of(method)
    rounding = 30 * max(worst(tableau, np.array(tableau.b), min(tableau.order, 8)))
    floor = max(rounding, 1e-11 if issubclass(method, LowStorage) else 1e-15)
    points = [(math.log(h), math.log(e)) for h, e in zip(sizes, errors, strict=True) if floor < e < 0.5]
    assert len(points) >= 5
    return np.polyfit(*zip(*points[-5:], strict=True), 1)[0]


def test_trees_are_as_many_as_theory_says():
    """Rooted trees are counted by 1, 1, 2, 4, 9, 20, 48, 115, 286, 719 (OEIS A000081), each drawn once."""
    trees = forest(10)
    assert np.bincount(trees.size)[1:].tolist() == [1, 1, 2, 4, 9, 20, 48, 115, 286, 719]
    assert len({trees.draw(tree) for tree in range(len(trees.size))}) == len(trees.size)


@every_method
def test_methods_are_registered(method):
    """Every method has its line in pyproject.toml."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    target = project["entry-points"]["evolvent.algorithms"][method.__name__]
    assert target == f"{method.__module__}:{method.__name__}"


@every_method
def test_weights_have_their_order(method):
    """All conditions hold to the order claimed, but for the rounding of coefficients, and fail beyond it."""
    tableau = tableau_of(method)
    residuals = worst(tableau, np.array(tableau.b), tableau.order + 1)
    assert max(residuals[:-1]) <= tableau.tolerance
    assert residuals[-1] > 1e-8


@pytest.mark.parametrize("method", [m for m in METHODS if m.adaptive], ids=lambda method: method.__name__)
def test_embedded_weights_have_their_order(method):
    """The embedded formula holds its conditions to the order claimed and no further."""
    tableau = tableau_of(method)
    residuals = worst(tableau, np.array(tableau.embedded), tableau.error_order + 1)
    assert max(residuals[:-1]) <= tableau.tolerance
    assert residuals[-1] > 1e-6
    assert tableau.error_order < tableau.order


@every_interpolant
@pytest.mark.parametrize("theta", [0.1, 0.25, 0.5, 0.6180339887, 0.9])
def test_interpolants_have_their_order(method, theta):
    """The weights inside a step hold the conditions at theta to the order claimed."""
    interpolant = method.tableau.interpolant
    residuals = worst(method.tableau, np.array(interpolant.at(theta)), interpolant.order + 1, theta)
    assert max(residuals[:-1]) <= interpolant.tolerance
    assert residuals[-1] > 1e-8


@every_interpolant
def test_interpolants_join_smoothly(method):
    """Dense output meets both ends of its step with their values and derivatives."""
    tableau = method.tableau
    weights = np.array([row for row in tableau.interpolant.weights if row])
    used = [i for i, row in enumerate(tableau.interpolant.weights) if row]
    degree = weights.shape[1]
    end = tableau.stages - 1 if tableau.fsal else tableau.stages
    assert np.array(tableau.interpolant.at(0.0)) == pytest.approx(0.0, abs=0.0)
    assert np.array(tableau.interpolant.at(1.0))[: tableau.stages] == pytest.approx(np.array(tableau.b), abs=1e-14)
    # The derivative of theta**j * (1 - theta)**(degree - j) at an end is zero but for the outermost two.
    first = weights[:, 0]
    last = degree * weights[:, -1] - weights[:, -2]
    assert first == pytest.approx(np.array([float(i == 0) for i in used]), abs=1e-13)
    assert last == pytest.approx(np.array([float(i == end) for i in used]), abs=1e-9)


def test_powers_and_kept_basis_agree():
    """A polynomial given in powers of theta has the same values in the basis that is kept."""
    powers = ((1.0, -2.5, 0.75, 3.0), (), (0.0, 4.0))
    interpolant = Interpolant.from_powers(3, powers)
    for theta in (0.0, 0.3, 1.0):
        expected = [sum(coefficient * theta ** (j + 1) for j, coefficient in enumerate(row)) for row in powers]
        assert interpolant.at(theta) == pytest.approx(expected, abs=1e-15)


@every_method
def test_steps_converge_with_their_order(method):
    """Fixed steps lose their error as fast as claimed (that it is no faster, the conditions show)."""
    stepper, system, span = method(), KeplerSystem(), 4.0
    counts = sorted({round(2 * 1.25**level) for level in range(26)})
    sizes, errors = [], []
    for count in counts:
        dt, y = np.longdouble(span) / count, system.exact(0.0)
        cache = system.f(0.0, y)
        for i in range(count):
            step = stepper.step(system, i * dt, y, dt, cache)
            y, cache = step.y, step.cache
        sizes.append(float(dt))
        errors.append(float(np.abs(y - system.exact(span)).max()))
        if errors[-1] < 3e-15:
            break
    assert slope(method, sizes, errors) > method.order - 0.5


@every_method
def test_dense_output_converges_with_its_order(method):
    """Inside one step from the exact solution the error shrinks by a power more than claimed."""
    stepper, system, start = method(), KeplerSystem(), 0.5
    sizes, errors = [], []
    y = system.exact(start)
    for dt in 2.0 / 1.2 ** np.arange(60):
        step = stepper.step(system, start, y, dt, system.f(start, y))
        sizes.append(dt)
        errors.append(
            max(
                np.abs(stepper.interpolate(system, step.dense, theta) - system.exact(start + theta * dt)).max()
                for theta in (0.3, 0.7)
            )
        )
    assert slope(method, sizes, errors) > method.dense_order + 0.5


@pytest.mark.parametrize(
    ("name", "coefficient"),
    [("SSPRK22", 1.0), ("SSPRK33", 1.0), ("SSPRK43", 2.0), ("SSPRK54", 1.508180), ("SSPRK104", 6.0)],
)
def test_strong_stability_reaches_as_far_as_published(name, coefficient):
    """Steps are convex combinations of Euler steps up to the SSP coefficient and no further."""
    tableau = tableau_of(METHODS_BY_NAME[name])
    stages = tableau.stages
    k = np.zeros((stages + 1, stages + 1))
    k[:stages, :stages] = tableau.dense_a[:stages, :stages]
    k[stages, :stages] = tableau.b

    def is_convex(r):
        mixed = r * k @ np.linalg.inv(np.eye(stages + 1) + r * k)
        return mixed.min() > -1e-9 and mixed.sum(axis=1).max() < 1.0 + 1e-9

    assert is_convex(coefficient - 1e-5)
    assert not is_convex(coefficient + 1e-3)


@pytest.mark.parametrize(
    "name",
    ["BS3", "OwrenZen3", "OwrenZen4", "OwrenZen5", "DP5", "Tsit5", "Vern6", "RDPK3SpFSAL35", "RDPK3SpFSAL49"],
)
def test_first_same_as_last_is_noticed(name):
    """Methods whose last stage is the derivative at the end are known as such."""
    assert tableau_of(METHODS_BY_NAME[name]).fsal


def test_wrong_digits_are_noticed():
    """A tableau, an error estimate or an interpolant with a wrong digit is refused, with what it misses."""
    good = {"order": 2, "c": (0.0, 1.0), "a": ((), (1.0,)), "b": (0.5, 0.5)}
    with pytest.raises(ValueError, match="row 1 of a sums to"):
        Tableau(**{**good, "a": ((), (0.9,))})
    with pytest.raises(ValueError, match="strictly lower triangular"):
        Tableau(**{**good, "a": ((), (1.0, 0.0))})
    with pytest.raises(ValueError, match=r"b misses the order condition of the tree \[\[\]\]"):
        Tableau(**{**good, "b": (0.4, 0.6)})
    with pytest.raises(ValueError, match="b - error misses"):
        Tableau(**good, error=(0.1, 0.0), error_order=1)
    with pytest.raises(ValueError, match="error needs an error_order"):
        Tableau(**good, error=(0.1, -0.1))
    with pytest.raises(ValueError, match=r"b\(0.3\) misses"):
        Tableau(**good, interpolant=Interpolant.from_powers(2, ((1.0, -0.5), (0.0, 0.4), ())))


@every_interpolant
def test_extra_stages_are_computed_once(method):
    """A completed step is evaluated anywhere without another call of f, to the same values."""
    stepper, system = method(), KeplerSystem()
    y = system.exact(0.0)
    dense = stepper.step(system, 0.0, y, 0.1, system.f(0.0, y)).dense
    expected = stepper.interpolate(system, dense, 0.4)
    completed = stepper.complete(system, dense)
    system.f = None
    assert (stepper.interpolate(system, completed, 0.4) == expected).all()


def test_dop853_joins_its_two_estimates():
    """The norm is ``e5**2 / sqrt(e5**2 + e3**2 / 100)`` as published, and zero where both are."""

    class NormSystem:
        backend = SimpleNamespace(xp=np)

        def scaled_norm(self, error, y0, y1):
            return np.float64(error)

    def norm(fifth, third):
        return METHODS_BY_NAME["DOP853"]().error_norm(NormSystem(), (fifth, third), None, None)

    assert norm(3.0, 40.0) == pytest.approx(9.0 / 5.0)
    assert norm(2.0, 0.0) == pytest.approx(2.0)
    assert norm(0.0, 0.0) == 0.0
