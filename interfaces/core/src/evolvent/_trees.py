"""Nested states and parameters: dicts, lists, tuples, NamedTuples and dataclasses of arrays, by optree."""

from __future__ import annotations

import dataclasses
from math import prod
from threading import Lock
from typing import Any, NamedTuple

import optree

NAMESPACE = "evolvent"
_registered: set[type] = set()
_registering = Lock()


def _unknown(leaves: list[Any]) -> list[Any]:
    """The dataclasses that optree took for leaves because it doesn't know them."""
    return [leaf for leaf in leaves if hasattr(type(leaf), "__dataclass_fields__") and type(leaf) not in _registered]


def _register(cls: type) -> None:
    """Make optree look into the instances of a dataclass."""
    names = [field.name for field in dataclasses.fields(cls)]
    with _registering:
        if cls in _registered:
            return
        optree.register_pytree_node(
            cls,
            lambda value: (tuple(getattr(value, n) for n in names), None, tuple(names)),
            lambda _, children: _rebuild(cls, names, children),
            namespace=NAMESPACE,
        )
        _registered.add(cls)


def _rebuild(cls, names, children):
    # Not cls(...): a constructor may validate or take other arguments, and the leaves may be tracers.
    value = object.__new__(cls)
    for name, child in zip(names, children, strict=True):
        object.__setattr__(value, name, child)
    return value


def flatten(tree: Any, *, lists: bool = True) -> tuple[list[Any], Any]:
    """Split a tree into its leaves and its structure; with ``lists=False`` a list of numbers is a leaf."""
    is_leaf = None if lists else _is_list_of_numbers
    found, structure = optree.tree_flatten(tree, is_leaf, namespace=NAMESPACE)
    while unknown := _unknown(found):
        for leaf in unknown:
            _register(type(leaf))
        found, structure = optree.tree_flatten(tree, is_leaf, namespace=NAMESPACE)
    return found, structure


def leaves(tree: Any) -> list[Any]:
    """List the leaves of a tree whose dataclasses are known already."""
    return optree.tree_leaves(tree, namespace=NAMESPACE)


def unflatten(structure: Any, leaves: Any) -> Any:
    """Put leaves back into a structure."""
    return optree.tree_unflatten(structure, leaves)


def tree_map(function, *trees, lists: bool = True):
    """Apply a function to the corresponding leaves of trees of one structure."""
    return optree.tree_map(function, *trees, is_leaf=None if lists else _is_list_of_numbers, namespace=NAMESPACE)


def is_nested(tree: Any) -> bool:
    """Whether `tree` is a structure with names or fields, as opposed to an array, a scalar or a list of numbers."""
    if isinstance(tree, dict):
        return True
    if isinstance(tree, tuple):
        return hasattr(tree, "_fields") or any(not _is_number(item) for item in tree)
    if isinstance(tree, list):
        return any(isinstance(item, dict | tuple) for item in tree)
    return dataclasses.is_dataclass(tree) and not isinstance(tree, type)


def _is_number(item: Any) -> bool:
    return isinstance(item, int | float | complex) or getattr(item, "shape", None) == ()


def _is_list_of_numbers(tree: Any) -> bool:
    """Whether `tree` is a list that stands for an array."""
    return isinstance(tree, list) and all(_is_number(item) or _is_list_of_numbers(item) for item in tree)


class Leaf(NamedTuple):
    """Where a leaf lies in the packed vector."""

    start: int
    stop: int
    shape: tuple[int, ...]
    dtype: Any


class Packing:
    """The way between a user's state and the one array that steppers see.

    An array keeps its shape. A nested structure becomes a vector: its leaves, ravelled, one after the other, in the
    common dtype; `unpack` gives each leaf its shape and, where that is real, its realness back. Axes behind the
    packed one (lanes) and before it (`lead`: time) pass through. An array that is computed with as another dtype, as
    counts are, gets its own `dtype` back; `counts` says whether there are any.
    """

    def __init__(
        self,
        leaves: list[Any] | None = None,
        structure: Any = None,
        lanes: int = 0,
        dtype: Any = None,
        dtypes: list[Any] | None = None,
    ):
        self.structure = structure
        self.dtype = dtype
        self.counts = any(own is not None for own in (dtype, *(dtypes or ())))
        self.leaves: list[Leaf] = []
        start = 0
        for array, own in zip(leaves or [], dtypes or [None] * len(leaves or []), strict=True):
            shape = tuple(array.shape)[: len(array.shape) - lanes]
            stop = start + prod(shape)
            self.leaves.append(Leaf(start, stop, shape, array.dtype if own is None else own))
            start = stop

    @property
    def key(self) -> Any:
        return (self.structure, tuple(self.leaves), self.dtype)

    def pack(self, backend, tree: Any, like: Any, what: str) -> Any:
        """Make one array like `like` of a tree of the state's structure."""
        if self.structure is None:
            return backend.as_state(tree, like, what)
        leaves, structure = flatten(tree)
        if structure != self.structure:
            leaves = self._matched(tree, what)
        lanes = tuple(like.shape[1:])
        parts = []
        for leaf, value in zip(self.leaves, leaves, strict=True):
            array = backend.as_array(value, like, leaf.shape + lanes, what)
            parts.append(backend.xp.reshape(array, (leaf.stop - leaf.start, *lanes)))
        return backend.xp.concat(parts, axis=0)

    def _matched(self, tree: Any, what: str) -> list[Any]:
        """Accept lists of numbers where the state has array leaves."""
        from ._errors import InputError

        try:
            return self.structure.flatten_up_to(tree)
        except ValueError as error:
            raise InputError(what, f"must have the structure of y0, {self.structure}, got {tree!r}.") from error

    def unpack(self, backend, array: Any, lead: int = 0) -> Any:
        """Make a tree of the state's structure of one array; `lead` axes come before the packed one."""
        if self.structure is None:
            return array if self.dtype is None else backend.restore(array, self.dtype)
        before, behind = tuple(array.shape[:lead]), tuple(array.shape[lead + 1 :])
        index = (slice(None),) * lead
        parts = []
        for leaf in self.leaves:
            part = array[(*index, slice(leaf.start, leaf.stop), ...)]
            part = backend.xp.reshape(part, before + leaf.shape + behind)
            parts.append(backend.restore(part, leaf.dtype))
        return unflatten(self.structure, parts)


class Pair(Packing):
    """The packing of a second-order problem: positions and velocities, stacked."""

    def pack(self, backend, tree, like, what):
        q, v = tree
        return backend.xp.stack([backend.as_state(q, like[0, ...], what), backend.as_state(v, like[1, ...], what)])

    def unpack(self, backend, array, lead=0):
        index = (slice(None),) * lead
        return array[(*index, 0, ...)], array[(*index, 1, ...)]
