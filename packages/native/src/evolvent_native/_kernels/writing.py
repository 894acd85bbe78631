"""Arithmetic on registers as Python writes it, for algorithms too long to read as instructions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .._builder import Function, Module, literal, memory_type
from .._builder import Variable as _Variable
from .._graph import BOOL, COMPARISONS, INT
from .._scalar_code import apply, cast, select


def part_of(kind: np.dtype) -> np.dtype:
    """The dtype of magnitudes."""
    return np.dtype(f"f{kind.itemsize // 2}") if kind.kind == "c" else kind


def kernel(module: Module, key: tuple[Any, ...], parameters: Sequence[str], write: Callable[..., None]) -> str:
    """The name of a function that is made when a module first needs it.

    Parameters
    ----------
    key : tuple
        Name, dtypes and variants: what the text depends on.
    parameters : sequence of str
        Names of the arrays, of which none that is written may overlap another; and in angle brackets those of sizes.
    write : callable
        Takes a `Writer`, the addresses and the sizes.
    """
    if key in module.made:
        return module.made[key]
    name = "_".join(["kernel", *(p.str[1:] if isinstance(p, np.dtype) else str(p) for p in key)])
    module.made[key] = name
    types = ["i64" if p[0] == "<" else "ptr noalias" for p in parameters]
    names = ["%" + p.strip("<>") for p in parameters]
    function = Function(module, name, list(zip(types, names, strict=True)), attributes="noinline")
    w = Writer(function)
    write(w, *(Place(w, n) if t == "i64" else n for t, n in zip(types, names, strict=True)))
    function.returned()
    return name


class Writer:
    """Writes one function."""

    def __init__(self, function: Function):
        self.function, self.module = function, function.module

    def array(self, kind: np.dtype, pointer: str) -> Array:
        """Entries at an address."""
        return Array(self, kind, pointer)

    def number(self, kind: np.dtype, value: Any) -> Value:
        """A literal."""
        return Value(self, kind, literal(value, kind))

    def variable(self, kind: np.dtype, value: Any) -> Variable:
        """A register that changes."""
        return Variable(self, kind, as_value(self, kind, value))

    def counter(self, value: Any) -> Variable:
        """A variable that holds an index."""
        return Variable(self, INT, as_value(self, INT, value), counts=True)

    def choose(self, condition: Value, yes: Value, no: Value) -> Any:
        """One of two values; both are computed."""
        name = select(self.function, condition.name, yes.name, no.name, yes.kind)
        return type(yes)._of(self, yes.kind, name)

    @contextmanager
    def loop(
        self, start: Any, stop: Any, step: int = 1, *, inner: bool = False, parallel: bool = False
    ) -> Iterator[Place]:
        """Count upwards; inner loops take the time, and become vectors, at once if no turn reads what others write."""
        options = {"parallel": parallel, "plain": not inner and not parallel}
        with self.function.loop(_text(start), _text(stop), step, **options) as index:
            yield Place(self, index)

    @contextmanager
    def down(self, start: Any, stop: Any) -> Iterator[Place]:
        """Count from just below `start` down to `stop`."""
        start, stop = as_value(self, INT, start), as_value(self, INT, stop)
        with self.function.loop("0", (start - stop).name, plain=True) as index:
            yield Place(self, (start - 1).name) - Place(self, index)

    @contextmanager
    def while_(self, condition: Callable[[], Value]) -> Iterator[None]:
        """Do the body as long as a condition holds, which is written before it."""
        f = self.function
        head, body, done = f.new_label("head"), f.new_label("body"), f.new_label("done")
        f.branch(head)
        f.begin(head)
        f.branch_if(condition().name, body, done)
        f.begin(body)
        yield
        f.branch(head)
        f.begin(done)

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Do the body only where a condition holds."""
        with self.function.when(condition.name):
            yield

    def call(self, name: str, *arguments: Any) -> None:
        """Call a kernel with addresses (str) and sizes (`Place`)."""
        call(self.function, name, *arguments)

    def copy(self, kind: np.dtype, target: str, source: str, count: Value) -> None:
        """Copy entries."""
        copy(self.function, target, source, (count * kind.itemsize).name)


def call(function: Function, name: str, *arguments: Any) -> None:
    """Call a kernel with addresses (str) and sizes (int or `Place`)."""
    texts = [f"ptr {x}" if isinstance(x, str) else f"i64 {_text(x)}" for x in arguments]
    function.void(f"call void @{name}({', '.join(texts)})")


def copy(function: Function, target: str, source: str, size: Any) -> None:
    """Copy bytes."""
    function.module.declare("llvm.memcpy.p0.p0.i64", "void", ["ptr", "ptr", "i64", "i1"])
    function.void(f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {size}, i1 false)")


def _text(x: Any) -> str:
    return x.name if isinstance(x, Value) else str(x)


def as_value(writer: Writer, kind: np.dtype, x: Any) -> Value:
    """A register, or a literal of this dtype."""
    if isinstance(x, Value):
        return x
    return Place(writer, str(x)) if kind == INT else writer.number(kind, x)


class Value:
    """A register."""

    __slots__ = ("kind", "name", "writer")

    def __init__(self, writer: Writer, kind: np.dtype, name: Any):
        self.writer, self.kind, self.name = writer, kind, name

    @classmethod
    def _of(cls, writer: Writer, kind: np.dtype, name: Any) -> Any:
        return Value(writer, kind, name)

    def apply(self, op: str, *others: Any, reassociate: bool = False) -> Value:
        """An elementwise operation; sums and products may fuse."""
        kind = BOOL if op in COMPARISONS or op == "isnan" else self.kind
        if op in ("abs", "real", "imag"):
            kind = part_of(kind)
        names = [self.name, *(as_value(self.writer, self.kind, x).name for x in others)]
        f = self.writer.function
        name = apply(f, op, kind, names, [self.kind] * len(names), contract=True, reassociate=reassociate)
        return Value(self.writer, kind, name)

    def to(self, kind: np.dtype) -> Value:
        """The same number in another dtype."""
        return Value(self.writer, kind, cast(self.writer.function, self.name, self.kind, kind))

    def __add__(self, other: Any) -> Any:
        return self.apply("add", other)

    def __sub__(self, other: Any) -> Any:
        return self.apply("sub", other)

    def __mul__(self, other: Any) -> Any:
        return self.apply("mul", other)

    def __truediv__(self, other: Any) -> Any:
        return self.apply("div", other)

    def __neg__(self) -> Any:
        return self.apply("neg")

    def __lt__(self, other: Any) -> Value:
        return self.apply("lt", other)

    def __le__(self, other: Any) -> Value:
        return self.apply("le", other)

    def __gt__(self, other: Any) -> Value:
        return self.apply("gt", other)

    def __ge__(self, other: Any) -> Value:
        return self.apply("ge", other)

    def __and__(self, other: Value) -> Value:
        return self.apply("and", other)

    def __or__(self, other: Value) -> Value:
        return self.apply("or", other)

    def __invert__(self) -> Value:
        return self.apply("not")

    def equals(self, other: Any) -> Value:
        """Whether two numbers are equal."""
        return self.apply("eq", other)

    def conj(self) -> Value:
        """The complex conjugate; a real number itself."""
        return self.apply("conj") if self.kind.kind == "c" else self

    def is_nan(self) -> Value:
        """Whether this is not a number."""
        return self.apply("isnan")

    def part(self, i: int) -> Value:
        """The real or the imaginary part of a complex number."""
        return Value(self.writer, part_of(self.kind), self.name[i])


class Place(Value):
    """A size or an index: it doesn't overflow, which LLVM is told."""

    __slots__ = ()

    def __init__(self, writer: Writer, name: str):
        super().__init__(writer, INT, name)

    @classmethod
    def _of(cls, writer: Writer, kind: np.dtype, name: Any) -> Any:
        return Place(writer, name)

    def _two(self, instruction: str, other: Any) -> Place:
        return Place(self.writer, self.writer.function.emit(f"{instruction} nsw i64 {self.name}, {_text(other)}"))

    def __add__(self, other: Any) -> Place:
        return self._two("add", other)

    def __sub__(self, other: Any) -> Place:
        return self._two("sub", other)

    def __mul__(self, other: Any) -> Place:
        return self._two("mul", other)

    def half(self) -> Place:
        """Rounded down."""
        return Place(self.writer, self.writer.function.emit(f"lshr i64 {self.name}, 1"))

    def least(self, other: Any) -> Place:
        """The smaller one."""
        return Place(self.writer, self.apply("minimum", other).name)


class Array:
    """Entries in memory, behind each other."""

    __slots__ = ("kind", "pointer", "writer")

    def __init__(self, writer: Writer, kind: np.dtype, pointer: str):
        self.writer, self.kind, self.pointer = writer, kind, pointer

    def __getitem__(self, index: Any) -> Value:
        return Value(self.writer, self.kind, self.writer.function.load(self.kind, self.pointer, _text(index)))

    def __setitem__(self, index: Any, value: Any) -> None:
        name = as_value(self.writer, self.kind, value).name
        self.writer.function.store(self.kind, name, self.pointer, _text(index))

    def place(self, index: Any) -> Place:
        """An entry that is an index."""
        return Place(self.writer, self[index].name)

    def at(self, index: Any) -> Array:
        """The array from an entry on."""
        f = self.writer.function
        twice = 2 if self.kind.kind == "c" else 1
        places = as_value(self.writer, INT, index) * twice if twice == 2 else index
        return Array(self.writer, self.kind, f.at(memory_type(self.kind), self.pointer, _text(places)))


class Variable:
    """A register that changes."""

    def __init__(self, writer: Writer, kind: np.dtype, value: Value, *, counts: bool = False):
        self.writer, self.kind, self.counts = writer, kind, counts
        self._variable: _Variable = writer.function.variable(kind, value.name)

    @property
    def value(self) -> Any:
        """What it holds now."""
        name = self._variable.read()
        return Place(self.writer, name) if self.counts else Value(self.writer, self.kind, name)

    @value.setter
    def value(self, value: Any) -> None:
        self._variable.write(as_value(self.writer, self.kind, value).name)
