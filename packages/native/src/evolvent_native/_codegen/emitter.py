"""From a graph to one function of LLVM's: what is small lives in registers, what is large in memory.

A node of at most `SMALL` entries is a list of registers, made when it is first needed. A larger one is an expression,
written into memory by a loop (`loops.py`) when something needs it there, and else computed where it is read.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np

from .._builder import Function, Module, literal, llvm_type, memory_type
from .._graph import ELEMENTWISE, INT, REDUCTIONS, Block, Node
from .._scalar_code import apply
from .._simplify import filled_with
from . import lanes
from .indices import Flat, Place, number, row_major, source_place, unravel
from .lanes import is_wide
from .liveness import Liveness
from .memory import Piece, Workspace

SMALL = 32  # entries that live in registers
DEEPEST = 128  # operations in one expression, those that look elsewhere counted MOVED times: longer ones go in parts
MOVED = 4
UNROLLED_PRODUCT = 128  # multiplications of a matrix product that is written out

VIEWS = frozenset({"broadcast", "reshape", "permute", "slice"})
FUSED = ELEMENTWISE | VIEWS | {"concat", "update", "gather", "iota", "constant"}


class Emitter:
    """Writes one function.

    Parameters
    ----------
    data : callable
        Writes code that gives the address of data array number k.
    workspace : str
        The address of the memory for large arrays.
    """

    def __init__(self, function: Function, block: Block, data: Callable[[int], str], workspace: str):
        self.function, self.block = function, block
        self.module: Module = function.module
        self.data, self.workspace = data, workspace
        self.live = Liveness(block)
        self.memory_plan = Workspace(self)
        self.pieces: dict[str, Piece] = {}
        self.known: list[dict[Any, Any]] = [{}]
        self.targets: dict[Node, str] = {}  # where results go to in the end, for loops to have them there
        self.parts: dict[str, str] = {}
        self.either: dict[str, tuple[str, str]] = {}  # addresses that are one of two, as the program went
        self.outside: dict[tuple[Block, ...], list[Node]] = {}

    # ------------------------------------------------------------ what has been computed
    def find(self, key: Any) -> Any:
        for scope in reversed(self.known):
            found = scope.get(key)
            if found is not None:
                return found
        return None

    def keep(self, key: Any, value: Any) -> Any:
        self.known[-1][key] = value
        return value

    @contextmanager
    def scope(self):
        """A part of the function whose registers are not known behind it."""
        self.known.append({})
        self.memory_plan.enter()
        yield
        self.memory_plan.leave()
        self.known.pop()

    def set_scalars(self, node: Node, values: list[Any]) -> None:
        self.keep(("scalars", node), values)

    def set_memory(self, node: Node, pointer: str) -> None:
        self.keep(("memory", node), pointer)
        for piece in self.pieces_at(pointer):
            if node not in piece.nodes:
                piece.nodes.append(node)

    def pieces_at(self, pointer: str) -> list[Piece]:
        """The blocks of the workspace that an address may lie in."""
        pointer = self.whole(pointer)
        if pointer in self.either:
            return [piece for way in self.either[pointer] for piece in self.pieces_at(way)]
        piece = self.pieces.get(pointer)
        return [] if piece is None else [piece]

    # ------------------------------------------------------------ small arrays
    def is_wide(self, node: Node) -> bool:
        """Whether a small node is one vector rather than as many registers."""
        # GPUs have no vector instructions.
        return self.module.target == "host" and is_wide(node, SMALL)

    def way(self, node: Node) -> Any:
        """The registers of a small node that go to where ways of the program meet."""
        return [lanes.vector(self, node)] if self.is_wide(node) else self.scalars(node)

    def scalar(self, node: Node) -> Any:
        return self.scalars(node)[0]

    def scalars(self, node: Node) -> list[Any]:
        """The registers of a small node."""
        found = self.find(("scalars", node))
        if found is not None:
            return found
        self.ready(node)
        found = self.find(("scalars", node))
        return found if found is not None else self.keep(("scalars", node), self._compute(node))

    def ready(self, node: Node) -> None:
        """Compute what a node is made of, one after the other: a sum written as a loop is as deep as it is long."""
        depths: dict[Node, int] = {}  # of expressions that are computed where they are read
        stack = [(node, False)]
        while stack:
            at, prepared = stack.pop()
            if at in depths or self.is_known(at):
                continue
            needs = self._needs(at)
            if not prepared:
                stack.append((at, True))
                stack.extend((x, False) for x in reversed(needs) if x not in depths and not self.is_known(x))
            elif at is node:
                return
            elif at.size <= SMALL:
                self.set_scalars(at, self._compute(at))
            else:
                own = 1 if at.op in ELEMENTWISE else MOVED
                depths[at] = depth = own + max((depths.get(x, 0) for x in needs), default=0)
                if depth > DEEPEST or (at.op not in FUSED and at.op != "combine"):
                    self.memory(at)
                    depths[at] = 0

    def is_known(self, node: Node) -> bool:
        if node.shape is None or node.op == "buffer":
            return True
        return self.find(("scalars" if node.size <= SMALL else "memory", node)) is not None

    def _needs(self, node: Node) -> list[Node]:
        """What is certainly computed before a node."""
        if self.find(("memory", node)) is not None:
            return []
        if node.op == "result":
            from . import control

            (producer,) = node.inputs
            return [] if self.find(("done", producer)) else control.needs(self, producer)
        if node.op == "pack" and node.size > SMALL:
            return self._large_behind(node)
        return list(node.inputs)

    def _large_behind(self, node: Node) -> list[Node]:
        """The large arrays that numbers are made of: numbers are computed one by one, each where it goes to memory."""
        found, seen, stack = [], set(), [*node.inputs]
        while stack:
            at = stack.pop()
            if at in seen or self.is_known(at):
                continue
            seen.add(at)
            if at.size > SMALL:
                found.append(at)
            else:
                stack.extend(self._needs(at))
        return found

    def _compute(self, node: Node) -> Any:
        op, f = node.op, self.function
        pointer = self.find(("memory", node))
        if pointer is not None:
            return self._loaded(node, pointer)
        if op == "constant":
            return [literal(x, node.dtype) for x in node.value.reshape(-1)]
        if op in ELEMENTWISE:
            if self.is_wide(node) and (found := lanes.elementwise(self, node)) is not None:
                return found
            kinds = [x.dtype for x in node.inputs]
            return [
                apply(f, op, node.dtype, list(values), kinds)
                for values in zip(*(self.scalars(x) for x in node.inputs), strict=True)
            ]
        if op == "pack":
            return [self.scalar(x) for x in node.inputs]
        if op in VIEWS:
            return self._view(node)
        if op == "concat" or op == "update":
            return [self._element(node, unravel(i, node.shape)) for i in range(node.size)]
        if op == "iota":
            return [str(i) for i in range(node.size)]
        if op == "gather":
            return [self._gathered(node, i) for i in self.scalars(node.inputs[1])]
        if op == "combine":
            return self._combined(node)
        if op == "result":
            self.emit(node.inputs[0])
            found = self.find(("scalars", node))
            if found is not None:
                return found
            return self._loaded(node, self.find(("memory", node)))
        if op in REDUCTIONS and node.inputs[0].size <= SMALL:
            return self._small_reduction(node)
        if op == "scatter" and node.inputs[0].size <= SMALL and self._known_places(node) is not None:
            values = list(self.scalars(node.inputs[0]))
            for place, value in zip(self._known_places(node), self.scalars(node.inputs[2]), strict=True):
                values[place] = value
            return values
        if op == "matmul" and node.size * node.inputs[0].shape[2] <= UNROLLED_PRODUCT:
            return self._small_product(node)
        if op == "data":
            pointer = self.memory(node)
        else:
            pointer = f.alloca(memory_type(node.dtype), node.size * (2 if node.dtype.kind == "c" else 1))
            self.write(node, pointer)
        return self._loaded(node, pointer)

    def _loaded(self, node: Node, pointer: str) -> Any:
        """The registers of a small node that is in memory."""
        if self.is_wide(node):
            return lanes.load(self, node, pointer)
        return [self.function.load(node.dtype, pointer, i) for i in range(node.size)]

    def _view(self, node: Node) -> list[Any]:
        (x,) = node.inputs
        if x.size <= SMALL:
            from .._interpret import evaluate

            places = np.arange(x.size).reshape(x.shape)
            order = np.asarray(evaluate(node.op, node.attrs, [places], node.shape, INT)).reshape(-1)
            values = self.scalars(x)
            if node.op == "reshape":
                return values
            return [values[i] for i in order.tolist()]
        return [self._element(node, unravel(i, node.shape)) for i in range(node.size)]

    def _known_places(self, node: Node) -> Any:
        i, v = node.inputs[1], node.inputs[2]
        return i.value.reshape(-1).tolist() if i.op == "constant" and v.size <= SMALL else None

    def _small_reduction(self, node: Node) -> list[Any]:
        (x,), (axes,) = node.inputs, node.attrs
        entries = self.scalars(x)
        if isinstance(entries, lanes.Lanes) and node.op == "sum" and node.size == 1 and node.dtype == x.dtype:
            return [lanes.total(self, node, entries)]
        places = np.moveaxis(np.arange(x.size).reshape(x.shape), axes, range(len(axes)))
        places = places.reshape(-1, node.size) if node.size else places.reshape(x.size, 0)
        values, how = self.scalars(x), _STEP[node.op]
        results = []
        for column in places.T.tolist():
            terms = [apply(self.function, "cast", node.dtype, [values[i]], [x.dtype]) for i in column]
            if not terms:
                results.append(literal(_EMPTY[node.op], node.dtype))
                continue
            while len(terms) > 1:  # pairwise: shorter chains, smaller errors
                paired = [
                    apply(self.function, how, node.dtype, terms[i : i + 2], [node.dtype] * 2)
                    for i in range(0, len(terms) - 1, 2)
                ]
                terms = paired + terms[2 * len(paired) :]
            results.append(terms[0])
        return results

    def _small_product(self, node: Node) -> list[Any]:
        a, b = node.inputs
        (batch, n, k), m = a.shape, b.shape[2]
        left = self._entries(a)
        right = self._entries(b)
        kinds = [node.dtype] * 2
        results = []
        for p in range(batch):
            for i in range(n):
                for j in range(m):
                    total = None
                    for q in range(k):
                        term = apply(
                            self.function,
                            "mul",
                            node.dtype,
                            [left((p * n + i) * k + q), right((p * k + q) * m + j)],
                            kinds,
                            contract=True,
                        )
                        total = (
                            term
                            if total is None
                            else apply(self.function, "add", node.dtype, [total, term], kinds, contract=True)
                        )
                    results.append(total if total is not None else literal(0, node.dtype))
        return results

    def _entries(self, node: Node) -> Callable[[int], Any]:
        if node.size <= SMALL:
            return self.scalars(node).__getitem__
        return lambda i: self.element(node, unravel(i, node.shape))

    # ------------------------------------------------------------ sums that fuse
    def _combined(self, node: Node) -> Any:
        if self.is_wide(node):
            y, dt, factors, ks = self._terms(node)
            return lanes.combination(self, node, y, None if dt is None else self.scalar(dt), factors, ks)
        return [self._combination(node, lambda x, i=i: self.scalars(x)[i]) for i in range(node.size)]

    def _terms(self, node: Node) -> tuple[Node | None, Node | None, list[str], list[Node]]:
        """What a weighted sum is made of: y, dt, the weights' registers, the arrays."""
        has_y, has_dt, weights = node.attrs
        rest = list(node.inputs)
        y = rest.pop(0) if has_y else None
        dt = rest.pop(0) if has_dt else None
        count = len(rest) if weights is not None else len(rest) // 2
        real = node.dtype if node.dtype.kind == "f" else np.dtype(f"f{node.dtype.itemsize // 2}")
        if weights is not None:
            return y, dt, [literal(w, real) for w in weights], rest
        return y, dt, [self.scalar(w) for w in rest[count:]], rest[:count]

    def _combination(self, node: Node, entry: Callable[[Node], Any]) -> Any:
        """``y + dt * sum(w[i] * k[i])``, where products and sums may fuse."""
        y, dt, factors, ks = self._terms(node)
        kind = node.dtype
        total: Any = None
        for k, factor in zip(ks, factors, strict=True):
            total = self._add_scaled(total, factor, entry(k), kind)
        if dt is not None:
            return self._add_scaled(entry(y) if y is not None else None, self.scalar(dt), total, kind)
        if y is not None:
            return self._sum(entry(y), total, kind)
        return total

    def _add_scaled(self, total: Any, factor: str, x: Any, kind: np.dtype) -> Any:
        type_ = llvm_type(kind)
        parts = x if kind.kind == "c" else (x,)
        sums = total if kind.kind == "c" and total is not None else (total,) * len(parts)
        found = []
        for part, before in zip(parts, sums, strict=True):
            term = self.function.emit(f"fmul contract {type_} {factor}, {part}")
            found.append(term if before is None else self.function.emit(f"fadd contract {type_} {before}, {term}"))
        return tuple(found) if kind.kind == "c" else found[0]

    def _sum(self, a: Any, b: Any, kind: np.dtype) -> Any:
        return apply(self.function, "add", kind, [a, b], [kind, kind], contract=True)

    # ------------------------------------------------------------ entries of any array
    def element(self, node: Node, place: Place) -> Any:
        """One entry, at a place that may depend on loops' counters."""
        if node.size <= SMALL:
            known = self._known_place(node, place)
            if known is not None:
                return self.scalars(node)[known]
            return self.function.load(node.dtype, self.memory(node), self.address(node.shape, place))
        key = (node, place)
        found = self.find(key)
        return found if found is not None else self.keep(key, self._element(node, place))

    def _known_place(self, node: Node, place: Place) -> int | None:
        if node.size == 1:
            return 0
        if isinstance(place, Flat):
            return place.index.offset if place.index.axis is None else None
        flat = 0
        for index, n in zip(place, node.shape, strict=True):
            if index.axis is not None:
                return None
            flat = flat * n + index.offset
        return flat

    def _element(self, node: Node, place: Place) -> Any:
        op, f = node.op, self.function
        pointer = self.find(("memory", node))
        if op == "constant" and (one := filled_with(node)) is not None:
            return literal(one, node.dtype)
        if pointer is None and (op == "constant" or (op not in FUSED and op != "combine")):
            pointer = self.memory(node)
        if pointer is not None:
            return f.load(node.dtype, pointer, self.address(node.shape, place))
        if op in ELEMENTWISE:
            values = [self.element(x, place) for x in node.inputs]
            return apply(f, op, node.dtype, values, [x.dtype for x in node.inputs])
        if op == "combine":
            return self._combination(node, lambda x: self.element(x, place))
        if op == "iota":
            return self.register(place.index if isinstance(place, Flat) else place[0])
        if op == "gather":
            return self._gathered(node, self.element(node.inputs[1], place))
        if op in VIEWS:
            (x,) = node.inputs
            source = source_place(op, node.attrs, x.shape, node.shape, place)
            if source is None:
                assert op == "reshape"
                assert not isinstance(place, Flat)
                return f.load(node.dtype, self.memory(x), self.address(node.shape, place))
            return self.element(x, source)
        assert not isinstance(place, Flat)
        if op == "concat":
            return self._of_pieces(node, place)
        if op == "update":
            return self._updated(node, place)
        raise AssertionError(op)

    def _of_pieces(self, node: Node, place: tuple) -> Any:
        """An entry of a concatenation: of the piece that the place lies in."""
        (axis,) = node.attrs
        index, behind = place[axis], 0
        for x in node.inputs:
            n = x.shape[axis]
            if behind <= index.low and index.high < behind + n:
                return self.element(x, (*place[:axis], index.strided(-behind, 1), *place[axis + 1 :]))
            behind += n
        raise AssertionError("the loop was not cut where the pieces meet")

    def _updated(self, node: Node, place: tuple) -> Any:
        """An entry of an array of which a slice was replaced."""
        x, value = node.inputs
        starts, steps = node.attrs
        there = []
        for index, start, step, n in zip(place, starts, steps, value.shape, strict=True):
            if index.axis is None:
                k, off = divmod(index.offset - start, step)
                if off or not 0 <= k < n:
                    return self.element(x, place)
                there.append(number(k))
                continue
            ends = sorted((start, start + step * (n - 1)))
            if not n or index.high < ends[0] or index.low > ends[1]:
                return self.element(x, place)
            if abs(step) != 1 or index.low < ends[0] or index.high > ends[1]:
                raise AssertionError("the loop was not cut at the ends of the slice")
            there.append(index.strided(-start * step, step))
        return self.element(value, tuple(there))

    def _gathered(self, node: Node, at: Any) -> Any:
        x = node.inputs[0]
        if x.size == 0:
            return literal(0, node.dtype)
        if not at.startswith("%") and x.size <= SMALL:
            return self.scalars(x)[min(max(int(at), 0), x.size - 1)]
        return self.function.load(node.dtype, self.memory(x), self._clamp(at, x.size))

    def _clamp(self, at: str, size: int) -> str:
        self.module.declare("llvm.smax.i64", "i64", ["i64", "i64"])
        self.module.declare("llvm.smin.i64", "i64", ["i64", "i64"])
        low = self.function.emit(f"call i64 @llvm.smax.i64(i64 {at}, i64 0)")
        return self.function.emit(f"call i64 @llvm.smin.i64(i64 {low}, i64 {size - 1})")

    def register(self, index: Any) -> str:
        """The value of an index."""
        if index.axis is None:
            return str(index.offset)
        value = index.axis.name
        if index.scale != 1:
            value = self.function.emit(f"mul nsw i64 {value}, {index.scale}")
        return self.function.emit(f"add nsw i64 {value}, {index.offset}") if index.offset else value

    def address(self, shape: tuple[int, ...], place: Place) -> Any:
        """The row-major position of a place: a number or a register."""
        if isinstance(place, Flat):
            return place.index.offset if place.index.axis is None else self.register(place.index)
        offset, scales = 0, {}
        for index, stride in zip(place, row_major(shape), strict=True):
            offset += index.offset * stride
            if index.axis is not None and index.scale:
                scales[index.axis.name] = scales.get(index.axis.name, 0) + index.scale * stride
        total: Any = None
        for name, scale in scales.items():
            term = name if scale == 1 else self.function.emit(f"mul nsw i64 {name}, {scale}")
            total = term if total is None else self.function.emit(f"add nsw i64 {total}, {term}")
        if total is None:
            return offset
        return self.function.emit(f"add nsw i64 {total}, {offset}") if offset else total

    # ------------------------------------------------------------ arrays in memory
    def memory(self, node: Node) -> str:
        """The address of a node's entries, contiguous and row-major; written now if need be."""
        found = self.find(("memory", node))
        if found is not None:
            return found
        self.ready(node)
        pointer = self._place(node)
        self.set_memory(node, pointer)
        return pointer

    def _place(self, node: Node) -> str:
        f = self.function
        if node.op == "data":
            return self.data(node.attrs[0])
        if node.op == "constant":
            return self.module.constant(node.dtype, node.attrs[0])
        if node.op == "reshape":
            return self.memory(node.inputs[0])
        if node.op == "slice" and node.size > SMALL:
            offset = self._contiguous(node)
            if offset is not None and self.find(("memory", node.inputs[0])) is not None:
                source, width = self.memory(node.inputs[0]), node.dtype.itemsize
                part = f.at("i8", source, offset * width)
                self.parts[part] = self.whole(source)
                return part
        if node.op == "result":
            self.emit(node.inputs[0])
            found = self.find(("memory", node))
            if found is not None:
                return found
        if node.size <= SMALL:
            values = self.scalars(node)
            pointer = f.alloca(memory_type(node.dtype), node.size * (2 if node.dtype.kind == "c" else 1))
            self.store_all(node, values, pointer)
            return pointer
        pointer = self.room(node)
        self.write(node, pointer)
        return pointer

    def whole(self, pointer: str) -> str:
        """The address of the array that an address lies in."""
        return self.parts.get(pointer, pointer)

    def store_all(self, node: Node, values: Any, pointer: str) -> None:
        """Write the registers of a small node to memory."""
        if isinstance(values, lanes.Lanes):
            lanes.store(self, values, node, pointer)
            return
        for i, value in enumerate(values):
            self.function.store(node.dtype, value, pointer, i)

    def room(self, node: Node) -> str:
        """New memory for a node's entries, or the memory that was meant for it."""
        meant = self.find(("room", node))
        if meant is not None:
            return meant
        if node.size <= SMALL:
            return self.function.alloca(memory_type(node.dtype), node.size * (2 if node.dtype.kind == "c" else 1))
        pointer, piece = self.take(node.size * node.dtype.itemsize)
        piece.nodes.append(node)
        piece.held = False
        return pointer

    def bytes(self, size: int) -> str:
        """Some of the workspace, until this part of the function ends."""
        return self.take(size)[0]

    def take(self, size: int) -> tuple[str, Piece]:
        """Some of the workspace, with what says how long it is needed."""
        piece = self.memory_plan.take(size)
        # A register of its own even at the start of the workspace: it names the piece.
        pointer = self.function.emit(f"getelementptr inbounds i8, ptr {self.workspace}, i64 {piece.offset}")
        self.pieces[pointer] = piece
        return pointer, piece

    def elsewhere(self, pointer: str) -> Piece:
        """What says which arrays are in memory outside of the workspace."""
        piece = self.pieces[pointer] = Piece(0, 0)
        return piece

    def _contiguous(self, node: Node) -> int | None:
        """The offset of a slice that is contiguous in its input."""
        (x,), (starts, steps) = node.inputs, node.attrs
        whole = True  # whether all behind this axis is taken whole
        offset = 0
        for n, full, start, step, stride in reversed(
            list(zip(node.shape, x.shape, starts, steps, row_major(x.shape), strict=True))
        ):
            if n != 1 and (step != 1 or not whole):
                return None
            whole = whole and n == full
            offset += start * stride
        return offset

    def write(self, node: Node, pointer: str) -> None:
        """Compute a node's entries into memory."""
        from .loops import write

        write(self, node, pointer)

    def copy(self, dtype: np.dtype, size: int, source: str, target: str) -> None:
        """Copy an array."""
        self.module.declare("llvm.memcpy.p0.p0.i64", "void", ["ptr", "ptr", "i64", "i1"])
        count = size * dtype.itemsize
        self.function.void(f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {count}, i1 false)")

    # ------------------------------------------------------------ nodes with regions, several results or effects
    def emit(self, node: Node) -> None:
        """Write a node that is more than an expression, once."""
        if self.find(("done", node)):
            return
        from . import control

        for x in control.needs(self, node):
            if x.size > SMALL:
                self.ready(x)
            elif x.op != "buffer":
                self.scalars(x)
        control.emit(self, node)
        self.keep(("done", node), True)

    def effects(self, block: Block) -> None:
        """Write what a block does, in order."""
        for node in block.nodes:
            if self.live.has_effects(node):
                self.emit(node)


_STEP = {"sum": "add", "prod": "mul", "max": "maximum", "min": "minimum", "all": "and", "any": "or"}
_EMPTY = {"sum": 0, "prod": 1, "all": True, "any": False, "max": 0, "min": 0}
