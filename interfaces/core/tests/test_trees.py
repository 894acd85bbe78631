"""Nested states and parameters."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evolvent as ev
from evolvent.trees import Packing, flatten, is_nested, tree_map, unflatten


class Point(NamedTuple):
    x: Any
    y: Any


@dataclass(frozen=True)
class Cell:
    volume: Any
    content: Any = None


@dataclass
class Checked:
    rate: Any
    double: Any = field(init=False)

    def __post_init__(self):
        if self.rate < 0.0:
            raise ValueError("negative rate")
        self.double = 2.0 * self.rate


leaves = st.floats(-1e3, 1e3)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.dictionaries(st.sampled_from("abcd"), inner, min_size=1)
        | st.lists(inner, min_size=1, max_size=3)
        | st.tuples(inner, inner)
        | st.builds(Point, inner, inner)
        | st.builds(Cell, inner, inner)
    ),
    max_leaves=8,
)


@given(trees)
def test_flatten_and_unflatten_are_inverse(tree):
    """A tree is its leaves and its structure."""
    parts, structure = flatten(tree)
    assert unflatten(structure, parts) == tree
    assert flatten(tree)[1] == structure


@given(trees)
def test_map_keeps_the_structure(tree):
    """tree_map changes leaves alone."""
    flatten(tree)
    doubled = tree_map(lambda x: 2.0 * x, tree)
    assert flatten(doubled)[0] == [2.0 * x for x in flatten(tree)[0]]
    assert flatten(doubled)[1] == flatten(tree)[1]


def test_a_dataclass_is_rebuilt_without_its_constructor():
    """Leaves may be anything a backend makes of them: a constructor that checks is not asked again."""
    parts, structure = flatten(Checked(1.0))
    assert parts == [1.0, 2.0]
    rebuilt = unflatten(structure, [object(), None])
    assert isinstance(rebuilt, Checked)


def test_what_is_nested():
    """Structures have names or fields; arrays, numbers and lists of numbers are one array."""
    for tree in ({"a": 1.0}, Point(1.0, 2.0), Cell(1.0), ([1.0], [2.0]), [{"a": 1.0}], OrderedDict(a=1.0)):
        assert is_nested(tree)
    for tree in (1.0, [1.0, 2.0], (1.0, 2.0), np.ones(3), [[1.0], [2.0]], Point):
        assert not is_nested(tree)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), min_size=1, max_size=4),
    st.sampled_from([(), (5,)]),
)
def test_packing_and_unpacking_are_inverse(shapes, lanes):
    """A nested state becomes one vector and comes back, with lanes behind and times in front."""
    b = ev.EagerBackend(np)
    rng = np.random.default_rng(0)
    tree = {str(i): rng.normal(size=(*shape[: i % 3], *lanes)) for i, shape in enumerate(shapes)}
    parts, structure = flatten(tree)
    packing = Packing(parts, structure, len(lanes))
    size = sum(int(np.prod(part.shape[: part.ndim - len(lanes)], dtype=int)) for part in parts)
    like = np.zeros((size, *lanes))
    packed = packing.pack(b, tree, like, "y")
    assert packed.shape == like.shape
    back = packing.unpack(b, packed)
    for key, value in tree.items():
        assert np.array_equal(back[key], value)
    many = packing.unpack(b, np.stack([packed, 2.0 * packed]), lead=1)
    for key, value in tree.items():
        assert np.array_equal(many[key], np.stack([value, 2.0 * value]))


def test_packing_says_what_is_wrong():
    """Another structure, or a leaf of another shape, is an error that names the function."""
    b = ev.EagerBackend(np)
    parts, structure = flatten({"a": np.ones(2), "b": np.ones(())})
    packing = Packing(parts, structure)
    with pytest.raises(ev.InputError, match=r"^f: must have the structure of y0"):
        packing.pack(b, {"a": np.ones(2)}, np.zeros(3), "f")
    with pytest.raises(ev.InputError, match=r"^f: returned shape \(3,\) where \(2,\) is needed"):
        packing.pack(b, {"a": np.ones(3), "b": 1.0}, np.zeros(3), "f")
