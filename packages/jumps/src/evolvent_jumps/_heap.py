"""An indexed binary heap: the least of many reals, of which one changes at a time, in arrays of fixed shape.

The arrays may be memory that is written to in place: what is read of an array is read before that is written to, and
none is used again behind a function that changed it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ._draws import arrays


class Heap(NamedTuple):
    """Reals by channel, and the order in which the least comes first.

    Attributes
    ----------
    keys : array of reals (channels,) and lanes
        The real of each channel.
    heap : array of integers, likewise
        The channel at each place; the key at place p is no less than that at place (p - 1) // 2.
    where : array of integers, likewise
        The place of each channel.
    """

    keys: Any
    heap: Any
    where: Any


def heapified(b: Any, keys: Any) -> Heap:
    """Make a heap of keys: sorted, they are one."""
    xp = arrays(b)
    heap = xp.argsort(keys, axis=0)
    return Heap(keys, heap, xp.argsort(heap, axis=0))


def moved(b: Any, heap: Heap, channel: Any, key: Any) -> Heap:
    """Give a channel another key; at most a path of the tree is walked."""
    place = b.integer(b.pick(heap.where, channel))
    heap = heap._replace(keys=b.replaced(heap.keys, channel, key))
    place, heap = _risen(b, heap, place, key)
    return _sunk(b, heap, place, channel, key)


def first(b: Any, heap: Heap) -> tuple[Any, Any]:
    """The channel with the least key, and that key."""
    channel = b.integer(b.pick(heap.heap, b.integer(0)))
    return channel, b.pick(heap.keys, channel)


# The two below treat `place` as a hole to be filled with `key`: others move into it, and each move makes another hole.


def _risen(b: Any, heap: Heap, place: Any, key: Any) -> tuple[Any, Heap]:
    """Let those above that have greater keys come down; returns the hole that is left."""
    c, keys = b.control, heap.keys

    def above(place: Any) -> Any:
        return c.maximum(place - 1, b.integer(0)) // 2

    def greater(s: Any) -> Any:
        place, heap, _ = s
        return c.logical_and(place > 0, b.pick(keys, b.integer(b.pick(heap, above(place)))) > key)

    def fall(s: Any) -> Any:
        place, heap, where = s
        return _filled(b, place, above(place), heap, where)

    start = place, heap.heap, heap.where
    turns = keys.shape[0].bit_length()
    place, order, where = b.while_loop(greater, fall, start, max_iterations=turns, resumable=True)
    return place, Heap(keys, order, where)


def _sunk(b: Any, heap: Heap, place: Any, channel: Any, key: Any) -> Heap:
    """Let those below that have lesser keys come up, and put the channel into the hole that is left."""
    c, keys, n = b.control, heap.keys, heap.keys.shape[0]
    last = b.integer(n - 1)

    def below(heap: Any, place: Any) -> tuple[Any, Any]:
        """The place and key of the lesser child."""
        left, right = c.minimum(2 * place + 1, last), c.minimum(2 * place + 2, last)
        first, second = (b.pick(keys, b.integer(b.pick(heap, p))) for p in (left, right))
        return c.where(second < first, right, left), c.where(second < first, second, first)

    def lesser(s: Any) -> Any:
        place, heap, _ = s
        return c.logical_and(2 * place + 1 < n, below(heap, place)[1] < key)

    def rise(s: Any) -> Any:
        place, heap, where = s
        return _filled(b, place, below(heap, place)[0], heap, where)

    start = place, heap.heap, heap.where
    place, order, where = b.while_loop(lesser, rise, start, max_iterations=n.bit_length(), resumable=True)
    return Heap(keys, b.replaced(order, place, channel), b.replaced(where, channel, place))


def _filled(b: Any, hole: Any, place: Any, heap: Any, where: Any) -> tuple[Any, Any, Any]:
    """Move the channel at `place` into the hole."""
    channel = b.integer(b.pick(heap, place))
    return place, b.replaced(heap, hole, channel), b.replaced(where, channel, hole)
