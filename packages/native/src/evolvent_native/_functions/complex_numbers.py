"""Functions of complex numbers, in terms of real and imaginary parts.

The formulas of the inverse functions are Kahan's, which keep both sides of the branch cuts apart by the sign of zero
and lose nothing near them: W. Kahan, "Branch cuts for complex elementary functions, or: Much ado about nothing's sign
bit", in The State of the Art in Numerical Analysis, Clarendon Press (1987).
"""

from __future__ import annotations

import math

import numpy as np

from .._array import Array
from . import elementwise as each
from .elementwise import complex_of, imag, real, where

LN2 = math.log(2.0)


def _parts(z: Array) -> tuple[Array, Array]:
    return real(z), imag(z)


def _times_i(z: Array) -> Array:
    x, y = _parts(z)
    return complex_of(-y, x)


def _over_i(z: Array) -> Array:
    x, y = _parts(z)
    return complex_of(y, -x)


def _limit(x: Array) -> float:
    """Where exp is about to overflow."""
    return 700.0 if x.dtype == np.float64 else 80.0


def _scaled(z: Array) -> tuple[Array, Array, Array]:
    """The parts with all but a little of the size taken out, and the factor that puts it back."""
    x, y = _parts(z)
    limits = np.finfo(x.dtype)
    largest = each.maximum(each.abs(x), each.abs(y))
    up = 2.0 ** (limits.nmant + 3 & ~1)
    big, small = largest > limits.max / 8, largest < limits.tiny * up
    scale = where(big, 1.0 / 16, where(small, up * up, 1.0))
    return x * scale, y * scale, where(big, 4.0, where(small, 1.0 / up, 1.0))


def sqrt(z: Array) -> Array:
    x, y = _parts(z)
    small_x, small_y, factor = _scaled(z)
    t = each.sqrt(0.5 * (each.abs(small_x) + each.hypot(small_x, small_y)))
    nothing = t == 0
    other = where(nothing, 0.0, each.abs(small_y) / (2.0 * where(nothing, 1.0, t)))
    t, other = t * factor, other * factor
    right = ~each.signbit(x)
    endless = each.isinf(y)
    re = where(endless, math.inf, where(right, t, other))
    im = where(endless, y, each.copysign(where(right, other, t), y))
    return complex_of(re, where(each.isnan(y), where(x == -math.inf, math.inf, y), im))


def exp(z: Array) -> Array:
    x, y = _parts(z)
    limit = _limit(x)
    far = x > limit
    size = each.exp(where(far, x - limit, x))
    factor = where(far, math.exp(limit), 1.0)
    # Only where the product would be NaN: elsewhere the derivative by y is needed.
    whole = each.exp(x)
    plain = (y == 0) & ~each.isfinite(whole)
    lost = ~each.isfinite(y)
    gone, endless = (x == -math.inf) & lost, (x == math.inf) & lost
    re = where(y == 0, whole, size * each.cos(y) * factor)
    im = where(plain, y, size * each.sin(y) * factor)
    return complex_of(where(gone, 0.0, where(endless, math.inf, re)), where(gone, 0.0, im))


def expm1(z: Array) -> Array:
    x, y = _parts(z)
    half = each.sin(0.5 * y)
    re = each.expm1(x) * each.cos(y) - 2.0 * half * half + 0.0
    re = where(each.isinf(x) & ~each.isfinite(y), where(x > 0, math.inf, -1.0), re)
    return complex_of(re, imag(exp(z)))


def _log_abs(x: Array, y: Array) -> Array:
    """log(hypot(x, y)), accurate near one and without overflow."""
    a, b = each.abs(x), each.abs(y)
    large, little = each.maximum(a, b), each.minimum(a, b)
    near = (large > 0.5) & (large < 2.0)
    safe = where(near, large, 1.0)
    close = 0.5 * each.log1p((safe - 1.0) * (safe + 1.0) + where(near, little * little, 0.0))
    big = large > np.finfo(x.dtype).max / 4
    far = each.log(each.hypot(where(big, 0.25 * x, x), where(big, 0.25 * y, y))) + where(big, 2 * LN2, 0.0)
    return where(near, close, far)


def log(z: Array) -> Array:
    x, y = _parts(z)
    return complex_of(_log_abs(x, y), each.atan2(y, x))


def log1p(z: Array) -> Array:
    x, y = _parts(z)
    near = each.maximum(each.abs(x), each.abs(y)) < 0.5
    u, v = where(near, x, 0.0), where(near, y, 0.0)
    close = 0.5 * each.log1p(u * (u + 2.0) + v * v)
    return complex_of(where(near, close, _log_abs(1.0 + x, y)), each.atan2(y, 1.0 + x))


def log2(z: Array) -> Array:
    x, y = _parts(log(z))
    return complex_of(x / LN2, y / LN2)


def log10(z: Array) -> Array:
    x, y = _parts(log(z))
    return complex_of(x / math.log(10.0), y / math.log(10.0))


def _hyperbolic(x: Array) -> tuple[Array, Array, Array]:
    """The cosh and sinh of x, divided by a factor that keeps them from overflowing."""
    away = 0.125 * _limit(x)
    far = each.abs(x) > _limit(x)
    near = where(far, x - each.copysign(away, x), x)
    return each.cosh(near), each.sinh(near), where(far, math.exp(away), 1.0)


def _product(size: Array, angle: Array) -> Array:
    """A product in which zero times anything is zero: sinh(inf) sin(0)."""
    endless = (angle == 0) & ~each.isfinite(size)
    return where(endless, each.copysign(0.0, size) * each.copysign(1.0, angle), size * angle)


def sinh(z: Array) -> Array:
    x, y = _parts(z)
    c, s, factor = _hyperbolic(x)
    re = where(each.isfinite(y), s * each.cos(y) * factor, where((x == 0) | each.isinf(x), x, math.nan))
    return complex_of(re, _product(c, each.sin(y)) * factor)


def cosh(z: Array) -> Array:
    x, y = _parts(z)
    c, s, factor = _hyperbolic(x)
    im = where((x == 0) & ~each.isfinite(y), x, _product(s, each.sin(y)) * factor)
    return complex_of(where(each.isinf(x) & ~each.isfinite(y), math.inf, c * each.cos(y) * factor), im)


def tanh(z: Array) -> Array:
    x, y = _parts(z)
    far = each.abs(x) > 22.0
    u = where(far, 0.0, x)
    c, s = each.cosh(u), each.sinh(u)
    cosine, sine = each.cos(y), each.sin(y)
    below = s * s + cosine * cosine
    known = each.isfinite(y)
    re = where(far, where(known | each.isinf(x), each.copysign(1.0, x), math.nan), c * s / below)
    re = where((x == 0) & ~known, x, re)
    tail = 4.0 * sine * cosine * each.exp(-2.0 * each.abs(x))
    tail = where(known, tail, where(each.isinf(x), 0.0, math.nan))
    return complex_of(re, where(far, tail, where((y == 0) & each.isnan(below), y, sine * cosine / below)))


def sin(z: Array) -> Array:
    return _over_i(sinh(_times_i(z)))


def cos(z: Array) -> Array:
    return cosh(_times_i(z))


def tan(z: Array) -> Array:
    return _over_i(tanh(_times_i(z)))


def _around_one(z: Array) -> tuple[Array, Array, Array, Array]:
    """Square roots of 1 - z and 1 + z, as real and imaginary parts."""
    x, y = _parts(z)
    less, more = sqrt(complex_of(1.0 - x, -y)), sqrt(complex_of(1.0 + x, y))
    return (*_parts(less), *_parts(more))


def _far(x: Array, y: Array) -> tuple[Array, Array]:
    """Where numbers are so large that one is nothing beside them, and log(2 abs(z)) there."""
    limit = 1e100 if x.dtype == np.float64 else 1e12
    far = (each.abs(x) > limit) | (each.abs(y) > limit)
    return far, LN2 + _log_abs(where(far, x, 1.0), where(far, y, 1.0))


def acos(z: Array) -> Array:
    x, y = _parts(z)
    a, b, c, d = _around_one(z)
    far, size = _far(x, y)
    re = where(far, each.atan2(each.abs(y), x), 2.0 * each.atan2(a, c))
    im = where(far, -each.copysign(size, y), each.asinh(c * b - d * a))
    return complex_of(where((x == 0) & each.isnan(y), 0.5 * math.pi, re), im)


def asin(z: Array) -> Array:
    x, y = _parts(z)
    a, b, c, d = _around_one(z)
    far, size = _far(x, y)
    re = where(far, each.atan2(x, each.abs(y)), each.atan2(x, a * c - b * d))
    im = where(far, each.copysign(size, y), each.asinh(a * d - b * c))
    return complex_of(where((x == 0) & each.isnan(y), x, re), im)


def asinh(z: Array) -> Array:
    return _times_i(asin(_over_i(z)))


def acosh(z: Array) -> Array:
    x, y = _parts(z)
    a, b = _parts(sqrt(complex_of(x - 1.0, y)))
    c, d = _parts(sqrt(complex_of(x + 1.0, y)))
    far, size = _far(x, y)
    im = where(far, each.atan2(y, x), 2.0 * each.atan2(b, c))
    im = where((x == 0) & each.isnan(y), 0.5 * math.pi, im)
    return complex_of(where(far, size, each.asinh(a * c + b * d)), im)


def atanh(z: Array) -> Array:
    x, y = _parts(z)
    size = each.abs(x)
    limit = math.sqrt(float(np.finfo(x.dtype).max)) / 8
    far = (size > limit) | (each.abs(y) > limit)
    u, v = where(far, 0.5, size), where(far, 0.5, y)
    re = 0.25 * each.log1p(4.0 * u / ((1.0 - u) * (1.0 - u) + v * v))
    im = 0.5 * each.atan2(2.0 * v, (1.0 - u) * (1.0 + u) - v * v)
    tight = (u == 1.0) & (each.abs(v) < 4.0 * math.sqrt(float(np.finfo(x.dtype).tiny)))  # v * v would be lost
    re = where(tight, 0.5 * (LN2 - each.log(where(tight, each.abs(v), 1.0))), re)
    # Far away it is 1 / z, and a quarter turn.
    h = each.hypot(0.5 * x, 0.5 * y)
    re = where(far, 0.25 * (size / h) / h, re)
    re = where(each.isinf(x) | each.isinf(y) | ((x == 0) & each.isnan(y)), 0.0, re)
    im = where(far, where(each.isnan(y), y, each.copysign(0.5 * math.pi, y)), im)
    return complex_of(each.copysign(re, x), im)


def atan(z: Array) -> Array:
    return _over_i(atanh(_times_i(z)))
