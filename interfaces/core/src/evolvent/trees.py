"""For authors of drivers: nested states and parameters as flat lists of arrays."""

from ._backend import is_array
from ._trees import Leaf, Packing, Pair, flatten, is_nested, tree_map, unflatten

__all__ = ["Leaf", "Packing", "Pair", "flatten", "is_array", "is_nested", "tree_map", "unflatten"]
