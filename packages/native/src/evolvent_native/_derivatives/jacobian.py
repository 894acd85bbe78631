"""Matrices of derivatives, and products with second derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evolvent.sparse import colouring

from .. import _graph
from .._graph import Node
from .._inline import copy_node
from . import entries
from .forward import jvp
from .recording import broadcast, cast, fill, gather, iota, like, pack, reshape
from .reverse import vjp
from .sparsity import Patterns, TooDense
from .walk import needs, ordered

PACKED = 1024  # entries of a matrix that are put together one by one


def jacobian(output: Node, input: Node) -> Node:
    """Record the matrix of derivatives.

    Small models are differentiated entry by entry; larger ones in as many directions at once as the colouring of
    their sparsity asks for.

    Parameters
    ----------
    output, input : Node
        What is differentiated, and by what. If they are complex, the function between is taken to be holomorphic.

    Returns
    -------
    Node
        (size of the output, size of the input), both in flat order, of the output's dtype.
    """
    output = _without_calls(output, input)
    shape = (output.size, input.size)
    if 0 in shape:
        return fill(0, shape, output.dtype)
    patterns = Patterns.by(input)
    try:
        (pattern,) = patterns.follow([output])
    except TooDense:
        return _dense(output, input)
    if pattern is None:
        return fill(0, shape, output.dtype)
    if entries.few(output, input, patterns):
        return _from_rows(entries.rows(output, input, patterns), shape, output.dtype)
    rows, columns = pattern.rows, pattern.columns
    if len(rows) == output.size * input.size:
        return _dense(output, input)
    colours = colouring(rows, columns, shape)
    if colours.max() + 1 == input.size:
        return _dense(output, input)
    return _placed(_compressed(output, input, rows, columns, colours), rows * input.size + columns, shape)


def _dense(output: Node, input: Node) -> Node:
    """One direction for each entry of the input."""
    (change,) = jvp([output], [input], [_seeds(np.arange(input.size), input.size, input)])
    shape = (output.size, input.size)
    return _graph.make("permute", (reshape(change, shape[::-1]),), shape, output.dtype, ((1, 0),))


def compressed_jacobian(
    function: Callable[[Node], Node],
    x: Node,
    pattern: tuple[np.ndarray, np.ndarray],
    colours: np.ndarray | Callable[[], np.ndarray],
) -> Node:
    """Record the entries of a sparse matrix of derivatives.

    Parameters
    ----------
    function : callable
        From a node to a node.
    x : Node
        Where.
    pattern : (rows, columns)
        As `sparsity` finds it, or more.
    colours : numpy.ndarray of int, or callable
        As `colouring` finds them for the pattern; a callable is asked for them if they are needed.

    Returns
    -------
    Node
        The derivatives, a vector in the order of the pattern.
    """
    output = _without_calls(function(x), x)
    rows, columns = (np.asarray(p, dtype=np.int64) for p in pattern)
    if len(rows) == 0:
        return fill(0, (0,), output.dtype)
    patterns = Patterns.by(x)
    try:
        few = patterns.follow([output])[0] is None or entries.few(output, x, patterns)
    except TooDense:
        few = False
    if few:
        found = entries.rows(output, x, patterns)
        pairs = zip(rows.tolist(), columns.tolist(), strict=True)
        return pack([entries.scalar(found[r].get(c, 0), output.dtype) for r, c in pairs])
    return _compressed(output, x, rows, columns, np.asarray(colours() if callable(colours) else colours))


def hvp(output: Node, inputs: Sequence[Node], tangents: Sequence[Node | None]) -> list[Node]:
    """Record the product of second derivatives with a direction: the change of the gradient.

    Parameters
    ----------
    output : Node
        A single number.
    inputs, tangents : sequence of Node
        What it is differentiated by, and the direction; None is zero.

    Returns
    -------
    list of Node
        Arrays like the inputs.
    """
    if output.size != 1:
        raise ValueError(f"output: second derivatives are those of one number, not of an array of shape {output.shape}")
    return jvp(vjp([output], inputs, [like(1, output)]), inputs, tangents)


def _without_calls(output: Node, input: Node) -> Node:
    """The output computed without other graphs, whose nodes are recorded here instead."""
    order = ordered([output], lambda x: x is input)
    if not any(node.op == "call" for node in order):
        return output
    replaced: dict[Node, Any] = {}
    for node in order:
        if node.op == "call" or any(x in replaced for x in needs(node)):
            copy_node(node, replaced, 0, True)
    return replaced[output]


def _seeds(colours: np.ndarray, count: int, input: Node) -> Node:
    """In direction k, one for each entry of colour k."""
    shape = (count, input.size)
    if np.array_equal(colours, np.arange(count)):
        colour = iota(count) if count > 16 else _graph.constant(colours)
    else:
        colour = _graph.constant(colours.astype(np.int64))
    number = reshape(iota(count) if count > 16 else _graph.constant(np.arange(count)), (count, 1))
    same = _graph.make("eq", (broadcast(number, shape), broadcast(colour, shape)), shape, _graph.BOOL)
    return reshape(cast(same, input.dtype), (count, *input.shape))


def _compressed(output: Node, input: Node, rows: np.ndarray, columns: np.ndarray, colours: np.ndarray) -> Node:
    seeds = _seeds(colours, int(colours.max()) + 1, input)
    (change,) = jvp([output], [input], [seeds])
    return gather(change, _graph.constant((colours[columns] * output.size + rows).astype(np.int64)))


def _from_rows(rows: list[entries.Row], shape: tuple[int, int], dtype: Any) -> Node:
    if shape[0] * shape[1] <= PACKED:
        zero = _graph.constant(0, dtype)
        return reshape(
            pack([entries.scalar(row[c], dtype) if c in row else zero for row in rows for c in range(shape[1])]), shape
        )
    places = [k * shape[1] + c for k, row in enumerate(rows) for c in row]
    return _placed(pack([entries.scalar(v, dtype) for row in rows for v in row.values()]), np.array(places), shape)


def _placed(values: Node, places: np.ndarray, shape: tuple[int, int]) -> Node:
    return _graph.make(
        "scatter", (fill(0, shape, values.dtype), _graph.constant(places.astype(np.int64)), values), shape, values.dtype
    )
