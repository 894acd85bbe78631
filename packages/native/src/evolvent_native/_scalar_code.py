"""What elementwise operations are for one entry, as LLVM's instructions.

The meaning is `_interpret`'s, NumPy's: nothing here traps or is undefined, for any input. Where NumPy's own answer
depends on the machine (a NaN cast to an integer), the answer is LLVM's saturating one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ._builder import Function, Module, literal, llvm_type
from ._vector_functions import variants

# The functions of the C library set errno, which nobody reads: without memory LLVM can merge and hoist their calls.
PURE = "nounwind willreturn memory(none)"
_FLAGS = (("", " contract"), (" reassoc", " reassoc contract"))
_INFINITY, _NAN = float("inf"), float("nan")


def apply(
    function: Function,
    op: str,
    kind: np.dtype,
    inputs: Sequence[Any],
    input_kinds: Sequence[np.dtype],
    *,
    contract: bool = False,
    reassociate: bool = False,
) -> Any:
    """Write one elementwise operation on one entry of each input.

    Parameters
    ----------
    kind : numpy.dtype
        Of the result.
    inputs : sequence of str or pair of str
        Registers or literals; complex values are pairs (real part, imaginary part).
    contract : bool
        Whether products and sums may become fused multiply-adds.
    reassociate : bool
        Whether they may be computed in another order, which a sum in a loop needs to become a sum of vectors.

    Raises
    ------
    NotImplementedError
        For an operation that is not elementwise or not of this dtype.
    """
    if op == "cast":
        return cast(function, inputs[0], input_kinds[0], kind)
    if op == "where":
        return select(function, inputs[0], inputs[1], inputs[2], kind)
    of = input_kinds[0]
    if kind.kind in "fc" and of.kind in "iub" and op in _FRACTIONS:
        inputs, of = [cast(function, x, of, kind) for x in inputs], kind
    write = _OPERATIONS[of.kind].get(op)
    if write is None:
        raise NotImplementedError(f"no machine code for {op} of {of}: write it in terms of other operations")
    return write(_Entry(function, of, _FLAGS[reassociate][contract]), *inputs)


def select(function: Function, condition: str, yes: Any, no: Any, kind: np.dtype) -> Any:
    """One of two values of the same dtype."""
    if kind.kind == "c":
        part = _part(kind)
        return select(function, condition, yes[0], no[0], part), select(function, condition, yes[1], no[1], part)
    type_ = llvm_type(kind)
    return function.emit(f"select i1 {condition}, {type_} {yes}, {type_} {no}")


def cast(function: Function, x: Any, of: np.dtype, to: np.dtype) -> Any:
    """The same number in another dtype."""
    if of == to:
        return x
    if to.kind == "c":
        part = _part(to)
        if of.kind == "c":
            return cast(function, x[0], _part(of), part), cast(function, x[1], _part(of), part)
        return cast(function, x, of, part), literal(0.0, part)
    if of.kind == "c":
        return cast(function, x[0], _part(of), to)
    source, target = llvm_type(of), llvm_type(to)
    if to.kind == "b":
        comparison = f"fcmp une {source} {x}, 0.0" if of.kind == "f" else f"icmp ne {source} {x}, 0"
        return function.emit(comparison)
    if of.kind == "f":
        if to.kind == "f":
            return function.emit(f"{'fpext' if to.itemsize > of.itemsize else 'fptrunc'} {source} {x} to {target}")
        name = f"llvm.fpto{'s' if to.kind == 'i' else 'u'}i.sat.{target}.f{8 * of.itemsize}"
        return _call(function, name, target, source, x)
    if to.kind == "f":
        return function.emit(f"{'sitofp' if of.kind == 'i' else 'uitofp'} {source} {x} to {target}")
    if of.kind != "b" and of.itemsize == to.itemsize:
        return x
    if of.kind != "b" and to.itemsize < of.itemsize:
        return function.emit(f"trunc {source} {x} to {target}")
    return function.emit(f"{'sext' if of.kind == 'i' else 'zext'} {source} {x} to {target}")


def _part(kind: np.dtype) -> np.dtype:
    """The dtype of a complex dtype's real and imaginary parts."""
    return np.dtype(f"f{kind.itemsize // 2}")


def _call(function: Function, name: str, returns: str, type_: str, *arguments: str, attributes: str = "") -> str:
    function.module.declare(name, returns, [type_] * len(arguments), attributes)
    return function.emit(f"call {returns} @{name}({', '.join(f'{type_} {x}' for x in arguments)})")


def _on_vectors(module: Module, name: str, arity: int, kind: np.dtype) -> str:
    """Attributes that tell which functions on vectors do the same as a function on numbers."""
    key = ("vectors", name)
    if key not in module.made:
        type_, listed = llvm_type(kind), []
        for count, symbol in variants(name, arity, kind.itemsize):
            module.declare(symbol, f"<{count} x {type_}>", [f"<{count} x {type_}>"] * arity, PURE)
            module.use(symbol)
            listed.append(f"_ZGV_LLVM_N{count}{'v' * arity}_{name}({symbol})")
        text = f'"vector-function-abi-variant"="{",".join(listed)}"'
        module.made[key] = f" {module.attributes(text)}" if listed else ""
    return module.made[key]


class _Entry:
    """Writes instructions on values of one dtype; of the parts', for complex numbers."""

    __slots__ = ("flags", "function", "kind", "part", "type")

    def __init__(self, function: Function, kind: np.dtype, flags: str = ""):
        self.function, self.kind, self.flags = function, kind, flags
        self.part = _part(kind) if kind.kind == "c" else kind
        self.type = llvm_type(kind)

    def number(self, value: float) -> str:
        return literal(value, self.part)

    def two(self, instruction: str, a: str, b: str) -> str:
        return self.function.emit(f"{instruction} {self.type} {a}, {b}")

    def add(self, a: str, b: str) -> str:
        return self.two(f"fadd{self.flags}", a, b)

    def sub(self, a: str, b: str) -> str:
        return self.two(f"fsub{self.flags}", a, b)

    def mul(self, a: str, b: str) -> str:
        return self.two(f"fmul{self.flags}", a, b)

    def div(self, a: str, b: str) -> str:
        return self.two("fdiv", a, b)

    def neg(self, a: str) -> str:
        return self.function.emit(f"fneg {self.type} {a}")

    def choose(self, condition: str, yes: str, no: str) -> str:
        return self.function.emit(f"select i1 {condition}, {self.type} {yes}, {self.type} {no}")

    def logic(self, name: str, a: str, b: str) -> str:
        return self.function.emit(f"{name} i1 {a}, {b}")

    def intrinsic(self, name: str, *arguments: str) -> str:
        suffix = f"f{8 * self.part.itemsize}" if self.part.kind == "f" else self.type
        return _call(self.function, f"llvm.{name}.{suffix}", self.type, self.type, *arguments)

    def library(self, name: str, *arguments: str) -> str:
        """A function of the C library, or of CUDA's device library by the same name."""
        name += "f" if self.part.itemsize == 4 else ""
        module = self.function.module
        if module.target == "nvptx64":
            name = f"__nv_{name}"
        called = _call(self.function, name, self.type, self.type, *arguments, attributes=PURE)
        if module.vector_functions:
            self.function.lines[-1] += _on_vectors(module, name, len(arguments), self.part)
        return called

    def magnitude(self, a: str) -> str:
        return self.intrinsic("fabs", a)

    def is_infinite(self, a: str) -> str:
        return self.two("fcmp oeq", self.magnitude(a), self.number(_INFINITY))


# ---------------------------------------------------------------- real numbers


def _library(name: str) -> Callable[..., str]:
    return lambda e, *arguments: e.library(name, *arguments)


def _intrinsic(name: str) -> Callable[..., str]:
    return lambda e, *arguments: e.intrinsic(name, *arguments)


def _instruction(text: str) -> Callable[..., str]:
    return lambda e, a, b: e.two(text, a, b)


def _same(e: _Entry, a: str) -> str:
    return a


def _sign(e: _Entry, a: str) -> str:
    zero = e.number(0.0)
    # What is neither positive, negative nor zero is NaN, and stays.
    rest = e.choose(e.two("fcmp oeq", a, zero), zero, a)
    rest = e.choose(e.two("fcmp olt", a, zero), e.number(-1.0), rest)
    return e.choose(e.two("fcmp ogt", a, zero), e.number(1.0), rest)


def _signbit(e: _Entry, a: str) -> str:
    bits = f"i{8 * e.kind.itemsize}"
    return e.function.emit(f"icmp slt {bits} {e.function.emit(f'bitcast {e.type} {a} to {bits}')}, 0")


def _extreme(comparison: str) -> Callable[[_Entry, str, str], str]:
    def write(e: _Entry, a: str, b: str) -> str:
        # The first choice gives b if either is NaN: one instruction on x86, where LLVM's own `maximum` needs seven.
        chosen = e.choose(e.two(f"fcmp {comparison}", a, b), a, b)
        return e.choose(e.two("fcmp uno", a, a), a, chosen)

    return write


def _remainder(e: _Entry, a: str, b: str) -> tuple[str, str, str]:
    """C's remainder, the one with the divisor's sign, and whether they differ."""
    zero = e.number(0.0)
    c = e.library("fmod", a, b)
    some = e.two("fcmp une", c, zero)
    opposite = e.logic("xor", e.two("fcmp olt", b, zero), e.two("fcmp olt", c, zero))
    differs = e.logic("and", some, opposite)
    moved = e.choose(differs, e.two("fadd", c, b), c)
    return c, e.choose(some, moved, e.intrinsic("copysign", zero, b)), differs


def _mod(e: _Entry, a: str, b: str) -> str:
    c, floored, _differs = _remainder(e, a, b)
    return e.choose(e.two("fcmp oeq", b, e.number(0.0)), c, floored)


def _floordiv(e: _Entry, a: str, b: str) -> str:
    zero, one = e.number(0.0), e.number(1.0)
    c, _floored, differs = _remainder(e, a, b)
    exact = e.div(e.two("fsub", a, c), b)
    exact = e.choose(differs, e.two("fsub", exact, one), exact)
    # The quotient is an integer but for rounding.
    whole = e.intrinsic("floor", exact)
    above = e.two("fcmp ogt", e.two("fsub", exact, whole), e.number(0.5))
    whole = e.choose(above, e.two("fadd", whole, one), whole)
    quotient = e.div(a, b)
    whole = e.choose(e.two("fcmp oeq", exact, zero), e.intrinsic("copysign", zero, quotient), whole)
    return e.choose(e.two("fcmp oeq", b, zero), quotient, whole)


_LIBRARY_NAMES = """
    exp expm1 log log1p log2 log10 sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh pow atan2 hypot nextafter
"""
_LIBRARY = frozenset(_LIBRARY_NAMES.split())
_FRACTIONS = _LIBRARY | {"sqrt", "div", "copysign"}

_REAL: dict[str, Callable[..., Any]] = {
    **{name: _library(name) for name in _LIBRARY},
    **{name: _intrinsic(name) for name in ("sqrt", "floor", "ceil", "trunc", "copysign")},
    "abs": _intrinsic("fabs"),
    "round": _intrinsic("rint"),
    "neg": _Entry.neg,
    "sign": _sign,
    "isnan": lambda e, a: e.two("fcmp uno", a, a),
    "isinf": _Entry.is_infinite,
    "isfinite": lambda e, a: e.two("fcmp olt", e.magnitude(a), e.number(_INFINITY)),
    "signbit": _signbit,
    "real": _same,
    "imag": lambda e, a: e.number(0.0),
    "conj": _same,
    "add": _Entry.add,
    "sub": _Entry.sub,
    "mul": _Entry.mul,
    "div": _Entry.div,
    "floordiv": _floordiv,
    "mod": _mod,
    "maximum": _extreme("ogt"),
    "minimum": _extreme("olt"),
    "eq": _instruction("fcmp oeq"),
    "ne": _instruction("fcmp une"),
    "lt": _instruction("fcmp olt"),
    "le": _instruction("fcmp ole"),
    "gt": _instruction("fcmp ogt"),
    "ge": _instruction("fcmp oge"),
    "complex": lambda e, a, b: (a, b),
}


# ---------------------------------------------------------------- integers


def _whole_sign(e: _Entry, a: str) -> str:
    if e.kind.kind != "i":
        return e.function.emit(f"zext i1 {e.two('icmp ne', a, '0')} to {e.type}")
    positive = e.function.emit(f"zext i1 {e.two('icmp sgt', a, '0')} to {e.type}")
    return e.two("sub", positive, e.function.emit(f"zext i1 {e.two('icmp slt', a, '0')} to {e.type}"))


def _whole_abs(e: _Entry, a: str) -> str:
    if e.kind.kind != "i":
        return a
    return e.choose(e.two("icmp slt", a, "0"), e.two("sub", "0", a), a)


def _whole_division(e: _Entry, a: str, b: str) -> tuple[str, str, str]:
    """Whether the divisor is zero, the quotient and the remainder that round down."""
    none = e.two("icmp eq", b, "0")
    if e.kind.kind != "i":
        divisor = e.choose(none, "1", b)
        return none, e.two("udiv", a, divisor), e.two("urem", a, divisor)
    # The least number by -1 overflows, which is a trap on x86: that divisor is handled by itself.
    minus = e.two("icmp eq", b, "-1")
    divisor = e.choose(e.logic("or", none, minus), "1", b)
    quotient, remainder = e.two("sdiv", a, divisor), e.two("srem", a, divisor)
    opposite = e.two("icmp slt", e.two("xor", remainder, b), "0")
    down = e.logic("and", e.two("icmp ne", remainder, "0"), opposite)
    quotient = e.two("sub", quotient, e.function.emit(f"zext i1 {down} to {e.type}"))
    return (
        none,
        e.choose(minus, e.two("sub", "0", a), quotient),
        e.two("add", remainder, e.choose(down, b, "0")),
    )


def _whole_floordiv(e: _Entry, a: str, b: str) -> str:
    none, quotient, _remainder = _whole_division(e, a, b)
    return e.choose(none, "0", quotient)


def _whole_mod(e: _Entry, a: str, b: str) -> str:
    # By one, which stands for zero and minus one, nothing remains.
    return _whole_division(e, a, b)[2]


def _shl(e: _Entry, a: str, b: str) -> str:
    # Too far a shift is poison, but poison that is not chosen does no harm.
    inside = e.two("icmp ult", b, str(8 * e.kind.itemsize))
    return e.choose(inside, e.two("shl", a, e.choose(inside, b, "0")), "0")


def _shr(e: _Entry, a: str, b: str) -> str:
    bits = 8 * e.kind.itemsize
    inside = e.two("icmp ult", b, str(bits))
    if e.kind.kind == "i":
        return e.two("ashr", a, e.choose(inside, b, str(bits - 1)))
    return e.choose(inside, e.two("lshr", a, e.choose(inside, b, "0")), "0")


def _whole_extreme(comparison: str) -> Callable[[_Entry, str, str], str]:
    def write(e: _Entry, a: str, b: str) -> str:
        return e.choose(_ordered(comparison)(e, a, b), a, b)

    return write


def _ordered(comparison: str) -> Callable[[_Entry, str, str], str]:
    return lambda e, a, b: e.two(f"icmp {'s' if e.kind.kind == 'i' else 'u'}{comparison}", a, b)


def _whole_pow(e: _Entry, a: str, b: str) -> str:
    name = _power_function(e.function.module, e.kind)
    return e.function.emit(f"call {e.type} @{name}({e.type} {a}, {e.type} {b})")


def _power_function(module: Module, kind: np.dtype) -> str:
    """A function that raises integers to powers by repeated squaring."""
    key = ("pow", kind)
    if key in module.made:
        return module.made[key]
    name, type_ = f"pow_{kind.str[1:]}", llvm_type(kind)
    module.made[key] = name
    f = Function(module, name, [(type_, "%base"), (type_, "%exponent")], type_, attributes=PURE)
    e = _Entry(f, kind)
    result, base, exponent = (f.variable(kind, value) for value in ("1", "%base", "%exponent"))
    if kind.kind == "i":
        # The reciprocals that are integers are those of 1 and -1, whose powers only depend on the parity.
        negative = e.two("icmp slt", "%exponent", "0")
        unit = e.logic("or", e.two("icmp eq", "%base", "1"), e.two("icmp eq", "%base", "-1"))
        with f.when(negative):
            exponent.write(e.two("and", "%exponent", "1"))
            result.write(e.choose(unit, "1", "0"))
    head, body, done = f.new_label("head"), f.new_label("body"), f.new_label("done")
    f.branch(head)
    f.begin(head)
    f.branch_if(e.two("icmp eq", exponent.read(), "0"), done, body)
    f.begin(body)
    left, square = exponent.read(), base.read()
    odd = f.emit(f"trunc {type_} {left} to i1")
    result.write(e.two("mul", result.read(), e.choose(odd, square, "1")))
    base.write(e.two("mul", square, square))
    exponent.write(e.two("lshr", left, "1"))
    f.branch(head)
    f.begin(done)
    f.returned(f"{type_} {result.read()}")
    return name


_WHOLE: dict[str, Callable[..., Any]] = {
    "neg": lambda e, a: e.two("sub", "0", a),
    "abs": _whole_abs,
    "sign": _whole_sign,
    "not": lambda e, a: e.two("xor", a, "-1"),
    **dict.fromkeys(("floor", "ceil", "trunc", "round", "real", "conj"), _same),
    "imag": lambda e, a: "0",
    "isnan": lambda e, a: "false",
    "isinf": lambda e, a: "false",
    "isfinite": lambda e, a: "true",
    "signbit": lambda e, a: _ordered("lt")(e, a, "0"),
    "add": _instruction("add"),
    "sub": _instruction("sub"),
    "mul": _instruction("mul"),
    "floordiv": _whole_floordiv,
    "mod": _whole_mod,
    "pow": _whole_pow,
    "maximum": _whole_extreme("gt"),
    "minimum": _whole_extreme("lt"),
    "and": _instruction("and"),
    "or": _instruction("or"),
    "xor": _instruction("xor"),
    "shl": _shl,
    "shr": _shr,
    "eq": _instruction("icmp eq"),
    "ne": _instruction("icmp ne"),
    **{name: _ordered(name) for name in ("lt", "le", "gt", "ge")},
}

_TRUTH: dict[str, Callable[..., Any]] = {
    "not": lambda e, a: e.two("xor", a, "true"),
    **dict.fromkeys(("abs", "sign", "floor", "ceil", "trunc", "round", "real", "conj"), _same),
    "imag": lambda e, a: "false",
    "isnan": lambda e, a: "false",
    "isinf": lambda e, a: "false",
    "isfinite": lambda e, a: "true",
    "signbit": lambda e, a: "false",
    **{name: _instruction("or") for name in ("or", "add", "maximum")},
    **{name: _instruction("and") for name in ("and", "mul", "minimum")},
    "xor": _instruction("xor"),
    "eq": _instruction("icmp eq"),
    "ne": _instruction("icmp ne"),
    **{name: _ordered(name) for name in ("lt", "le", "gt", "ge")},
}


# ---------------------------------------------------------------- complex numbers

Pair = tuple[str, str]


def _either(name: str, joined: str) -> Callable[[_Entry, Pair], str]:
    """A predicate of both parts."""

    def write(e: _Entry, a: Pair) -> str:
        parts = _Entry(e.function, e.part)
        return e.logic(joined, _REAL[name](parts, a[0]), _REAL[name](parts, a[1]))

    return write


def _complex_mul(e: _Entry, a: Pair, b: Pair) -> Pair:
    re = e.sub(e.mul(a[0], b[0]), e.mul(a[1], b[1]))
    return re, e.add(e.mul(a[0], b[1]), e.mul(a[1], b[0]))


def _complex_div(e: _Entry, a: Pair, b: Pair) -> Pair:
    """Smith's division: by the larger part first. doi:10.1145/368637.368661."""
    zero = e.number(0.0)
    size = e.magnitude(b[0])
    swap = e.two("fcmp olt", size, e.magnitude(b[1]))
    large, small = e.choose(swap, b[1], b[0]), e.choose(swap, b[0], b[1])
    x, y = e.choose(swap, a[1], a[0]), e.choose(swap, a[0], a[1])
    ratio = e.div(small, large)
    scale = e.div(e.number(1.0), e.add(large, e.mul(small, ratio)))
    re = e.mul(e.add(x, e.mul(y, ratio)), scale)
    turned = e.mul(x, ratio)
    im = e.mul(e.sub(e.choose(swap, turned, y), e.choose(swap, y, turned)), scale)
    none = e.logic("and", e.two("fcmp oeq", b[0], zero), e.two("fcmp oeq", b[1], zero))
    return e.choose(none, e.div(a[0], size), re), e.choose(none, e.div(a[1], size), im)


def _complex_sign(e: _Entry, a: Pair) -> Pair:
    zero, nan = e.number(0.0), e.number(_NAN)
    size = e.library("hypot", *a)
    infinite = [e.is_infinite(part) for part in a]
    none, endless = e.two("fcmp oeq", size, zero), e.two("fcmp oeq", size, e.number(_INFINITY))
    lost = e.logic("or", e.two("fcmp uno", size, size), e.logic("and", *infinite))

    def part(i: int, outweighed: str) -> str:
        far = e.choose(outweighed, zero, e.intrinsic("copysign", e.number(1.0), a[i]))
        value = e.choose(none, zero, e.choose(endless, far, e.div(a[i], size)))
        return e.choose(lost, nan, value)

    return part(0, e.logic("xor", infinite[0], "true")), part(1, infinite[0])


def _lexicographic(strict: str, last: str) -> Callable[[_Entry, Pair, Pair], str]:
    """Real parts first; imaginary ones where those are equal. False if any part is NaN."""

    def write(e: _Entry, a: Pair, b: Pair) -> str:
        numbers = e.logic("and", e.two("fcmp ord", a[1], a[1]), e.two("fcmp ord", b[1], b[1]))
        first = e.logic("and", e.two(f"fcmp {strict}", a[0], b[0]), numbers)
        tie = e.logic("and", e.two("fcmp oeq", a[0], b[0]), e.two(f"fcmp {last}", a[1], b[1]))
        return e.logic("or", first, tie)

    return write


def _complex_extreme(strict: str, last: str) -> Callable[[_Entry, Pair, Pair], Pair]:
    compare = _lexicographic(strict, last)

    def write(e: _Entry, a: Pair, b: Pair) -> Pair:
        lost = e.logic("or", e.two("fcmp uno", a[0], a[0]), e.two("fcmp uno", a[1], a[1]))
        first = e.logic("or", lost, compare(e, a, b))
        return e.choose(first, a[0], b[0]), e.choose(first, a[1], b[1])

    return write


_COMPLEX: dict[str, Callable[..., Any]] = {
    "neg": lambda e, a: (e.neg(a[0]), e.neg(a[1])),
    "abs": lambda e, a: e.library("hypot", *a),
    "sign": _complex_sign,
    "real": lambda e, a: a[0],
    "imag": lambda e, a: a[1],
    "conj": lambda e, a: (a[0], e.neg(a[1])),
    "isnan": _either("isnan", "or"),
    "isinf": _either("isinf", "or"),
    "isfinite": _either("isfinite", "and"),
    "add": lambda e, a, b: (e.add(a[0], b[0]), e.add(a[1], b[1])),
    "sub": lambda e, a, b: (e.sub(a[0], b[0]), e.sub(a[1], b[1])),
    "mul": _complex_mul,
    "div": _complex_div,
    "maximum": _complex_extreme("ogt", "oge"),
    "minimum": _complex_extreme("olt", "ole"),
    "eq": lambda e, a, b: e.logic("and", e.two("fcmp oeq", a[0], b[0]), e.two("fcmp oeq", a[1], b[1])),
    "ne": lambda e, a, b: e.logic("or", e.two("fcmp une", a[0], b[0]), e.two("fcmp une", a[1], b[1])),
    "lt": _lexicographic("olt", "olt"),
    "le": _lexicographic("olt", "ole"),
    "gt": _lexicographic("ogt", "ogt"),
    "ge": _lexicographic("ogt", "oge"),
}

_OPERATIONS = {"f": _REAL, "i": _WHOLE, "u": _WHOLE, "b": _TRUTH, "c": _COMPLEX}
