"""The graph: what a function computes, as nodes on whole arrays.

A node is an operation with its inputs, a static shape and a dtype. Nodes live in blocks, in the order in which they
were recorded; the bodies of loops and branches are blocks of their own, whose nodes may use any node of the blocks
around them. Elementwise operations take inputs of one shape (`broadcast` is a node of its own) and, but for `where`,
`cast` and `complex`, of one dtype.

=============== ================================ ==============================================================
operation       attributes                       meaning
=============== ================================ ==============================================================
param           (index,)                         an argument of the graph, or of the block of a loop
constant        (bytes,)                         a literal, in row-major order
data            (index,)                         an array that a function closed over, passed when the code runs
iota            ()                               0, 1, 2, ... (one axis, int64)
cast            ()                               to the node's dtype
broadcast       ()                               to the node's shape, aligned as in the standard
reshape         ()                               to the node's shape, row-major
permute         (axes,)                          axis i of the result is axis axes[i] of the input
slice           (starts, steps)                  one start and (non-zero) step for each axis; lengths are the shape's
update          (starts, steps)                  (x, value): x with the slice replaced by value
concat          (axis,)                          inputs behind each other
pack            ()                               scalars to a vector
gather          ()                               (x, i): entries of x at flat row-major positions i (int64, wrapped
                                                 into range by clamping)
scatter         ()                               (x, i, v): x with v at flat positions i; the last one wins
scatter_add     ()                               (x, i, v): x with v added at flat positions i
sum, prod, max, (axes,)                          reductions; those axes are gone
min, all, any
argmax, argmin  (axis,)                          the first extreme entry's place along an axis, int64
cumsum, cumprod (axis,)                          running sums and products
sort, argsort   (axis, descending)               stable
searchsorted    (side,)                          (sorted vector, values): int64
matmul          ()                               (b, n, k) by (b, k, m)
lu              ()                               (b, n, n): two results, the packed factors and the row that was
                                                 exchanged with row i in step i (b, n) int64
lu_solve        (transposed,)                    (factors, exchanges, right sides (b, n, m))
triangular_solve (lower, unit, transposed)       (matrix (b, n, n), right sides (b, n, m))
cholesky        ()                               (b, n, n), lower
qr              ()                               (b, n, k): two results, Q (b, n, min) and R (b, min, k)
sparse_lu       (n, blocks, widest, size,        (values, plan): the factors of a sparse matrix
                *offsets)
sparse_solve    (the same)                       (factors, plan, right sides (m, n))
result          (i,)                             one result of a node with several
while           ()                               inputs: initial carry; regions: condition, body; results: carry
cond            ()                               input: truth value; regions: yes, no; results: the chosen outputs
call            (graph, offset)                  another graph's outputs; its data arrays start at `offset`
pointer_call    (states, index)                  a C function by its address (data number `index`): time,
                                                 that many states, its result, parameters
buffer          (rows, number)                   memory of `rows` rows of the node's shape[1:]; not a value
put             ()                               effect: (buffer, row, value, when)
=============== ================================ ==============================================================

Elementwise: neg abs sign sqrt exp expm1 log log1p log2 log10 sin cos tan asin acos atan sinh cosh tanh asinh acosh
atanh floor ceil trunc round not isnan isinf isfinite signbit real imag conj; add sub mul div floordiv mod pow atan2
hypot copysign nextafter maximum minimum and or xor shl shr eq ne lt le gt ge complex; where. Transcendental functions
are of reals; those of complex numbers are recorded in terms of real and imaginary parts. `abs` of a complex number,
`real` and `imag` give reals. `shr` of signed integers is arithmetic. `maximum` and `minimum` give NaN if either is.
`floordiv` and `mod` round down, as Python's do; integer division by zero gives zero.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import numpy as np

LITERAL_BYTES = 4096  # larger arrays of a user's are passed, not written into the code


def named(operations: str) -> frozenset[str]:
    """A set of operations, given as words."""
    return frozenset(operations.split())


COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})
PREDICATES = frozenset({"isnan", "isinf", "isfinite", "signbit"})
UNARY = named(
    "neg abs sign sqrt exp expm1 log log1p log2 log10 sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh "
    "floor ceil trunc round not isnan isinf isfinite signbit real imag conj"
)
BINARY = named(
    "add sub mul div floordiv mod pow atan2 hypot copysign nextafter maximum minimum and or xor shl shr "
    "eq ne lt le gt ge complex"
)
ELEMENTWISE = UNARY | BINARY | {"where", "cast"}
REDUCTIONS = frozenset({"sum", "prod", "max", "min", "all", "any"})
EFFECTS = frozenset({"put", "store", "fetch", "fetch_all"})  # in the order in which they are recorded
_numbers = count()
BOOL, INT, REAL = np.dtype(bool), np.dtype(np.int64), np.dtype(np.float64)


class Node:
    """One operation; `shape` is None where there are several results.

    Attributes
    ----------
    block : Block
        Where it was recorded.
    number : int
        Grows in the order of recording: inputs have smaller numbers than what uses them.
    regions : tuple of Block
        The bodies of a loop or a branch.
    """

    __slots__ = ("attrs", "block", "dtype", "inputs", "number", "op", "regions", "shape")

    def __init__(self, op, inputs, attrs, shape, dtype, block, regions=()):
        self.op: str = op
        self.inputs: tuple[Node, ...] = inputs
        self.attrs: tuple[Any, ...] = attrs
        self.shape: Any = shape
        self.dtype: Any = dtype
        self.block: Block = block
        self.regions: tuple[Block, ...] = regions
        self.number: int = next(_numbers)

    @property
    def size(self) -> int:
        size = 1
        for n in self.shape:
            size *= n
        return size

    @property
    def value(self) -> np.ndarray:
        """The array that a constant stands for."""
        return np.frombuffer(self.attrs[0], dtype=self.dtype).reshape(self.shape)

    def __repr__(self) -> str:
        return f"<{self.op} {self.dtype}{list(self.shape) if self.shape is not None else ''}>"


class Block:
    """Nodes in order.

    Attributes
    ----------
    params : list of Node
        What is given from outside: a graph's arguments, a loop's carry.
    outputs : list of Node
        What is given back.
    """

    __slots__ = ("known", "nodes", "outputs", "params", "parent", "root")

    def __init__(self, parent: Block | None = None):
        self.parent = parent
        self.root: Block = self if parent is None else parent.root
        self.nodes: list[Node] = []
        self.params: list[Node] = []
        self.outputs: list[Node] = []
        self.known: dict[Any, Node] = {}

    def param(self, shape: Sequence[int], dtype: Any) -> Node:
        """Add a parameter."""
        node = Node("param", (), (len(self.params),), tuple(shape), np.dtype(dtype), self)
        self.params.append(node)
        return node


class Graph(Block):
    """A whole function.

    Attributes
    ----------
    data : list of numpy.ndarray
        The large arrays that it closed over, by number: not part of the code.
    """

    __slots__ = ("buffers", "data", "known_data", "literal_bytes")

    def __init__(self, literal_bytes: float = LITERAL_BYTES):
        super().__init__()
        self.data: list[np.ndarray] = []
        self.known_data: dict[int, tuple[np.ndarray, Node]] = {}
        self.buffers: list[Node] = []
        self.literal_bytes = literal_bytes


class _Recorder(threading.local):
    block: Block | None = None
    seen: Any = None  # called with each literal


_recorder = _Recorder()


def recording() -> bool:
    """Whether operations are being recorded in this thread."""
    return _recorder.block is not None


def current() -> Block:
    """The block that is being recorded."""
    block = _recorder.block
    if block is None:
        raise RuntimeError(
            "a recorded value was used outside of the function that it belongs to: did f keep its y or t in a global, "
            "a list or an attribute? Functions are called with recorded values first; look at values by save="
        )
    return block


@contextmanager
def record_in(block: Block) -> Iterator[Block]:
    """Record what follows in `block`."""
    before, _recorder.block = _recorder.block, block
    try:
        yield block
    finally:
        _recorder.block = before


@contextmanager
def literals_seen(seen: Any) -> Iterator[None]:
    """Call ``seen(array)`` with every literal that is recorded."""
    before, _recorder.seen = _recorder.seen, seen
    try:
        yield
    finally:
        _recorder.seen = before


@contextmanager
def record_nothing() -> Iterator[None]:
    """Let operations be computed at once for a while."""
    before, _recorder.block = _recorder.block, None
    try:
        yield
    finally:
        _recorder.block = before


def encloses(block: Block, inner: Block) -> bool:
    """Whether nodes of `block` may be used in `inner`."""
    at: Block | None = inner
    while at is not None:
        if at is block:
            return True
        at = at.parent
    return False


_simplified: Any = None


def _load_rules() -> Any:
    """Import the rules, which need this module, once: an import statement in `make` would be half of its cost."""
    global _simplified
    from ._simplify import simplified

    _simplified = simplified
    return simplified


def make(
    op: str,
    inputs: tuple[Node, ...],
    shape: Sequence[int],
    dtype: Any,
    attrs: tuple[Any, ...] = (),
) -> Node:
    """Record a node, or find the equal or simpler one that there is."""
    shape = tuple(shape)
    simpler = (_simplified or _load_rules())(op, inputs, shape, dtype, attrs)
    if simpler is not None:
        return simpler
    block = current()
    # Nodes hash by identity: equal inputs are one node, because they were found here before.
    key = (op, inputs, shape, dtype, attrs)
    at: Block | None = block
    while at is not None:
        known = at.known.get(key)
        if known is not None:
            return known
        at = at.parent
    node = Node(op, inputs, attrs, shape, dtype, block)
    block.nodes.append(node)
    block.known[key] = node
    return node


def make_many(
    op: str, inputs: tuple[Node, ...], kinds: Sequence[tuple[Any, Any]], attrs: tuple[Any, ...] = (), regions: Any = ()
) -> tuple[Node, ...]:
    """Record a node with several results of the given (shape, dtype)."""
    block = current()
    node = Node(op, inputs, attrs, None, None, block, tuple(regions))
    block.nodes.append(node)
    results = []
    for i, (shape, dtype) in enumerate(kinds):
        result = Node("result", (node,), (i,), tuple(shape), dtype, block)
        block.nodes.append(result)
        results.append(result)
    return tuple(results)


def effect(
    op: str, inputs: tuple[Node, ...], attrs: tuple[Any, ...] = (), shape: Any = None, dtype: Any = None
) -> Node:
    """Record a node for what it does, or for what it finds at its place among those."""
    block = current()
    node = Node(op, inputs, attrs, shape, dtype, block)
    block.nodes.append(node)
    return node


def constant(value: Any, dtype: Any = None) -> Node:
    """Record a literal; large arrays become data of the graph."""
    array = np.asarray(value, dtype=dtype)
    if _recorder.seen is not None:
        _recorder.seen(array)
    graph = current().root
    if isinstance(graph, Graph) and array.nbytes > graph.literal_bytes:
        return _data(graph, array)
    return make("constant", (), array.shape, array.dtype, (array.tobytes(),))


def _data(graph: Graph, array: np.ndarray) -> Node:
    known = graph.known_data.get(id(array))
    if known is not None:
        return known[1]
    node = Node("data", (), (len(graph.data),), array.shape, array.dtype, graph)
    graph.nodes.insert(0, node)
    graph.data.append(np.ascontiguousarray(array))
    graph.known_data[id(array)] = (array, node)  # held, so that its address is not used again
    return node
