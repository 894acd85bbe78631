"""LLVM's language as text: functions, loops, memory.

Text is written, rather than objects of llvmlite's, because it is ten times faster and parsing it costs little.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

_TYPES = {"f8": "double", "f4": "float", "b1": "i1"} | {f"{k}{n}": f"i{8 * n}" for k in "iu" for n in (1, 2, 4, 8)}


def llvm_type(dtype: np.dtype) -> str:
    """The type of a register; complex numbers are two registers of their parts' type."""
    if dtype.kind == "c":
        return "double" if dtype.itemsize == 16 else "float"
    return _TYPES[f"{dtype.kind}{dtype.itemsize}"]


def memory_type(dtype: np.dtype) -> str:
    """The type of an entry in memory: truth values take a byte."""
    return "i8" if dtype.kind == "b" else llvm_type(dtype)


def literal(value: Any, dtype: np.dtype) -> Any:
    """A number as LLVM writes it; a pair for complex ones."""
    if dtype.kind == "c":
        part = np.dtype(f"f{dtype.itemsize // 2}")
        return literal(value.real, part), literal(value.imag, part)
    if dtype.kind == "f":
        # Hexadecimal doubles are exact, for float too, whose every value is a double; others LLVM refuses.
        if dtype.itemsize == 4:
            with np.errstate(over="ignore"):
                value = np.float32(value)
        return f"0x{struct.unpack('<Q', struct.pack('<d', float(value)))[0]:016X}"
    if dtype.kind == "b":
        return "true" if value else "false"
    return str(int(value))


class Module:
    """What one unit of machine code is made of.

    Parameters
    ----------
    target : str
        "host", or "nvptx64" for NVIDIA's GPUs, whose transcendental functions have other names.
    vector_functions : bool
        Whether loops may call the C library's functions on vectors, where it has some.
    """

    def __init__(self, target: str = "host", *, vector_functions: bool = True):
        self.target, self.vector_functions = target, vector_functions and target == "host"
        self.functions: list[Function] = []
        self.declared: dict[str, str] = {}
        self.constants: dict[Any, str] = {}
        self.made: dict[Any, Any] = {}
        self._metadata: list[str] = []
        self._attributes: list[str] = ["nounwind"]
        self._used: list[str] = []

    def metadata(self, text: str, *, itself: bool = False) -> str:
        """Add a line of metadata; with `itself`, its first item is the line's own name, as loops want it."""
        name = f"!{len(self._metadata)}"
        self._metadata.append(text.replace("{null", "{" + name) if itself else text)
        return name

    def declare(self, name: str, returns: str, types: Sequence[str], attributes: str = "") -> str:
        """Declare a function from outside, once."""
        self.declared[name] = f"declare {returns} @{name}({', '.join(types)}) {attributes}".rstrip()
        return name

    def attributes(self, text: str) -> str:
        """Name a group of attributes."""
        if text not in self._attributes:
            self._attributes.append(text)
        return f"#{self._attributes.index(text)}"

    def use(self, name: str) -> None:
        """Keep a declaration that nothing refers to yet."""
        self._used.append(f"ptr @{name}")

    def constant(self, dtype: np.dtype, raw: bytes) -> str:
        """The address of an array of constants."""
        key = (dtype, raw)
        if key not in self.constants:
            self.constants[key] = f"@c{len(self.constants)}"
        return self.constants[key]

    def text(self) -> str:
        """The whole unit."""
        # The layout of data is left to whoever compiles: LLVM's versions write it in different ways.
        parts = ['target triple = "nvptx64-nvidia-cuda"'] if self.target == "nvptx64" else []
        for (_dtype, raw), name in self.constants.items():
            content = "".join(f"\\{byte:02X}" for byte in raw)
            parts.append(f'{name} = private unnamed_addr constant [{len(raw)} x i8] c"{content}", align 64')
        parts += [function.text() for function in self.functions]
        parts += self.declared.values()
        parts += [f"!{i} = {text}" for i, text in enumerate(self._metadata)]
        parts += [f"attributes #{i} = {{ {text} }}" for i, text in enumerate(self._attributes)]
        if self._used:
            kept = f"[{len(self._used)} x ptr] [{', '.join(self._used)}]"
            parts.append(f'@llvm.compiler.used = appending global {kept}, section "llvm.metadata"')
        return "\n".join(parts) + "\n"


class Function:
    """A function being written.

    Parameters
    ----------
    parameters : sequence of (type, name)
        Names with their percent sign.
    attributes : str
        Of the function, as LLVM writes them: "noinline", "alwaysinline".
    """

    def __init__(
        self,
        module: Module,
        name: str,
        parameters: Sequence[tuple[str, str]],
        returns: str = "void",
        *,
        internal: bool = True,
        attributes: str = "",
    ):
        self.module, self.name, self.parameters, self.returns = module, name, list(parameters), returns
        self.internal, self.attributes = internal, attributes
        self.entry: list[str] = []
        self.lines: list[str] = []
        self.label = "entry"
        self._count = 0
        self._group: str | None = None
        module.functions.append(self)

    # ------------------------------------------------------------ lines
    def fresh(self, stem: str = "v") -> str:
        """A name that nothing has yet."""
        self._count += 1
        return f"%{stem}{self._count}"

    def emit(self, text: str) -> str:
        """Write an instruction with a result."""
        self._count += 1
        name = f"%v{self._count}"
        self.lines.append(f"  {name} = {text}")
        return name

    def void(self, text: str) -> None:
        """Write an instruction without a result."""
        self.lines.append(f"  {text}")

    def new_label(self, stem: str = "b") -> str:
        """A label to begin later."""
        return self.fresh(stem)[1:]

    def begin(self, label: str) -> None:
        """Begin a basic block."""
        self.lines.append(f"{label}:")
        self.label = label

    def branch(self, label: str) -> None:
        self.void(f"br label %{label}")

    def branch_if(self, condition: str, yes: str, no: str) -> None:
        self.void(f"br i1 {condition}, label %{yes}, label %{no}")

    def reserve(self) -> int:
        """Keep a line free: a loop's first ones need what comes last."""
        self.lines.append("")
        return len(self.lines) - 1

    def fill(self, place: int, text: str) -> None:
        self.lines[place] = f"  {text}"

    # ------------------------------------------------------------ memory
    def alloca(self, type_: str, count: int = 1) -> str:
        """Memory of the function's own, reserved at its entry."""
        name = self.fresh("a")
        self.entry.append(f"  {name} = alloca [{count} x {type_}], align 64")
        return name

    def at(self, type_: str, pointer: str, index: Any) -> str:
        """The address of an entry of an array."""
        if index in (0, "0"):
            return pointer
        return self.emit(f"getelementptr inbounds {type_}, ptr {pointer}, i64 {index}")

    def load(self, dtype: np.dtype, pointer: str, index: Any = 0) -> Any:
        """Read an entry of an array; complex ones come in two parts."""
        if dtype.kind == "c":
            part = np.dtype(f"f{dtype.itemsize // 2}")
            twice = 2 * index if isinstance(index, int) else self.emit(f"shl nsw i64 {index}, 1")
            address = self.at(llvm_type(part), pointer, twice)
            return self.load(part, address), self.load(part, address, 1)
        kind = memory_type(dtype)
        value = self.emit(f"load {kind}, ptr {self.at(kind, pointer, index)}, align {dtype.itemsize}{self._access}")
        return self.emit(f"trunc i8 {value} to i1") if dtype.kind == "b" else value

    def store(self, dtype: np.dtype, value: Any, pointer: str, index: Any = 0) -> None:
        """Write an entry of an array."""
        if dtype.kind == "c":
            part = np.dtype(f"f{dtype.itemsize // 2}")
            twice = 2 * index if isinstance(index, int) else self.emit(f"shl nsw i64 {index}, 1")
            address = self.at(llvm_type(part), pointer, twice)
            self.store(part, value[0], address)
            self.store(part, value[1], address, 1)
            return
        kind = memory_type(dtype)
        if dtype.kind == "b":
            value = self.emit(f"zext i1 {value} to i8")
        self.void(f"store {kind} {value}, ptr {self.at(kind, pointer, index)}, align {dtype.itemsize}{self._access}")

    @property
    def _access(self) -> str:
        return "" if self._group is None else f", !llvm.access.group {self._group}"

    # ------------------------------------------------------------ control flow
    @contextmanager
    def loop(
        self, start: Any, stop: Any, step: int = 1, *, parallel: bool = False, plain: bool = False
    ) -> Iterator[str]:
        """Count from `start` up to, without, `stop`; registers of the body can't be used behind it: see `variable`.

        No turn of a parallel loop reads what another writes: LLVM is told so, and need not find out.
        A plain one is translated as it stands, without vectors and unrolling, and compiles faster.
        """
        outer, self._group = self._group, self.module.metadata("distinct !{}") if parallel else None
        before, head, body, done = self.label, self.new_label("head"), self.new_label("body"), self.new_label("done")
        self.branch(head)
        self.begin(head)
        index = self.fresh("i")
        place = self.reserve()
        self.branch_if(self.emit(f"icmp slt i64 {index}, {stop}"), body, done)
        self.begin(body)
        yield index
        following = self.emit(f"add nsw i64 {index}, {step}")
        self.fill(place, f"{index} = phi i64 [ {start}, %{before} ], [ {following}, %{self.label} ]")
        marks = [f'!"llvm.loop.parallel_accesses", {self._group}'] if parallel else []
        marks += ['!"llvm.loop.vectorize.enable", i1 false', '!"llvm.loop.unroll.disable"'] if plain else []
        promises = "".join(f", {self.module.metadata(f'!{{{mark}}}')}" for mark in marks)
        about = self.module.metadata(f"distinct !{{null{promises}}}", itself=True) if marks else ""
        self.void(f"br label %{head}{', !llvm.loop ' if marks else ''}{about}")
        self._group = outer
        self.begin(done)

    @contextmanager
    def when(self, condition: str) -> Iterator[None]:
        """Do the body only where a condition holds."""
        yes, done = self.new_label("yes"), self.new_label("done")
        self.branch_if(condition, yes, done)
        self.begin(yes)
        yield
        self.branch(done)
        self.begin(done)

    def variable(self, dtype: np.dtype, value: Any) -> Variable:
        """A place that changes, which LLVM keeps in a register."""
        return Variable(self, dtype, value)

    def returned(self, text: str = "void") -> None:
        self.void(f"ret {text}")

    def text(self) -> str:
        parameters = ", ".join(f"{type_} {name}" for type_, name in self.parameters)
        head = f"define {'internal ' if self.internal else ''}{self.returns} @{self.name}({parameters}) "
        return "\n".join([f"{head}{self.attributes} #0 {{", "entry:", *self.entry, *self.lines, "}"])


class Variable:
    """A scalar in memory: read, written."""

    def __init__(self, function: Function, dtype: np.dtype, value: Any):
        self.function, self.dtype = function, dtype
        self.pointer = function.alloca(memory_type(dtype), 2 if dtype.kind == "c" else 1)
        self.write(value)

    def read(self) -> Any:
        return self.function.load(self.dtype, self.pointer)

    def write(self, value: Any) -> None:
        self.function.store(self.dtype, value, self.pointer)
