"""Which entries of a result depend on which entries of an input in any way, by steps too."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._graph import Node
from .partials import LINEAR, STEPS, has_partials
from .sparsity import _RULES, REARRANGING, Patterns
from .walk import needs

# Of steps, those that don't tell entries apart; and rules for patterns of derivatives that hold for values, too.
_MIXING = frozenset({"iota", "constant", "data", "argmax", "argmin", "argsort", "searchsorted", "all", "any"})
_RULED = frozenset({"combine", "sum", "prod", "max", "min", "cumsum", "cumprod"})


def dependence(output: Node, input: Node) -> tuple[np.ndarray, np.ndarray]:
    """Find the pairs of entries of which the one may change when the other does.

    Where a derivative is zero a value may still depend, by a comparison, a rounding or an integer. They are found from
    the structure alone, and with loops and branches it is all that goes in.

    Parameters
    ----------
    output, input : Node
        The result, and what it may depend on.

    Returns
    -------
    rows, columns : numpy.ndarray
        Flat positions in the result and in the input, ordered by rows, then by columns.

    Raises
    ------
    TooDense
        There are more than eight million.
    """
    pattern = Dependence.by(input).follow([output])[0]
    if pattern is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return pattern.rows, pattern.columns


class Dependence(Patterns):
    """The entries that nodes depend on."""

    def _pattern(self, node: Node) -> Any:
        if node.op == "param":
            return None
        if node.op == "result":
            return self.everything(self.of(node.inputs[0]), node.size)
        if all(self.of(x) is None for x in needs(node)):
            return None
        if node.op in _RULED or (node.op == "gather" and self.of(node.inputs[1]) is None):
            return _RULES[node.op](self, node)
        if node.op in REARRANGING:
            return self._rearranged(node)
        if self._by_entries(node):
            return self.union([self.of(x) for x in node.inputs])
        every = self.union([self.everything(self.of(x), 1) for x in needs(node)])
        # Of a node with several results each is asked for its own size.
        return every if node.dtype is None else self.everything(every, node.size)

    def _by_entries(self, node: Node) -> bool:
        """Whether each entry follows the same entry of the inputs."""
        known = has_partials(node) or node.op in LINEAR or node.op in STEPS - _MIXING or node.op in ("abs", "sign")
        return known and not node.regions and all(x.shape == node.shape for x in node.inputs)
