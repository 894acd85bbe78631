"""Compiled programs: found by what they compute, called on arrays and numbers."""

from __future__ import annotations

import base64
import hashlib
import pickle
import struct
import threading
from collections import OrderedDict
from functools import lru_cache, partial
from typing import Any

import numpy as np

from evolvent import InputError

from . import _cache
from ._array import Array
from ._codegen import generate
from ._codegen.unit import ENTRY
from ._graph import Graph, Node, record_in
from ._kernels import lapack
from ._keys import Nameless, describe, kinds_in, number_of
from ._repeated import Repeated
from ._staging import Buffer, Rows, flatten, node_of, unflatten

LITERAL_BYTES = 1 << 14  # larger arrays of the entry go beside its code, not into it, which would take long to parse
KEPT = 512  # programs in memory; those used longest ago go first
_FORMATS = {"f8": "d", "f4": "f4x", "b1": "?7x", "i8": "q", "u8": "Q", "i4": "i4x", "u4": "I4x", "i2": "h6x"}
_FORMATS |= {"u2": "H6x", "i1": "b7x", "u1": "B7x", "c16": "dd", "c8": "ff"}


def _format(dtype: np.dtype) -> str:
    return _FORMATS[f"{dtype.kind}{dtype.itemsize}"]


class Kind:
    """What a leaf of operands or results is: a number, an array or a record."""

    __slots__ = ("dtype", "rows", "shape", "weak")

    def __init__(self, leaf: Any):
        self.rows = isinstance(leaf, Rows)
        self.weak = isinstance(leaf, bool | int | float | complex) and not isinstance(leaf, np.generic)
        known = leaf if isinstance(leaf, np.ndarray) else np.asarray(leaf)
        self.shape, self.dtype = known.shape, known.dtype

    def __repr__(self) -> str:
        return f"{self.dtype.str}{self.shape}{self.rows}"


def kinds_of(leaves: list[Any]) -> tuple[Any, ...]:
    """What of operands code depends on, quickly."""
    return tuple(
        [
            kind if (kind := type(x)) is float or kind is int or kind is bool else (kind, x.dtype, x.shape)
            for x in map(_plain, leaves)
        ]
    )


def _plain(x: Any) -> Any:
    return x if type(x) in (float, int, bool) or isinstance(x, np.ndarray | np.generic) else np.asarray(x)


class Layout:
    """What goes into a program's machine code and comes out of it, in which order.

    Parameters
    ----------
    coming : list of Kind
        Of the operands' leaves.
    going : list
        For each leaf of the result: ("scalar", dtype), ("array", dtype, shape), or ("rows", number) for a record,
        which is one of the operands' or, behind those, a new one.
    new_rows : list of (shape, dtype)
        The records that a call makes.
    """

    def __init__(self, about: dict[str, Any]):
        coming: list[Kind] = about["coming"]
        self.structure, self.going, self.new_rows = about["structure"], about["going"], about["new_rows"]
        self.workspace_size = about["workspace"]
        # Where an array without axes came in, numbers go out as NumPy's: the state is one of them.
        self.typed = any(kind.shape == () and not kind.weak and kind.dtype.kind in "fc" for kind in coming)
        self.literals: list[np.ndarray] = about["literals"]
        self.number_places = [i for i, kind in enumerate(coming) if kind.shape == () and not kind.rows]
        self.array_places = [(i, kind.dtype) for i, kind in enumerate(coming) if kind.shape != () and not kind.rows]
        self.array_kinds = dict(self.array_places)
        self.row_places = [i for i, kind in enumerate(coming) if kind.rows]
        self.number_kinds = {i: coming[i].dtype for i in self.number_places}
        self.complex_places = {i for i in self.number_places if coming[i].dtype.kind == "c"}
        self.pack = struct.Struct("=" + "".join(_format(coming[i].dtype) for i in self.number_places)).pack
        scalars = [kind for kind in self.going if kind[0] == "scalar"]
        self.unpack = struct.Struct("=" + "".join(_format(kind[1]) for kind in scalars))
        self.arrays_out = [kind for kind in self.going if kind[0] == "array"]
        self.sizes_out = [-(-int(np.prod(shape)) * dtype.itemsize // 64) * 64 for _, dtype, shape in self.arrays_out]


class Program(Layout):
    """Machine code with what is needed to call it."""

    def __init__(self, code: bytes, about: dict[str, Any]):
        from ._machine import load_object

        super().__init__(about)
        self.code = code
        self.loaded = load_object(code, ENTRY)
        self.call = self.loaded.function
        self._many: Any = None

    format_of = staticmethod(_format)

    def __call__(self, leaves: list[Any], data: list[np.ndarray]) -> Any:
        coming = self.packed(leaves)
        going = bytearray(self.unpack.size)
        arrays = [_ready(leaves[i], dtype) for i, dtype in self.array_places]
        block = _aligned(sum(self.sizes_out))
        rows = [leaves[i] for i in self.row_places]
        rows += [np.empty(shape, dtype).view(Rows) for shape, dtype in self.new_rows]
        workspace = _workspace(self.workspace_size)
        address = block.__array_interface__["data"][0]
        results, at = [], 0
        table = [
            _bytes_address(coming),
            _buffer_address(going),
            workspace.__array_interface__["data"][0],
            *[x.__array_interface__["data"][0] for x in arrays],
        ]
        for (_, dtype, shape), size in zip(self.arrays_out, self.sizes_out, strict=True):
            table.append(address + at)
            results.append(np.ndarray(shape, dtype, block, at))
            at += size
        table += [x.__array_interface__["data"][0] for x in rows]
        table += [x.__array_interface__["data"][0] for x in data]
        table += [x.__array_interface__["data"][0] for x in self.literals]
        packed = struct.pack(f"={len(table)}Q", *table)
        self.call(_bytes_address(packed))
        _workspaces.append(workspace)
        return unflatten(self.structure, self._leaves(self.unpack.unpack(going), results, rows))

    def packed(self, leaves: list[Any]) -> bytes:
        """The numbers among the operands' leaves, as code reads them."""
        numbers = [leaves[i] for i in self.number_places]
        if self.complex_places:
            numbers = [
                part
                for i, x in zip(self.number_places, numbers, strict=True)
                for part in ((x.real, x.imag) if i in self.complex_places else (x,))
            ]
        return self.pack(*numbers)

    def reads_in_place(self, i: int, leaf: Any) -> bool:
        """Whether code may read an operand's leaf where it is, in each call as in the first."""
        if i in self.number_kinds:
            return not isinstance(leaf, np.ndarray)  # what has no axes is copied, and may be written to later
        return _ready(leaf, self.array_kinds[i]) is leaf

    def entry_of_many(self, symbol: str) -> Any:
        """The function that runs a range of trajectories."""
        if self._many is None:
            from ._machine import load_object

            self._many = load_object(self.code, symbol, arguments=6)
        return self._many.function

    def _leaves(self, numbers: tuple[Any, ...], arrays: list[np.ndarray], rows: list[np.ndarray]) -> list[Any]:
        left, right = iter(numbers), iter(arrays)
        leaves: list[Any] = []
        for kind in self.going:
            if kind[0] == "scalar":
                number = complex(next(left), next(left)) if kind[1].kind == "c" else next(left)
                leaves.append(kind[1].type(number) if self.typed and kind[1].kind in "fc" else number)
            else:
                leaves.append(next(right) if kind[0] == "array" else rows[kind[1]])
        return leaves


def _aligned(size: int) -> np.ndarray:
    """Memory that starts at a line of the cache."""
    block = np.empty(size + 64, np.uint8)
    shift = -block.__array_interface__["data"][0] % 64
    return block[shift : shift + size]


_workspaces: list[np.ndarray] = []  # of all programs: one for each thread that has called one at the same time


def _workspace(size: int) -> np.ndarray:
    """Memory to compute in, which no other call is using."""
    try:
        found = _workspaces.pop()
    except IndexError:
        return _aligned(size)
    if found.nbytes >= size:
        return found
    del found  # or both would be there at the same time
    return _aligned(size)


def _ready(x: Any, dtype: np.dtype) -> np.ndarray:
    """An array as code reads it: contiguous and aligned."""
    if type(x) is np.ndarray and x.flags.c_contiguous and x.flags.aligned and x.dtype == dtype:
        return x
    return np.require(x, dtype, ["C", "A"])


def _bytes_address(x: bytes) -> int:
    return np.frombuffer(x, np.uint8).__array_interface__["data"][0]


def _buffer_address(x: bytearray) -> int:
    return np.frombuffer(x, np.uint8).__array_interface__["data"][0] if x else 0


_programs: OrderedDict[Any, Program] = OrderedDict()
_lock = threading.Lock()


class Programs:
    """An entry with staged functions: callable on operands, compiled for each kind of them."""

    def __init__(self, backend: Any, entry: Any, staged: dict[str, Any]):
        self.backend, self.entry, self.staged = backend, entry, staged
        self.data = [x for name in sorted(staged) for x in staged[name].data]
        self.made: dict[Any, Program] = {}

    def __call__(self, *operands: Any) -> Any:
        leaves, structure = flatten(operands)
        key = (structure, kinds_of(leaves))
        program = self.made.get(key)
        if program is None:
            program = self.made[key] = self._find(leaves, *key)
        return program(leaves, self.data)

    def repeated(self, operands: Any, changing: Any, seen: Any, record: Any) -> Repeated:
        """The program for operands that are passed again and again but for a part of them; see `Repeated`."""
        leaves, structure = flatten(operands)
        key = (structure, kinds_of(leaves))
        if key not in self.made:
            self.made[key] = self._find(leaves, *key)
        return Repeated(self.made[key], operands, self.data, changing, seen, record)

    def hold(self) -> None:
        """Keep what the arrays that the functions closed over hold now, whoever writes to them later."""
        self.data = [x.copy() for x in self.data]

    def many(self, operands: Any, alike: Any, count: int, watch: Any = None, threads: int | None = None) -> Any:
        """Run for `count` trajectories, on all cores.

        Parameters
        ----------
        operands, alike : tree
            The operands of all, and of one: leaves of another shape than the one's have an axis of trajectories in
            front.
        watch : callable
            Called with how many are done, now and then; what it raises ends all.
        """
        from ._many import run_many

        one, structure = flatten(alike)
        leaves, _ = flatten(operands)
        varies = [np.shape(x) != np.shape(y) for x, y in zip(leaves, one, strict=True)]
        key = (structure, kinds_of(one))
        if key not in self.made:
            self.made[key] = self._find(one, *key)
        return run_many(self.made[key], leaves, varies, self.data, count, watch, threads)

    def _find(self, leaves: list[Any], structure: Any, kinds: tuple[Any, ...]) -> Program:
        key, on_disk = self._key(structure, kinds)
        with _lock:
            program = _programs.get(key)
            if program is not None:
                _programs.move_to_end(key)
                return program
        program = _from_disk(key) if on_disk else None
        if program is None:
            try:
                code, about = compile_program(self.entry, self.staged, [Kind(x) for x in leaves], structure)
                program = Program(code, about)
            except (InputError, MemoryError):
                raise
            except Exception as error:
                if self.backend is None:
                    raise
                raise self.backend.refused("the solve", "", f"{type(error).__name__}: {error}") from error
            if on_disk:
                _cache.store(key, code, {"about": base64.b64encode(pickle.dumps(about)).decode()})
        with _lock:
            _programs[key] = program
            if len(_programs) > KEPT:
                _programs.popitem(last=False)
        return program

    def _key(self, structure: Any, kinds: tuple[Any, ...]) -> tuple[str, bool]:
        """The program's name, and whether another process would give it the same one."""
        try:
            entry, on_disk = describe(self.entry.key), True
        except Nameless:
            entry, on_disk = number_of(self.entry.key), False
        parts = (
            entry,
            libraries(self.entry),
            lapack.available(),
            [(name, self.staged[name].key, str(self.staged[name].structure)) for name in sorted(self.staged)],
            _operands_text(structure, kinds),
        )
        return hashlib.blake2b(repr(parts).encode(), digest_size=32).hexdigest(), on_disk


@lru_cache(KEPT)
def _operands_text(structure: Any, kinds: tuple[Any, ...]) -> str:
    """What operands code is for, for another process too."""
    return f"{structure} {kinds}"


def libraries(entry: Any) -> bytes:
    """What names the versions of the packages whose code is part of a program: driver's, stepper's, and its parts'."""
    plan = getattr(entry, "plan", None)
    kinds = [type(entry), *(kinds_in(plan.stepper) if plan is not None else ())]
    packages = {kind.__module__.split(".")[0] for kind in kinds} - {"builtins", "__main__", "abc", "typing"}
    return _cache.fingerprint(*sorted(packages | {"evolvent", "evolvent_native"}))


def _from_disk(key: str) -> Program | None:
    found = _cache.lookup(key)
    if found is None:
        return None
    code, metadata = found
    try:
        # The cache gives only what this user's own processes have written and signed.
        return Program(code, pickle.loads(base64.b64decode(metadata["about"])))
    except Exception:
        return None  # of another version of something: as good as not there


def compile_program(entry: Any, staged: dict[str, Any], coming: list[Kind], structure: Any) -> tuple[bytes, Any]:
    """Record an entry with the staged functions in their places, and compile it."""
    from ._machine import compile_ir

    graph, about = record(entry, staged, coming, structure)
    text, workspace = generate(graph)
    code = compile_ir(text, speed_level=2)
    return code, about | {"workspace": workspace}


def record(entry: Any, staged: dict[str, Any], coming: list[Kind], structure: Any) -> tuple[Graph, dict[str, Any]]:
    """Record an entry's graph, and say how it is called."""
    graph = Graph(literal_bytes=LITERAL_BYTES)
    offset, functions = 0, {}
    for name in sorted(staged):
        functions[name] = partial(staged[name].call, offset)
        offset += len(staged[name].data)
        graph.data += staged[name].data
    with record_in(graph):
        leaves: list[Any] = []
        for kind in coming:
            if kind.rows:
                leaves.append(Buffer(_given_rows(graph, kind)))
            else:
                leaves.append(Array(graph.param(kind.shape, kind.dtype), False))
        result, out = flatten(entry(functions, *unflatten(structure, leaves)))
        going: list[Any] = []
        for x in result:
            if isinstance(x, Buffer):
                going.append(("rows", x.node.attrs[1]))
                continue
            node = node_of(x)
            graph.outputs.append(node)
            going.append(("scalar", node.dtype) if node.shape == () else ("array", node.dtype, node.shape))
    given = sum(kind.rows for kind in coming)
    new = [(node.shape, node.dtype) for node in graph.buffers[given:]]
    literals = graph.data[offset:]
    graph.data.clear()
    return graph, {"coming": coming, "structure": out, "going": going, "new_rows": new, "literals": literals}


def _given_rows(graph: Graph, kind: Kind) -> Node:
    node = Node("buffer", (), (kind.shape[0], len(graph.buffers)), kind.shape, kind.dtype, graph)
    graph.nodes.append(node)
    graph.buffers.append(node)
    return node
