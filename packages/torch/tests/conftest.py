"""These tests are of what this package does, whatever else is installed."""

import pytest


@pytest.fixture(autouse=True)
def _by_the_library_itself(monkeypatch):
    """Arrays of PyTorch are run by PyTorch, not by compiled code."""
    monkeypatch.setenv("EVOLVENT_NATIVE", "off")
