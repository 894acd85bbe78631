"""What a user gets from `pip install evolvent`."""

import re
from importlib import metadata


def names(requirements):
    return {re.match(r"[a-z-]+", need).group() for need in requirements}


def test_metapackage_brings_core_driver_and_solvers():
    """A plain installation solves ordinary differential equations, and needs no array library but NumPy."""
    needs = [need for need in metadata.requires("evolvent") if "extra ==" not in need]
    assert names(needs) == {f"evolvent-{name}" for name in ("core", "stepping", "ode", "stiff-ode", "jumps", "native")}


def test_metapackage_has_an_extra_for_each_backend():
    """Every array library with a backend of its own is an extra of the same name."""
    extras = metadata.metadata("evolvent").get_all("Provides-Extra")
    needs = names(need for need in metadata.requires("evolvent") if "extra ==" in need)
    assert set(extras) == {"cupy", "jax", "torch"}
    assert needs == {f"evolvent-{extra}" for extra in extras}


def test_metapackage_installs_no_module():
    """Nothing of the metapackage could hide the import package `evolvent` of evolvent-core."""
    assert all(file.parts[0].endswith(".dist-info") for file in metadata.files("evolvent"))
