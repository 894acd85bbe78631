"""The namespace with values: each call through machine code, against NumPy and by the standard's own tests."""

from __future__ import annotations

import copy
import importlib.util
import itertools
import operator
import os
import pickle
import subprocess
import sys
from pathlib import Path

import array_api_compat
import numpy as np
import pytest

import evolvent_native.array_api as xp
from evolvent_native.array_api import _call

HERE = Path(__file__).parent
DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128".split()  # noqa: SIM905

UNARY = (  # noqa: SIM905
    "abs acos asin asinh atan atanh ceil conj cos cosh exp expm1 floor imag isfinite isinf isnan log log10 log1p log2 "
    "negative positive real reciprocal round sign signbit sin sinh sqrt square tan tanh trunc "
    "ones_like zeros_like matrix_transpose tril triu max mean min prod std sum var all any argmax argmin count_nonzero "
    "argsort sort flip"
).split()
BINARY = (  # noqa: SIM905
    "add atan2 copysign divide equal floor_divide greater greater_equal hypot less less_equal logaddexp maximum "
    "minimum multiply nextafter not_equal pow remainder subtract matmul tensordot vecdot broadcast_arrays"
).split()
OF_INTEGERS = "bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor".split()  # noqa: SIM905
OF_TRUTHS = ("logical_and", "logical_or", "logical_xor")

# Functions of a namespace, a matrix with entries in (0, 1), one of integers, and one of truth values.
CALLS = {
    **{name: lambda xp, x, i, b, name=name: getattr(xp, name)(x) for name in UNARY},
    **{name: lambda xp, x, i, b, name=name: getattr(xp, name)(x, x * x + 0.1) for name in BINARY},
    **{name: lambda xp, x, i, b, name=name: getattr(xp, name)(i, i % 4) for name in OF_INTEGERS},
    **{name: lambda xp, x, i, b, name=name: getattr(xp, name)(b, i > 2) for name in OF_TRUTHS},
    "acosh": lambda xp, x, i, b: xp.acosh(x + 1.0),
    "arange": lambda xp, x, i, b: xp.arange(3, 5000, 7),
    "astype": lambda xp, x, i, b: xp.astype(i, xp.float32),
    "bitwise_invert": lambda xp, x, i, b: xp.bitwise_invert(i),
    "broadcast_to": lambda xp, x, i, b: xp.broadcast_to(x[0, :], (3, *x.shape)),
    "clip": lambda xp, x, i, b: xp.clip(x, 0.2, x * 0 + 0.6),
    "concat": lambda xp, x, i, b: xp.concat([x, i], axis=1),
    "cumulative_prod": lambda xp, x, i, b: xp.cumulative_prod(x, axis=0, include_initial=True),
    "cumulative_sum": lambda xp, x, i, b: xp.cumulative_sum(i, axis=1),
    "diff": lambda xp, x, i, b: xp.diff(x, n=2, axis=0),
    "empty": lambda xp, x, i, b: 0 * xp.empty((2, 3)) == 0,
    "empty_like": lambda xp, x, i, b: 0 * xp.empty_like(i),
    "expand_dims": lambda xp, x, i, b: xp.expand_dims(x, axis=1),
    "eye": lambda xp, x, i, b: xp.eye(40, 30, k=-2, dtype=xp.int16),
    "full": lambda xp, x, i, b: xp.full((2, 50), 3),
    "full_like": lambda xp, x, i, b: xp.full_like(x, 3),
    "linspace": lambda xp, x, i, b: xp.linspace(0, 3, 1001, endpoint=False),
    "logical_not": lambda xp, x, i, b: xp.logical_not(b),
    "meshgrid": lambda xp, x, i, b: xp.meshgrid(x[0, :], i[:, 1]),
    "moveaxis": lambda xp, x, i, b: xp.moveaxis(xp.stack([x, x]), 0, 2),
    "ones": lambda xp, x, i, b: xp.ones((3, 40)),
    "permute_dims": lambda xp, x, i, b: xp.permute_dims(xp.stack([x, x]), (2, 0, 1)),
    "repeat": lambda xp, x, i, b: xp.repeat(x, i[:, 0], axis=0),
    "reshape": lambda xp, x, i, b: xp.reshape(x, (-1, 2)),
    "roll": lambda xp, x, i, b: xp.roll(x, (1, -1), axis=(0, 1)),
    "searchsorted": lambda xp, x, i, b: xp.searchsorted(xp.sort(x[0, :]), x, side="right"),
    "squeeze": lambda xp, x, i, b: xp.squeeze(x[:, None, :], axis=1),
    "stack": lambda xp, x, i, b: xp.stack([x, x], axis=-1),
    "take": lambda xp, x, i, b: xp.take(x, i[0, :] % 3, axis=1),
    "take_along_axis": lambda xp, x, i, b: xp.take_along_axis(x, xp.argsort(x, axis=0), axis=0),
    "tile": lambda xp, x, i, b: xp.tile(x, (2, 1)),
    "unstack": lambda xp, x, i, b: xp.unstack(x, axis=1),
    "where": lambda xp, x, i, b: xp.where(b, x, i),
    "zeros": lambda xp, x, i, b: xp.zeros((3, 40), dtype=xp.complex64),
    "can_cast": lambda xp, x, i, b: xp.can_cast(i.dtype, xp.float32),
    "finfo": lambda xp, x, i, b: float(xp.finfo(xp.complex64).eps),
    "iinfo": lambda xp, x, i, b: xp.iinfo(i.dtype).max,
    "isdtype": lambda xp, x, i, b: xp.isdtype(x.dtype, ("real floating", xp.int8)),
    "result_type": lambda xp, x, i, b: xp.ones(1, dtype=xp.result_type(i, xp.float32, 1)),
    "nonzero": lambda xp, x, i, b: xp.nonzero(x > 0.5),
    "unique_all": lambda xp, x, i, b: xp.unique_all(i),
    "unique_counts": lambda xp, x, i, b: xp.unique_counts(i),
    "unique_inverse": lambda xp, x, i, b: xp.unique_inverse(i),
    "unique_values": lambda xp, x, i, b: xp.unique_values(i),
    "asarray": lambda xp, x, i, b: xp.asarray([[1, x[0, 1]], [x[1, 0], 2.5]]),
    "from_dlpack": lambda xp, x, i, b: xp.from_dlpack(x),
}
LINALG = {
    **{
        name: lambda la, x, name=name: getattr(la, name)(x)
        for name in ("det", "diagonal", "inv", "matrix_norm", "matrix_transpose", "qr", "slogdet", "trace")
    },
    **{
        name: lambda la, x, name=name: getattr(la, name)(x, x + 1)
        for name in ("matmul", "solve", "tensordot", "vecdot")
    },
    "cholesky": lambda la, x: la.cholesky(la.matmul(x, la.matrix_transpose(x)) + 0.1),
    "cross": lambda la, x: la.cross(x[:, :3], x[:, 1:4]),
    "matrix_power": lambda la, x: la.matrix_power(x, 3),
    "outer": lambda la, x: la.outer(x[0, :], x[1, :]),
    "vector_norm": lambda la, x: la.vector_norm(x, axis=1, ord=3),
}


def leaves(tree):
    return [y for x in tree for y in leaves(x)] if isinstance(tree, tuple | list) else [tree]


def agree(found, wanted):
    """Assert that values, shapes and dtypes are NumPy's."""
    for x, y in zip(leaves(found), leaves(wanted), strict=True):
        assert isinstance(x, xp.Array) or np.isscalar(y)
        x, y = np.asarray(x), np.asarray(y)
        assert x.shape == y.shape
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x, y, rtol=1e-11, atol=1e-13)


def samples(n):
    random = np.random.default_rng(n)
    x = random.uniform(0.05, 0.95, (n, n)) + n * np.eye(n) / (n + 1)
    return x % 1, random.integers(1, 9, (n, n)), random.uniform(size=(n, n)) > 0.5


@pytest.mark.parametrize("n", [4, 12])
@pytest.mark.parametrize("name", CALLS)
def test_each_function_gives_what_numpy_gives(name, n):
    """In registers and in loops, machine code for a function gives NumPy's results and dtypes."""
    given = samples(n)
    agree(CALLS[name](xp, *map(xp.asarray, given)), CALLS[name](np, *given))


@pytest.mark.parametrize("n", [4, 12])
@pytest.mark.parametrize("name", LINALG)
def test_linear_algebra_gives_what_numpy_gives(name, n):
    """Machine code for linear algebra, in registers and in loops, gives NumPy's results."""
    x = samples(n)[0] + n * np.eye(n)
    found, wanted = LINALG[name](xp.linalg, xp.asarray(x)), LINALG[name](np.linalg, x)
    if name == "qr":  # the signs of columns are free
        found, wanted = (list(pair) for pair in (found, wanted))
        agree(found[0] @ found[1], x)
        found, wanted = [xp.abs(f) for f in found], [np.abs(w) for w in wanted]
    agree(found, wanted)


@pytest.mark.parametrize("ord", ["fro", 1, -1, np.inf, -np.inf])
def test_norms_of_matrices_are_those_of_numpy(ord):
    """Of stacks of matrices too, and of complex ones."""
    x = np.random.default_rng(0).normal(size=(2, 3, 4)) * (1 - 2j)
    for keepdims in (False, True):
        found = xp.linalg.matrix_norm(xp.asarray(x), ord=ord, keepdims=keepdims)
        agree(found, np.linalg.matrix_norm(x, ord=ord, keepdims=keepdims))


@pytest.mark.parametrize("shape", [(4, 2), (2, 3, 1), (12, 5), (60, 4), (3, 4), (4, 0)], ids=str)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_a_complete_qr_has_a_square_q(shape, dtype):
    """Q is unitary and R an upper triangle with Q @ R = x, of matrices of any rank."""
    x = np.random.default_rng(0).normal(size=shape).astype(dtype) * (1 if dtype == "float64" else 1 - 2j)
    for given in (x, np.ones_like(x), np.zeros_like(x)):
        q, r = map(np.asarray, xp.linalg.qr(xp.asarray(given), mode="complete"))
        n = shape[-2]
        assert q.shape == (*shape[:-1], n)
        assert r.shape == shape
        np.testing.assert_allclose(q @ r, given, atol=1e-13)
        np.testing.assert_allclose(np.conj(q.swapaxes(-1, -2)) @ q - np.eye(n), 0, atol=1e-13)
        np.testing.assert_array_equal(r, np.triu(r))


def test_every_function_has_a_sample():
    """No function of the namespace goes without a comparison."""
    named = {name for name in xp.__all__ if callable(getattr(xp, name)) and not name.startswith("_")}
    assert named - {"Array"} == set(CALLS)
    assert set(xp.linalg.__all__) == set(LINALG)


@pytest.mark.parametrize("change", [operator.add, operator.mul, operator.floordiv, operator.pow, operator.lt])
def test_dtypes_are_promoted_as_the_standard_has_it(change):
    """Of any two dtypes with a common one, operators give what NumPy gives."""
    for first, second in itertools.product(DTYPES, DTYPES):
        kinds = {first.rstrip("0123456789"), second.rstrip("0123456789")}
        if "bool" in kinds or ("complex" in kinds and change in (operator.floordiv, operator.lt)):
            continue
        x, y = np.asarray([3, 5, 1], first), np.asarray([2, 1, 2], second)
        agree(change(xp.asarray(x), xp.asarray(y)), np.asarray(change(x, y)))


@pytest.mark.parametrize("name", "add sub mul truediv floordiv mod pow and or xor lshift rshift matmul".split())  # noqa: SIM905
def test_operators_and_their_reverses_and_in_place_agree(name):
    """What x + y, 2 + x and x += y give is what NumPy's give."""
    plain, in_place = getattr(operator, f"__{name}__"), getattr(operator, f"__i{name}__")
    x, y = np.array([[5, 3], [2, 7]]), np.array([[1, 2], [3, 0]])
    if name in ("truediv", "floordiv", "mod"):
        x, y = x + 0.5, y + 0.25
    agree(plain(xp.asarray(x), xp.asarray(y)), plain(x, y))
    if name != "matmul":
        agree(plain(2, xp.asarray(x)) if name != "truediv" else 2 / xp.asarray(x), plain(2, x))
    z = before = xp.asarray(x, copy=True)
    z = in_place(z, xp.asarray(y))
    assert z is before
    agree(z, plain(x, y))


KEYS = [
    (1, 2),
    (-1,),
    (slice(None, None, -2), 1),
    (None, Ellipsis, 0),
    (np.array([2, 0]),),
    (np.array([2, 0]), np.array([1, -1])),
    (slice(1, None), np.array([[1, 0]])),
    (np.array([True, False, True]),),
    (np.arange(12).reshape(3, 4) % 3 == 0,),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_entries_are_read_and_written_as_numpy_does(key):
    """Indices, slices, integers and masks pick and replace the entries that NumPy's do."""
    x = np.arange(12.0).reshape(3, 4)
    ours = tuple(xp.asarray(k) if isinstance(k, np.ndarray) else k for k in key)
    agree(xp.asarray(x)[ours], np.asarray(x[key]))
    y, one, many = xp.asarray(x, copy=True), x.copy(), x.copy()
    y[ours], one[key] = 7, 7
    agree(y, one)
    values = -np.arange(x[key].size, dtype=float).reshape(x[key].shape)
    y, many[key] = xp.asarray(x, copy=True), values
    y[ours] = xp.asarray(values)
    agree(y, many)


def test_values_are_read_as_pythons_numbers():
    """An array without axes is a number of Python's; one with axes is none."""
    assert bool(xp.asarray(True))
    assert int(xp.asarray(3.7)) == 3
    assert float(xp.asarray(2)) == 2.0
    assert complex(xp.asarray(1j)) == 1j
    assert [4, 5, 6][xp.asarray(1)] == 5
    for read in (bool, int, float, complex, operator.index):
        with pytest.raises(TypeError):
            read(xp.asarray([1]))
    with pytest.raises(TypeError):
        operator.index(xp.asarray(1.0))


def test_arrays_go_in_and_out_without_copies():
    """NumPy's arrays are shared, by asarray and by DLPack."""
    x = np.zeros(3)
    y, z = xp.asarray(x), np.from_dlpack(xp.from_dlpack(x))
    y[1] = 5
    assert x.tolist() == z.tolist() == [0, 5, 0]
    assert xp.asarray(x, copy=True)._value is not x
    with pytest.raises(ValueError, match="copy"):
        xp.asarray([1, 2], copy=False)


def test_arrays_are_copied_and_pickled():
    """Copies are arrays of the class, with memory of their own."""
    x = xp.asarray([1.0, 2.0])
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        y[0] = 3
        agree(y, np.array([3.0, 2.0]))
    agree(x, np.array([1.0, 2.0]))


def test_array_api_compat_knows_the_arrays():
    """Code written with array-api-compat finds the namespace, the device and the dtypes."""
    x = xp.ones(3)
    assert array_api_compat.is_array_api_obj(x)
    assert array_api_compat.array_namespace(x, x) is xp
    assert array_api_compat.device(x) == x.device == "cpu"
    assert array_api_compat.to_device(x, "cpu") is x
    assert set(xp.__array_namespace_info__().dtypes()) == set(DTYPES)


def test_mistakes_are_named():
    """What can't be done says what was given."""
    x = xp.ones(3)
    with pytest.raises(ValueError, match="device = 'gpu'"):
        xp.zeros(3, device="gpu")
    with pytest.raises(ValueError, match="api_version"):
        x.__array_namespace__(api_version="1999.01")
    with pytest.raises(IndexError, match="index 3 is out of range"):
        x[3]
    with pytest.raises(IndexError, match="mask of shape"):
        x[xp.asarray([True, False])]
    with pytest.raises((TypeError, ValueError), match="in place"):
        x += xp.ones((2, 3))
    with pytest.raises(ValueError, match=r"x\.mT"):
        _ = x.T
    with pytest.raises(TypeError):
        hash(x)
    with pytest.raises(TypeError, match="an array of object"):
        xp.asarray([object()])


def test_equal_kinds_of_calls_share_their_code():
    """Other values of the same shape and dtype, and other places in indices, compile nothing."""
    x = xp.ones((5, 6), dtype=xp.float32)
    for i in range(4):
        x[i, 2] = i
        x = xp.sin(x) + x[i, 1]
        if not i:
            before = len(_call._made)
    assert len(_call._made) == before


# ---------------------------------------------------------------- the standard's own tests
MODULES = (  # noqa: SIM905
    "array_object constants creation_functions data_type_functions dlpack has_names indexing_functions "
    "inspection_functions linalg manipulation_functions operators_and_elementwise_functions searching_functions "
    "set_functions signatures sorting_functions special_cases statistical_functions utility_functions"
).split()


def suite():
    """The folder of a checkout of array-api-tests."""
    given = os.environ.get("EVOLVENT_ARRAY_API_TESTS")
    if given:
        return Path(given)
    found = importlib.util.find_spec("array_api_tests")
    return None if found is None or found.origin is None else Path(found.origin).parents[1]


@pytest.mark.slow
@pytest.mark.skipif(
    suite() is None,
    reason="needs the standard's tests: git clone --recurse-submodules https://github.com/data-apis/array-api-tests, "
    "pip install -r array-api-tests/requirements.txt, and EVOLVENT_ARRAY_API_TESTS=that folder",
)
@pytest.mark.parametrize("module", MODULES)
def test_the_tests_of_the_standard_pass(module):
    """Compiled code passes array-api-tests, but for what the two lists beside this file name with a reason."""
    options = ["--max-examples=10", "--disable-deadline", "-q", "-p", "no:cacheprovider", "--tb=short"]
    lists = ["--skips-file", str(HERE / "array_api_skips.txt"), "--xfails-file", str(HERE / "array_api_xfails.txt")]
    told = {"ARRAY_API_TESTS_MODULE": "evolvent_native.array_api", "ARRAY_API_TESTS_VERSION": xp.__array_api_version__}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", f"array_api_tests/test_{module}.py", *options, *lists],
        cwd=suite(),
        env=os.environ | told,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
