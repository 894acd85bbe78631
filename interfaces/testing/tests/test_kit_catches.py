"""A method with a fault fails the test that is there for it."""

import itertools
from dataclasses import dataclass, field

import array_api_compat.numpy as np_api
import array_api_strict
import numpy as np
import pytest

from evolvent_stepping import Hermite, Step, Stepper
from evolvent_testing import AlgorithmConformance


@dataclass(frozen=True)
class Faulty(Stepper):
    """Heun's method, which subclasses spoil."""

    weights: tuple[float, float] = (0.5, 0.5)
    order = 2

    def step(self, system, t, y, dt, cache):
        k2 = system.f(t + dt, system.combine(y, dt, (1.0,), (cache,)))
        y1 = self.spoil(system, system.combine(y, dt, self.weights, (cache, k2)))
        return Step(y1, None, system.f(t + dt, y1), Hermite(t, dt, y, y1, cache, k2))

    def spoil(self, system, y1):
        return y1


@dataclass(frozen=True)
class Forgetful(Faulty):
    """Depends on how often it was called."""

    calls: object = field(default_factory=itertools.count, compare=False)

    def spoil(self, system, y1):
        return y1 * (1.0 + 1e-9 * next(self.calls))


@dataclass(frozen=True)
class Homesick(Faulty):
    """Computes in double precision whatever it is given."""

    def spoil(self, system, y1):
        xp = system.backend.xp
        return xp.astype(y1, xp.float64)


@dataclass(frozen=True)
class Foreign(Faulty):
    """Calls NumPy instead of the arrays' own library."""

    def spoil(self, system, y1):
        return y1 + np.sqrt(np.asarray(y1)) * 0.0


class Unfrozen(Faulty):
    """Compares by identity."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__


def kit(algorithm):
    return type("TestFaulty", (AlgorithmConformance,), {"algorithm": algorithm})()


def test_sound_method_passes():
    """Without a fault the same checks pass."""
    sound = kit(Faulty())
    sound.test_order()
    sound.test_is_deterministic(np_api)
    sound.test_single_precision(np_api)
    sound.test_same_result_as_on_numpy(array_api_strict)
    sound.test_copies_are_equal_and_hash_alike()


def test_wrong_weights_miss_the_order():
    """A method with wrong weights does not show its order."""
    with pytest.raises(AssertionError, match="claim 2"):
        kit(Faulty(weights=(0.4, 0.6))).test_order()


def test_hidden_state_is_not_deterministic(monkeypatch):
    """A method that remembers gives other bits the second time."""
    monkeypatch.setenv("EVOLVENT_NATIVE", "off")
    with pytest.raises(AssertionError):
        kit(Forgetful()).test_is_deterministic(np_api)


def test_lost_precision_is_seen():
    """A method that returns another dtype is found out."""
    with pytest.raises((AssertionError, ValueError, TypeError)):
        kit(Homesick()).test_single_precision(array_api_strict)


def test_foreign_calls_are_seen():
    """A method that leaves its arrays' library is found out on array-api-strict."""
    with pytest.raises((AssertionError, ValueError, TypeError)):
        kit(Foreign()).test_same_result_as_on_numpy(array_api_strict)


def test_identity_is_no_equality():
    """An algorithm that is equal to itself alone is no value."""
    with pytest.raises(AssertionError):
        kit(Unfrozen()).test_copies_are_equal_and_hash_alike()
