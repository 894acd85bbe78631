"""Functions of each entry."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _graph
from .._array import Array, array, broadcast, cast, together
from .._graph import BOOL, REAL, make

_COMPLEX_OF = {np.dtype(np.float32): np.dtype(np.complex64), REAL: np.dtype(np.complex128)}
_REAL_OF = {np.dtype(np.complex64): np.dtype(np.float32), np.dtype(np.complex128): REAL}
_RANK = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}


def real_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype of a complex one's real parts."""
    return _REAL_OF.get(dtype, dtype)


def complex_of(re: Any, im: Any) -> Array:
    """The complex numbers with the given real and imaginary parts."""
    re, im = together(floating(re), floating(im))
    return Array(make("complex", (re.node, im.node), re.shape, _COMPLEX_OF[re.dtype]), re.weak and im.weak)


def floating(x: Any) -> Array:
    """The array itself, or float64 numbers where it holds integers."""
    x = array(x)
    return x if x.dtype.kind in "fc" else cast(x, REAL)


def _one(op: str, x: Array, dtype: Any = None) -> Array:
    return Array(make(op, (x.node,), x.shape, dtype or x.dtype), x.weak)


# ---------------------------------------------------------------- of two arrays
def _operands(x1: Any, x2: Any) -> tuple[Any, Any, bool]:
    """Nodes of one shape and dtype, and whether they stand for Python numbers."""
    if type(x1) is Array:
        a = x1.node
        kind = type(x2)
        if kind is Array:
            b = x2.node
            if a.dtype is b.dtype and a.shape == b.shape:
                return a, b, x1.weak and x2.weak
        elif (kind is float or kind is int) and _RANK[a.dtype.kind] >= (2 if kind is float else 1):
            b = _graph.constant(x2, a.dtype)
            return a, b if not a.shape else make("broadcast", (b,), a.shape, a.dtype), x1.weak
    elif type(x2) is Array:
        kind = type(x1)
        b = x2.node
        if (kind is float or kind is int) and _RANK[b.dtype.kind] >= (2 if kind is float else 1):
            a = _graph.constant(x1, b.dtype)
            return a if not b.shape else make("broadcast", (a,), b.shape, b.dtype), b, x2.weak
    first, second = together(x1, x2)
    return first.node, second.node, first.weak and second.weak


def _arithmetic(op: str, of_bools: str | None, doc: str):
    def function(x1: Any, x2: Any, /) -> Array:
        a, b, weak = _operands(x1, x2)
        if a.dtype is BOOL or a.dtype.kind == "b":
            if of_bools is None:
                raise TypeError(f"{op} of two boolean arrays: use xp.logical_xor, or cast them to integers")
            return Array(make(of_bools, (a, b), a.shape, BOOL))
        return Array(make(op, (a, b), a.shape, a.dtype), weak)

    function.__doc__ = doc
    return function


add = _arithmetic("add", "or", "The sum x1 + x2.")
subtract = _arithmetic("sub", None, "The difference x1 - x2.")
multiply = _arithmetic("mul", "and", "The product x1 * x2.")


def _real_pair(op: str, name: str, doc: str, of_bools: str | None = None):
    def function(x1: Any, x2: Any, /) -> Array:
        a, b, weak = _operands(x1, x2)
        kind = a.dtype.kind
        if kind == "c":
            raise TypeError(f"{name} of complex numbers: they have no order")
        if kind == "b":
            if of_bools is not None:
                return Array(make(of_bools, (a, b), a.shape, BOOL))
            a, b = (make("cast", (x,), x.shape, np.dtype(np.int8)) for x in (a, b))
        return Array(make(op, (a, b), a.shape, a.dtype), weak)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


floor_divide = _real_pair("floordiv", "floor_divide", "The quotient rounded down.")
remainder = _real_pair("mod", "remainder", "What is left by division rounded down; it has the sign of x2.")


def divide(x1: Any, x2: Any, /) -> Array:
    """The quotient x1 / x2; of integers it is a float64 number."""
    a, b, weak = _operands(x1, x2)
    if a.dtype.kind not in "fc":
        a, b = make("cast", (a,), a.shape, REAL), make("cast", (b,), b.shape, REAL)
    return Array(make("div", (a, b), a.shape, a.dtype), weak)


def pow(x1: Any, x2: Any, /) -> Array:
    """x1 to the power x2."""
    if isinstance(x2, int) and not isinstance(x2, bool) and isinstance(x1, Array):
        if x1.dtype.kind == "c":
            return _integer_power(x1, x2)
        if x1.dtype.kind in "iu" and x2 < 0:
            raise ValueError("integers to negative integer powers: cast the base to a float")
    a, b, weak = _operands(x1, x2)
    if a.dtype.kind == "c":
        return _complex_power(Array(a, weak), Array(b, weak))
    if a.dtype.kind == "b":
        a, b = (make("cast", (x,), x.shape, np.dtype(np.int8)) for x in (a, b))
    return Array(make("pow", (a, b), a.shape, a.dtype), weak)


def _integer_power(z: Array, n: int) -> Array:
    if n < 0:
        return divide(1.0, _integer_power(z, -n))
    if n == 0:
        return Array(make("broadcast", (_graph.constant(1, z.dtype),), z.shape, z.dtype))
    if n > 64:
        return _complex_power(z, broadcast(array(n, z.dtype), z.shape))
    found = None
    while True:
        if n & 1:
            found = z if found is None else multiply(found, z)
        n >>= 1
        if not n:
            return found  # type: ignore[return-value]
        z = multiply(z, z)


def _complex_power(z: Array, w: Array) -> Array:
    from .complex_numbers import exp as complex_exp
    from .complex_numbers import log as complex_log

    nothing = equal(z, 0)
    raised = complex_exp(multiply(w, complex_log(where(nothing, 1, z))))
    at_zero = where(equal(w, 0), 1, where(greater(real(w), 0), 0, complex(math.nan, math.nan)))
    return where(nothing, at_zero, raised)


def _floating_pair(op: str, name: str, doc: str):
    def function(x1: Any, x2: Any, /) -> Array:
        a, b, weak = _operands(x1, x2)
        if a.dtype.kind == "c":
            raise TypeError(f"{name} of complex numbers")
        if a.dtype.kind != "f":
            a, b = make("cast", (a,), a.shape, REAL), make("cast", (b,), b.shape, REAL)
        return Array(make(op, (a, b), a.shape, a.dtype), weak)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


atan2 = _floating_pair("atan2", "atan2", "The angle of the point (x2, x1).")
hypot = _floating_pair("hypot", "hypot", "sqrt(x1 ** 2 + x2 ** 2), without overflow.")
copysign = _floating_pair("copysign", "copysign", "x1 with the sign of x2.")
nextafter = _floating_pair("nextafter", "nextafter", "The number next to x1 on the way to x2.")
maximum = _real_pair("maximum", "maximum", "The greater of x1 and x2; NaN if either is.", "or")
minimum = _real_pair("minimum", "minimum", "The smaller of x1 and x2; NaN if either is.", "and")


def _bits(op: str, name: str, doc: str, bools: bool = True):
    def function(x1: Any, x2: Any, /) -> Array:
        a, b, weak = _operands(x1, x2)
        if a.dtype.kind not in ("biu" if bools else "iu"):
            raise TypeError(f"{name} of {a.dtype}: it is defined for {'booleans and ' if bools else ''}integers")
        return Array(make(op, (a, b), a.shape, a.dtype), weak)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


bitwise_and = _bits("and", "bitwise_and", "The bits that are set in both.")
bitwise_or = _bits("or", "bitwise_or", "The bits that are set in either.")
bitwise_xor = _bits("xor", "bitwise_xor", "The bits that are set in one only.")
bitwise_left_shift = _bits("shl", "bitwise_left_shift", "x1 shifted left by x2 bits.", False)
bitwise_right_shift = _bits("shr", "bitwise_right_shift", "x1 shifted right by x2 bits.", False)


def _comparison(op: str, doc: str):
    def function(x1: Any, x2: Any, /) -> Array:
        a, b, _ = _operands(x1, x2)
        if a.dtype.kind == "c" and op not in ("eq", "ne"):
            raise TypeError("complex numbers have no order: compare their real parts or absolute values")
        return Array(make(op, (a, b), a.shape, BOOL))

    function.__doc__ = doc
    return function


equal = _comparison("eq", "Whether x1 == x2.")
not_equal = _comparison("ne", "Whether x1 != x2.")
less = _comparison("lt", "Whether x1 < x2.")
less_equal = _comparison("le", "Whether x1 <= x2.")
greater = _comparison("gt", "Whether x1 > x2.")
greater_equal = _comparison("ge", "Whether x1 >= x2.")


def truth(x: Any) -> Array:
    """Whether entries are not zero."""
    x = array(x)
    return x if x.dtype == BOOL else not_equal(x, 0)


def logical_and(x1: Any, x2: Any, /) -> Array:
    """Whether both are true."""
    return bitwise_and(truth(x1), truth(x2))


def logical_or(x1: Any, x2: Any, /) -> Array:
    """Whether either is true."""
    return bitwise_or(truth(x1), truth(x2))


def logical_xor(x1: Any, x2: Any, /) -> Array:
    """Whether one only is true."""
    return bitwise_xor(truth(x1), truth(x2))


def logical_not(x: Any, /) -> Array:
    """Whether it is false."""
    return _one("not", truth(x))


# ---------------------------------------------------------------- of one array
def _of_floats(op: str):
    def function(x: Any, /) -> Array:
        if type(x) is not Array:
            x = array(x)
        node = x.node
        kind = node.dtype.kind
        if kind == "c":
            from . import complex_numbers

            return getattr(complex_numbers, op)(x)
        if kind != "f":
            node = make("cast", (node,), node.shape, REAL)
        return Array(make(op, (node,), node.shape, node.dtype), x.weak)

    function.__name__ = function.__qualname__ = op
    function.__doc__ = f"The function {op} of each entry."
    return function


sqrt, exp, expm1, log, log1p, log2, log10 = map(_of_floats, ("sqrt", "exp", "expm1", "log", "log1p", "log2", "log10"))
sin, cos, tan, asin, acos, atan = map(_of_floats, ("sin", "cos", "tan", "asin", "acos", "atan"))
sinh, cosh, tanh, asinh, acosh, atanh = map(_of_floats, ("sinh", "cosh", "tanh", "asinh", "acosh", "atanh"))


def _rounding(op: str):
    def function(x: Any, /) -> Array:
        x = array(x)
        if x.dtype.kind == "c":
            if op != "round":
                raise TypeError(f"{op} of complex numbers")
            return complex_of(function(real(x)), function(imag(x)))
        return _one(op, x) if x.dtype.kind == "f" else Array(x.node, x.weak)

    function.__name__ = function.__qualname__ = op
    function.__doc__ = f"The function {op} of each entry; halves are rounded to the even number."
    return function


floor, ceil, trunc = map(_rounding, ("floor", "ceil", "trunc"))
round = _rounding("round")


def abs(x: Any, /) -> Array:
    """The absolute value."""
    x = array(x)
    if x.dtype.kind in "bu":
        return Array(x.node, x.weak)
    return _one("abs", x, real_dtype(x.dtype))


def negative(x: Any, /) -> Array:
    """-x."""
    x = array(x)
    if x.dtype.kind == "b":
        raise TypeError("the negative of a boolean array: use xp.logical_not or ~")
    return _one("neg", x)


def positive(x: Any, /) -> Array:
    """+x."""
    x = array(x)
    return Array(x.node, x.weak)


def sign(x: Any, /) -> Array:
    """-1, 0 or 1; x / abs(x) of complex numbers."""
    x = array(x)
    if x.dtype.kind == "c":
        size = abs(x)
        return where(equal(size, 0), 0, divide(x, where(equal(size, 0), 1, size)))
    if x.dtype.kind == "b":
        raise TypeError("the sign of a boolean array: cast it to numbers")
    return _one("sign", x)


def square(x: Any, /) -> Array:
    """The product x * x."""
    return multiply(x, x)


def reciprocal(x: Any, /) -> Array:
    """1 / x."""
    return divide(1, x)


def bitwise_invert(x: Any, /) -> Array:
    """All bits flipped."""
    x = array(x)
    if x.dtype.kind not in "biu":
        raise TypeError(f"~ of {x.dtype}: it is defined for booleans and integers")
    return _one("not", x)


def real(x: Any, /) -> Array:
    """The real part."""
    x = array(x)
    return _one("real", x, real_dtype(x.dtype)) if x.dtype.kind == "c" else Array(x.node, x.weak)


def imag(x: Any, /) -> Array:
    """The imaginary part."""
    x = array(x)
    if x.dtype.kind == "c":
        return _one("imag", x, real_dtype(x.dtype))
    return Array(make("broadcast", (_graph.constant(0, x.dtype),), x.shape, x.dtype), x.weak)


def conj(x: Any, /) -> Array:
    """The complex conjugate."""
    x = array(x)
    return _one("conj", x) if x.dtype.kind == "c" else Array(x.node, x.weak)


def signbit(x: Any, /) -> Array:
    """Whether the sign bit is set: also of -0.0."""
    x = array(x)
    if x.dtype.kind == "f":
        return Array(make("signbit", (x.node,), x.shape, BOOL))
    return less(x, 0)


def _predicate(op: str, of_integers: bool, joined: Any):
    def function(x: Any, /) -> Array:
        x = array(x)
        if x.dtype.kind == "c":
            return joined(function(real(x)), function(imag(x)))
        if x.dtype.kind != "f":
            return Array(make("broadcast", (_graph.constant(of_integers),), x.shape, BOOL))
        return Array(make(op, (x.node,), x.shape, BOOL))

    function.__name__ = function.__qualname__ = op
    function.__doc__ = f"The predicate {op} of each entry."
    return function


isnan = _predicate("isnan", False, logical_or)
isinf = _predicate("isinf", False, logical_or)
isfinite = _predicate("isfinite", True, logical_and)


# ---------------------------------------------------------------- choosing
def where(condition: Any, x1: Any, x2: Any, /) -> Array:
    """x1 where the condition holds, x2 elsewhere."""
    pred = truth(condition)
    if type(x1) is Array and type(x2) is Array:
        a, b, p = x1.node, x2.node, pred.node
        if a.dtype is b.dtype and a.shape == b.shape == p.shape:
            return Array(make("where", (p, a, b), a.shape, a.dtype), x1.weak and x2.weak)
    first, second = together(x1, x2)
    shape = first.shape
    if pred.shape != shape:
        shape = np.broadcast_shapes(pred.shape, shape)
        pred, first, second = (broadcast(x, shape) for x in (pred, first, second))
    return Array(make("where", (pred.node, first.node, second.node), shape, first.dtype), first.weak and second.weak)


def clip(x: Any, /, min: Any = None, max: Any = None) -> Array:
    """The entries moved into the range from `min` to `max`."""
    x = array(x)
    found = x
    if min is not None:
        found = maximum(found, min)
    if max is not None:
        found = minimum(found, max)
    return Array(found.node, found.weak) if found is x else found


# ---------------------------------------------------------------- NumPy's own
def fmod(x1: Any, x2: Any, /) -> Array:
    """What is left by division rounded to zero; it has the sign of x1."""
    first, second = together(x1, x2)
    left = remainder(abs(first), abs(second))
    if first.dtype.kind == "f":
        return copysign(left, first)
    return where(less(first, 0), negative(left), left) if first.dtype.kind == "i" else left


def heaviside(x1: Any, x2: Any, /) -> Array:
    """0 below zero, x2 at zero, 1 above."""
    x = floating(x1)
    return where(isnan(x), x, where(less(x, 0), 0.0, where(equal(x, 0), x2, 1.0)))


def logaddexp(x1: Any, x2: Any, /) -> Array:
    """log(exp(x1) + exp(x2)), without overflow."""
    a, b = together(floating(x1), floating(x2))
    gap = negative(abs(subtract(a, b)))
    return where(equal(a, b), add(maximum(a, b), math.log(2.0)), add(maximum(a, b), log1p(exp(gap))))


def logaddexp2(x1: Any, x2: Any, /) -> Array:
    """log2(2**x1 + 2**x2), without overflow."""
    a, b = together(floating(x1), floating(x2))
    gap = negative(abs(subtract(a, b)))
    return where(
        equal(a, b), add(maximum(a, b), 1.0), add(maximum(a, b), multiply(log1p(exp2(gap)), 1.0 / math.log(2.0)))
    )


def exp2(x: Any, /) -> Array:
    """2 to the power x."""
    return pow(2.0, floating(x))


def cbrt(x: Any, /) -> Array:
    """The real cube root."""
    x = floating(x)
    size = abs(x)
    usual = logical_and(isfinite(x), greater(size, 0))
    safe = where(usual, size, 1.0)
    root = pow(safe, 1.0 / 3.0)
    root = subtract(root, divide(subtract(root, divide(safe, multiply(root, root))), 3.0))
    return where(usual, copysign(root, x), x)


def float_power(x1: Any, x2: Any, /) -> Array:
    """x1 to the power x2, in at least float64."""
    a, b = together(x1, x2)
    wide = np.result_type(a.dtype, REAL)
    return pow(cast(a, wide), x2 if isinstance(x2, int) else cast(b, wide))


def fmax(x1: Any, x2: Any, /) -> Array:
    """The greater of x1 and x2; the other one if one is NaN."""
    a, b = together(x1, x2)
    return where(isnan(a), b, where(isnan(b), a, maximum(a, b)))


def fmin(x1: Any, x2: Any, /) -> Array:
    """The smaller of x1 and x2; the other one if one is NaN."""
    a, b = together(x1, x2)
    return where(isnan(a), b, where(isnan(b), a, minimum(a, b)))


def deg2rad(x: Any, /) -> Array:
    """Degrees to radians."""
    return multiply(floating(x), math.pi / 180.0)


def rad2deg(x: Any, /) -> Array:
    """Radians to degrees."""
    return multiply(floating(x), 180.0 / math.pi)


def sinc(x: Any, /) -> Array:
    """sin(pi x) / (pi x), and 1 at zero."""
    angle = multiply(floating(x), math.pi)
    nothing = equal(angle, 0)
    safe = where(nothing, 1.0, angle)
    return where(nothing, 1.0, divide(sin(safe), safe))


def ldexp(x1: Any, x2: Any, /) -> Array:
    """x1 * 2**x2."""
    x, n = floating(x1), array(x2)
    half = floor_divide(n, 2)  # in two steps, so that no power overflows alone
    return multiply(multiply(x, exp2(cast(half, x.dtype))), exp2(cast(subtract(n, half), x.dtype)))


def modf(x: Any, /) -> tuple[Array, Array]:
    """The fractional and the integral part, both with the sign of x."""
    x = floating(x)
    whole = trunc(x)
    return copysign(where(isinf(x), 0.0, subtract(x, where(isinf(x), 0.0, whole))), x), whole


def divmod(x1: Any, x2: Any, /) -> tuple[Array, Array]:
    """The quotient rounded down, and what is left."""
    return floor_divide(x1, x2), remainder(x1, x2)


def isclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Array:
    """Whether numbers agree within abs(a - b) <= atol + rtol * abs(b)."""
    a, b = together(floating(a), floating(b))
    near = less_equal(abs(subtract(a, b)), add(atol, multiply(rtol, abs(b))))
    found = logical_or(logical_and(near, isfinite(b)), equal(a, b))
    return logical_or(found, logical_and(isnan(a), isnan(b))) if equal_nan else found


__all__ = [
    name
    for name, value in dict(globals()).items()
    if callable(value) and not name.startswith("_") and getattr(value, "__module__", None) == __name__
]
