"""Random numbers by the block: those of the next events are drawn together, as vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from evolvent import random

BLOCK = 64  # events whose numbers are drawn together
BELOW_ONE = 1.0 - 2.0**-52  # times a sum, it is less than that after rounding
# Streams of their own: what a start draws, what an event draws beyond its block, and what it draws for each channel.
STARTING, MORE, EACH = 1, 2, 3


class Draws:
    """The numbers of one block of events.

    Parameters
    ----------
    system : System
        Its `noise` names the stream.
    block : control integer
        Which block.
    alone : control integer, optional
        The place in it of the only event that is asked for: the same numbers, and no more.
    """

    def __init__(self, system: Any, block: Any, alone: Any = None):
        b = system.backend
        low, high, trajectory = system.noise
        index: Any = np.arange(BLOCK)[:, None] if b.lanes else range(BLOCK)
        index = index if alone is None else alone
        self.system, self.first, self.alone = system, block * BLOCK, alone is not None
        self.exponentials, self.uniforms = random.exponential_and_uniform(
            arrays(b), (low, high), trajectory, block, index, dtype=real_type(b)
        )

    def of(self, number: Any) -> Draw:
        """The numbers of one event of the block."""
        return Draw(self, number)


class Draw:
    """The numbers of one event."""

    def __init__(self, draws: Draws, number: Any):
        self.draws, self.number = draws, number

    @property
    def exponential(self) -> Any:
        """An exponential of mean one."""
        return self._of(self.draws.exponentials)

    @property
    def uniform(self) -> Any:
        """A uniform of [0, 1), independent of it; times a sum it is less than the sum."""
        return self._of(self.draws.uniforms) * BELOW_ONE

    def more(self, index: Any) -> tuple[Any, Any]:
        """Two uniforms of [0, 1), different ones for each index from 0 on."""
        return _pair(self.draws.system, MORE, self.number, index)

    def each(self, count: int) -> Any:
        """Exponentials of mean one, an array (count,) and lanes."""
        return starting(self.draws.system, self.number, count, EACH)[0]

    def _of(self, numbers: Any) -> Any:
        draws = self.draws
        b = draws.system.backend
        return b.real(numbers) if draws.alone else b.pick(numbers, self.number - draws.first)


def starting(system: Any, number: Any, count: int, stream: int = STARTING) -> tuple[Any, Any]:
    """Exponentials and uniforms, `count` of each, for the start before event `number`, or at it."""
    b = system.backend
    low, high, trajectory = system.noise
    index: Any = np.arange(count)[:, None] if b.lanes else range(count)
    key = random.fold_in(arrays(b), (low, high), stream)
    return random.exponential_and_uniform(arrays(b), key, trajectory, number, index, dtype=real_type(b))


def _pair(system: Any, stream: int, number: Any, index: Any) -> tuple[Any, Any]:
    b = system.backend
    low, high, trajectory = system.noise
    key = random.fold_in(arrays(b), (low, high), stream)
    drawn = [random.uniform(arrays(b), key, trajectory, number, 2 * index + k, dtype=real_type(b)) for k in range(2)]
    return b.real(drawn[0]), b.real(drawn[1])


def arrays(b: Any) -> Any:
    """The namespace of arrays of the control plane: NumPy on the host, the compiler's in a program."""
    return b.xp if b.compiled else np


def real_type(b: Any) -> Any:
    """The dtype of the control plane's reals."""
    return getattr(b, "real_type", np.dtype(np.float64))
