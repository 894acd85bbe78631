import ctypes
import itertools
import re

import numpy as np
import pytest

from evolvent_native._builder import Function, Module, literal
from evolvent_native._graph import BINARY, BOOL, COMPARISONS, PREDICATES, UNARY
from evolvent_native._interpret import evaluate
from evolvent_native._machine import compile_ir, load_object
from evolvent_native._scalar_code import apply
from evolvent_native._symbols import undefined_symbols
from evolvent_native._vector_functions import variants


def words(text):
    return text.split()


REAL = ["f4", "f8"]
WHOLE = words("i1 u1 i2 u2 i4 u4 i8 u8")
COMPLEX = ["c8", "c16"]
EVERY = ["?", *WHOLE, *REAL, *COMPLEX]
TRANSCENDENTAL = frozenset(
    words("exp expm1 log log1p log2 log10 sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh pow atan2 hypot")
)
EXACT_REAL = (UNARY | BINARY) - TRANSCENDENTAL - {"not", "and", "or", "xor", "shl", "shr", "complex"}


def compiled(op, kind, of, speed_level=2, **options):
    """A function of arrays that are computed entry by entry."""
    module = Module()
    f = Function(module, "run", [("ptr", "%all"), ("ptr", "%count")], "i64", internal=False)
    count = f.load(np.dtype(np.int64), "%count")
    pointers = []
    for i in range(len(of) + 1):
        address = f.emit(f"getelementptr i64, ptr %all, i64 {i}")
        pointers.append(f.emit(f"load ptr, ptr {address}"))
    with f.loop(0, count) as i:
        values = [f.load(k, p, i) for k, p in zip(of, pointers, strict=False)]
        f.store(kind, apply(f, op, kind, values, of, **options), pointers[-1], i)
    f.returned("i64 0")
    loaded = load_object(compile_ir(module.text(), speed_level=speed_level), "run", arguments=2)

    def call(*arrays):
        arrays = [np.ascontiguousarray(x, dtype=k) for x, k in zip(arrays, of, strict=True)]
        out = np.zeros(arrays[0].shape, kind)
        table = (ctypes.c_void_p * 8)(*(x.ctypes.data for x in (*arrays, out)))
        loaded.function(ctypes.addressof(table), ctypes.addressof(ctypes.c_int64(out.size)))
        return out

    return call


def special(kind):
    """Numbers at which something may go wrong, and some others."""
    kind = np.dtype(kind)
    rng = np.random.default_rng(1)
    if kind.kind == "b":
        return np.array([False, True])
    if kind.kind in "iu":
        ends = np.iinfo(kind)
        near = [ends.min, ends.min + 1, ends.max, ends.max - 1, 0, 1, 2, 3, 5, 7, 8, 13, 31, 32, 63, 64, 100]
        near += [-1, -2, -3, -8, -64] if kind.kind == "i" else []
        return np.array(near, dtype=object).astype(kind)
    if kind.kind == "c":
        part = f"f{kind.itemsize // 2}"
        line = [0.0, -0.0, 1.0, -1.5, 2.0, np.inf, -np.inf, np.nan, 1e-30, 3e20]
        out = np.empty((len(line), len(line)), kind)
        out.real, out.imag = np.array(line, part)[:, None], np.array(line, part)
        return out.reshape(-1)
    ends = np.finfo(kind)
    line = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 2.0, -3.0, np.pi, 10.0, -7.25, 1e-8, -1e-8, 30.5, 1e5]
    line += [np.inf, -np.inf, np.nan, ends.max, -ends.max, ends.tiny, -ends.tiny, ends.smallest_subnormal]
    return np.concatenate([np.array(line, kind), rng.normal(size=6).astype(kind)])


def pairs(kind):
    """All pairs of special numbers."""
    a = np.array(list(itertools.product(special(kind), repeat=2)), dtype=kind)
    return a[:, 0], a[:, 1]


def result_kind(op, kind):
    if op in COMPARISONS or op in PREDICATES:
        return BOOL
    if op in ("abs", "real", "imag") and kind.kind == "c":
        return np.dtype(f"f{kind.itemsize // 2}")
    return kind


def reference(op, kind, *values):
    with np.errstate(all="ignore"):
        return evaluate(op, (), list(values), values[0].shape, kind)


def same(found, wanted):
    """Equal, with signs of zeros, and NaN for NaN."""
    np.testing.assert_array_equal(found, wanted)
    for part in ("real", "imag"):
        a, b = getattr(found, part), getattr(wanted, part)
        if a.dtype.kind == "f":
            there = ~np.isnan(b)
            np.testing.assert_array_equal(np.signbit(a)[there], np.signbit(b)[there])


def arguments(op, kind):
    return (special(kind),) if op in UNARY else pairs(kind)


@pytest.mark.parametrize("kind", REAL)
@pytest.mark.parametrize("op", sorted(EXACT_REAL))
def test_exact_operations_on_reals(op, kind):
    """Operations that IEEE 754 defines give NumPy's numbers, bit for bit, for all combinations of special ones."""
    kind = np.dtype(kind)
    values = arguments(op, kind)
    out = result_kind(op, kind)
    found, wanted = compiled(op, out, [kind] * len(values))(*values), reference(op, out, *values)
    if op in ("maximum", "minimum"):  # which of two zeros it is, NumPy leaves open
        np.testing.assert_array_equal(found, wanted)
    else:
        same(found, wanted)


@pytest.mark.parametrize("kind", REAL)
@pytest.mark.parametrize("op", sorted(TRANSCENDENTAL))
def test_transcendental_functions(op, kind):
    """They agree with NumPy's to a few units in the last place, and exactly where there is no number."""
    kind = np.dtype(kind)
    values = arguments(op, kind)
    found = compiled(op, kind, [kind] * len(values))(*values)
    wanted = reference(op, kind, *values)
    np.testing.assert_allclose(found, wanted, rtol=8 * np.finfo(kind).eps, atol=4 * np.finfo(kind).smallest_subnormal)


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize(
    "op",
    words("neg abs sign not floor round add sub mul floordiv mod maximum minimum and or xor shl shr eq ne lt le gt ge"),
)
def test_integers(op, kind):
    """They wrap as NumPy's do; division by zero and of the least number by -1, and wide shifts, are defined."""
    kind = np.dtype(kind)
    values, out = arguments(op, kind), result_kind(op, kind)
    same(compiled(op, out, [kind] * len(values))(*values), reference(op, out, *values))


@pytest.mark.parametrize("kind", WHOLE)
def test_integer_powers(kind):
    """Powers wrap; reciprocals round to zero."""
    kind = np.dtype(kind)
    x, n = pairs(kind)
    found = compiled("pow", kind, [kind] * 2)(x, n)
    good = n >= 0
    same(found[good], x[good] ** n[good])
    for base, exponent, value in zip(x[~good].tolist(), n[~good].tolist(), found[~good].tolist(), strict=True):
        assert value == (base ** (exponent % 2) if base in (1, -1) else 0)


@pytest.mark.parametrize("kind", WHOLE)
def test_predicates_of_integers(kind):
    """Integers are finite numbers."""
    kind, x = np.dtype(kind), special(kind)
    assert not compiled("isnan", BOOL, [kind])(x).any()
    assert not compiled("isinf", BOOL, [kind])(x).any()
    assert compiled("isfinite", BOOL, [kind])(x).all()
    same(compiled("signbit", BOOL, [kind])(x), x < 0)


@pytest.mark.parametrize("op", words("not and or xor eq ne lt le gt ge maximum minimum add mul"))
def test_truth_values(op):
    """Truth values follow their tables."""
    values = arguments(op, BOOL)
    same(compiled(op, BOOL, [BOOL] * len(values))(*values), reference(op, BOOL, *values))


@pytest.mark.parametrize("kind", COMPLEX)
@pytest.mark.parametrize(
    "op",
    words("neg abs sign real imag conj isnan isinf isfinite add sub mul div eq ne lt le gt ge maximum minimum"),
)
def test_complex_numbers(op, kind):
    """They give NumPy's numbers, with infinities, NaN and zero divisors where NumPy has them."""
    kind = np.dtype(kind)
    values, out = arguments(op, kind), result_kind(op, kind)
    found, wanted = compiled(op, out, [kind] * len(values))(*values), reference(op, out, *values)
    if op == "mul":  # by parts: NumPy's own product is fused on some machines
        a, b = values
        with np.errstate(all="ignore"):
            wanted.real = a.real * b.real - a.imag * b.imag
            wanted.imag = a.real * b.imag + a.imag * b.real
    if op not in ("div", "abs", "sign"):
        same(found, wanted)
        return
    rounding = {"rtol": 4 * np.finfo(kind).eps, "atol": 0}
    for part in ("real", "imag"):
        np.testing.assert_allclose(getattr(found, part), getattr(wanted, part), **rounding)


def test_complex_division_does_not_overflow():
    """Squares of the divisor's parts are not formed."""
    kind = np.dtype("c16")
    big, small = np.array([1e200 + 1e200j, 1e-200 - 3e-200j]), np.array([2e200 - 1e200j, 1e-200 + 1e-200j])
    np.testing.assert_allclose(compiled("div", kind, [kind] * 2)(big, small), [0.2 + 0.6j, -1 - 2j], rtol=1e-15)


@pytest.mark.parametrize("part", REAL)
def test_complex_from_parts(part):
    """A complex number keeps both parts."""
    part = np.dtype(part)
    kind = np.dtype(f"c{2 * part.itemsize}")
    re, im = pairs(part)
    found = compiled("complex", kind, [part] * 2)(re, im)
    same(found.real, re)
    same(found.imag, im)


@pytest.mark.parametrize("of", EVERY)
@pytest.mark.parametrize("to", EVERY)
def test_casts(of, to):
    """Numbers that the other dtype holds are kept; integers wrap; what is too large or NaN is still defined."""
    of, to = np.dtype(of), np.dtype(to)
    x = special(of)
    found = compiled("cast", to, [of])(x)
    good = np.ones(x.shape, bool)
    if of.kind in "fc" and to.kind in "iu":
        ends = np.iinfo(to)
        # The largest integers are no floats: the next one below is the largest whose cast is defined.
        with np.errstate(all="ignore"):
            good = (np.trunc(x.real) >= float(ends.min)) & (np.trunc(x.real) < float(ends.max))
        assert (found[np.isnan(x.real)] == 0).all()
        assert (found[x.real == np.inf] == ends.max).all()
        assert (found[x.real == -np.inf] == ends.min).all()
    same(found[good], reference("cast", to, x[good]))


@pytest.mark.parametrize("kind", EVERY)
def test_where(kind):
    """One of two values is taken, whatever the other one is."""
    kind = np.dtype(kind)
    a, b = pairs(kind)
    condition = np.random.default_rng(0).random(a.shape) < 0.5
    same(compiled("where", kind, [BOOL, kind, kind])(condition, a, b), np.where(condition, a, b))


@pytest.mark.parametrize("speed_level", [0, 1, 3])
def test_other_levels_of_optimisation_give_the_same(speed_level):
    """What LLVM does for speed changes no number."""
    for op, name in [("floordiv", "i4"), ("mod", "f8"), ("shl", "i8"), ("pow", "u8"), ("maximum", "f4"), ("shr", "i1")]:
        kind = np.dtype(name)
        values = pairs(kind)
        if op == "pow":
            values = values[0], values[1] % np.array(64, kind)
        same(compiled(op, kind, [kind] * 2, speed_level)(*values), reference(op, kind, *values))


def test_constants_are_folded_with_the_same_result():
    """Literal operands, which LLVM computes when it compiles, are defined too."""
    for op, name, a, b in [
        ("floordiv", "i4", -(2**31), -1),
        ("mod", "i4", 5, 0),
        ("shl", "i8", 1, 64),
        ("mod", "f8", -1, np.inf),
    ]:
        kind = np.dtype(name)
        module = Module()
        f = Function(module, "run", [("ptr", "%out")], "i64", internal=False)
        f.store(kind, apply(f, op, kind, [literal(x, kind) for x in (a, b)], [kind] * 2), "%out")
        f.returned("i64 0")
        out = np.full(1, 77, kind)
        load_object(compile_ir(module.text(), speed_level=2), "run").function(out.ctypes.data)
        same(out, reference(op, kind, np.array([a], kind), np.array([b], kind)))


def test_products_and_sums_fuse_only_if_asked():
    """Contraction is a flag on sums, differences and products."""
    kind = np.dtype("f8")
    for contract in (False, True):
        f = Function(Module(), "run", [])
        for op in ("add", "sub", "mul"):
            apply(f, op, kind, ["%a", "%b"], [kind] * 2, contract=contract)
        assert f.text().count("contract") == 3 * contract


def test_calls_of_the_library_can_be_merged():
    """Two equal calls become one, and a call whose result nobody needs none."""
    import llvmlite.binding as llvm

    module, kind = Module(), np.dtype("f8")
    f = Function(module, "run", [("double", "%x")], "double", internal=False)
    first, second, _unused = (apply(f, op, kind, ["%x"], [kind]) for op in ("exp", "exp", "sin"))
    f.returned(f"double {f.emit(f'fadd double {first}, {second}')}")
    parsed = llvm.parse_assembly(module.text())
    passes = llvm.create_new_module_pass_manager()
    passes.add_instruction_combine_pass()
    passes.add_new_gvn_pass()
    machine = llvm.Target.from_default_triple().create_target_machine()
    with llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()) as builder:
        passes.run(parsed, builder)
    assert str(parsed).count("call double @exp") == 1
    assert "call double @sin" not in str(parsed)


def test_code_for_nvidia_calls_the_device_library():
    """On a GPU transcendental functions are libdevice's, and LLVM can select all the rest."""
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple("nvptx64-nvidia-cuda").create_target_machine(cpu="sm_70")
    for name in EVERY:
        kind = np.dtype(name)
        module = Module("nvptx64")
        for op in sorted(UNARY | BINARY):
            if op == "complex" and kind.kind != "f":
                continue
            f = Function(module, f"f_{op}", [("ptr", "%p")], internal=False)
            values = [f.load(kind, "%p", i) for i in range(1 if op in UNARY else 2)]
            out = np.dtype(f"c{2 * kind.itemsize}") if op == "complex" else result_kind(op, kind)
            try:
                value = apply(f, op, out, values, [kind] * len(values))
            except NotImplementedError:
                module.functions.remove(f)
                continue
            f.store(out, value, "%p")
            f.returned()
        for target in EVERY:
            f = Function(module, f"cast_{target[0].replace('?', 'b')}{target[1:]}", [("ptr", "%p")], internal=False)
            to = np.dtype(target)
            f.store(to, apply(f, "cast", to, [f.load(kind, "%p")], [kind]), "%p")
            f.returned()
        parsed = llvm.parse_assembly(module.text())
        parsed.triple = "nvptx64-nvidia-cuda"
        parsed.data_layout = str(machine.target_data)
        assert ".visible .func" in machine.emit_assembly(parsed)
        called = set(re.findall(r"@(\w+)\(", "\n".join(module.declared.values())))
        assert all(symbol.startswith(("__nv_", "llvm")) for symbol in called)


def test_what_has_no_code_is_said():
    """An operation that a dtype lacks is named."""
    with pytest.raises(NotImplementedError, match="exp of complex128"):
        apply(Function(Module(), "run", []), "exp", np.dtype("c16"), [("%a", "%b")], [np.dtype("c16")])


def test_loops_call_functions_on_vectors():
    """Where the C library has the function on vectors, a loop over an array calls that; single numbers don't."""
    if not variants("exp", 1, 8):
        pytest.skip("this C library has no functions on vectors")
    kind = np.dtype("f8")
    for there in (True, False):
        module = Module(vector_functions=there)
        f = Function(module, "run", [("ptr noalias", "%x"), ("ptr noalias", "%y")], "i64", internal=False)
        with f.loop(0, 1000, parallel=True) as i:
            f.store(kind, apply(f, "exp", kind, [f.load(kind, "%x", i)], [kind]), "%y", i)
        f.returned("i64 0")
        code = compile_ir(module.text(), speed_level=2)
        assert any(name.startswith("_ZGV") for name in undefined_symbols(code)) == there
        x, y = np.linspace(-5, 5, 1000), np.zeros(1000)
        load_object(code, "run", arguments=2).function(x.ctypes.data, y.ctypes.data)
        np.testing.assert_allclose(y, np.exp(x), rtol=8 * np.finfo(kind).eps)
