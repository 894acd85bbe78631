"""Which entries of a result can follow which entries of an input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .._graph import Node
from .._interpret import evaluate
from .known import known_value
from .partials import LINEAR, has_partials
from .walk import ordered, smooth

ROUNDS = 16  # of a loop's body, before every entry of its carry is taken to follow all that any follows
MOST = 1 << 23  # derivatives in a pattern: beyond, finding them costs more than they save
REARRANGING = frozenset({"broadcast", "reshape", "permute", "slice", "update", "concat", "pack"})


class TooDense(Exception):
    """More derivatives differ from zero than a pattern is of use for."""


def _bounded(count: int) -> None:
    if count > MOST:
        raise TooDense(
            f"more than {MOST:,} derivatives can differ from zero: treat the matrix as full, or don't form it"
        )


class Pattern(NamedTuple):
    """For each entry, in flat order, the input's entries that it can follow: columns[start[k] : start[k + 1]]."""

    start: np.ndarray
    columns: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """The entry that each column belongs to."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))


def sparsity(output: Node, input: Node) -> tuple[np.ndarray, np.ndarray]:
    """Find the entries of a Jacobian that can differ from zero.

    They are found from the structure alone, so they hold for all values of the input. Literals and arrays that the
    function closed over count with their values: their zeros multiply to nothing, and they may index.

    Parameters
    ----------
    output, input : Node
        The result, and what it is differentiated by.

    Returns
    -------
    rows, columns : numpy.ndarray
        Flat positions in the result and in the input, ordered by rows, then by columns.

    Raises
    ------
    TooDense
        There are more than eight million.
    """
    pattern = Patterns.by(input).follow([output])[0]
    if pattern is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return pattern.rows, pattern.columns


class Patterns:
    """The patterns of nodes.

    Attributes
    ----------
    count : int
        The number of entries of the input.
    """

    def __init__(self, count: int, around: Patterns | None = None):
        self.count = count
        self.around = around
        self.known: dict[Node, Any] = {}
        self.values: dict[Node, Any] = {} if around is None else around.values

    @classmethod
    def by(cls, input: Node) -> Patterns:
        """The patterns of what follows this input."""
        patterns = cls(input.size)
        patterns.known[input] = Pattern(np.arange(input.size + 1), np.arange(input.size))
        return patterns

    def is_known(self, node: Node) -> bool:
        return node in self.known or (self.around is not None and self.around.is_known(node))

    def of(self, node: Node) -> Any:
        """The pattern of a node, or None where it follows nothing."""
        if node not in self.known:
            if self.around is not None and self.around.is_known(node):
                return self.around.of(node)
            self.known[node] = self._pattern(node)
        return self.known[node]

    def follow(self, outputs: Sequence[Node]) -> list[Any]:
        for node in ordered(outputs, self.is_known):
            self.of(node)
        return [self.of(node) for node in outputs]

    def value(self, node: Node) -> np.ndarray | None:
        """What a node is, if that is known."""
        return known_value(node, self.values)

    def _pattern(self, node: Node) -> Any:
        if not smooth(node) or node.op == "param":
            return None
        if node.op == "result":
            of = self.of(node.inputs[0])
            return None if of is None else of[node.attrs[0]]
        if not node.regions and all(self.of(x) is None for x in node.inputs):
            return None
        if node.op in _RULES:
            return _RULES[node.op](self, node)
        if node.op in REARRANGING:
            return self._rearranged(node)
        if has_partials(node) or node.op in LINEAR or node.op in ("abs", "sign"):
            return self.union([self.of(x) for x in node.inputs])
        every = self.union([self.everything(self.of(x), 1) for x in node.inputs])
        return self.everything(every, node.size)

    # ------------------------------------------------------------ for the rules
    def ordered_by(self, rows: np.ndarray, columns: np.ndarray, size: int) -> Pattern:
        """The pattern of these pairs, each once."""
        keys = rows * self.count + columns
        keys.sort(kind="stable")
        keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys
        rows, columns = np.divmod(keys, max(self.count, 1))
        return Pattern(np.searchsorted(rows, np.arange(size + 1)), columns)

    def union(self, patterns: Sequence[Pattern | None]) -> Pattern | None:
        """What follows any of these, entry by entry."""
        different: list[Pattern] = []
        for p in patterns:
            if p is not None and not any(p is q or _equal(p, q) for q in different):
                different.append(p)
        if len(different) < 2:
            return different[0] if different else None
        if len(different[0].start) == 2:
            return _of_one(np.unique(np.concatenate([p.columns for p in different])))
        _bounded(sum(len(p.columns) for p in different) // 2)
        rows = np.concatenate([p.rows for p in different])
        columns = np.concatenate([p.columns for p in different])
        return self.ordered_by(rows, columns, len(different[0].start) - 1)

    def moved(self, pattern: Pattern | None, to: np.ndarray, at: np.ndarray, size: int) -> Pattern | None:
        """Entry to[k] of the result follows entry at[k]; the pairs are many to many."""
        if pattern is None:
            return None
        order = np.argsort(to, kind="stable")
        to, at = to[order], at[order]
        lengths = np.diff(pattern.start)[at]
        _bounded(int(lengths.sum()) // 2)
        behind = np.cumsum(lengths) - lengths
        places = np.arange(lengths.sum()) + np.repeat(pattern.start[at] - behind, lengths)
        rows = np.repeat(to, lengths)
        if len(to) == 0 or (to[1:] != to[:-1]).all():
            return Pattern(np.searchsorted(rows, np.arange(size + 1)), pattern.columns[places])
        return self.ordered_by(rows, pattern.columns[places], size)

    def everything(self, pattern: Pattern | None, size: int) -> Pattern | None:
        """Each entry of the result follows all that any entry follows."""
        if pattern is None:
            return None
        columns = np.unique(pattern.columns)
        _bounded(len(columns) * size)
        return Pattern(np.arange(size + 1) * len(columns), np.tile(columns, size))

    def among(self, x: Node, axes: Sequence[int], shape: tuple[int, ...]) -> Pattern | None:
        """Over these axes, each entry of the result follows all; over the others, its own, where both are as long."""
        pattern = self.of(x)
        if pattern is None:
            return None
        kept = [1 if a in axes else n for a, n in enumerate(x.shape)]
        groups = np.broadcast_to(np.arange(int(np.prod(kept))).reshape(kept), x.shape).reshape(-1)
        grouped = self.moved(pattern, groups, np.arange(x.size), int(np.prod(kept)))
        at = np.broadcast_to(np.arange(int(np.prod(kept))).reshape(kept), shape).reshape(-1)
        return self.moved(grouped, np.arange(len(at)), at, len(at))

    def _rearranged(self, node: Node) -> Pattern | None:
        if node.op == "reshape":
            return self.of(node.inputs[0])
        at = sources(node)
        if node.op == "slice" and node.size == 1:
            start, columns = self.of(node.inputs[0])
            return _of_one(columns[start[at[0]] : start[at[0] + 1]])
        return self.chosen(node.inputs, at, node.size)

    def chosen(self, inputs: Sequence[Node], at: np.ndarray, size: int) -> Pattern | None:
        """Entry k of the result is entry at[k] of the inputs, which are counted on through."""
        starts, columns, behind = [np.zeros(1, np.int64)], [np.zeros(0, np.int64)], 0
        for x in inputs:
            pattern = self.of(x)
            if pattern is None:
                starts.append(np.full(x.size, behind))
            else:
                starts.append(pattern.start[1:] + behind)
                columns.append(pattern.columns)
                behind += len(pattern.columns)
        stacked = Pattern(np.concatenate(starts), np.concatenate(columns))
        return self.moved(stacked, np.arange(size), at.reshape(-1), size)


def sources(node: Node) -> np.ndarray:
    """For a node that rearranges: which entry of its inputs, counted on through them, each entry is."""
    if node.op == "slice" and node.size == 1:
        # Models written entry by entry take many from one large array.
        return np.array([np.ravel_multi_index(node.attrs[0], node.inputs[0].shape)])
    numbers, behind = [], 0
    for x in node.inputs:
        numbers.append(np.arange(behind, behind + x.size).reshape(x.shape))
        behind += x.size
    return np.asarray(evaluate(node.op, node.attrs, numbers, node.shape, np.dtype(np.int64))).reshape(-1)


def _of_one(columns: np.ndarray) -> Pattern:
    """The pattern of a single entry."""
    return Pattern(np.array([0, len(columns)]), columns)


def _equal(a: Pattern, b: Pattern) -> bool:
    return len(a.columns) == len(b.columns) and bool((a.columns == b.columns).all() and (a.start == b.start).all())


def _mul(p: Patterns, node: Node) -> Pattern | None:
    patterns = [p.of(x) for x in node.inputs]
    for i, x in enumerate(node.inputs):
        if patterns[i] is None and patterns[1 - i] is not None:
            value = p.value(x)
            if value is not None and not value.all():
                keep = np.flatnonzero(value.reshape(-1))
                patterns[1 - i] = p.moved(patterns[1 - i], keep, keep, node.size)
    return p.union(patterns)


def _combine(p: Patterns, node: Node) -> Pattern | None:
    same = [p.of(x) for x in node.inputs if x.shape == node.shape]
    return p.union([*same, *(p.everything(p.of(x), node.size) for x in node.inputs if x.shape != node.shape)])


def _where(p: Patterns, node: Node) -> Pattern | None:
    pred, yes, no = node.inputs
    value = p.value(pred)
    if value is None:
        return p.union([p.of(yes), p.of(no)])
    number = np.arange(node.size)
    return p.chosen([yes, no], np.where(value.reshape(-1), number, number + node.size), node.size)


def _sign(p: Patterns, node: Node) -> Pattern | None:
    return p.of(node.inputs[0]) if node.dtype.kind == "c" else None


def _first(p: Patterns, node: Node) -> Pattern | None:
    return p.of(node.inputs[0])


def _gather(p: Patterns, node: Node) -> Pattern | None:
    x, i = node.inputs
    at = p.value(i)
    if at is None or x.size == 0:
        return p.everything(p.of(x), node.size)
    return p.moved(p.of(x), np.arange(node.size), np.clip(at.reshape(-1), 0, x.size - 1), node.size)


def _scatter(p: Patterns, node: Node) -> Pattern | None:
    x, i, v = node.inputs
    at = p.value(i)
    if at is None:
        return p.union([p.of(x), p.everything(p.of(v), node.size)])
    at = np.clip(at.reshape(-1), 0, max(x.size - 1, 0))
    if node.op == "scatter":
        which = np.arange(x.size)
        which[at] = x.size + np.arange(v.size)
        return p.chosen([x, v], which, node.size)
    return p.union([p.of(x), p.moved(p.of(v), at, np.arange(v.size), node.size)])


def _reduction(p: Patterns, node: Node) -> Pattern | None:
    (x,), (axes,) = node.inputs, node.attrs
    return p.among(x, axes, tuple(1 if a in axes else n for a, n in enumerate(x.shape)))


def _running(p: Patterns, node: Node) -> Pattern | None:
    (x,), (axis,) = node.inputs, node.attrs
    number = np.moveaxis(np.arange(x.size).reshape(x.shape), axis, -1).reshape(-1, x.shape[axis])
    _bounded(x.size * x.shape[axis] // 2)
    last, first = np.tril_indices(x.shape[axis])
    return p.moved(p.of(x), number[:, last].reshape(-1), number[:, first].reshape(-1), x.size)


def _sort(p: Patterns, node: Node) -> Pattern | None:
    return p.among(node.inputs[0], node.attrs[:1], node.shape)


def _matmul(p: Patterns, node: Node) -> Pattern | None:
    a, b = node.inputs
    (_, n, k), m = a.shape, b.shape[2]
    if p.of(a) is None or p.of(b) is None:
        fixed, left = (a, True) if p.of(a) is None else (b, False)
        value = p.value(fixed)
        if value is not None and np.count_nonzero(value) * (m if left else n) <= 1 << 22:
            at, i, j = np.nonzero(value)
            if left:  # entry (at, i, c) follows (at, j, c)
                c = np.arange(m)
                to, of = (((at * n + i) * m)[:, None] + c), (((at * k + j) * m)[:, None] + c)
            else:  # entry (at, c, j) follows (at, c, i)
                c = np.arange(n)
                to, of = ((at * n)[:, None] + c) * m + j[:, None], ((at * n)[:, None] + c) * k + i[:, None]
            return p.moved(p.of(b if left else a), to.reshape(-1), of.reshape(-1), node.size)
    return p.union([p.among(a, (2,), node.shape), p.among(b, (1,), node.shape)])


def _by_matrix(p: Patterns, node: Node) -> list[Pattern | None]:
    (x,) = node.inputs
    shapes = {"lu": [x.shape], "qr": [(*x.shape[:2], min(x.shape[1:])), (x.shape[0], min(x.shape[1:]), x.shape[2])]}
    return [*(p.among(x, (1, 2), s) for s in shapes[node.op]), None]


def _cholesky(p: Patterns, node: Node) -> Pattern | None:
    return p.among(node.inputs[0], (1, 2), node.shape)


def _solve(p: Patterns, node: Node) -> Pattern | None:
    matrix, right = node.inputs[0], node.inputs[-1]
    return p.union([p.among(matrix, (1, 2), node.shape), p.among(right, (1,), node.shape)])


def _while(p: Patterns, node: Node) -> list[Pattern | None]:
    carry = [p.of(x) for x in node.inputs]
    body = node.regions[1]
    for rounds in range(2 * ROUNDS):
        within = Patterns(p.count, p)
        within.known.update(zip(body.params, carry, strict=True))
        after = [p.union([old, new]) for old, new in zip(carry, within.follow(body.outputs), strict=True)]
        after = [q if x.dtype.kind in "fc" else None for q, x in zip(after, node.inputs, strict=True)]
        if all(a is b or (a is not None and b is not None and _equal(a, b)) for a, b in zip(carry, after, strict=True)):
            return after
        carry = after
        if rounds >= ROUNDS:
            every = p.union([p.everything(q, 1) for q in carry])
            carry = [
                None if q is None else p.everything(every, x.size) for q, x in zip(carry, node.inputs, strict=True)
            ]
    return carry


def _cond(p: Patterns, node: Node) -> list[Pattern | None]:
    found = [Patterns(p.count, p).follow(region.outputs) for region in node.regions]
    return [p.union(both) for both in zip(*found, strict=True)]


def _call(p: Patterns, node: Node) -> list[Pattern | None]:
    graph = node.attrs[0]
    within = Patterns(p.count)
    within.known.update((param, p.of(x)) for param, x in zip(graph.params, node.inputs, strict=True))
    return within.follow(graph.outputs)


_RULES: dict[str, Any] = {
    "mul": _mul,
    "combine": _combine,
    "where": _where,
    "sign": _sign,
    "copysign": _first,
    "gather": _gather,
    "scatter": _scatter,
    "scatter_add": _scatter,
    "sum": _reduction,
    "prod": _reduction,
    "max": _reduction,
    "min": _reduction,
    "cumsum": _running,
    "cumprod": _running,
    "sort": _sort,
    "matmul": _matmul,
    "lu": _by_matrix,
    "qr": _by_matrix,
    "cholesky": _cholesky,
    "lu_solve": _solve,
    "triangular_solve": _solve,
    "while": _while,
    "cond": _cond,
    "call": _call,
}
