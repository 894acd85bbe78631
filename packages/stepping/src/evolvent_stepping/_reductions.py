"""Statistics of ensembles that are gathered path by path, so that no path has to be kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, log
from typing import Any, ClassVar, NamedTuple

import numpy as np

from evolvent import InputError

SMALLEST = 1e-300  # a magnitude that tables of relative accuracy take for zero
NOT_A_NUMBER, INFINITE = 2**62, 2**61  # keys of what has no place in a table


class Reduction(ABC):
    """What is gathered of the paths of an ensemble.

    A subclass is a frozen dataclass of four pure functions. A state is what was gathered so far: picklable, of a size
    that doesn't grow with the number of paths, and to rounding the same however the paths were cut into parts. Values
    are NumPy arrays (paths, times, ...), one leaf of a nested state at a time.

    Examples
    --------
    >>> import evolvent as ev, numpy as np
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Largest(Reduction):
    ...     def start(self, values):
    ...         return np.full(values.shape[1:], -np.inf)
    ...
    ...     def add(self, state, values):
    ...         return np.maximum(state, values.max(axis=0, initial=-np.inf))
    ...
    ...     def merge(self, one, other):
    ...         return np.maximum(one, other)
    ...
    ...     def result(self, state):
    ...         return {"largest": state}
    >>> growth = ev.ODEProblem(lambda t, y, p: p * y, [1.0], (0.0, 1.0), 1.0)
    >>> many = ev.EnsembleProblem(growth, params=np.linspace(0.0, 1.0, 5))
    >>> ev.solve(many, "Tsit5", saveat="end", reduce=Largest()).largest
    array([[2.718]])
    """

    passages: ClassVar[bool] = False  # whether it gathers times of passage (paths,), and not values

    @abstractmethod
    def start(self, values: np.ndarray) -> Any:
        """Make the state before any path; `values` are like those to come."""

    @abstractmethod
    def add(self, state: Any, values: np.ndarray) -> Any:
        """Make the state with some more paths."""

    @abstractmethod
    def merge(self, one: Any, other: Any) -> Any:
        """Make one state of those of two parts of an ensemble, in the order of their paths."""

    @abstractmethod
    def result(self, state: Any) -> dict[str, np.ndarray]:
        """List what is asked for, by the names that it has as attributes of the solution."""


class Gathered(NamedTuple):
    """The number of paths, their mean, and the sum of the squares of what they differ from it."""

    count: Any
    mean: Any
    squares: Any


@dataclass(frozen=True)
class Moments(Reduction):
    """Mean and variance over the paths, at each time: attributes `mean` and `variance`, (times, ...).

    The variance is divided by the number of paths less one. Parts are merged without cancellation.

    References
    ----------
    T. F. Chan, G. H. Golub, R. J. LeVeque, Algorithms for computing the sample variance: analysis and recommendations,
    The American Statistician 37 (1983) 242-247, doi:10.1080/00031305.1983.10483115.
    """

    def start(self, values):
        zero = np.zeros(values.shape[1:], np.result_type(values.dtype, np.float64))
        return Gathered(0, zero, np.real(zero))

    def add(self, state, values):
        if not len(values):
            return state
        mean = np.mean(values, axis=0, dtype=state.mean.dtype)
        return self.merge(state, Gathered(len(values), mean, np.sum(np.abs(values - mean) ** 2, axis=0)))

    def merge(self, one, other):
        count = one.count + other.count
        if not count:
            return one
        apart = other.mean - one.mean
        mean = one.mean + apart * (other.count / count)
        squares = one.squares + other.squares + np.abs(apart) ** 2 * (one.count * other.count / count)
        return Gathered(count, mean, squares)

    def result(self, state):
        if not state.count:
            return {"mean": state.mean + np.nan, "variance": state.squares + np.nan}
        unknown = np.full_like(state.squares, np.nan)
        return {"mean": state.mean, "variance": state.squares / (state.count - 1) if state.count > 1 else unknown}


class Table(NamedTuple):
    """How often which key came up in which column: sorted by both, behind a shape and whether keys are the values."""

    shape: tuple[int, ...]
    exact: bool
    paths: int
    columns: np.ndarray
    keys: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class Quantiles(Reduction):
    """Quantiles over the paths, at each time: the attribute `quantiles`, (levels, times, ...).

    Between two values it is interpolated linearly, as `numpy.quantile` does. Of integers they are exact: a table says
    how often each value came up. Reals are sorted into classes of equal relative width, whose middles stand for them.

    Parameters
    ----------
    levels : sequence of float
        Each from 0 to 1.
    accuracy : float
        The relative error of quantiles of reals.

    References
    ----------
    C. Masson, J. E. Rim, H. K. Lee, DDSketch: a fast and fully-mergeable quantile sketch with relative-error
    guarantees, Proceedings of the VLDB Endowment 12 (2019) 2195-2205, doi:10.14778/3352063.3352135.
    """

    levels: Sequence[float] = (0.05, 0.5, 0.95)
    accuracy: float = 1e-3

    def __post_init__(self):
        object.__setattr__(self, "levels", _levels(self.levels))
        if not 0.0 < self.accuracy < 1.0:
            raise InputError("accuracy", f"must lie between 0 and 1, got {self.accuracy!r}.")

    def start(self, values):
        if values.dtype.kind not in "biuf":
            raise InputError("reduce", "complex values have no quantiles.", "Give save= a function with real values.")
        none = np.zeros(0, np.int64)
        return Table(values.shape[1:], values.dtype.kind != "f", 0, none, none, none)

    def add(self, state, values):
        paths = len(values)
        flat = values.reshape(paths, int(np.prod(state.shape)))
        keys = flat.astype(np.int64) if state.exact else self._keys(flat)
        columns = np.broadcast_to(np.arange(keys.shape[1]), keys.shape)
        new = state._replace(paths=paths, columns=columns.ravel(), keys=keys.ravel(), counts=np.ones(keys.size, int))
        return self.merge(state, new)

    def merge(self, one, other):
        columns, keys, counts = (np.concatenate(pair) for pair in zip(one[3:], other[3:], strict=True))
        order = np.lexsort((keys, columns))
        columns, keys, counts = columns[order], keys[order], counts[order]
        first = np.ones(len(keys), bool)
        first[1:] = (np.diff(keys) != 0) | (np.diff(columns) != 0)
        starts = np.flatnonzero(first)
        counts = np.add.reduceat(counts, starts) if starts.size else counts
        return Table(one.shape, one.exact, one.paths + other.paths, columns[starts], keys[starts], counts)

    def result(self, state):
        levels = np.asarray(self.levels)
        if not state.paths:
            return {"quantiles": np.full((len(levels), *state.shape), np.nan)}
        values = state.keys.astype(float) if state.exact else self._values(state.keys)
        upto, columns = np.cumsum(state.counts), np.arange(int(np.prod(state.shape)))
        found = []
        for place in levels * (state.paths - 1):
            low = int(np.floor(place))
            a, b = (
                values[np.searchsorted(upto, columns * state.paths + rank, side="right")]
                for rank in (low, min(low + 1, state.paths - 1))
            )
            with np.errstate(invalid="ignore"):
                found.append(np.where(a == b, a, a + (b - a) * (place - low)))
        return {"quantiles": np.stack(found).reshape(len(levels), *state.shape)}

    @property
    def _width(self) -> tuple[float, int]:
        """The logarithm of how much wider each class is than the one before, and the key of the first."""
        width = log((1.0 + self.accuracy) / (1.0 - self.accuracy))
        return width, ceil(-log(SMALLEST) / width) + 1

    def _keys(self, x: np.ndarray) -> np.ndarray:
        (width, first), size = self._width, np.abs(x)
        with np.errstate(all="ignore"):
            place = np.ceil(np.log(size) / width) + first
        place = np.where(size < SMALLEST, 0.0, np.where(np.isfinite(x), place, INFINITE))
        return np.where(np.isnan(x), NOT_A_NUMBER, np.sign(np.nan_to_num(x)) * place).astype(np.int64)

    def _values(self, keys: np.ndarray) -> np.ndarray:
        (width, first), size = self._width, np.abs(keys)
        with np.errstate(all="ignore"):
            values = np.where(size == 0, 0.0, np.exp((size - first) * width) * (2.0 / (np.exp(width) + 1.0)))
        values = np.where(size == INFINITE, np.inf, values)
        return np.where(keys == NOT_A_NUMBER, np.nan, np.sign(keys) * values)


@dataclass(frozen=True)
class Histogram(Reduction):
    """How many paths have values between which edges, at each time: the attribute `histogram`, (times, ..., bins).

    Bins are closed on the left, the last on both sides. How many paths lie below and above all of them, say the
    attributes `below` and `above`, (times, ...).

    Parameters
    ----------
    edges : array (bins + 1,)
        Increasing.
    """

    edges: Any

    def __post_init__(self):
        edges = np.asarray(self.edges, float)
        if edges.ndim != 1 or edges.size < 2 or not np.all(np.diff(edges) > 0.0):
            raise InputError("edges", f"must be increasing, two or more, got {self.edges!r}.")
        object.__setattr__(self, "edges", tuple(edges.tolist()))

    def start(self, values):
        return np.zeros((*values.shape[1:], len(self.edges) + 1), np.int64)

    def add(self, state, values):
        edges, width = np.asarray(self.edges), state.shape[-1]
        place = np.searchsorted(edges, values, side="right")
        place = np.where(values == edges[-1], width - 2, place).reshape(len(values), state.size // width)
        cells = (place + np.arange(place.shape[1]) * width).ravel()
        # NaN sorts behind all, and lies nowhere.
        cells = cells[~np.isnan(values).ravel()]
        return state + np.bincount(cells, minlength=state.size).reshape(state.shape)

    def merge(self, one, other):
        return one + other

    def result(self, state):
        return {"histogram": state[..., 1:-1], "below": state[..., 0], "above": state[..., -1]}


@dataclass(frozen=True)
class FirstPassage(Reduction):
    """When a condition first passes through zero on each path: the attribute `passage_times`, (paths,).

    It is infinite on paths where that never happens, and NaN where a solve has failed before. The time is found as that
    of an `evolvent.Event` is; a path that starts with zero passes at its start. Each `FirstPassage` has solves of its
    own, which end there: the paths are those of the other reductions.

    Parameters
    ----------
    condition : callable
        ``condition(t, y, params)``: a real scalar.
    direction : {0, 1, -1}
        Whether to look for any passage, one from below, or one from above.
    levels : sequence of float, optional
        Of quantiles of the times, the attribute `passage_quantiles`: the least time by which so many paths have passed.
    """

    condition: Callable[..., Any]
    direction: int = 0
    levels: Sequence[float] = ()

    passages: ClassVar[bool] = True

    def __post_init__(self):
        if not callable(self.condition):
            raise InputError("condition", f"must be a function (t, y, params), got {self.condition!r}.")
        object.__setattr__(self, "levels", _levels(self.levels))

    def start(self, values):
        return np.zeros(0)

    def add(self, state, values):
        return np.concatenate([state, values])

    def merge(self, one, other):
        return np.concatenate([one, other])

    def result(self, state):
        known = state[~np.isnan(state)]
        found = {"passage_times": state}
        if self.levels:
            unknown = np.full(len(self.levels), np.nan)
            found["passage_quantiles"] = (
                np.quantile(known, self.levels, method="inverted_cdf") if known.size else unknown
            )
        return found


def _levels(given: Any) -> tuple[float, ...]:
    levels = np.asarray(given, float)
    if levels.ndim != 1 or not np.all((levels >= 0.0) & (levels <= 1.0)):
        raise InputError("levels", f"must lie from 0 to 1, got {given!r}.")
    return tuple(levels.tolist())
