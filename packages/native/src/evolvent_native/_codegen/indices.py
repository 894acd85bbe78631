"""Where in an array an entry is: affine in the counters of loops, so that strides and ranges are known."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod


@dataclass(frozen=True, slots=True)
class Axis:
    """A loop's counter, which runs from `low` to `high`, both included."""

    name: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Index:
    """``scale * axis + offset``; without an axis a number."""

    axis: Axis | None
    scale: int
    offset: int

    @property
    def low(self) -> int:
        if self.axis is None:
            return self.offset
        return self.offset + min(self.scale * self.axis.low, self.scale * self.axis.high)

    @property
    def high(self) -> int:
        if self.axis is None:
            return self.offset
        return self.offset + max(self.scale * self.axis.low, self.scale * self.axis.high)

    def strided(self, start: int, step: int) -> Index:
        """The place ``start + step * self``."""
        return Index(self.axis, self.scale * step, self.offset * step + start)


def number(i: int) -> Index:
    return Index(None, 0, i)


ZERO = number(0)


@dataclass(frozen=True, slots=True)
class Flat:
    """A place in row-major order, for arrays that are walked through as if they had one axis."""

    index: Index


Place = tuple[Index, ...] | Flat


def along(axis: Axis) -> Index:
    return Index(axis, 1, 0)


def row_major(shape: tuple[int, ...]) -> list[int]:
    """The strides of a contiguous array, in entries."""
    strides = [1] * len(shape)
    for i in range(len(shape) - 2, -1, -1):
        strides[i] = strides[i + 1] * shape[i + 1]
    return strides


def unravel(flat: int, shape: tuple[int, ...]) -> tuple[Index, ...]:
    """The place of a known entry."""
    place = []
    for n in reversed(shape):
        place.append(number(flat % n))
        flat //= n
    return tuple(reversed(place))


def source_place(op: str, attrs: tuple, source: tuple[int, ...], shape: tuple[int, ...], place: Place):
    """Where the input of a view, of shape `source`, is read for an entry; None if that is not affine."""
    if isinstance(place, Flat):
        if op == "broadcast" and prod(source) == 1:
            return (ZERO,) * len(source)
        return place if op == "reshape" else None
    if op == "broadcast":
        lead = len(shape) - len(source)
        return tuple(ZERO if n == 1 else place[lead + i] for i, n in enumerate(source))
    if op == "slice":
        starts, steps = attrs
        return tuple(i.strided(start, step) for i, start, step in zip(place, starts, steps, strict=True))
    if op == "permute":
        (axes,) = attrs
        found = [ZERO] * len(axes)
        for i, axis in enumerate(axes):
            found[axis] = place[i]
        return tuple(found)
    if op == "reshape":
        return _reshaped(source, shape, place)
    raise AssertionError(op)


def _reshaped(source: tuple[int, ...], shape: tuple[int, ...], place: tuple[Index, ...]) -> tuple[Index, ...] | None:
    """The place before a reshape that adds or drops axes of one entry, or that starts from one axis."""
    kept = [i for i, n in zip(place, shape, strict=True) if n != 1]
    if [n for n in shape if n != 1] == [n for n in source if n != 1]:
        left = iter(kept)
        return tuple(ZERO if n == 1 else next(left) for n in source)
    return None
