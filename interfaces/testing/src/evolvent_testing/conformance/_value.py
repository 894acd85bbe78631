"""An algorithm is a value."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest

import evolvent as ev

from ._setting import Setting


class Value(Setting):
    """Claims about the algorithm itself."""

    def test_copies_are_equal_and_hash_alike(self):
        """A pickled, copied or equally made algorithm equals the original and has its hash."""
        algorithm = self.algorithm
        for twin in (pickle.loads(pickle.dumps(algorithm)), copy.deepcopy(algorithm)):
            assert twin == algorithm
            assert hash(twin) == hash(algorithm)
        assert algorithm != object()

    def test_repr_names_it(self):
        """The repr of an algorithm begins with its class."""
        assert repr(self.algorithm).startswith(type(self.algorithm).__qualname__ + "(")

    def test_is_immutable(self):
        """An algorithm is a frozen dataclass: none of its fields can be set."""
        assert dataclasses.is_dataclass(self.algorithm)
        for field in dataclasses.fields(self.algorithm):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(self.algorithm, field.name, getattr(self.algorithm, field.name))

    def test_claims_make_sense(self):
        """The traits name a problem type and, for a time-stepping method, positive orders."""
        algorithm = self.algorithm
        assert algorithm.problem_types
        assert all(isinstance(kind, type) and issubclass(kind, ev.Problem) for kind in algorithm.problem_types)
        assert algorithm.order >= 1
        assert algorithm.dense_order >= 1
        assert not algorithm.adaptive or algorithm.error_order >= 1

    def test_is_documented(self):
        """The class says what it is, and where it is from."""
        assert type(self.algorithm).__doc__
