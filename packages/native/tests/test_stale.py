import types

import numpy as np
import pytest

import evolvent as ev
from evolvent_native._backend import NativeBackend
from evolvent_ode import RK4
from evolvent_stepping import Options
from evolvent_stepping._driver import compile as compile_solve
from evolvent_stepping._driver import solve

RATE = -0.5
SMALL = np.array([-0.5, -1.0])
LARGE = np.linspace(-1.0, -0.1, 1000)  # too large to be a literal


def rate_of(y):
    return RATE * y


def options():
    return Options(dt=0.1, saveat=np.array([1.0]))


def end(f, y0=(1.0, 2.0), params=None, backend=None):
    """Where a solve on machine code ends."""
    problem = ev.ODEProblem(f, np.array(y0), (0.0, 1.0), params)
    return np.asarray(solve(problem, RK4(), backend or NativeBackend(forced=True), options()).y[-1])


def eager(f, y0=(1.0, 2.0), params=None):
    problem = ev.ODEProblem(f, np.array(y0), (0.0, 1.0), params)
    return np.asarray(ev.solve(problem, RK4(), backend="eager", dt=0.1, saveat=np.array([1.0])).y[-1])


def both_agree(f, **given):
    found = end(f, **given)
    np.testing.assert_allclose(found, eager(f, **given), rtol=1e-12)
    return found


def changes(f, change, **given):
    """A solve is right before and after a change, and the change is seen."""
    before = both_agree(f, **given)
    change()
    after = both_agree(f, **given)
    assert not np.allclose(before, after)


def test_global_number(monkeypatch):
    """A global number that changes between two solves gives the new answer."""
    changes(lambda t, y, p: RATE * y, lambda: monkeypatch.setitem(globals(), "RATE", -2.0))


def test_global_of_a_called_function(monkeypatch):
    """So does one that a function called by the right-hand side reads."""
    changes(lambda t, y, p: rate_of(y), lambda: monkeypatch.setitem(globals(), "RATE", -2.0))


def test_global_array(monkeypatch):
    """A global array that is exchanged gives the new answer, small or large."""
    changes(lambda t, y, p: SMALL * y, lambda: monkeypatch.setitem(globals(), "SMALL", np.array([-3.0, 1.0])))
    y0 = np.ones(1000)
    changes(lambda t, y, p: LARGE * y, lambda: monkeypatch.setitem(globals(), "LARGE", -LARGE), y0=y0)


def test_closure_cell():
    """A variable of an enclosing function that is bound anew gives the new answer."""
    rate = -0.5

    def f(t, y, p):
        return rate * y

    def change():
        nonlocal rate
        rate = -2.0

    changes(f, change)


def test_default_argument():
    """A default argument that is exchanged gives the new answer."""

    def f(t, y, p, rate=-0.5):
        return rate * y

    changes(f, lambda: setattr(f, "__defaults__", (-2.0,)))


def test_module_constant():
    """A constant of a module that changes gives the new answer."""
    module = types.ModuleType("constants")
    module.rate = -0.5
    changes(lambda t, y, p: module.rate * y, lambda: setattr(module, "rate", -2.0))


@pytest.mark.parametrize("size", [2, 40, 1000])
def test_arrays_written_in_place(size):
    """An array that is written to between two solves gives the new answer: literals, loops over them, and data."""
    rates = np.linspace(-1.0, -0.1, size)

    def change():
        rates[:] = 1.0
        rates[-1] = 0.5

    changes(lambda t, y, p: rates * y, change, y0=np.ones(size))


def test_matrices_written_in_place():
    """One entry of a large matrix counts."""
    a = -np.eye(50)

    def change():
        a[3, 4] = 10.0

    changes(lambda t, y, p: a @ y, change, y0=np.ones(50))


def test_attributes():
    """An attribute of an object, or of its class, that changes gives the new answer."""

    class Model:
        rate = -0.5

        def __call__(self, t, y, p):
            return self.rate * y

    model = Model()
    changes(model, lambda: setattr(Model, "rate", -1.5))
    changes(model, lambda: setattr(model, "rate", -2.0))


def test_exchanged_functions():
    """A function that is exchanged for another, and one whose code is, give the new answer."""
    parts = {"rate": lambda y: -0.5 * y}

    def f(t, y, p):
        return parts["rate"](y)

    changes(f, lambda: parts.update(rate=lambda y: -2.0 * y))

    def before(t, y, p):
        return -y

    def after(t, y, p):
        return -2.0 * y * y

    changes(before, lambda: setattr(before, "__code__", after.__code__))


def test_lists_and_branches():
    """A list that grows and a flag that is turned change what is computed."""
    terms, flags = [-0.5], {"forced": False}

    def f(t, y, p):
        rate = sum(r * y for r in terms)
        return rate + np.cos(t) if flags["forced"] else rate

    changes(f, lambda: terms.append(-1.0))
    changes(f, lambda: flags.update(forced=True))
    changes(f, lambda: terms.clear() or terms.append(0.5))


def test_equal_functions_share_code_but_not_numbers():
    """Functions made in a loop with a number each are not mixed up; nor do 1.0, 1 and True pass for one."""
    for rate in np.linspace(-2.0, 0.0, 5):
        both_agree(lambda t, y, p, rate=rate: rate * y)
    for rate in (1.0, 1, True, 0.0, -0.0, 0):
        both_agree(lambda t, y, p, rate=rate: y / (2 + rate) + rate)
    for half in (np.float32(0.1), 0.1, np.float64(0.1)):
        both_agree(lambda t, y, p, half=half: half * y)


def test_parameters():
    """Parameters of other values, shapes and types are not mixed up."""

    def f(t, y, p):
        return -np.sum(np.asarray(p)) * y

    for params in (0.5, 2.0, 1, np.array([0.5, 1.0]), np.array([0.25]), np.linspace(0, 1e-2, 100), [0.5, 0.1], True):
        both_agree(f, params=params)


def test_memory_that_is_used_again():
    """Arrays of other solves that came to lie at one address are not taken for each other."""
    for i in range(20):
        rates = np.full(1000, -0.05 * i)
        np.testing.assert_allclose(
            end(lambda t, y, p, r=rates: r * y, y0=np.ones(1000))[-1], np.exp(-0.05 * i), rtol=1e-6
        )
        del rates


def handle(f, y0):
    problem = ev.ODEProblem(f, np.array(y0), (0.0, 1.0))
    return compile_solve(problem, RK4(), NativeBackend(forced=True), options())


@pytest.mark.parametrize("size", [2, 40, 1000])
def test_handles_keep_what_they_were_compiled_with(size):
    """A compiled handle looks at functions once: numbers and arrays that change later are not seen."""
    rates, scale = np.linspace(-1.0, -0.1, size), {"scale": 1.0}
    run = handle(lambda t, y, p: scale["scale"] * rates * y, np.ones(size))
    before = np.array(run().y)
    scale["scale"] = 2.0
    rates[:] = 1.0
    np.testing.assert_array_equal(run().y, before)


@pytest.mark.parametrize("size", [2, 1000])
def test_random_numbers_are_not_frozen(size):
    """A function that draws random numbers is not staged: it would draw them once."""
    rng = np.random.default_rng(0)
    y0 = np.ones(size)

    def f(t, y, p):
        return -y * rng.uniform(size=size)

    with pytest.raises(ev.BackendError, match="draw"):
        end(f, y0=y0)
    solution = [end(f, y0=y0, backend=NativeBackend()) for _ in range(2)]
    assert not np.allclose(*solution)


def test_counters_are_not_frozen():
    """Nor is a function that counts its calls and uses the count."""
    calls = [0]

    def f(t, y, p):
        calls[0] += 1
        return -y * calls[0]

    with pytest.raises(ev.BackendError, match="again"):
        end(f)
