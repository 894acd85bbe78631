"""The demonstration, run as a newcomer runs it."""

import importlib.util
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

DEMO = Path(__file__).parents[1] / "docs" / "demo" / "hudson_bay.py"


@pytest.fixture(scope="module")
def demo():
    spec = importlib.util.spec_from_file_location("hudson_bay", DEMO)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its named tuples look for themselves
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_fit_agrees_with_the_published_posterior(demo):
    """Each estimate lies within half a standard deviation of Stan's posterior mean."""
    found = demo.fit(start=np.array([1.0, 0.05, 1.0, 0.05, 30.0, 4.0]))
    assert np.all(np.abs(found.values - demo.STAN_MEANS) < 0.5 * demo.STAN_DEVIATIONS)
    # The published deviations of b and d are rounded to one digit, and Stan has priors.
    assert np.all(np.abs(found.errors / demo.STAN_DEVIATIONS - 1.0) < 0.3)
    # The posterior mean of sigma is 0.25, its standard deviation 0.045.
    assert abs(found.sigma - 0.25) < 0.045


def test_fit_is_a_stationary_point(demo):
    """At the fit the residuals are orthogonal to every derivative, by derivatives of another step size."""
    found = demo.fit(start=demo.STAN_MEANS)
    h = 1e-3 * np.eye(6)
    misfit = np.log(demo.PELTS) - demo.log_pelts(np.vstack([found.x + h, found.x - h]), demo.T)
    squares = np.sum(misfit**2, axis=(1, 2))
    curvature = np.sqrt(np.diag(np.linalg.inv(found.covariance))) * found.sigma
    slopes = (squares[:6] - squares[6:]) / 2e-3
    assert np.all(np.abs(slopes) < 1e-3 * curvature)


def test_every_library_solves_to_tolerance(demo):
    """All installed libraries take the same steps and come as close to the tight solution as was asked."""
    rows = demo.solve_everywhere()
    assert {"numpy", "array_api_strict", "torch", "jax"} <= {row.library for row in rows}
    # rtol = atol = 1e-8 bound the error of one step; over two cycles it may grow a hundredfold.
    assert all(row.error < 100 * 1e-8 * demo.PELTS.max() for row in rows)
    assert len({row.steps for row in rows}) == 1


def test_demo_prints_its_table_and_draws_its_picture(tmp_path):
    """The script runs by itself, prints a row for each library, and leaves a picture that is not empty."""
    picture = tmp_path / "folder" / "hudson_bay.png"
    done = subprocess.run(
        [sys.executable, DEMO, "--picture", picture], capture_output=True, text=True, check=True, timeout=300
    )
    assert "numpy" in done.stdout
    assert str(picture) in done.stdout
    assert all(math.isfinite(float(word)) for word in done.stdout.split() if word.startswith("0."))

    plt = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")
    pixels = plt.imread(picture)
    assert min(pixels.shape[:2]) > 500
    assert np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0).shape[0] > 100
