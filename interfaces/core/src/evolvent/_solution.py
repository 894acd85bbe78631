"""What came out of a solve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ._errors import InputError
from ._status import Status


@dataclass(frozen=True)
class Stats:
    """What a solve cost, and who ran it.

    `n_f` counts evaluations of f that advanced the solution, the next four what implicit methods do besides;
    `seconds` is wall-clock time; `note` says why a backend did not do the usual thing. `seed` is that of the random
    numbers, where there were any: a solve with it repeats the path.
    """

    n_steps: Any = 0
    n_accepted: Any = 0
    n_rejected: Any = 0
    n_f: Any = 0
    n_jacobians: Any = 0
    n_factorisations: Any = 0
    n_solves: Any = 0
    n_newton_failures: Any = 0
    backend: str = ""
    device: str = ""
    algorithm: str = ""
    seconds: float = 0.0
    note: str = ""
    seed: int | None = None


@dataclass(frozen=True)
class Occurrences:
    """When one event or dose happened, and in what state (before its effect)."""

    t: Any
    y: Any

    def __len__(self) -> int:
        return self.t.shape[0]


class EventLog(Mapping):
    """What happened on the way: ``events[i]`` or ``events[name]`` has `t` and `y`, in the problem's order."""

    def __init__(self, entries: list[Occurrences], names: list[str | None]):
        self._entries = entries
        self.names = names

    def __getitem__(self, key: int | str) -> Occurrences:
        if isinstance(key, str):
            if key not in self.names:
                raise KeyError(f"no event is named {key!r}; there are {[n for n in self.names if n]}")
            return self._entries[self.names.index(key)]
        return self._entries[key]

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self._entries)))

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{name or i}: {len(entry)}" for i, (name, entry) in enumerate(zip(self.names, self._entries, strict=True))
        )
        return f"EventLog({counts})"


@dataclass(frozen=True, eq=False)
class Solution:
    """The solution of a problem, in arrays of its own library, dtype and device.

    Parameters
    ----------
    t : array, (times,)
        The saved times.
    y : array, (times, ...), or a tree of such arrays
        The saved states, time first; what ``save=`` returned, where that was given.
    status : Status
        How the solve ended.
    stats : Stats
        What it cost.
    events : EventLog
        What happened on the way.
    interpolation : callable, optional
        Evaluates the solution between the saved times; None if the steps were not kept.
    problem, algorithm
        What was solved, and how.
    """

    t: Any
    y: Any
    status: Any
    stats: Stats
    events: EventLog = field(default_factory=lambda: EventLog([], []))
    interpolation: Any = None
    problem: Any = None
    algorithm: Any = None

    def __call__(self, t: Any) -> Any:
        """Evaluate the solution at a time or an array of times, with the method's own dense output.

        It is continuous from the right where an effect made the state jump.

        Raises
        ------
        InputError
            If a time lies outside what was solved, or the steps were not kept and the time is not a saved one.
        """
        if self.interpolation is None:
            raise InputError(
                "t",
                "this solution has no interpolation.",
                "Solve with dense=True, or name the times in saveat=.",
            )
        return self.interpolation(t)

    @property
    def success(self) -> bool:
        """Whether the solve did what was asked: reached its end, or was ended by an event or a callback."""
        return Status(int(self.status)).ok

    def plot(self, ax: Any = None, **style: Any) -> Any:
        """Draw every component against time with matplotlib, smoothly where the steps were kept.

        Components of a nested state are labelled by their names.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure otherwise.
        **style
            Passed to ``Axes.plot``.

        Returns
        -------
        matplotlib Axes
        """
        from ._plot import plot_solution

        return plot_solution(self, ax, **style)

    def __repr__(self) -> str:
        name = self.algorithm.name if self.algorithm is not None else "?"
        try:
            status = Status(int(self.status)).name
        except TypeError:
            status = "traced"
        return f"Solution({name}, {status}, {self.t.shape[0]} times, {self.stats.n_steps} steps, {self.stats.backend})"


@dataclass(frozen=True, eq=False)
class EnsembleSolution:
    """The solutions of an ensemble: `t` (trajectories, times) and `y` (trajectories, times, ...).

    Where trajectories saved different numbers of times, the shorter ones repeat their last point; ``counts`` says how
    many points are real. ``solution[i]`` is one trajectory's Solution.
    """

    t: Any
    y: Any
    status: Any
    stats: Stats
    counts: Any
    members: Any = field(repr=False, default=None)
    problem: Any = field(repr=False, default=None)
    algorithm: Any = None

    def __len__(self) -> int:
        return self.t.shape[0]

    def __getitem__(self, index: int) -> Solution:
        if not -len(self) <= index < len(self):
            raise IndexError(f"trajectory {index} of {len(self)}")
        return self.members(index % len(self))

    @property
    def success(self) -> bool:
        """Whether every trajectory did what was asked."""
        return all(Status(int(s)).ok for s in self.status)

    def plot(self, ax: Any = None, **style: Any) -> Any:
        """Draw every trajectory's components against time with matplotlib, one colour a component.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure otherwise.
        **style
            Passed to ``Axes.plot``.

        Returns
        -------
        matplotlib Axes
        """
        from ._plot import plot_ensemble

        return plot_ensemble(self, ax, **style)

    def __repr__(self) -> str:
        name = self.algorithm.name if self.algorithm is not None else "?"
        try:
            ended = Counter(Status(int(s)).name for s in self.status)
            status = ", ".join(f"{count} {name}" for name, count in ended.items())
        except TypeError:
            status = "traced"
        trajectories, times = self.t.shape[:2]
        return (
            f"EnsembleSolution({name}, {trajectories} trajectories: {status}, {times} times, "
            f"{self.stats.n_steps} steps, {self.stats.backend})"
        )
