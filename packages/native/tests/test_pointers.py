"""Right sides that numba or C compiled are called by their address."""

import ctypes
import gc
from typing import NamedTuple

import numpy as np
import pytest

import evolvent as ev

numba = pytest.importorskip("numba", reason="numba is not installed")
types = numba.types

POINTER = types.CPointer(types.float64)
RIGHT_SIDE = types.void(types.float64, POINTER, POINTER, POINTER)
ACCELERATION = types.void(types.float64, POINTER, POINTER, POINTER, POINTER)
Y0 = np.array([1.0, 0.5])


def python(t, y, p):
    return [p * y[1], -np.sin(y[0]) + 0.1 * t]


@numba.cfunc(RIGHT_SIDE)
def by_cfunc(t, y, dy, p):
    dy[0] = p[0] * y[1]
    dy[1] = -np.sin(y[0]) + 0.1 * t


@numba.njit
def by_array(t, y, p):
    return np.array([p * y[1], -np.sin(y[0]) + 0.1 * t])


@numba.njit
def by_list(t, y, p):
    return [p * y[1], -np.sin(y[0]) + 0.1 * t]


@numba.njit
def by_tuple(t, y, p):
    return p * y[1], -np.sin(y[0]) + 0.1 * t


@numba.njit
def filling(t, y, dy, p):
    dy[0] = p * y[1]
    dy[1] = -np.sin(y[0]) + 0.1 * t


@ctypes.CFUNCTYPE(None, ctypes.c_double, *[ctypes.POINTER(ctypes.c_double)] * 3)
def by_ctypes(t, y, dy, p):
    dy[0] = p[0] * y[1]
    dy[1] = -np.sin(y[0]) + 0.1 * t


ALL = [by_cfunc, by_array, by_list, by_tuple, filling, by_ctypes]
NAMES = ["cfunc", "array", "list", "tuple", "filling", "ctypes"]


def solved(f, y0=Y0, params=1.3, backend=None, **changes):
    return ev.solve(ev.ODEProblem(f, y0, (0.0, 1.0), params, **changes), "Tsit5", saveat=[0.4, 1.0], backend=backend)


@pytest.mark.parametrize("backend", ["native", "eager"])
@pytest.mark.parametrize("f", ALL, ids=NAMES)
def test_every_kind_agrees_with_python(f, backend):
    """The same solution, in as many steps, as by the function written in Python."""
    found, expected = solved(f, backend=backend), solved(python, backend="eager")
    assert found.stats.backend.startswith(backend)
    assert found.stats.n_steps == expected.stats.n_steps
    assert np.allclose(found.y, expected.y, rtol=1e-13)


@numba.njit
def nested(t, y, p):
    (rate, (matrix, n)), q = p
    return -rate * (matrix @ y) + n * q


class Constants(NamedTuple):
    rate: float
    shift: np.ndarray


@numba.njit
def named(t, y, p):
    return -p.rate * y + p.shift


@numba.njit
def without(t, y, p):
    return -y


@numba.njit
def decay(t, y, p):
    return -p * y


@numba.njit
def of_dict(t, y, p):
    return -p["rate"] * y


KINDS = {
    "nested": (nested, ((1.5, (np.array([[1.0, 0.2], [0.0, 2.0]]), 3)), 0.25), Y0),
    "named": (named, Constants(0.7, np.array([1.0, 2.0])), Y0),
    "none": (without, None, Y0),
    "vector": (decay, np.array([1.0, 2.0]), Y0),
    "matrix y": (decay, 0.5, np.arange(6.0).reshape(2, 3)),
    "long y": (decay, 0.5, np.linspace(0.0, 1.0, 100)),
    "scalar y": (decay, 0.5, np.float64(2.0)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_states_and_parameters_arrive_as_they_are(kind):
    """Trees of tuples, constants and arrays of any shape are rebuilt for functions of numba's."""
    f, params, y0 = KINDS[kind]
    native = solved(f, y0, params, backend="native")
    eager = solved(f, y0, params, backend="eager")
    assert np.allclose(native.y, eager.y, rtol=1e-12, atol=1e-14)


def test_what_numba_cant_type_stages_as_python():
    """A function of numba's with dict parameters, which numba does not know, is compiled as the function inside it."""
    found = solved(of_dict, params={"rate": 2.0}, backend="native")
    assert np.allclose(found.y[-1], Y0 * np.exp(-2.0), rtol=1e-3)


def test_branches_on_values_need_no_staging():
    """Compiled functions may branch, loop and call what numba knows."""

    @numba.njit
    def f(t, y, p):
        total = 0.0
        k = 0
        while k < 3 and y[0] > 0.5:
            total += y[0] * k
            k += 1
        return np.array([-total, -y[1]])

    native, eager = solved(f, backend="native"), solved(f, backend="eager")
    assert native.stats.backend == "native"
    assert np.allclose(native.y, eager.y, rtol=1e-9)


def test_changed_parameters_share_code():
    """A handle gives the answer for other parameters and states, through the same address."""
    run = ev.compile(ev.ODEProblem(by_cfunc, Y0, (0.0, 1.0), 1.3), "Tsit5", saveat=[1.0])
    assert np.allclose(run(params=2.0).y, solved(python, params=2.0).y[-1:], rtol=1e-12)
    assert np.allclose(run(y0=2 * Y0).y, solved(python, y0=2 * Y0).y[-1:], rtol=1e-12)


def test_functions_of_one_form_are_told_apart():
    """Two functions whose programs are the same code give each their own answer, in turns."""

    def make(rate):
        @numba.cfunc(RIGHT_SIDE)
        def f(t, y, dy, p):
            dy[0] = -rate * y[0]
            dy[1] = 0.0

        return f

    functions = [make(rate) for rate in (1.0, 2.0)]
    for _ in range(2):
        ends = [solved(f, backend="native").y[-1, 0] for f in functions]
        assert np.allclose(ends, np.exp([-1.0, -2.0]), rtol=1e-3)


def test_the_function_outlives_its_name():
    """A compiled handle keeps the machine code of a function alive that nobody else holds."""

    def make():
        @numba.cfunc(RIGHT_SIDE)
        def f(t, y, dy, p):
            dy[0] = -y[0]
            dy[1] = -y[1]

        return ev.compile(ev.ODEProblem(f, Y0, (0.0, 1.0), 1.0), "Tsit5", saveat=[1.0], backend="native")

    run = make()
    gc.collect()
    assert np.allclose(run().y[-1], Y0 * np.exp(-1.0), rtol=1e-3)


def test_structured_states():
    """A C function sees the parts of a structured state behind each other; the solution has the structure."""
    y0 = {"a": 1.0, "b": np.array([0.5])}
    for backend in ("native", "eager"):
        found = solved(by_cfunc, y0, backend=backend).y
        assert np.allclose(np.stack([found["a"], found["b"][:, 0]], axis=1), solved(python).y, rtol=1e-12)


def test_what_a_function_writes_to_y_is_lost():
    """The state that a C function gets is a copy."""

    @numba.cfunc(RIGHT_SIDE)
    def f(t, y, dy, p):
        dy[0] = -y[0]
        dy[1] = -y[1]
        y[0] = 77.0

    for backend in ("native", "eager"):
        assert np.allclose(solved(f, backend=backend).y[-1], Y0 * np.exp(-1.0), rtol=1e-3)


@numba.cfunc(ACCELERATION)
def spring(t, q, v, a, p):
    a[0] = -p[0] * q[0]
    a[1] = -q[1]


@numba.njit
def spring_of_numba(t, q, v, p):
    return np.array([-p * q[0], -q[1]])


@numba.njit
def spring_filling(t, q, v, a, p):
    a[0] = -p * q[0]
    a[1] = -q[1]


@pytest.mark.parametrize("algorithm", ["DPRKN6", "VelocityVerlet", "Tsit5"])
@pytest.mark.parametrize("backend", ["native", "eager"])
@pytest.mark.parametrize("a", [spring, spring_of_numba, spring_filling], ids=["cfunc", "array", "filling"])
def test_accelerations(a, backend, algorithm):
    """A compiled acceleration takes q and v, and gives the cosines that it should."""
    problem = ev.SecondOrderODEProblem(a, np.array([1.0, 2.0]), np.zeros(2), (0.0, 1.0), 2.0)
    options = {"dt": 0.001} if algorithm == "VelocityVerlet" else {"rtol": 1e-9, "atol": 1e-9}
    solution = ev.solve(problem, algorithm, saveat=[1.0], backend=backend, **options)
    assert solution.stats.backend.startswith(backend)
    assert np.allclose(solution.y[0][-1], [np.cos(2.0**0.5), 2 * np.cos(1.0)], rtol=1e-6)


@numba.njit
def above(t, y, p):
    return y[0] - 0.9


@numba.njit
def flipped(t, y, p):
    return -y


def test_events_of_numba_stage_as_python():
    """Conditions and effects that numba compiled are part of the program."""
    events = [ev.Event(above, flipped)]
    native, eager = (solved(decay, events=events, backend=backend) for backend in ("native", "eager"))
    assert np.allclose(native.y, eager.y, rtol=1e-12)
    assert np.allclose(native.events[0].t, [-np.log(0.9) / 1.3], rtol=1e-3)


@pytest.mark.parametrize("f", [by_cfunc, by_array], ids=["cfunc", "array"])
@pytest.mark.parametrize("backend", ["native", "eager"])
def test_ensembles(f, backend):
    """Each trajectory of an ensemble is that of its own solve, whatever its parameters and states."""
    problem = ev.ODEProblem(f, Y0, (0.0, 1.0), 1.3)
    rates = np.linspace(1.0, 2.0, 5)
    starts = np.linspace(0.1, 1.0, 10).reshape(5, 2)
    found = ev.solve(ev.EnsembleProblem(problem, params=rates), "Tsit5", saveat=[1.0], backend=backend)
    moved = ev.solve(ev.EnsembleProblem(problem, y0=starts), "Tsit5", saveat=[1.0], backend=backend)
    for i in range(5):
        assert np.allclose(found.y[i, -1], solved(python, params=rates[i]).y[-1], rtol=1e-7)
        assert np.allclose(moved.y[i, -1], solved(python, y0=starts[i]).y[-1], rtol=1e-7)


@numba.njit
def failing_at_once(t, y, p):
    if y[0] > 0.5:
        raise ValueError("too much")
    return -y


@numba.njit
def failing_late(t, y, p):
    if t > 0.5:
        raise ValueError("too late")
    return -y


@numba.njit
def of_wrong_shape(t, y, p):
    return y[:1].copy()


@numba.njit
def of_wrong_length(t, y, p):
    return 1.0, 2.0, 3.0


@numba.njit
def of_complex(t, y, p):
    return 1j * y


@pytest.mark.parametrize("f", [failing_at_once, of_wrong_shape, of_wrong_length, of_complex])
def test_mistakes_are_reported_as_by_the_eager_backend(f):
    """An error at the start, or a result that can't be used, is the same error as in an eager solve."""
    caught = []
    for backend in (None, "eager"):
        with pytest.raises((ev.InputError, ev.SolveError)) as error:
            solved(f, backend=backend)
        caught.append(error.value)
    assert type(caught[0]) is type(caught[1])
    assert str(caught[0]) == str(caught[1])


def test_what_is_raised_later_is_not_a_number():
    """Compiled code goes on with NaN where a function of numba's raises: the solve ends there."""
    with pytest.raises(ev.SolveError, match=r"NON_FINITE at t = 0\.5"):
        solved(failing_late)


REFUSED = {
    "arguments": numba.cfunc(types.void(types.float64, POINTER, POINTER))(lambda t, y, dy: None),
    "result": numba.cfunc(types.float64(types.float64, POINTER, POINTER, POINTER))(lambda t, y, dy, p: 1.0),
    "kinds": ctypes.CFUNCTYPE(None, *[ctypes.c_double] * 4)(lambda *x: None),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_signatures_are_refused(kind):
    """A C function of another type is refused before it is ever called."""
    with pytest.raises(ev.InputError, match=r"void \(double, double \*, double \*, double \*\)"):
        solved(REFUSED[kind])


@pytest.mark.parametrize("y0", [Y0.astype(np.float32), Y0.astype(complex)], ids=["float32", "complex128"])
def test_only_doubles_go_by_address(y0):
    """A C function never sees a state of another type than double."""
    with pytest.raises(ev.InputError, match="float64"):
        solved(by_cfunc, y0)


def test_objects_among_the_parameters_are_refused():
    """A C function takes numbers."""
    with pytest.raises(ev.InputError, match="'text' is none"):
        solved(by_cfunc, params=(1.0, "text"))


def test_single_precision_stages_as_python():
    """A function of numba's on float32 is compiled as the function inside it."""
    found = solved(decay, Y0.astype(np.float32), np.float32(1.0), backend="native")
    assert found.y.dtype == np.float32
    assert np.allclose(found.y[-1], Y0 * np.exp(-1.0), rtol=1e-3)


def test_python_that_calls_numba_runs_eagerly():
    """The note names the line that calls a compiled function, and how to have it called by address."""
    found = solved(lambda t, y, p: 2.0 * decay(t, y, p))
    assert found.stats.backend == "eager (numpy)"
    assert "test_pointers.py, line" in found.stats.note
    assert "give that function as f itself" in found.stats.note
    assert np.allclose(found.y[-1], Y0 * np.exp(-2.6), rtol=1e-2)
