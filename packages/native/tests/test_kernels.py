import ctypes

import numpy as np
import pytest

from evolvent_native._builder import Function, Module
from evolvent_native._kernels import KERNELS, emit, lapack, scratch_bytes
from evolvent_native._machine import compile_ir, load_object

REAL = ["f4", "f8"]
NUMBERS = [*REAL, "c8", "c16"]
ALL = ["?", "i1", "u1", "i4", "u8", "i8", *NUMBERS]
INT = np.dtype(np.int64)
_made = {}


def run(op, attrs, inputs, outputs):
    """Compile one node and compute it; `outputs` are (shape, dtype)."""
    inputs = [np.ascontiguousarray(x) for x in inputs]
    results = [np.full(shape, 77, dtype=kind) for shape, kind in outputs]
    kinds, shapes = [x.dtype for x in inputs], [x.shape for x in inputs]
    size = scratch_bytes(op, attrs, kinds, shapes)
    guard = np.full(size + 64, 0x5A, np.uint8)
    key = (op, attrs, tuple(kinds), tuple(shapes), tuple((r.shape, r.dtype) for r in results))
    if key not in _made:
        module = Module()
        f = Function(module, "run", [("ptr", "%all")], "i64", internal=False)
        arrays = []
        for i in range(len(inputs) + len(results) + 1):
            address = f.emit(f"getelementptr i64, ptr %all, i64 {i}")
            arrays.append(f.emit(f"load ptr, ptr {address}"))
        n = len(inputs)
        out_kinds, out_shapes = [r.dtype for r in results], [r.shape for r in results]
        emit(f, op, attrs, kinds, shapes, arrays[:n], out_kinds, out_shapes, arrays[n:-1], arrays[-1])
        f.returned("i64 0")
        _made[key] = load_object(compile_ir(module.text(), speed_level=2), "run")
    pointers = (ctypes.c_void_p * 16)(*(x.ctypes.data for x in (*inputs, *results, guard)))
    _made[key].function(ctypes.addressof(pointers))
    assert (guard[size:] == 0x5A).all()
    return results


def some(shape, kind, seed=0):
    """Random entries: small integers, truth values or normal numbers."""
    rng, kind = np.random.default_rng(seed), np.dtype(kind)
    if kind.kind in "iub":
        return rng.integers(0 if kind.kind != "i" else -9, 9 if kind.kind != "b" else 2, shape).astype(kind)
    x = rng.normal(size=shape)
    return (x + 1j * rng.normal(size=shape) if kind.kind == "c" else x).astype(kind)


def with_nans(shape, kind, seed=0):
    """The same with NaN, infinities, zeros of both signs and ties."""
    x = some(shape, kind, seed)
    rng = np.random.default_rng(seed + 1)
    if x.dtype.kind in "fc":
        x = np.round(x)
        special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0])
        parts = [x.real, x.imag] if x.dtype.kind == "c" else [x]
        for part in parts:
            chosen = rng.random(shape) < 0.3
            part[chosen] = rng.choice(special, shape)[chosen]
    return x


def close(found, wanted, scale=1.0):
    factor = 200 * max(np.finfo(np.asarray(x).dtype).eps for x in (found, wanted)) * scale
    np.testing.assert_allclose(found, wanted, rtol=factor, atol=factor * max(1.0, np.abs(wanted).max(initial=0)))


SIZES = [(1, 1, 1), (2, 3, 1), (1, 7, 6), (4, 5, 9), (3, 1, 8), (5, 0, 2), (0, 3, 2), (17, 18, 1), (97, 100, 98)]


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(("n", "k", "m"), SIZES)
def test_matmul(kind, n, k, m):
    """Products of matrices are NumPy's, for all dtypes and shapes."""
    a, b = some((2, n, k), kind), some((2, k, m), kind, 1)
    (found,) = run("matmul", (), [a, b], [((2, n, m), kind)])
    wanted = a @ b
    if wanted.dtype.kind in "fc":
        close(found, wanted)
    else:
        np.testing.assert_array_equal(found, wanted)


def _unpacked(factors, exchanges):
    n = len(factors)
    lower, upper, order = np.tril(factors, -1) + np.eye(n), np.triu(factors), np.arange(n)
    for i, j in enumerate(exchanges):
        order[[i, j]] = order[[j, i]]
    return lower, upper, order


def _matrix(n, kind, seed=0):
    return some((2, n, n), kind, seed)


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 31, 70, 100])
def test_lu(kind, n):
    """The factors of a matrix with its rows exchanged multiply to it, and pivots are the largest of their columns."""
    a = _matrix(n, kind)
    factors, exchanges = run("lu", (), [a], [(a.shape, kind), ((2, n), INT)])
    for p in range(2):
        lower, upper, order = _unpacked(factors[p], exchanges[p])
        close(lower @ upper, a[p][order], 10)
        assert (np.abs(lower) <= 1.5).all()
        assert (exchanges[p] >= np.arange(n)).all()


def test_lu_chooses_pivots_like_lapack():
    """The packed factors and exchanges are those of LAPACK."""
    linalg = pytest.importorskip("scipy.linalg")
    for n, kind in [(6, "f8"), (6, "c16"), (90, "f8")]:
        a = _matrix(n, kind)[:1]
        factors, exchanges = run("lu", (), [a], [(a.shape, kind), ((1, n), INT)])
        wanted, order = linalg.lu_factor(a[0])
        np.testing.assert_array_equal(exchanges[0], order)
        close(factors[0], wanted, 100)


def test_lu_of_a_singular_matrix_has_a_zero_on_its_diagonal():
    """A singular matrix gives factors whose product it is; solving with them gives no finite numbers."""
    a = np.array([[[1.0, 2, 3], [2, 4, 6], [1, 0, 1]], np.zeros((3, 3))])
    factors, exchanges = run("lu", (), [a], [(a.shape, "f8"), ((2, 3), INT)])
    for p in range(2):
        lower, upper, order = _unpacked(factors[p], exchanges[p])
        close(lower @ upper, a[p][order])
        assert (np.diag(upper) == 0).any()
    (x,) = run("lu_solve", (False,), [factors, exchanges, np.ones((2, 3, 1))], [((2, 3, 1), "f8")])
    assert not np.isfinite(x).all(axis=1).any()


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("n", "m"), [(0, 2), (1, 1), (3, 1), (6, 4), (40, 1), (70, 3), (160, 90)])
def test_lu_solve(kind, transposed, n, m):
    """Factors and exchanges solve the system and the transposed one."""
    a, b = _matrix(n, kind) + 3 * np.eye(n, dtype=kind), some((2, n, m), kind, 3)
    factors, exchanges = run("lu", (), [a], [(a.shape, kind), ((2, n), INT)])
    (x,) = run("lu_solve", (transposed,), [factors, exchanges, b], [(b.shape, kind)])
    close((np.swapaxes(a, 1, 2) if transposed else a) @ x, b, 20 * max(1, np.abs(x).max(initial=0)))


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
def test_triangular_solve(kind, lower, unit, transposed):
    """Only the chosen triangle is read, without its diagonal if that is to be ones."""
    for n, m in [(1, 1), (5, 1), (5, 3), (0, 1)]:
        a, b = _matrix(n, kind) + 4 * np.eye(n, dtype=kind), some((2, n, m), kind, 3)
        (x,) = run("triangular_solve", (lower, unit, transposed), [a, b], [(b.shape, kind)])
        t = np.tril(a) if lower else np.triu(a)
        if unit:
            t = t - t * np.eye(n, dtype=kind) + np.eye(n, dtype=kind)
        close((np.swapaxes(t, 1, 2) if transposed else t) @ x, b, 10 * max(1, np.abs(x).max(initial=0)))


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("n", [0, 1, 2, 5, 20, 80])
def test_cholesky(kind, n):
    """The factor is NumPy's, lower, with zeros above its diagonal, and the upper triangle is not read."""
    a = _matrix(n, kind)
    a = a @ np.swapaxes(a, 1, 2).conj() + n * np.eye(n, dtype=kind)
    wanted = np.linalg.cholesky(a)
    a[:, *np.triu_indices(n, 1)] = np.nan
    (found,) = run("cholesky", (), [a], [(a.shape, kind)])
    close(found, wanted, 10)
    assert (found[:, *np.triu_indices(n, 1)] == 0).all()


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("n", [1, 3, 70])
def test_cholesky_of_an_indefinite_matrix(kind, n):
    """A matrix that is not positive definite gives NaN, and those beside it in a batch don't suffer."""
    a = np.stack([np.eye(n), np.eye(n), np.eye(n)]).astype(kind)
    a[1, -1, -1] = -1
    (found,) = run("cholesky", (), [a], [(a.shape, kind)])
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[[0, 2]], a[[0, 2]])


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize(("n", "k"), [(1, 1), (4, 4), (6, 3), (3, 6), (30, 20), (0, 2), (2, 0)])
def test_qr(kind, n, k):
    """Both factors are NumPy's, signs included."""
    a, least = some((2, n, k), kind), min(n, k)
    q, r = run("qr", (), [a], [((2, n, least), kind), ((2, least, k), kind)])
    wanted = np.linalg.qr(a)
    close(q, wanted[0], 20)
    close(r, wanted[1], 20)
    assert (r == np.triu(r)).all()


def test_qr_of_awkward_matrices():
    """Zero columns, dependent columns and huge or tiny entries give orthogonal factors."""
    base = some((4, 3), "f8")
    a = np.stack([np.zeros((4, 3)), base * 1e200, base * 1e-200, np.repeat(base[:, :1], 3, axis=1), np.eye(4, 3)])
    q, r = run("qr", (), [a], [((5, 4, 3), "f8"), ((5, 3, 3), "f8")])
    close(np.swapaxes(q, 1, 2) @ q, np.broadcast_to(np.eye(3), (5, 3, 3)))
    for i in range(5):
        np.testing.assert_allclose(q[i] @ r[i], a[i], atol=1e-13 * np.abs(a[i]).max())


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    ("shape", "axis"), [((1,), 0), ((9,), 0), ((100,), 0), ((3, 30, 2), 1), ((5, 13), 0), ((0,), 0)]
)
def test_sort(kind, shape, axis):
    """Sorted entries are NumPy's, NaN last; downwards they are the reverse."""
    x = with_nans(shape, kind)
    wanted = np.sort(x, axis=axis, kind="stable")
    (up,) = run("sort", (axis, False), [x], [(shape, kind)])
    (down,) = run("sort", (axis, True), [x], [(shape, kind)])
    np.testing.assert_array_equal(up, wanted)
    np.testing.assert_array_equal(down, np.flip(wanted, axis=axis))


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(("shape", "axis"), [((1,), 0), ((100,), 0), ((3, 31, 2), 1), ((5, 13), 0), ((0,), 0)])
def test_argsort(kind, shape, axis):
    """Places are those of a stable sort; downwards, equal entries also keep their order."""
    x = with_nans(shape, kind)
    (up,) = run("argsort", (axis, False), [x], [(shape, INT)])
    (down,) = run("argsort", (axis, True), [x], [(shape, INT)])
    np.testing.assert_array_equal(up, np.argsort(x, axis=axis, kind="stable"))
    turned = np.argsort(np.flip(x, axis=axis), axis=axis, kind="stable")
    np.testing.assert_array_equal(down, np.flip(x.shape[axis] - 1 - turned, axis=axis))


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("n", [0, 1, 2, 33])
def test_searchsorted(kind, side, n):
    """Places are NumPy's, also for ties, infinities and NaN."""
    x, values = np.sort(with_nans((n,), kind)), with_nans((4, 5), kind, 5)
    (found,) = run("searchsorted", (side,), [x, values], [((4, 5), INT)])
    np.testing.assert_array_equal(found, np.searchsorted(x, values, side=side))


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    ("shape", "axis"), [((7,), 0), ((3, 5, 4), 1), ((3, 5), 0), ((0, 3), 0), ((3, 0), 0), ((1,), 0)]
)
@pytest.mark.parametrize("op", ["cumsum", "cumprod"])
def test_running_sums_and_products(kind, shape, axis, op):
    """They are NumPy's, in the dtype of the result."""
    x = some(shape, kind)
    wanted = getattr(np, op)(x, axis=axis)
    (found,) = run(op, (axis,), [x], [(shape, wanted.dtype)])
    if found.dtype.kind in "fc":
        close(found, wanted)
    else:
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(("shape", "axis"), [((1,), 0), ((40,), 0), ((6, 9, 3), 1), ((20, 3), 0)])
@pytest.mark.parametrize("op", ["argmax", "argmin"])
def test_places_of_extremes(kind, shape, axis, op):
    """The first extreme entry counts, and NaN is the most extreme."""
    for x in (some(shape, kind), with_nans(shape, kind)):
        (found,) = run(op, (axis,), [x], [(shape[:axis] + shape[axis + 1 :], INT)])
        np.testing.assert_array_equal(found, getattr(np, op)(x, axis=axis))


def test_one_function_serves_all_shapes():
    """A module holds one function per operation and dtype."""
    module = Module()
    f = Function(module, "run", [("ptr", "%a"), ("ptr", "%b"), ("ptr", "%c")], internal=False)
    kind = np.dtype("f8")
    for n in (3, 4, 5):
        shape = (1, n, n)
        emit(f, "matmul", (), [kind] * 2, [shape] * 2, ["%a", "%b"], [kind], [shape], ["%c"], "null")
    assert [function.name for function in module.functions] == ["run", "kernel_matmul_f8"]


def test_code_with_lapack_names_functions_and_holds_no_addresses(monkeypatch):
    """What is compiled can be kept in a file; without SciPy other code is written."""
    if not lapack.provide():
        pytest.skip("SciPy's LAPACK is not installed")
    texts = []
    for there in (True, False):
        monkeypatch.setattr(lapack, "provide", lambda there=there: there)
        module, kind, shape = Module(), np.dtype("f8"), (1, 100, 100)
        f = Function(module, "run", [("ptr", "%a"), ("ptr", "%b"), ("ptr", "%c")], internal=False)
        emit(f, "matmul", (), [kind] * 2, [shape] * 2, ["%a", "%b"], [kind], [shape], ["%c"], "null")
        f.returned()
        texts.append(module.text())
    assert "@evolvent_dgemm(" in texts[0]
    assert "inttoptr" not in texts[0]
    assert "evolvent_dgemm" not in texts[1]


def test_large_matrices_without_scipy(monkeypatch):
    """Generated loops give what LAPACK does."""
    monkeypatch.setattr(lapack, "provide", lambda: False)
    _made.clear()
    n = 100
    a, b = _matrix(n, "f8") + 9 * np.eye(n), some((2, n, n), "f8", 4)
    (product,) = run("matmul", (), [a, b], [(a.shape, "f8")])
    close(product, a @ b)
    factors, exchanges = run("lu", (), [a], [(a.shape, "f8"), ((2, n), INT)])
    (x,) = run("lu_solve", (False,), [factors, exchanges, b], [(b.shape, "f8")])
    close(x, np.linalg.solve(a, b), 100)
    _made.clear()


def test_every_kernel_has_a_scratch_size():
    """The size of the memory it wants is known for every operation."""
    kind, shapes = np.dtype("f8"), [(1, 3, 3), (1, 3, 3), (1, 3, 3)]
    for op in KERNELS:
        attrs = (3, 9, 3) if op.startswith("sparse") else (0,)
        assert scratch_bytes(op, attrs, [kind] * 3, shapes) >= 0


def test_code_for_nvidia():
    """Kernels use nothing that a GPU lacks."""
    llvm = pytest.importorskip("llvmlite.binding")
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple("nvptx64-nvidia-cuda").create_target_machine(cpu="sm_70")
    for kind in map(np.dtype, ("f4", "c16")):
        module = Module("nvptx64")
        f = Function(module, "run", [("ptr", "%p")], internal=False)
        # Sparse kernels, which take a plan, are for hosts.
        for op in sorted(op for op in KERNELS if not op.startswith("sparse_")):
            attrs = (False, False, False) if op.endswith("solve") else ("left",) if op == "searchsorted" else (0, False)
            kinds = [kind, INT, kind] if op == "lu_solve" else [kind] * 2
            shapes = [(1, 70, 70), (1, 70), (1, 70, 70)] if op == "lu_solve" else [(1, 70, 70)] * 2
            emit(f, op, attrs, kinds, shapes, ["%p"] * len(kinds), [kind] * 2, [(1, 70, 70)] * 2, ["%p"] * 2, "%p")
        f.returned()
        parsed = llvm.parse_assembly(module.text())
        parsed.triple = "nvptx64-nvidia-cuda"
        parsed.data_layout = str(machine.target_data)
        parsed.verify()
        assert "kernel_lu_" in machine.emit_assembly(parsed)
        assert all(name.startswith(("__nv_", "llvm.")) for name in module.declared)
