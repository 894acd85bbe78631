"""The fixtures and comparisons hold what they promise."""

import numpy as np
import pytest

from evolvent_testing import assert_close, make_array, to_numpy
from evolvent_testing.backends import LIBRARIES, LibraryUnavailable, library_of, load_namespace
from evolvent_testing.pytest_plugin import LIBRARIES as FIXTURES


def test_fixture_offers_every_library():
    """The fixture's parameters are the libraries that can be loaded."""
    assert tuple(getattr(one, "values", (one,))[0] for one in FIXTURES) == LIBRARIES


def test_namespace_makes_double_precision(xp):
    """Values without a dtype become double precision on every library, JAX too."""
    assert make_array(xp, [1.0, 2.0]).dtype == xp.float64
    assert make_array(xp, [1.0 + 2.0j]).dtype == xp.complex128
    assert library_of(xp) in LIBRARIES


def test_arrays_survive_the_way_to_numpy(xp):
    """A conversion to NumPy keeps values and dtype."""
    values = np.asarray([[1.5, -2.0], [0.0, 1e300]])
    there = to_numpy(make_array(xp, values))
    assert type(there) is np.ndarray
    np.testing.assert_array_equal(there, values)


def test_comparison_sees_every_difference(xp):
    """Arrays that differ in library, dtype, shape or value are not close."""
    one = make_array(xp, [1.0, 2.0])
    assert_close(one, make_array(xp, [1.0, 2.0 + 1e-12]), rtol=1e-9)
    for other in (
        make_array(xp, [1.0, 2.1]),
        make_array(xp, [[1.0, 2.0]]),
        make_array(xp, [1.0, 2.0], xp.float32),
        [1.0, 2.0],
    ):
        with pytest.raises(AssertionError):
            assert_close(one, other, rtol=1e-9)


def test_missing_library_says_why(monkeypatch):
    """A library that is not installed is unavailable, with the reason."""
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    with pytest.raises(LibraryUnavailable, match="cupy is not installed"):
        load_namespace("cupy")
