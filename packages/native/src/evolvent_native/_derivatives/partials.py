"""The derivatives of elementwise operations by their inputs, for real numbers and for holomorphic functions."""

from __future__ import annotations

import math

from .._graph import COMPARISONS, PREDICATES, Node
from .._simplify import filled_with
from .recording import add, binary, div, like, mul, neg, sub, unary, where

# Constant between jumps: what they give does not follow small changes of what they take.
STEPS = (
    COMPARISONS
    | PREDICATES
    | {"floor", "ceil", "trunc", "round", "floordiv", "nextafter", "not", "and", "or", "xor", "shl", "shr"}
    | {"iota", "constant", "data", "argmax", "argmin", "argsort", "searchsorted", "all", "any"}
)
LINEAR = frozenset(["real", "imag", "conj", "complex", "where", "cast"])


def partial(node: Node, i: int) -> Node | int | None:
    """The derivative by input i: an array like the node, or 1, -1, or None for zero."""
    return _PARTIALS[node.op](node, i)


def has_partials(node: Node) -> bool:
    """Whether the change of the node is a number times the change of each input."""
    return node.op in _PARTIALS and not (node.op in ("abs", "sign") and node.inputs[0].dtype.kind == "c")


def _one_minus_square(x: Node) -> Node:
    # In factors: exact where x is near one.
    return mul(sub(like(1, x), x), add(like(1, x), x))


def _inverse(x: Node) -> Node:
    return div(like(1, x), x)


def _unary(rule):
    return lambda node, i: rule(node, node.inputs[0])


def _div(y: Node, i: int) -> Node:
    b = y.inputs[1]
    return _inverse(b) if i == 0 else neg(mul(y, _inverse(b)))


def _mod(y: Node, i: int):
    return 1 if i == 0 else neg(binary("floordiv", *y.inputs))


def _pow(y: Node, i: int):
    x, n = y.inputs
    if i == 0:
        exponent = filled_with(n)
        if exponent is not None:
            return None if exponent == 0 else mul(n, binary("pow", x, like(exponent - 1, n)))
        return mul(n, binary("pow", x, sub(n, like(1, n))))
    # At zero the power is zero, or its derivative by the exponent is not finite: only the first can be of use.
    return mul(unary("log", where(binary("eq", x, like(0, x)), like(1, x), x)), y)


def _atan2(z: Node, i: int) -> Node:
    y, x = z.inputs
    square = add(mul(x, x), mul(y, y))
    return div(x, square) if i == 0 else neg(div(y, square))


def _hypot(h: Node, i: int) -> Node:
    return div(h.inputs[i], where(binary("eq", h, like(0, h)), like(1, h), h))


def _copysign(y: Node, i: int):
    if i == 1:
        return None
    return mul(*(binary("copysign", like(1, x), x) for x in y.inputs))


def _extreme(y: Node, i: int) -> Node:
    """Half of the change where both are equal."""
    mine, other = y.inputs[i], y.inputs[1 - i]
    shared = where(binary("eq", other, y), like(0.5, y), like(1, y))
    return where(binary("eq", mine, y), shared, like(0, y))


_PARTIALS = {
    "neg": lambda y, i: -1,
    # At zero its sign decides: copysign(abs(x), x) changes as x does there, too.
    "abs": _unary(lambda y, x: binary("copysign", like(1, x), x)),
    "sign": lambda y, i: None,
    "sqrt": _unary(lambda y, x: div(like(0.5, y), y)),
    "exp": _unary(lambda y, x: y),
    "expm1": _unary(lambda y, x: add(y, like(1, y))),
    "log": _unary(lambda y, x: _inverse(x)),
    "log1p": _unary(lambda y, x: _inverse(add(x, like(1, x)))),
    "log2": _unary(lambda y, x: div(like(1 / math.log(2), x), x)),
    "log10": _unary(lambda y, x: div(like(1 / math.log(10), x), x)),
    "sin": _unary(lambda y, x: unary("cos", x)),
    "cos": _unary(lambda y, x: neg(unary("sin", x))),
    "tan": _unary(lambda y, x: add(like(1, y), mul(y, y))),
    "asin": _unary(lambda y, x: _inverse(unary("sqrt", _one_minus_square(x)))),
    "acos": _unary(lambda y, x: neg(_inverse(unary("sqrt", _one_minus_square(x))))),
    "atan": _unary(lambda y, x: _inverse(add(like(1, x), mul(x, x)))),
    "sinh": _unary(lambda y, x: unary("cosh", x)),
    "cosh": _unary(lambda y, x: unary("sinh", x)),
    "tanh": _unary(lambda y, x: _one_minus_square(y)),
    "asinh": _unary(lambda y, x: _inverse(unary("sqrt", add(mul(x, x), like(1, x))))),
    "acosh": _unary(lambda y, x: _inverse(unary("sqrt", mul(sub(x, like(1, x)), add(x, like(1, x)))))),
    "atanh": _unary(lambda y, x: _inverse(_one_minus_square(x))),
    "add": lambda y, i: 1,
    "sub": lambda y, i: 1 if i == 0 else -1,
    "mul": lambda y, i: y.inputs[1 - i],
    "div": _div,
    "mod": _mod,
    "pow": _pow,
    "atan2": _atan2,
    "hypot": _hypot,
    "copysign": _copysign,
    "maximum": _extreme,
    "minimum": _extreme,
}
