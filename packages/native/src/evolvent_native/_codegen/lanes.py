"""Small arrays as vectors: one instruction for all entries, where entries are treated alike.

The entries of such an array are taken out only where one of them is asked for. Systems of a few dozen equations take
a fraction of the code that way, and of the time to compile it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .._builder import literal, llvm_type
from .._graph import Node

FEWEST = 8  # entries from which on a vector pays
ARITHMETIC = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}


def is_wide(node: Node, most: int) -> bool:
    """Whether a node of at most `most` entries may be a vector."""
    return node.dtype.kind == "f" and FEWEST <= node.size <= most


def vector_type(node: Node) -> str:
    return f"<{node.size} x {llvm_type(node.dtype)}>"


class Lanes:
    """The entries of a vector, each taken out when it is first asked for."""

    def __init__(self, e: Any, name: str, node: Node):
        self.e, self.name, self.type, self.size = e, name, vector_type(node), node.size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, i: int) -> str:
        key = ("lane", self.name, i)
        found = self.e.find(key)
        if found is None:
            found = self.e.keep(key, self.e.function.emit(f"extractelement {self.type} {self.name}, i64 {i}"))
        return found

    def __iter__(self) -> Iterator[str]:
        return (self[i] for i in range(self.size))


def load(e: Any, node: Node, pointer: str) -> Lanes:
    """A vector from memory."""
    type_ = vector_type(node)
    return Lanes(e, e.function.emit(f"load {type_}, ptr {pointer}, align {node.dtype.itemsize}"), node)


def store(e: Any, lanes: Lanes, node: Node, pointer: str) -> None:
    """A vector to memory."""
    e.function.void(f"store {lanes.type} {lanes.name}, ptr {pointer}, align {node.dtype.itemsize}")


def splat(e: Any, scalar: str, node: Node) -> str:
    """A vector all of whose entries are one number."""
    type_, part = vector_type(node), llvm_type(node.dtype)
    if not scalar.startswith("%"):
        return f"splat ({part} {scalar})"
    key = ("splat", scalar, type_)
    found = e.find(key)
    if found is None:
        one = e.function.emit(f"insertelement {type_} poison, {part} {scalar}, i64 0")
        mask = f"<{node.size} x i32> zeroinitializer"
        found = e.keep(key, e.function.emit(f"shufflevector {type_} {one}, {type_} poison, {mask}"))
    return found


def vector(e: Any, node: Node) -> str:
    """The register with all entries of a node."""
    known = e.find(("scalars", node))
    if isinstance(known, Lanes):
        return known.name
    found = e.find(("vector", node))
    if found is None:
        found = e.keep(("vector", node), _built(e, node, known))
    return found


def _built(e: Any, node: Node, known: Any) -> str:
    if node.op == "constant":
        part = llvm_type(node.dtype)
        return "<" + ", ".join(f"{part} {literal(x, node.dtype)}" for x in node.value.reshape(-1)) + ">"
    if node.op == "broadcast" and node.inputs[0].size == 1:
        return splat(e, e.scalar(node.inputs[0]), node)
    values = known if known is not None else e.scalars(node)
    if isinstance(values, Lanes):
        return values.name
    name, type_, part = "poison", vector_type(node), llvm_type(node.dtype)
    for i, value in enumerate(values):
        name = e.function.emit(f"insertelement {type_} {name}, {part} {value}, i64 {i}")
    return name


def elementwise(e: Any, node: Node) -> Lanes | None:
    """An operation on whole vectors; None where it has none, or none of what it is made of is a vector."""
    if not any(isinstance(e.find(("scalars", x)), Lanes) for x in node.inputs):
        return None
    f, type_ = e.function, vector_type(node)
    if node.op == "where":
        truth = _one_truth(node.inputs[0])
        if truth is None:
            return None
        yes, no = (vector(e, x) for x in node.inputs[1:])
        return Lanes(e, f.emit(f"select i1 {e.scalar(truth)}, {type_} {yes}, {type_} {no}"), node)
    if any(x.dtype != node.dtype for x in node.inputs):
        return None
    if node.op in ARITHMETIC:
        a, b = (vector(e, x) for x in node.inputs)
        return Lanes(e, f.emit(f"{ARITHMETIC[node.op]} {type_} {a}, {b}"), node)
    if node.op == "neg":
        return Lanes(e, f.emit(f"fneg {type_} {vector(e, node.inputs[0])}"), node)
    if node.op in ("abs", "sqrt", "maximum", "minimum"):
        name = {"abs": "fabs", "sqrt": "sqrt", "maximum": "maximum", "minimum": "minimum"}[node.op]
        intrinsic = f"llvm.{name}.v{node.size}f{8 * node.dtype.itemsize}"
        e.module.declare(intrinsic, type_, [type_] * len(node.inputs))
        arguments = ", ".join(f"{type_} {vector(e, x)}" for x in node.inputs)
        return Lanes(e, f.emit(f"call {type_} @{intrinsic}({arguments})"), node)
    return None


def combination(e: Any, node: Node, y: Node | None, dt: Any, factors: list[str], ks: list[Node]) -> Lanes:
    """``y + dt * sum(factors[i] * ks[i])``, where products and sums may fuse."""
    f, type_ = e.function, vector_type(node)

    def add_scaled(total: str | None, factor: str, x: str) -> str:
        term = f.emit(f"fmul contract {type_} {splat(e, factor, node)}, {x}")
        return term if total is None else f.emit(f"fadd contract {type_} {total}, {term}")

    total: Any = None
    for factor, k in zip(factors, ks, strict=True):
        total = add_scaled(total, factor, vector(e, k))
    before = vector(e, y) if y is not None else None
    if dt is not None:
        total = add_scaled(before, dt, total)
    elif before is not None:
        total = f.emit(f"fadd contract {type_} {before}, {total}")
    return Lanes(e, total, node)


def total(e: Any, node: Node, lanes: Lanes) -> str:
    """The sum of a vector's entries, pairwise."""
    part = llvm_type(node.dtype)
    intrinsic = f"llvm.vector.reduce.fadd.v{lanes.size}f{8 * node.dtype.itemsize}"
    e.module.declare(intrinsic, part, [part, lanes.type])
    zero = literal(np.float64(-0.0), node.dtype)
    return e.function.emit(f"call reassoc {part} @{intrinsic}({part} {zero}, {lanes.type} {lanes.name})")


def _one_truth(pred: Node) -> Node | None:
    while pred.op in ("broadcast", "reshape") and pred.size != 1:
        pred = pred.inputs[0]
    return pred if pred.size == 1 else None
