"""Patterns of sparse matrices, against dense matrices of truth values."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evolvent import InputError
from evolvent.sparse import Pattern

sides = st.integers(0, 7)
matrices = st.tuples(sides, sides).flatmap(lambda shape: arrays(bool, shape))
pairs = st.tuples(sides, sides).flatmap(lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape)))


def dense(pattern):
    matrix = np.zeros(pattern.shape, bool)
    matrix[pattern.rows, pattern.columns] = True
    return matrix


@given(matrices, st.randoms())
def test_what_it_holds(matrix, random):
    """A pattern holds a matrix's entries row by row, whatever their order and how often each is given."""
    pattern = Pattern.from_matrix(matrix)
    assert np.array_equal(dense(pattern), matrix)
    assert pattern.size == matrix.sum()
    assert pattern.shape == matrix.shape
    assert pattern.rows.dtype == pattern.columns.dtype == np.int32
    entries = list(zip(*np.nonzero(matrix), strict=True)) * 2
    random.shuffle(entries)
    again = Pattern([i for i, _ in entries], [j for _, j in entries], matrix.shape)
    assert again == pattern
    assert hash(again) == hash(pattern)
    assert np.array_equal(again.rows, pattern.rows)
    assert np.array_equal(again.columns, pattern.columns)
    assert [pattern.starts[i + 1] - pattern.starts[i] for i in range(len(matrix))] == matrix.sum(1).tolist()


@given(matrices)
def test_a_value(matrix):
    """Patterns are values: pickling keeps them, and nothing changes them."""
    pattern = Pattern.from_matrix(matrix)
    assert pickle.loads(pickle.dumps(pattern)) == pattern
    assert {pattern: 1}[Pattern.from_matrix(matrix)] == 1
    with pytest.raises(AttributeError):
        pattern.rows = 3
    with pytest.raises(ValueError, match="read-only"):
        pattern.rows[:] = 3


@given(pairs)
def test_together(pair):
    """Union, transpose and positions agree with those of dense matrices; unequal matrices have unequal patterns."""
    a, b = pair
    p, q = map(Pattern.from_matrix, pair)
    both = p.union(q)
    assert np.array_equal(dense(both), a | b)
    assert np.array_equal(dense(p.transpose()), a.T)
    assert (p == q) == np.array_equal(a, b)
    for part in (p, q):
        where = both.positions(part)
        assert np.array_equal(both.rows[where], part.rows)
        assert np.array_equal(both.columns[where], part.columns)
    if (b & ~a).any():
        with pytest.raises(InputError, match="lacks"):
            p.positions(q)


@given(matrices)
def test_colours(matrix):
    """No two columns of one colour have an entry in one row."""
    colours = Pattern.from_matrix(matrix).colours
    assert len(colours) == matrix.shape[1]
    for colour in set(colours.tolist()):
        assert (matrix[:, colours == colour].sum(1) <= 1).all()


@given(st.integers(1, 9), st.integers(0, 8), st.integers(0, 8))
def test_bands(n, lower, upper):
    """A band has its own bandwidth, lower + upper + 1 colours, and the diagonal."""
    lower, upper = min(lower, n - 1), min(upper, n - 1)
    band = Pattern.from_matrix(np.tri(n, k=upper) * np.tri(n, k=lower).T)
    assert band.bandwidth == (lower, upper)
    assert band.colours.max() + 1 == np.bincount(band.rows).max()
    assert band.with_diagonal() == band
    assert Pattern((), (), (n, n)).with_diagonal() == Pattern.diagonal(n)
    assert band.density == band.size / n**2


def test_of_scipy():
    """A sparse matrix's stored entries count, zeros among them."""
    sparse = pytest.importorskip("scipy.sparse", reason="scipy is not installed")
    matrix = sparse.csc_array(([1.0, 0.0, 2.0], ([1, 0, 1], [0, 2, 2])), shape=(2, 3))
    pattern = Pattern.from_matrix(matrix)
    assert pattern == Pattern([0, 1, 1], [2, 0, 2], (2, 3)) == Pattern.from_matrix(([1, 1, 0], [2, 0, 2], (2, 3)))


@pytest.mark.parametrize(
    "given",
    [([0, 2], [0, 0], (2, 2)), ([0], [-1], (2, 2)), ([0.5], [0], (2, 2)), ([0], [0, 1, 2], (2, 2)), np.ones(3), "ab"],
)
def test_bad_patterns(given):
    """What can't be a pattern is refused, with the reason."""
    with pytest.raises(InputError, match=r"rows|columns|pattern"):
        Pattern.from_matrix(given)
