"""The recording namespace against NumPy: every graph is computed by the interpreter."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from evolvent_native import _functions as xp
from evolvent_native import _graph
from evolvent_native._array import Array
from evolvent_native._errors import StagingError, reason, where_raised
from evolvent_native._interpret import run
from evolvent_native._show import show

DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128".split()  # noqa: SIM905


def staged(f, *args):
    """The graph of f, for arguments of these shapes and dtypes."""
    graph = _graph.Graph()
    params = [Array(graph.param(np.shape(a), np.asarray(a).dtype)) for a in args]
    for param in params:
        param.writable = False
    with _graph.record_in(graph):
        found = f(*params)
        found = found if isinstance(found, tuple | list) else [found]
        graph.outputs = [xp.asarray(x).node for x in found]
    return graph


def agrees(f, *args, reference=None, tolerance=1e-12):
    """Whether f, recorded and interpreted, gives what NumPy gives, of the same shape and dtype."""
    with np.errstate(all="ignore"):
        wanted = (reference or f)(*args)
    wanted = wanted if isinstance(wanted, tuple | list) else [wanted]
    found = run(staged(f, *args), args)
    assert len(found) == len(wanted)
    for x, y in zip(found, map(np.asarray, wanted), strict=True):
        assert x.shape == y.shape
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


_random = np.random.default_rng(0)
VECTOR, OTHER = _random.normal(size=5), _random.normal(size=5)
GRID, CUBE = _random.normal(size=(3, 4)), _random.normal(size=(2, 3, 4))
SQUARE, SQUARES = _random.normal(size=(4, 4)), _random.normal(size=(2, 3, 3))
WAVES = _random.normal(size=5) + 1j * _random.normal(size=5)
COUNTS, FLAGS = np.array([3, -1, 2, 0, 7]), np.array([True, False, True, True, False])
PLACES = np.array([1, 0, -1])

OF_ALL = "exp expm1 sin cos tan sinh cosh tanh arctan arcsinh sign square absolute negative positive reciprocal rint"
CUT = "exp log sqrt sin cos tan sinh cosh tanh arcsin arctan arcsinh arctanh"
OF_REALS = "exp2 floor ceil trunc fabs cbrt deg2rad rad2deg sinc isnan isfinite isinf signbit degrees radians"
OF_PAIRS = (
    "add subtract multiply divide maximum minimum arctan2 hypot copysign fmod heaviside logaddexp logaddexp2 fmax fmin "
    "remainder floor_divide greater greater_equal less less_equal equal not_equal float_power logical_and logical_or "
    "logical_xor power"
)


@pytest.mark.parametrize("name", [*OF_ALL.split(), *OF_REALS.split()])
def test_functions_of_each_real_entry_are_numpys(name):
    """A NumPy function of a recorded real array is recorded, in float64 and float32."""
    agrees(getattr(np, name), VECTOR)
    agrees(getattr(np, name), VECTOR.astype(np.float32), tolerance=1e-6)


@pytest.mark.parametrize("name", ["log", "log1p", "log2", "log10", "sqrt", "arccosh"])
def test_functions_of_positive_numbers_are_numpys(name):
    """Logarithms and roots agree where they are real."""
    agrees(getattr(np, name), np.abs(VECTOR) + 1)


@pytest.mark.parametrize(
    "name",
    [*OF_ALL.split(), "log", "log1p", "log2", "log10", "sqrt", "arccosh", "arccos", "arcsin", "arctanh", "isnan"],
)
def test_functions_of_complex_entries_are_numpys(name):
    """Functions of complex numbers, recorded by real and imaginary parts, agree."""
    agrees(getattr(np, name), WAVES)
    agrees(getattr(np, name), WAVES.astype(np.complex64), tolerance=2e-6)


@pytest.mark.parametrize("name", CUT.split())
def test_complex_functions_keep_branch_cuts_and_large_numbers(name):
    """On the branch cuts, on both sides of zero and near overflow, complex functions agree with NumPy's."""
    values = [0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 1e300, -1e300, 1e-300, 710.0, -710.0, 1e-9, math.inf, -math.inf]
    z = np.array([complex(a, b) for a in values for b in values])
    function = getattr(np, name)
    with np.errstate(all="ignore"):
        wanted = function(z)
    (found,) = run(staged(function, z), (z,))
    sure = np.isfinite(z) & np.isfinite(wanted)
    np.testing.assert_allclose(found.real[sure], wanted.real[sure], rtol=1e-13)
    np.testing.assert_allclose(found.imag[sure], wanted.imag[sure], rtol=1e-13)
    ends = ~np.isnan(wanted) & ~np.isfinite(wanted)
    np.testing.assert_array_equal(np.isinf(found[ends]), np.isinf(wanted[ends]))


@pytest.mark.parametrize("name", OF_PAIRS.split())
def test_functions_of_pairs_are_numpys(name):
    """Recorded arrays meet arrays, NumPy arrays of other shapes, and numbers from either side."""
    function, positive = getattr(np, name), np.abs(VECTOR) + 0.1
    agrees(function, positive, np.abs(OTHER))
    agrees(lambda y: function(y, 2.5), positive)
    agrees(lambda y: function(2.5, y), positive)
    agrees(lambda y: function(np.abs(GRID[:, :1]), y), positive)
    agrees(lambda y: function(y, np.abs(COUNTS)), positive)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, -1, -2, 0.5, 1.5])
def test_powers_by_numbers(n):
    """Powers by whole, negative and broken numbers agree, of real and of complex bases."""
    agrees(lambda y: y**n, np.abs(VECTOR) + 0.3)
    agrees(lambda y: y**n, WAVES, tolerance=1e-10)


REDUCTIONS = ["sum", "prod", "max", "min", "mean", "std", "var", "any", "all", "argmax", "argmin", "count_nonzero"]


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_are_numpys(name):
    """Reductions over all axes, one, the last and several agree; integers and booleans get NumPy's dtypes."""
    function = getattr(np, name)
    agrees(function, VECTOR)
    agrees(lambda y: function(y, axis=0), GRID)
    agrees(lambda y: function(y, axis=-1, keepdims=True), GRID)
    agrees(function, COUNTS)
    agrees(function, FLAGS)
    if not name.startswith("arg"):
        agrees(lambda y: function(y, axis=(0, 2)), CUBE)


FORMS = {
    "roll": lambda y: np.roll(y, (1, -2), axis=(0, 1)),
    "roll flat": lambda y: np.roll(y, 5),
    "flip": lambda y: np.flip(y, 0),
    "repeat": lambda y: np.repeat(y, [1, 2, 0], axis=0),
    "repeat all": lambda y: np.repeat(y, 3),
    "tile": lambda y: np.tile(y, (2, 1, 2)),
    "transposed": lambda y: y.T,
    "moveaxis": lambda y: np.moveaxis(y[None], 0, -1),
    "expand and squeeze": lambda y: np.squeeze(np.expand_dims(y, (0, 2)), axis=2),
    "concatenate": lambda y: np.concatenate([y, y * 2], axis=1),
    "stack": lambda y: np.stack([y, y + 1], axis=1),
    "stack of numbers": lambda y: np.stack([y[0, 0], y[1, 1], np.float64(2.0)]),
    "hstack": lambda y: np.hstack([y, y]),
    "vstack": lambda y: np.vstack([y, y[0]]),
    "column_stack": lambda y: np.column_stack([y[:, 0], y]),
    "array_split": lambda y: np.array_split(y, 2, axis=0),
    "split": lambda y: np.split(y, [1, 3], axis=1),
    "pad": lambda y: np.pad(y, ((1, 2), (0, 1)), mode="wrap"),
    "pad zeros": lambda y: np.pad(y, 1),
    "triangles": lambda y: (np.tril(y, 1), np.triu(y, -1)),
    "gradient": lambda y: np.gradient(y),
    "gradient with a spacing": lambda y: np.gradient(y, 0.5, axis=1, edge_order=2),
    "gradient between points": lambda y: np.gradient(y, np.array([0.0, 1.0, 3.0, 4.0]), axis=1),
    "diff": lambda y: np.diff(y, n=2, axis=0, prepend=0.0),
    "cumsum": lambda y: (np.cumsum(y), np.cumsum(y, axis=1), np.cumprod(y, axis=0)),
    "sorted": lambda y: (np.sort(y, axis=0), np.argsort(y)),
    "searchsorted": lambda y: np.searchsorted(np.array([-1.0, 0.0, 1.0]), y),
    "take_along_axis": lambda y: np.take_along_axis(y, np.argsort(y, axis=1), axis=1),
    "outer": lambda y: np.outer(y[0], y[1]),
    "dot": lambda y: (np.dot(y[0], y[1]), np.dot(y, y.T), y @ y[0], y[:, 0] @ y, SQUARE @ y.T),
    "tensordot": lambda y: np.tensordot(y, y, axes=((0,), (0,))),
    "vdot": lambda y: np.vdot(y, y),
    "kron": lambda y: np.kron(y, y),
    "einsum": lambda y: (np.einsum("ij,kj->ik", y, y), np.einsum("ij,ij->i", y, y), np.einsum("ij,jk,kl", y, y.T, y)),
    "einsum diagonal": lambda y: (np.einsum("ii->i", y[:, :3]), np.einsum("ii", y[:, :3]), np.einsum("ij->j", y)),
    "cross": lambda y: np.cross(y[:, 0], y[:, 1]),
    "trace": lambda y: (np.trace(y, offset=1), np.diagonal(y, 1), np.diag(y[0], -1)),
    "norms": lambda y: (np.linalg.norm(y), np.linalg.norm(y, 1), np.linalg.norm(y, np.inf, axis=0)),
    "interp": lambda y: np.interp(y, np.array([-1.0, 0.0, 0.5, 2.0]), np.array([1.0, 2.0, 5.0, 3.0])),
    "trapezoid": lambda y: np.trapezoid(y, dx=0.1),
    "round": lambda y: np.round(y, 2),
    "clip": lambda y: np.clip(y, -0.5, 0.5),
    "where": lambda y: (np.where(y > 0, y, 0), np.where(y > 0, 1, 2)),
    "select": lambda y: np.select([y < -0.5, y < 0.5], [y, 2 * y], 3.0),
    "polyval": lambda y: np.polyval([1.0, 2.0, 3.0], y),
    "likes": lambda y: (np.zeros_like(y), np.ones_like(y, dtype=int), np.full_like(y, 3)),
    "meshgrid": lambda y: np.meshgrid(y[0], y[:, 0]),
    "ufunc methods": lambda y: (np.add.outer(y[0], y[:, 0]), np.add.reduce(y), np.maximum.reduce(y, axis=1)),
    "iterated": lambda y: [row * 2 for row in y],
    "methods": lambda y: (y.ravel(), y.reshape(4, -1), y.mean(axis=0), y.std(ddof=1), y.flatten(), y.astype("f4")),
    "average": lambda y: np.average(y, axis=0),
    "several results": lambda y: (*np.divmod(y, 0.3), *np.modf(y)),
}


@pytest.mark.parametrize("name", FORMS)
def test_numpys_functions_are_recorded(name):
    """A function that is written with NumPy's own functions computes the same when it is recorded."""
    agrees(FORMS[name], GRID)


def test_linear_algebra_is_numpys():
    """Solutions, inverses, determinants and factors agree, of single matrices, stacks and complex ones."""
    agrees(np.linalg.solve, SQUARE, OTHER[:4], tolerance=1e-10)
    agrees(lambda a: np.linalg.solve(a, a[:, :, :1] * 2), SQUARES, tolerance=1e-10)
    agrees(np.linalg.solve, SQUARE + 1j * SQUARE.T, OTHER[:4], tolerance=1e-10)
    for matrices in (SQUARE, SQUARES):
        agrees(np.linalg.inv, matrices, tolerance=1e-9)
        agrees(np.linalg.det, matrices)
        agrees(lambda a: tuple(np.linalg.slogdet(a)), matrices)
        agrees(lambda a: tuple(np.linalg.qr(a)), matrices)
        agrees(lambda a: np.linalg.matrix_power(a, 5), matrices, tolerance=1e-9)
    agrees(np.linalg.cholesky, SQUARE @ SQUARE.T + np.eye(4))
    agrees(lambda a: tuple(np.linalg.qr(a)), GRID)


INDICES = {
    "row": (0,),
    "entry": (-1, 2),
    "column": (..., 1),
    "reversed": (slice(1, None), slice(None, None, -1)),
    "new axis": (None, slice(None), 0),
    "steps back": (slice(None, None, -2),),
    "nothing": (slice(3, 1),),
    "rows": ([0, 2],),
    "table": (np.array([[0, 2], [1, -1]]),),
    "behind": (slice(None), np.array([[0, 2], [1, -1]])),
    "pairs": ([0, 1], [1, 2]),
    "known mask": (np.array([True, False, True]),),
    "known mask and entry": (np.array([True, False, True]), 1),
    "full mask": (GRID > 0,),
    "split": (slice(1, None), None, [0, 1]),
    "all": (...,),
}


@pytest.mark.parametrize("name", INDICES)
def test_known_indices_are_numpys(name):
    """Slices, integers, tables and known masks pick, and write, what they do with NumPy."""
    key = INDICES[name]
    agrees(lambda y: y[key], GRID)

    def write(y):
        x = np.zeros_like(y)
        x[key] = y[key] * 2
        x[key] += 1
        return x

    agrees(write, GRID)


RECORDED = {
    "rows": lambda y, i: y[i],
    "behind": lambda y, i: y[:, i],
    "with a number": lambda y, i: y[0, i],
    "twice": lambda y, i: y[:, i, i],
    "apart": lambda y, i: y[0, :, i],
    "one row": lambda y, i: y[i[0]],
    "slices": lambda y, i: y[:, i[1], 1:],
    "three": lambda y, i: y[i[1], i[0], i[2]],
    "new axis": lambda y, i: y[:, None, i],
    "with a list": lambda y, i: y[i, :, [0, 1, 2]],
    "steps": lambda y, i: y[1:, i, None, ::2],
    "grid": lambda y, i: y[i[:, None], i],
    "take": lambda y, i: np.take(y, i, axis=1),
}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_indices_are_numpys(name):
    """Recorded integers, negative ones too, pick what they do with NumPy; the axes of the result are in its order."""
    agrees(RECORDED[name], CUBE, PLACES)


def _shifted(x, y):
    x[0] = y[1]
    x[1:] = y[:-1]


def _mixed(x, y):
    x[1, 2] = 5
    x[0] += y[1]
    x[:, 1] *= 2
    x[x > 3] = 7


def _through_a_slice(x, y):
    part = x[1:]
    part[0] = y[0]
    x[2] = 1
    return part + x[:2]


def _through_a_reshape(x, y):
    flat = x.reshape(-1)
    flat[5] = 3.0
    flat[1::3] = 2.0
    x[0, 0] = flat[1]


def _through_a_transpose(x, y):
    other = x.T
    other[1] = y[:, 2]
    other[0, 0] = 9.0


def _entries(x, y):
    for i in range(3):
        for j in range(4):
            x[i, j] = y[i, -j] * 2
        x[i, 0] += x[i, 1]


def _by_lists(x, y):
    x[[0, 2]] = y[:2]
    x[[0, 0], [1, 1]] = [1.0, 2.0]
    x[..., -1] = 4


def _in_place(x, y):
    x += y
    x -= 1
    x /= 3
    np.add(x, 1, out=x)


def _both_ways(x, y):
    x[:] = y
    back = x[::-1]
    back[0, :2] = 0
    x[0, 0] = back[0, 2]
    return back


def _filled(x, y):
    x.fill(2)
    x[0] = 3.5
    x[1:2, 1:3] = [[1, 2]]


WRITES = [
    _shifted, _mixed, _through_a_slice, _through_a_reshape, _through_a_transpose, _entries, _by_lists, _in_place,
    _both_ways, _filled,
]  # fmt: skip


@pytest.mark.parametrize("write", WRITES)
def test_writes_are_numpys(write):
    """Writes to entries, slices, masks and views are seen where NumPy shows them."""

    def f(y):
        x = np.zeros_like(y)
        found = write(x, y)
        return x if found is None else (x, found)

    agrees(f, GRID)


def test_writes_at_recorded_places():
    """Recorded integers and masks say where is written."""

    def f(y, i):
        x = np.zeros_like(y)
        x[i[0]] = 1.0
        x[:, i[1], 0] = y[:, 0, 0]
        x[0, i, i] = 7.0
        x[y > 1] = -1
        return x

    agrees(f, CUBE, PLACES)


def test_arguments_are_read_only():
    """Writing to an argument is refused, and the message says to return new arrays."""

    def entry(y):
        y[0] = 1.0

    def whole(y):
        y += 1.0

    def view(y):
        y.reshape(-1)[0] = 1.0

    for f in (entry, whole, view):
        with pytest.raises(TypeError, match="Return new arrays"):
            staged(f, VECTOR)


def test_numbers_of_pythons_take_the_precision_of_arrays():
    """A float32 array stays float32 beside Python numbers and recorded ones, and 0.1 is rounded once."""
    graph = _graph.Graph()
    y = Array(graph.param((3,), np.float32))
    t = Array(graph.param((), np.float64), weak=True)
    with _graph.record_in(graph):
        assert (y * 0.1 + t * 2.0).dtype == np.float32
        assert (y.sum() * t).dtype == np.float32
        assert (t + 1).dtype == np.float64
        assert (t + 1).weak
        assert xp.where(y > t, 1.0, y).dtype == np.float32
        assert (y * np.float64(2.0)).dtype == np.float64
        assert (y + 1j).dtype == np.complex64


def test_lists_and_object_arrays_become_one_array():
    """np.array([y[1], -y[0]]) and lists hold recorded numbers; functions of them and one array come out."""

    def f(y):
        packed = np.array([y[1], -y[0]])
        return xp.from_objects(np.sin(packed)), xp.asarray([[y[0], 1.0], [2, y[1]]]), xp.asarray([y, y * 2])

    def reference(y):
        return np.sin(np.array([y[1], -y[0]])), np.array([[y[0], 1.0], [2, y[1]]]), np.array([y, y * 2])

    agrees(f, VECTOR, reference=reference)


ASKS = {
    "a branch": (lambda y: 1 if y[0] > 0 else 2, "xp.where"),
    "the greater": (lambda y: max(y[0], y[1]), "xp.maximum"),
    "math": (lambda y: math.sin(y[0]), "xp.sin"),
    "float": (lambda y: float(y[0]), "float()"),
    "item": (lambda y: y[0].item(), "item"),
    "a list": (lambda y: y.tolist(), "tolist"),
    "a length": (lambda y: range(xp.astype(y[0], int)), "shapes"),
    "a mask": (lambda y: y[y > 0], "xp.where"),
    "nonzero": (lambda y: np.nonzero(y), "xp.where"),
    "unique": (lambda y: np.unique(y), "np.unique"),
    "fft": (lambda y: np.fft.fft(y), "np.fft.fft"),
    "eigenvalues": (lambda y: np.linalg.eigh(y), "solve"),
    "out": (lambda y: np.add(y, 1, out=np.zeros(5)), "out="),
    "a large array": (lambda y: np.asarray(xp.tile(y, 1000)), "5000"),
    "a float array": (lambda y: np.array([y[0], y[1]], dtype=float), "xp.stack"),
    "a format": (lambda y: f"{y[0]:.3f}", "printing"),
}


@pytest.mark.parametrize("name", ASKS)
def test_what_cant_be_staged_is_said_with_its_line(name):
    """Asking for a value raises an error that says what to write instead, and the line at fault is found."""
    f, advice = ASKS[name]
    with pytest.raises((StagingError, ValueError)) as caught:
        staged(f, VECTOR)
    assert advice in reason(caught.value)
    assert where_raised(caught.value).startswith("test_namespace.py, line ")


def test_stores_into_numpy_arrays_are_refused():
    """After dy = np.zeros(5), dy[0] = y[0] fails, and the reason names zeros_like."""

    def f(y):
        x = np.zeros(5)
        x[0] = y[0]
        return x

    with pytest.raises(ValueError, match="sequence") as caught:
        staged(f, VECTOR)
    assert "zeros_like" in reason(caught.value)
    assert "x[0] = y[0]" in where_raised(caught.value)


def test_a_write_to_an_outer_array_in_a_body_is_refused():
    """The body of a loop can't write to an array that was made outside of it."""
    graph = _graph.Graph()
    with _graph.record_in(graph):
        x = xp.zeros(3)
        with _graph.record_in(_graph.Block(graph)), pytest.raises(StagingError, match="carry"):
            x[0] = 1.0


def test_entries_read_first_in_a_body_are_recorded_outside():
    """Entries written before a loop, and read first in its body, belong to the block they were written in."""
    graph = _graph.Graph()
    y = Array(graph.param((3,), float))
    with _graph.record_in(graph):
        x = xp.zeros(3)
        x[0] = y[1]
        with _graph.record_in(_graph.Block(graph)):
            assert x.node.block is graph


def test_many_equations_in_a_loop_record_in_linear_time():
    """2,000 scalar equations, written to dy[i], record in well under a second as one pack, 200 in a tenth of that."""

    def f(y):
        x = np.empty_like(y)
        for i in range(y.shape[0]):
            x[i] = -y[i] * (i + 1.5)
        return x

    times = []
    for n in (200, 2000):
        start = time.process_time()
        graph = staged(f, np.ones(n))
        times.append(time.process_time() - start)
        assert graph.outputs[0].op == "pack"
    assert times[1] < 1.0
    assert times[1] < 40 * times[0]


def test_a_few_entries_of_a_large_array_are_one_scatter():
    """Few writes to a large array are collected."""

    def f(y):
        x = y * 2
        for i in range(50):
            x[3 * i] = y[i]
        return x

    graph = staged(f, np.ones(1000))
    assert [node.op for node in graph.nodes].count("scatter") == 1
    agrees(f, _random.normal(size=1000))


def test_loops_branches_and_calls_are_interpreted():
    """A while loop, a branch, another graph's call and a buffer compute what they say."""
    inner = _graph.Graph(literal_bytes=8)
    z = Array(inner.param((2,), float))
    with _graph.record_in(inner):
        inner.outputs = [(z * np.array([2.0, 3.0])).node]
    graph = _graph.Graph()
    y = Array(graph.param((2,), float))
    real, integer = np.dtype(float), np.dtype(np.int64)
    with _graph.record_in(graph):
        memory = _graph.make("buffer", (), (0, 2), real, (3, 0))
        condition, body = _graph.Block(graph), _graph.Block(graph)
        carry = (((), integer), ((2,), real))
        for block in (condition, body):
            for kind in carry:
                block.param(*kind)
        with _graph.record_in(condition):
            condition.outputs = [(Array(condition.params[0]) < 3).node]
        with _graph.record_in(body):
            i, x = map(Array, body.params)
            _graph.effect("put", (memory, i.node, x.node, (i > 0).node))
            body.outputs = [(i + 1).node, (x + y).node]
        first = (xp.asarray(0).node, y.node)
        _, total = _graph.make_many("while", first, carry, (), (condition, body))
        yes, no = _graph.Block(graph), _graph.Block(graph)
        with _graph.record_in(yes):
            yes.outputs = [(-y).node]
        with _graph.record_in(no):
            no.outputs = [y.node]
        (chosen,) = _graph.make_many("cond", ((y[0] > 0).node,), (((2,), real),), (), (yes, no))
        graph.data.extend(inner.data)
        (called,) = _graph.make_many("call", (y.node,), (((2,), real),), (inner, len(graph.data) - len(inner.data)))
        graph.outputs = [total, chosen, called]
    buffers = {}
    value = np.array([1.0, 2.0])
    total, chosen, called = run(graph, (value,), buffers)
    np.testing.assert_array_equal(total, 4 * value)
    np.testing.assert_array_equal(chosen, -value)
    np.testing.assert_array_equal(called, value * [2, 3])
    np.testing.assert_array_equal(buffers[0], [[0, 0], 2 * value, 3 * value])
    text = show(graph)
    assert all(word in text for word in ("  while:", "  yes:", "put"))


@pytest.mark.parametrize("transposed", [False, True])
def test_factors_solve_what_they_are_factors_of(transposed):
    """LU factors and triangles solve their systems, and those of the transposed matrix."""
    graph = _graph.Graph()
    a, b = Array(graph.param((2, 3, 3), float)), Array(graph.param((2, 3, 2), float))
    with _graph.record_in(graph):
        factors, exchanges = _graph.make_many("lu", (a.node,), (((2, 3, 3), a.dtype), ((2, 3), np.dtype(np.int64))))
        graph.outputs = [_graph.make("lu_solve", (factors, exchanges, b.node), b.shape, b.dtype, (transposed,))]
        for lower in (False, True):
            for unit in (False, True):
                attrs = (lower, unit, transposed)
                graph.outputs.append(_graph.make("triangular_solve", (a.node, b.node), b.shape, b.dtype, attrs))
    sides = CUBE[:, :, :2]
    whole, *triangles = run(graph, (SQUARES, sides))

    def turned(matrices):
        return np.swapaxes(matrices, 1, 2) if transposed else matrices

    np.testing.assert_allclose(turned(SQUARES) @ whole, sides, atol=1e-12)
    for i, x in enumerate(triangles):
        part = np.tril(SQUARES) if i >= 2 else np.triu(SQUARES)
        if i % 2:
            part[:, range(3), range(3)] = 1.0
        np.testing.assert_allclose(turned(part) @ x, sides, atol=1e-9)


def test_weighted_sums_are_interpreted():
    """The sum of stages of a step is what its weights say, however they are known."""
    y, a, b = np.array([1.0, 2.0]), np.array([3.0, -1.0]), np.array([0.5, 4.0])
    for attrs, inputs, wanted in (
        ((True, False, (2.0, 3.0)), (y, a, b), y + 2 * a + 3 * b),
        ((True, True, (2.0, 3.0)), (y, 0.5, a, b), y + a + 1.5 * b),
        ((False, True, None), (0.5, a, b, 2.0, 3.0), a + 1.5 * b),
    ):
        graph = _graph.Graph()
        params = tuple(graph.param(np.shape(x), float) for x in inputs)
        with _graph.record_in(graph):
            graph.outputs = [_graph.make("combine", params, (2,), np.dtype(float), attrs)]
        np.testing.assert_allclose(run(graph, inputs)[0], wanted)


def test_what_is_no_number_is_refused():
    """A list with None in it is refused at once, and the message names it."""
    for f in (lambda y: xp.asarray([y[0], None]), lambda y: xp.asarray([None, None])):
        with pytest.raises(TypeError, match="None"):
            staged(f, VECTOR)


def test_graphs_are_shown_line_by_line():
    """Each node is a line with its number, operation, inputs and type."""
    text = show(staged(lambda y: y + y[0], VECTOR))
    assert "%0 = param 0 : float64[5]" in text
    assert "= add %0, " in text
    assert text.splitlines()[-1].startswith("return %")


# ---------------------------------------------------------------- any shapes and dtypes
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_promotion_is_numpys(data):
    """Sums, products, comparisons and choices of any dtypes and numbers have NumPy's dtype."""
    first = data.draw(st.sampled_from(DTYPES))
    second = data.draw(st.one_of(st.sampled_from(DTYPES), st.sampled_from([True, 1, 0.5, 0.5j])))
    x = np.ones(3, first)
    function = data.draw(
        st.sampled_from([np.add, np.multiply, np.equal, np.divide, lambda a, b: np.where(a == 0, a, b)])
    )
    agrees(lambda a: function(a, second) if not isinstance(second, str) else function(a, np.ones(3, second)), x)
    if isinstance(second, str):
        agrees(function, x, np.full((2, 1), 2, second))


@settings(max_examples=100, deadline=None)
@given(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=4, max_side=4))
def test_broadcasting_is_numpys(shapes):
    """Arrays of shapes that go together are repeated as NumPy does."""
    a, b, c = (np.arange(math.prod(shape), dtype=float).reshape(shape) for shape in shapes.input_shapes)
    agrees(lambda a, b, c: a * b - np.where(b > c, a, c), a, b, c)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_basic_index_is_numpys(data):
    """Any mix of integers, slices, new axes and an ellipsis picks, and writes, what it does with NumPy."""
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=5))
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    x = np.arange(math.prod(shape), dtype=float).reshape(shape)
    agrees(lambda y: y[key], x)

    def write(y):
        z = y * 1.0 if isinstance(y, Array) else y.copy()
        z[key] = -1.0
        z[key] = z[key] * 3
        return z

    agrees(write, x)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_integer_index_is_numpys(data):
    """Any tuple of recorded integer arrays picks what it does with NumPy, wherever slices stand between them."""
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=4))
    x = np.arange(math.prod(shape), dtype=float).reshape(shape)
    inner = data.draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))
    places, key = [], []
    for n in shape:
        kind = data.draw(st.sampled_from(["places", "slice", "entry"]))
        if kind == "places":
            places.append(data.draw(hnp.arrays(np.int64, inner, elements=st.integers(-n, n - 1))))
            key.append(None)
        else:
            key.append(data.draw(st.slices(n) if kind == "slice" else st.integers(-n, n - 1)))

    def pick(y, *recorded):
        found = iter(recorded)
        return y[tuple(next(found) if k is None else k for k in key)]

    agrees(pick, x, *places)


@settings(max_examples=100, deadline=None)
@given(
    hnp.arrays(np.float64, st.integers(1, 8), elements=st.sampled_from([0.0, -0.0, 1.0, -2.5, math.inf, math.nan])),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0]),
)
def test_simpler_nodes_have_the_same_bits(x, number):
    """What recording leaves out or replaces gives the same IEEE numbers, zeros' signs and NaN included."""
    for f in (
        lambda y: y + number,
        lambda y: number + y,
        lambda y: y - number,
        lambda y: y * number,
        lambda y: y / number,
        lambda y: np.negative(-y),
        lambda y: y**0.5,
        lambda y: y**-1,
        lambda y: y**2,
        lambda y: y**0,
    ):
        with np.errstate(all="ignore"):
            wanted = f(x)
        (found,) = run(staged(f, x), (x,))
        np.testing.assert_array_equal(found, wanted)
        sure = ~np.isnan(wanted)
        np.testing.assert_array_equal(np.signbit(found)[sure], np.signbit(wanted)[sure])
