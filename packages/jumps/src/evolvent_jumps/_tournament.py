"""The least of many numbers of which few change at a time: a tournament, as a tree in an array."""

from __future__ import annotations

from typing import Any

from ._draws import arrays


def tournament(b: Any, values: Any) -> Any:
    """The tree of `values` (n,) and lanes: entry k holds the lesser of 2 k and 2 k + 1, the values come last."""
    xp = arrays(b)
    width = _width(values.shape[0])
    rows = [values]
    if width > values.shape[0]:
        rows.append(xp.zeros((width - values.shape[0], *values.shape[1:]), dtype=values.dtype) + float("inf"))
    level = xp.concat(rows, axis=0) if len(rows) > 1 else values
    levels = [level]
    while level.shape[0] > 1:
        level = xp.minimum(level[0::2, ...], level[1::2, ...])
        levels.append(level)
    # The root is entry 1, entry 0 is nobody's.
    return xp.concat([levels[-1], *reversed(levels)], axis=0)


def winner(b: Any, tree: Any) -> Any:
    """The number of the least value."""
    c, width = b.control, tree.shape[0] // 2

    def down(k: Any) -> Any:
        return 2 * k + c.where(b.pick(tree, 2 * k) <= b.pick(tree, 2 * k + 1), b.integer(0), b.integer(1))

    leaf = b.while_loop(lambda k: k < width, down, b.integer(1), max_iterations=width, resumable=True)
    return leaf - width


def value(b: Any, tree: Any, i: Any) -> Any:
    """One of the values."""
    return b.pick(tree, i + tree.shape[0] // 2)


def with_value(b: Any, tree: Any, i: Any, changed: Any) -> Any:
    """The tree with a value replaced, up to the root."""
    c, width = b.control, tree.shape[0] // 2
    tree = b.replaced(tree, i + width, changed)

    def up(s: Any) -> Any:
        k, tree = s
        return k // 2, b.replaced(tree, k, c.minimum(b.pick(tree, 2 * k), b.pick(tree, 2 * k + 1)))

    start = (b.integer((i + width) // 2), tree)
    return b.while_loop(lambda s: s[0] >= 1, up, start, max_iterations=width, resumable=True)[1]


def _width(n: int) -> int:
    """The least power of two that is no less."""
    return 1 << max(n - 1, 0).bit_length()
