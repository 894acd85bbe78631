"""These tests are of what this package does, whatever else is installed."""

import pytest


@pytest.fixture(autouse=True)
def _by_the_library_itself(monkeypatch):
    """Arrays of JAX are run by JAX, not by compiled code."""
    monkeypatch.setenv("EVOLVENT_NATIVE", "off")
