"""Poisson numbers by counter."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

import evolvent as ev
from evolvent_jumps._poisson import log_probability, poisson

NUMPY = ev.EagerBackend(np)


def draw(mean, count, step=0):
    return poisson(NUMPY, (1, 2), 3, step, np.full(count, mean))


@pytest.mark.parametrize("mean", [0.1, 3.0, 9.9, 10.0, 50.0, 1e4])
def test_draws_have_the_poisson_distribution(mean):
    """Chi-square over some 60 classes of 200,000 draws: a bias of 3 percent in one class of them would show."""
    drawn = draw(mean, 200_000)
    law = stats.poisson(mean)
    edges = np.unique(law.ppf(np.linspace(0.0, 1.0, 62)[1:-1]))
    upto = np.concatenate([[0.0], law.cdf(edges), [1.0]])
    classes = np.bincount(np.searchsorted(edges, drawn), minlength=edges.size + 1)
    expected = np.diff(upto) * drawn.size
    kept = expected > 5.0
    assert stats.chisquare(classes[kept], expected[kept] * classes[kept].sum() / expected[kept].sum()).pvalue > 1e-3


def test_a_huge_mean_has_the_poisson_moments():
    """At a mean of 1e8 mean, variance and the normal limit hold."""
    drawn = draw(1e8, 100_000)
    assert abs(drawn.mean() - 1e8) < 4.0 * np.sqrt(1e8 / drawn.size)
    assert abs(drawn.var() / 1e8 - 1.0) < 4.0 * np.sqrt(2.0 / drawn.size)
    assert stats.kstest((drawn - 1e8) / 1e4, "norm").pvalue > 1e-3


def test_a_mean_of_zero_gives_zero():
    """What never happens happens zero times."""
    assert not draw(0.0, 1000).any()


def test_draws_depend_on_their_own_index_and_step_alone():
    """A draw is the same whatever is drawn beside it, and another in another step."""
    mixed = poisson(NUMPY, (1, 2), 3, 0, np.asarray([2.0, 30.0, 500.0]))
    assert mixed[1] == draw(30.0, 3)[1]
    assert poisson(NUMPY, (1, 2), 3, 0, np.asarray([500.0]), first=2)[0] == mixed[2]
    assert np.any(draw(30.0, 10, step=1) != draw(30.0, 10))


@pytest.mark.parametrize("mean", [10.0, 50.0, 1e4])
def test_probabilities_are_those_of_the_distribution(mean):
    """The logarithm agrees with SciPy's from zero to eight standard deviations above the mean."""
    k = np.floor(np.linspace(0.0, mean + 8.0 * mean**0.5, 200))
    found = log_probability(np, k, np.full_like(k, mean))
    assert np.allclose(found, stats.poisson.logpmf(k, mean), rtol=1e-12, atol=1e-10)


def test_jax_draws_the_same():
    """The numbers are equal on JAX."""
    jax = pytest.importorskip("jax")
    means = np.asarray([0.1, 3.0, 12.0, 1e3, 1e7])
    jnp = jax.numpy
    b = SimpleNamespace(
        compiled=True, xp=jnp, lanes=(), control=jnp, cond=lambda p, yes, no: yes() if p else no(),
        boolean=bool, integer=int, real_type=np.float64,
        while_loop=NUMPY.while_loop,
    )  # fmt: skip
    for step in range(5):
        there = poisson(b, (1, 2), 3, step, jnp.asarray(means))
        assert np.array_equal(np.asarray(there), poisson(NUMPY, (1, 2), 3, step, means))
