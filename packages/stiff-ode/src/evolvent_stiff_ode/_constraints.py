"""Which equations of a differential-algebraic system are algebraic, and which unknowns they are for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from evolvent import InputError

LARGEST = 1500  # equations that a block of the mass matrix may couple, if its rank is to be found


@dataclass(frozen=True)
class Constraints:
    """The null spaces of a singular mass matrix, as an immutable value.

    Attributes
    ----------
    size : int
        The number of equations.
    directions : tuple of (tuple of int, tuple of float)
        Orthonormal vectors that M takes to zero, by their entries: in these directions the state is algebraic.
    equations : tuple of (tuple of int, tuple of float)
        The same of the transpose: these sums of equations have no derivative in them.
    least : float
        The smallest singular value of M that is not zero.
    """

    size: int
    directions: tuple[tuple[tuple[int, ...], tuple[float, ...]], ...]
    equations: tuple[tuple[tuple[int, ...], tuple[float, ...]], ...]
    least: float

    @cached_property
    def simple(self) -> bool:
        """Whether single entries of the state are algebraic, and not sums of them."""
        return all(len(places) == 1 for places, _ in self.directions)

    @cached_property
    def mask(self) -> np.ndarray:
        """Which entries are algebraic."""
        mask = np.zeros(self.size, dtype=bool)
        mask[[place for places, _ in self.directions for place in places]] = True
        return mask

    @cached_property
    def projector(self) -> np.ndarray:
        """The orthogonal projector onto the algebraic directions."""
        found = np.zeros((self.size, self.size))
        for places, weights in self.directions:
            found[np.ix_(places, places)] += np.outer(weights, weights)
        return found

    def algebraic(self, b, x) -> Any:
        """The algebraic part of a vector, (n,) and lanes."""
        xp = b.xp
        if self.simple:
            mask = xp.asarray(self.mask, device=b.device)
            return xp.where(mask[:, None] if b.lanes else mask, x, xp.zeros_like(x))
        return xp.matmul(xp.asarray(self.projector, dtype=b.real_dtype(x.dtype), device=b.device), x)

    def require_solvable(self, rows: np.ndarray, columns: np.ndarray) -> None:
        """Refuse algebraic equations that can't determine the algebraic unknowns, whatever their numbers are.

        Parameters
        ----------
        rows, columns : numpy.ndarray of int
            Where the Jacobian may differ from zero.

        Raises
        ------
        InputError
            With the equations and unknowns for which there is no one-to-one assignment.
        """
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import maximum_bipartite_matching

        n = self.size
        jacobian = csr_array((np.ones(len(rows), dtype=np.int32), (rows, columns)), shape=(n, n))
        inside = csr_array(_supports(self.equations, n) @ jacobian @ _supports(self.directions, n).T)
        matched = maximum_bipartite_matching(inside, perm_type="column")
        without = np.flatnonzero(matched < 0)
        if not without.size:
            return
        left = np.setdiff1d(np.arange(len(self.directions)), matched[matched >= 0])
        equations = _named([self.equations[i][0] for i in without])
        unknowns = _named([self.directions[j][0] for j in left])
        empty = np.flatnonzero(np.diff(inside.indptr)[without] == 0)
        if empty.size == without.size:
            what = f"{_plural(without.size, 'equation')} {equations} {'contain' if without.size > 1 else 'contains'}"
            what += " no algebraic unknown"
        else:
            what = f"the algebraic equations are too few for their unknowns: {equations} can't be solved for one"
        raise InputError(
            "problem",
            f"{what}, and nothing determines {_plural(left.size, 'unknown')} {unknowns}: the index is above 1.",
            "Differentiate such an equation by time, put what is known of y' into it, and again until an algebraic "
            "unknown shows up.",
        )

    def describe(self, jacobian: np.ndarray, residual: np.ndarray) -> str:
        """Say which algebraic equations are not satisfied, or can't be solved, at a state."""
        n, count = self.size, len(self.equations)
        left, right = np.zeros((count, n)), np.zeros((n, count))
        for i, (places, weights) in enumerate(self.equations):
            left[i, list(places)] = weights
        for j, (places, weights) in enumerate(self.directions):
            right[list(places), j] = weights
        off = left @ residual
        worst = np.argsort(-np.abs(off))[:3]
        said = ", ".join(f"{_named([self.equations[i][0]])} by {off[i]:.3g}" for i in worst if off[i] != 0.0)
        said = f"There, algebraic equations are off: {said}." if said else ""
        inside = left @ jacobian @ right
        scale = np.max(np.abs(inside), axis=1)
        if np.any(scale == 0.0) or np.linalg.cond(inside / scale[:, None]) > 1e13:
            directions = np.linalg.svd(inside)[2][-1]
            free = [self.directions[j][0] for j in np.flatnonzero(np.abs(directions) > 0.1)]
            said += (
                f" The derivatives of the algebraic equations by their unknowns are singular at that point, so that "
                f"{_named(free)} can't be found from them: another start may help, or the index is above 1."
            )
        return said.strip()


def constraints_of(model) -> Constraints | None:
    """The null spaces of a problem's mass matrix; None where it is regular, or known to no one yet."""
    given: Any = getattr(model.problem, "mass", None)
    if given is None or hasattr(given, "aval"):
        return None
    if not hasattr(given, "tocoo"):
        given = np.asarray(model.backend.host(given))
        if given.ndim == 1:
            return of_diagonal(given)
    return of_matrix(given)


def of_diagonal(entries: np.ndarray) -> Constraints | None:
    """The null spaces of a diagonal matrix."""
    zero = np.flatnonzero(entries == 0.0)
    if not zero.size:
        return None
    units = tuple(((i,), (1.0,)) for i in zero.tolist())
    rest = np.abs(entries[entries != 0.0])
    return Constraints(len(entries), units, units, float(np.min(rest)) if rest.size else 1.0)


def of_matrix(given: Any) -> Constraints | None:
    """The null spaces of a matrix, block by block of what it couples."""
    from scipy.sparse import block_array, csr_array
    from scipy.sparse.csgraph import connected_components

    matrix: Any = csr_array(given)
    matrix.eliminate_zeros()
    n = matrix.shape[0]
    links: Any = abs(matrix)
    count, labels = connected_components(block_array([[None, links], [links.T, None]]), directed=False)
    order = np.argsort(labels, kind="stable")
    edges = np.searchsorted(labels[order], np.arange(count + 1))
    directions: list[Any] = []
    equations: list[Any] = []
    least = np.inf
    for first, last in pairwise(edges):
        block = np.sort(order[first:last])
        rows, columns = block[block < n], block[block >= n] - n
        if max(len(rows), len(columns)) > LARGEST:
            return None
        entries = matrix[rows, :][:, columns].toarray() if len(rows) and len(columns) else None
        if entries is not None and len(block) == 2:
            least = min(least, float(np.abs(entries[0, 0])))
            continue
        if entries is None:
            equations += [((int(i),), (1.0,)) for i in rows]
            directions += [((int(j),), (1.0,)) for j in columns]
            continue
        left, values, right = np.linalg.svd(entries)
        rank = int(np.count_nonzero(values > 1e-12 * len(block) * values[0]))
        least = min(least, float(values[rank - 1]))
        equations += [(tuple(rows.tolist()), tuple(column.tolist())) for column in left.T[rank:]]
        directions += [(tuple(columns.tolist()), tuple(row.tolist())) for row in right[rank:]]
    if not directions:
        return None
    return Constraints(n, tuple(directions), tuple(equations), least if np.isfinite(least) else 1.0)


def of_residual(model, by_slope: Any) -> Constraints | None:
    """The null spaces of a residual's derivative by y': those entries of y whose derivative it does not contain.

    Parameters
    ----------
    by_slope : numpy.ndarray
        That derivative at the start, as a full matrix.
    """
    given = model.problem.differential
    found = of_matrix(by_slope)
    if given is None:
        return found
    algebraic = np.flatnonzero(~model.like_state(given, bool))
    if found is None or not algebraic.size:
        count = 0 if found is None else len(found.directions)
        if count != algebraic.size:
            raise _miscounted(algebraic.size, count)
        return None
    if len(found.equations) != algebraic.size:
        raise _miscounted(algebraic.size, len(found.equations))
    units = tuple(((int(i),), (1.0,)) for i in algebraic)
    return Constraints(found.size, units, found.equations, found.least)


def _miscounted(algebraic: int, equations: int) -> InputError:
    return InputError(
        "differential",
        f"leaves {algebraic} entries algebraic, and {equations} equations (or sums) have no derivative in them.",
        "Leave differential out to have the entries found.",
    )


def _supports(vectors: tuple[Any, ...], n: int) -> Any:
    """Where vectors have entries: a matrix with a row for each."""
    from scipy.sparse import csr_array

    rows = np.repeat(np.arange(len(vectors)), [len(places) for places, _ in vectors])
    columns = np.asarray([place for places, _ in vectors for place in places])
    return csr_array((np.ones(len(rows), dtype=np.int32), (rows, columns)), shape=(len(vectors), n))


def _named(groups: list[tuple[int, ...]]) -> str:
    """The numbers of entries; those of a sum together."""
    names = [str(group[0]) if len(group) == 1 else f"({' + '.join(map(str, group))})" for group in groups]
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def _plural(count: int, word: str) -> str:
    return f"{word}s" if count > 1 else word
