"""Who is next to whom: grids, adjacency matrices and graphs as one compressed list of neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ._errors import InputError


@dataclass(frozen=True, eq=False)
class Neighbours:
    """For each site where one can go from there, and with what weight.

    Parameters
    ----------
    start : numpy.ndarray of int, (sites + 1,)
        The ways out of site i are numbers ``start[i]`` to ``start[i + 1]`` of the others.
    target : numpy.ndarray of int, (ways,)
    weight : numpy.ndarray, (ways,)
        Positive.
    shape : tuple of int
        Of the grid; (sites,) for a graph.
    """

    start: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    shape: tuple[int, ...]

    @property
    def n_sites(self) -> int:
        return len(self.start) - 1

    @property
    def source(self) -> np.ndarray:
        """The site that each way leads from, (ways,)."""
        return np.repeat(np.arange(self.n_sites), np.diff(self.start))


def neighbours_of(graph: Any, periodic: bool) -> Neighbours:
    """The neighbours in what was given as `graph`."""
    shape = _grid_shape(graph)
    if shape is not None:
        return _on_grid(shape, periodic)
    if periodic:
        raise InputError("periodic", "is for grids, given as their shape.", "Give a graph the links that it has.")
    if hasattr(graph, "is_directed") and hasattr(graph, "edges"):
        rows, columns, weights = _of_networkx(graph)
        n = len(graph)
    elif hasattr(graph, "tocoo"):
        coo = graph.tocoo()
        n = _square(coo.shape)
        rows, columns, weights = np.asarray(coo.row), np.asarray(coo.col), np.asarray(coo.data, dtype=float)
    else:
        try:
            dense = np.asarray(graph, dtype=float)
        except (TypeError, ValueError):
            dense = np.zeros(())
        if dense.ndim != 2:
            raise InputError(
                "graph", f"must be the shape of a grid, an adjacency matrix or a graph of networkx, got {graph!r}."
            )
        n = _square(dense.shape)
        rows, columns = np.nonzero(dense)
        weights = dense[rows, columns]
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0.0)))
    if wrong.size:
        k = int(wrong[0])
        raise InputError(
            "graph",
            f"must have weights that are finite and not negative; that from site {int(rows[k])} to "
            f"{int(columns[k])} is {weights[k]}.",
        )
    if n == 0:
        raise InputError("graph", "has no sites.")
    return _sorted(n, rows, columns, weights, (n,))


def _grid_shape(graph: Any) -> tuple[int, ...] | None:
    """The shape of a grid, where that is what was given."""
    sides = (graph,) if isinstance(graph, int | np.integer) else graph
    if not isinstance(sides, tuple | list) or not sides or not all(isinstance(n, int | np.integer) for n in sides):
        return None
    if any(n < 1 for n in sides):
        raise InputError("graph", f"has a side without sites: {graph!r}.")
    return tuple(int(n) for n in sides)


def _on_grid(shape: tuple[int, ...], periodic: bool) -> Neighbours:
    """A step along each axis to either side; at a boundary there is none, or one to the other end."""
    sites = np.arange(prod(shape)).reshape(shape)
    rows, columns = [], []
    for axis, side in enumerate(shape):
        if side == 1:
            continue
        for direction in (1, -1):
            beside = np.roll(sites, -direction, axis)
            inner = slice(None) if periodic else slice(0, -1) if direction == 1 else slice(1, None)
            cut = (slice(None),) * axis + (inner,)
            rows.append(sites[cut].ravel())
            columns.append(beside[cut].ravel())
    if not rows:
        rows = columns = [np.zeros(0, np.int64)]
    source, target = np.concatenate(rows), np.concatenate(columns)
    return _sorted(sites.size, source, target, np.ones(source.size), shape)


def _of_networkx(graph: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Links by the places of their nodes, weights by the attribute `weight`; undirected ones lead both ways."""
    place = {node: i for i, node in enumerate(graph)}
    links = [(place[u], place[v], float(weight)) for u, v, weight in graph.edges(data="weight", default=1.0)]
    if not graph.is_directed():
        links += [(v, u, weight) for u, v, weight in links]
    rows, columns, weights = np.asarray(links, dtype=float).reshape(-1, 3).T
    return rows.astype(np.int64), columns.astype(np.int64), weights


def _square(shape: Any) -> int:
    if shape[0] != shape[1]:
        raise InputError("graph", f"must be a square matrix (sites, sites), got shape {tuple(shape)}.")
    return int(shape[0])


def _sorted(n: int, rows: Any, columns: Any, weights: Any, shape: tuple[int, ...]) -> Neighbours:
    # A link of a site with itself moves nobody.
    kept = (weights > 0.0) & (rows != columns)
    rows, columns, weights = rows[kept], columns[kept], weights[kept]
    order = np.lexsort((columns, rows))
    start = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))])
    return Neighbours(start.astype(np.int64), columns[order].astype(np.int64), weights[order].astype(float), shape)
