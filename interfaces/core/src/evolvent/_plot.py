"""Pictures of solutions, by matplotlib."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._trees import flatten


def to_numpy(x: Any) -> np.ndarray:
    """Copy an array of any library to the host."""
    for method in ("detach", "cpu", "get"):
        if hasattr(x, method):
            x = getattr(x, method)()
    return np.asarray(x)


def plot_solution(solution: Any, ax: Any = None, **style: Any) -> Any:
    """Draw every component of a solution against time."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("solution.plot() needs matplotlib: pip install matplotlib") from error
    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    t, y = to_numpy(solution.t), solution.y
    if getattr(solution.interpolation, "continuous", False) and t.size > 1:
        t, y = _fine(solution, t)
    for name, values in _components(y):
        kind = [("Re ", np.real(values)), ("Im ", np.imag(values))] if np.iscomplexobj(values) else [("", values)]
        for prefix, part in kind:
            ax.plot(t, part, label=f"{prefix}{name}", **style)
    ax.set_xlabel("t")
    if 1 < len(ax.lines) <= 12:
        ax.legend()
    return ax


def _fine(solution: Any, t: np.ndarray) -> tuple[np.ndarray, Any]:
    """Sample each step ten times; where the state jumps, both sides are among the saved points."""
    jumps = np.flatnonzero(np.diff(t) == 0.0)
    if jumps.size:
        return t, solution.y
    fine = np.interp(np.arange(10 * (t.size - 1) + 1) / 10.0, np.arange(t.size), t)
    return fine, solution(fine)


def _components(y: Any):
    leaves, _ = flatten(y)
    for number, leaf in enumerate(leaves):
        values = to_numpy(leaf)
        columns = values.reshape(values.shape[0], -1)
        for i in range(columns.shape[1]):
            yield f"y[{i}]" if len(leaves) == 1 else f"y[{number}][{i}]", columns[:, i]
