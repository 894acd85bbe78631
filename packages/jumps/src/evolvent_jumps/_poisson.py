"""Poisson numbers by counter: pure functions of (seed, trajectory, step, index) and the mean."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from evolvent import random

from ._draws import arrays, real_type

SMALL_MEAN = 10.0  # below it the distribution function is inverted
ROUNDS = 64  # trials that an index has at most; each is accepted with a probability of more than 0.8
MOST_STEPS = 128  # of the search through a distribution of small mean: what lies behind is of no weight
SHIFT = 8  # Stirling's series for the factorial is asked from here on


class Search(NamedTuple):
    """What is being looked for by inversion: the count so far, its probability, and what is left of the uniform."""

    count: Any
    probability: Any
    left: Any
    steps: Any


class Trials(NamedTuple):
    """What is being looked for by rejection: the counts, where none was accepted yet, and how many trials were made."""

    count: Any
    undone: Any
    round: Any


def poisson(b: Any, key: Any, trajectory: Any, step: Any, mean: Any, first: int = 0) -> Any:
    """Draw from Poisson distributions, to rounding of the elementary functions exactly.

    Small means by inversion: one uniform, and a search from zero on. Large ones by transformed rejection (PTRS), whose
    trials take further blocks of the same index. Every backend goes through the same trials, so draws are equal
    everywhere.

    Parameters
    ----------
    b : Backend
    key : tuple of two control integers
        As `evolvent.random.fold_in` makes it.
    trajectory, step : control integer
    mean : array (draws,), with lanes (draws, lanes)
        Of the control plane; not negative, at most 2**52. A draw's index is its place, counted from `first` on.

    Returns
    -------
    array
        Whole numbers, as reals.

    References
    ----------
    W. Hormann, The transformed rejection method for generating Poisson random variables, Insurance: Mathematics and
    Economics 12 (1993) 39-45, doi:10.1016/0167-6687(93)90997-4.
    """
    xp = arrays(b)
    index: Any = (first + np.arange(mean.shape[0])) * ROUNDS
    index = index[:, None] if b.lanes else index

    def pair(number: Any) -> tuple[Any, Any]:
        return random.exponential_and_uniform(xp, key, trajectory, step, index + number, dtype=real_type(b))

    small = mean < SMALL_MEAN
    found = b.cond(
        b.boolean(xp.any(small, axis=0)),
        lambda: _inverted(b, xp, xp.where(small, mean, 0.0 * mean), pair(0)[1]),
        lambda: 0.0 * mean,
    )
    large = xp.logical_not(small)
    tried = b.while_loop(
        lambda s: b.control.logical_and(_any(b, xp, s.undone), s.round < ROUNDS),
        lambda s: _tried(xp, xp.where(large, mean, SMALL_MEAN + 0.0 * mean), s, pair(s.round)),
        Trials(found, large, b.integer(0)),
        max_iterations=ROUNDS,
        resumable=True,
    )
    return tried.count


def _any(b: Any, xp: Any, truths: Any) -> Any:
    return b.boolean(xp.any(truths, axis=0))


def _inverted(b: Any, xp: Any, mean: Any, uniform: Any) -> Any:
    """The least count whose distribution function exceeds the uniform."""

    def further(s: Search) -> Search:
        beyond = s.left >= s.probability
        count = s.count + xp.where(beyond, 1.0 + 0.0 * mean, 0.0 * mean)
        left = xp.where(beyond, s.left - s.probability, s.left)
        ratio = mean / xp.maximum(count, 1.0 + 0.0 * mean)
        return Search(count, xp.where(beyond, s.probability * ratio, s.probability), left, s.steps + 1)

    start = Search(0.0 * mean, xp.exp(-mean), uniform, b.integer(0))
    return b.while_loop(
        lambda s: b.control.logical_and(_any(b, xp, s.left >= s.probability), s.steps < MOST_STEPS),
        further,
        start,
        max_iterations=MOST_STEPS,
        resumable=True,
    ).count


def _tried(xp: Any, mean: Any, s: Trials, pair: tuple[Any, Any]) -> Trials:
    """One more trial where none was accepted. A pair's exponential is minus the logarithm of the paper's V."""
    minus_log_v, u = pair[0], pair[1] - 0.5
    b = 0.931 + 2.53 * xp.sqrt(mean)
    a = -0.059 + 0.02483 * b
    one_over_alpha = 1.1239 + 1.1328 / (b - 3.4)
    us = 0.5 - xp.abs(u)
    us = xp.maximum(us, 1e-18 + 0.0 * us)
    count = xp.floor((2.0 * a / us + b) * u + mean + 0.43)
    possible = xp.logical_and(count >= 0.0, count < 2.0**53)
    count = xp.where(possible, count, 0.0 * count)
    # The paper's quick tests spare logarithms; where all draws are made at once, they would spare none.
    level = xp.log(one_over_alpha / (a / (us * us) + b)) - minus_log_v
    accepted = xp.logical_and(possible, level <= log_probability(xp, count, mean))
    taken = xp.logical_and(s.undone, accepted)
    return Trials(xp.where(taken, count, s.count), xp.logical_and(s.undone, xp.logical_not(accepted)), s.round + 1)


def log_probability(xp: Any, count: Any, mean: Any) -> Any:
    """The logarithm of a Poisson probability, to an absolute error of 1e-13 at means up to 1e4, and 1e-11 at 1e8.

    With ``n = count``, it is the deviance ``n log(n / mean) + mean - n``, in which nothing large cancels, and what
    Stirling's formula says of the rest. Small counts go by those that are `SHIFT` larger, whose ratio to them is a
    product.

    References
    ----------
    C. Loader, Fast and accurate computation of binomial probabilities (2000).
    """
    low = count < float(SHIFT)
    n = xp.where(low, count + float(SHIFT), count)
    ratio = 1.0 + 0.0 * mean
    for k in range(1, SHIFT + 1):
        ratio = ratio * ((count + float(k)) / mean)
    x = (n - mean) / mean
    deviance = mean * ((1.0 + x) * xp.log1p(x) - x)
    r = 1.0 / (n * n)
    series = r * (1 / 1260 - r * (1 / 1680 - r * (1 / 1188 - r * (691 / 360360 - r / 156))))
    rest = (1 / 12 - r * (1 / 360) + r * series) / n
    value = -deviance - rest - 0.5 * xp.log(2.0 * np.pi * n)
    return value + xp.where(low, xp.log(xp.where(low, ratio, 1.0 + 0.0 * ratio)), 0.0 * ratio)
