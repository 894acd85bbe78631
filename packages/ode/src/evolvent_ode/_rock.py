"""Orthogonal-polynomial Runge-Kutta-Chebyshev steps from tables, which are read when first needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import factorial
from typing import Any, ClassVar, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from ._stabilised import Stabilised, penalty

FINE = 4  # entries of the look-up table per unit of the square root of dt * radius


@dataclass(frozen=True, eq=False)
class RockTable:
    """The coefficients of one family of methods, a row for each degree, checked for their order.

    A step of degree m takes m stages of a three-term recurrence, then a small Runge-Kutta method of s stages
    from there.

    Parameters
    ----------
    degrees : array (n,)
        Degrees m of the recurrences.
    reach : array (n,)
        Length of the real stability interval.
    recurrence : array
        For each degree ``mu_1, mu_2, kappa_2, ..., mu_m, kappa_m``, one after the other.
    a, b, error : arrays (n, s(s-1)/2), (n, s), (n, s + 1)
        The finishing method, in units of the whole step; the error estimate also has the derivative at the
        end.

    Raises
    ------
    ValueError
        If a stability polynomial does not agree with exp to the method's order.
    """

    order: int
    degrees: np.ndarray
    reach: np.ndarray
    recurrence: np.ndarray
    a: np.ndarray
    b: np.ndarray
    error: np.ndarray

    def __post_init__(self) -> None:
        exact = [1.0 / factorial(j) for j in range(self.order + 1)]
        worst = np.max(np.abs(self.taylor() - exact))
        if worst > 1e-9:
            raise ValueError(f"ROCK table: a stability polynomial misses order {self.order} by {worst:.2e}")

    @property
    def starts(self) -> np.ndarray:
        """Where each degree's recurrence begins."""
        return np.concatenate([[0], np.cumsum(2 * self.degrees - 1)[:-1]])

    def taylor(self) -> np.ndarray:
        """The first coefficients of each degree's stability polynomial, (n, order + 1)."""
        one = np.zeros((len(self.degrees), self.order + 1))
        one[:, 0] = 1.0

        def times_z(p):
            return np.concatenate([np.zeros((len(p), 1)), p[:, :-1]], axis=1)

        older, newer = one, one + self.recurrence[self.starts, None] * times_z(one)
        for i in range(2, int(self.degrees.max()) + 1):
            at = np.minimum(self.starts + 2 * i - 3, len(self.recurrence) - 2)
            mu, kappa = self.recurrence[at, None], self.recurrence[at + 1, None]
            newest = mu * times_z(newer) + (1.0 + kappa) * newer - kappa * older
            active = self.degrees[:, None] >= i
            older, newer = np.where(active, newer, older), np.where(active, newest, newer)
        k: list[np.ndarray] = []
        for row in rows(np.moveaxis(self.a, -1, 0)):
            k.append(times_z(newer + sum(x[:, None] * z for x, z in zip(row, k, strict=True))))
        return newer + sum(x[:, None] * z for x, z in zip(self.b.T, k, strict=True))


def rows(a) -> list[Any]:
    """Cut a flattened strictly lower triangle into rows: (), (a21,), (a31, a32), ..."""
    found, begin = [], 0
    while begin + len(found) <= len(a):
        size = len(found)
        found.append(a[begin : begin + size])
        begin += size
    return found


@cache
def load(name: str, order: int) -> RockTable:
    """Read a table of this package's data."""
    with files("evolvent_ode").joinpath("data", f"{name}.npz").open("rb") as file:
        arrays = np.load(file)
        return RockTable(order, **{key: arrays[key].astype(int) if key == "degrees" else arrays[key] for key in arrays})


class Tables(NamedTuple):
    """A `RockTable` in the control plane; the finishing methods' column by column."""

    rows: Any
    degrees: Any
    starts: Any
    recurrence: Any
    a: tuple[Any, ...]
    b: tuple[Any, ...]
    error: tuple[Any, ...]


_eager_tables: WeakKeyDictionary[Any, dict[str, Tables]] = WeakKeyDictionary()


def control_tables(b, table: RockTable, name: str) -> Tables:
    """Make the control-plane tables: anew in every trace, once for each eager solve."""
    known = {} if b.traced else _eager_tables.setdefault(b, {})
    if name not in known:
        ends = np.sqrt(table.reach) * FINE
        lookup = np.searchsorted(ends, np.arange(int(ends[-1]) + 1))
        # A trajectory of an ensemble that is done with its stages still looks one pair further.
        recurrence = np.append(table.recurrence, (0.0, 0.0))
        known[name] = Tables(
            *map(b.table, (lookup, table.degrees, table.starts, recurrence)),
            *(tuple(map(b.table, columns.T)) for columns in (table.a, table.b, table.error)),
        )
    return known[name]


class Recurrence(NamedTuple):
    """Two stages and their times as fractions of the step."""

    i: Any
    newer: Any
    older: Any
    c: Any
    c_older: Any


@dataclass(frozen=True)
class Rock(Stabilised):
    """A ROCK method; a subclass names its `data`."""

    data: ClassVar[str]

    def advance(self, system, t, y, dt, f0, reach):
        """Run the recurrence of the smallest degree that `reach` allows, then the finishing method."""
        b, c = system.backend, system.backend.control
        host = load(self.data, self.order)
        tables = control_tables(b, host, self.data)
        last = int(np.sqrt(host.reach[-1]) * FINE)
        wanted = c.ceil(FINE * c.sqrt(reach))
        row = b.pick(tables.rows, b.integer(c.minimum(wanted, last + 0.0 * wanted)))
        degree, offset = b.pick(tables.degrees, row), b.pick(tables.starts, row)
        mu = b.pick(tables.recurrence, offset)
        first = Recurrence(b.integer(2), system.combine(y, dt, (mu,), (f0,)), y, mu, 0.0 * mu)

        def stage(s):
            at = offset + 2 * s.i - 3
            mu, kappa = b.pick(tables.recurrence, at), b.pick(tables.recurrence, at + 1)
            f = system.f(t + s.c * dt, s.newer)
            newest = system.combine(None, 1.0, (mu * dt, 1.0 + kappa, -kappa), (f, s.newer, s.older))
            return Recurrence(s.i + b.integer(1), newest, s.newer, mu + (1.0 + kappa) * s.c - kappa * s.c_older, s.c)

        s = b.while_loop(lambda s: s.i <= degree, stage, first, max_iterations=int(host.degrees[-1]))
        k: list[Any] = []
        for a in rows([b.pick(column, row) for column in tables.a]):
            k.append(system.f(t + (s.c + sum(a)) * dt, system.combine(s.newer, dt, a, k) if k else s.newer))
        y1 = system.combine(s.newer, dt, [b.pick(column, row) for column in tables.b], k)
        k.append(system.f(t + dt, y1))
        error = [b.pick(column, row) for column in tables.error]
        error = system.combine(None, dt * penalty(b, wanted > last), error, k)
        return y1, k[-1], error, s.i - 2 + b.integer(len(k))
