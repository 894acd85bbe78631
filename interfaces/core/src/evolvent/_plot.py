"""Pictures of solutions, by matplotlib."""

from __future__ import annotations

from typing import Any

import numpy as np
import optree

from ._status import Status
from ._trees import NAMESPACE, flatten


def to_numpy(x: Any) -> np.ndarray:
    """Copy an array of any library to the host."""
    for method in ("detach", "cpu", "get"):
        if hasattr(x, method):
            x = getattr(x, method)()
    return np.asarray(x)


def plot_solution(solution: Any, ax: Any = None, **style: Any) -> Any:
    """Draw every component of a solution against time."""
    ax = _axes() if ax is None else ax
    t, curves = _sampled(solution)
    if _is_constant(solution):
        t, curves = _to_end(t, curves, solution.interpolation.end)
        style = {"drawstyle": "steps-post"} | style
    for label, values in zip(_labels(solution.y, solution.problem), curves, strict=True):
        ax.plot(t, values, label=label, **style)
    return _dressed(ax)


def plot_ensemble(solution: Any, ax: Any = None, **style: Any) -> Any:
    """Draw every component of every trajectory, one colour a component."""
    ax = _axes() if ax is None else ax
    style = {"linewidth": 0.8, "alpha": 0.7 if len(solution) <= 10 else 0.3} | style
    if len(solution) and _is_constant(solution[0]):
        style = {"drawstyle": "steps-post"} | style
    labels = _labels(solution.y, getattr(solution.problem, "problem", None), lead=2)
    colours: list[Any] = []
    for i, (t, curves) in enumerate(_trajectories(solution)):
        for number, values in enumerate(curves):
            own = {"color": colours[number]} if i else {"label": labels[number]}
            (line,) = ax.plot(t, values, **own | style)
            if not i:
                colours.append(line.get_color())
    return _dressed(ax)


def _axes() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("solution.plot() needs matplotlib: pip install matplotlib") from error
    return plt.subplots(layout="constrained")[1]


def _dressed(ax: Any) -> Any:
    ax.set_xlabel("t")
    if 1 < len(ax.get_legend_handles_labels()[1]) <= 12:
        for handle in ax.legend().legend_handles:
            handle.set(alpha=1.0, linewidth=max(1.5, handle.get_linewidth()))
    return ax


def _trajectories(solution: Any):
    """The times and curves of each trajectory, without what fills up the shorter ones."""
    if len(solution) and _is_continuous(solution[0]):
        for i in range(len(solution)):
            yield _sampled(solution[i])
        return
    times, counts = to_numpy(solution.t), to_numpy(solution.counts)
    leaves = [to_numpy(leaf) for leaf in flatten(solution.y)[0]]
    constant = len(solution) > 0 and _is_constant(solution[0])
    for i, count in enumerate(counts):
        t, curves = times[i, :count], _curves([leaf[i, :count] for leaf in leaves])
        if constant and Status(int(solution.status[i])) is Status.SUCCESS:
            given = solution.problem
            end = to_numpy((given.problem if given.t_span is None else given).t_span[1])
            t, curves = _to_end(t, curves, end[i] if end.shape else end)
        yield t, curves


def _is_constant(solution: Any) -> bool:
    """Whether the state stays as it is between the saved points, which are all its jumps."""
    return getattr(solution.interpolation, "constant", False)


def _to_end(t: np.ndarray, curves: list[np.ndarray], end: Any) -> tuple[np.ndarray, list[np.ndarray]]:
    """Curves that go on as they are to the end of the span."""
    return np.append(t, end), [np.append(values, values[-1:]) for values in curves]


def _is_continuous(solution: Any) -> bool:
    return getattr(solution.interpolation, "continuous", False)


def _sampled(solution: Any) -> tuple[np.ndarray, list[np.ndarray]]:
    """The curves of a solution; where the steps were kept each is sampled inside, and its ends are the saved points.

    So where the state jumps, at two equal times, a curve is drawn to the state before the jump and goes on behind it.
    """
    t, saved = to_numpy(solution.t), _curves(flatten(solution.y)[0])
    if not _is_continuous(solution) or t.size < 2:
        return t, saved
    # Twenty to a step draws the bend of a step that spans the picture; of thousands of steps none does.
    samples = min(20, max(2, 8000 // (t.size - 1)))
    number = np.arange(samples * (t.size - 1) + 1)
    is_saved = number % samples == 0
    in_jump = np.append(np.repeat(np.diff(t) == 0.0, samples), False) & ~is_saved
    fine = np.interp(number / samples, np.arange(t.size), t)[~in_jump]
    inside = ~is_saved[~in_jump]
    if not inside.any():
        return t, saved
    curves = []
    for own, between in zip(saved, _curves(flatten(solution(fine[inside]))[0]), strict=True):
        curve = np.empty(fine.shape, dtype=own.dtype)
        curve[inside], curve[~inside] = between, own
        curves.append(curve)
    return fine, curves


def _curves(leaves: list[Any]) -> list[np.ndarray]:
    """The real components of leaves whose first axis is time, one after the other."""
    curves = []
    for leaf in leaves:
        values = to_numpy(leaf)
        for column in values.reshape(values.shape[0], -1).T:
            curves += [np.real(column), np.imag(column)] if np.iscomplexobj(column) else [column]
    return curves


def _labels(y: Any, problem: Any, lead: int = 1) -> list[str]:
    """Name the real components as `_curves` lists them; `lead` axes of each leaf are no part of the state."""
    leaves, _ = flatten(y)
    names = [_name(accessor) for accessor in optree.tree_accessors(y, namespace=NAMESPACE)]
    if _is_motion(leaves, problem, lead):
        names = ["q", "v"]
    labels = []
    for name, leaf in zip(names, leaves, strict=True):
        shape = tuple(leaf.shape)[lead:]
        own = [name + (f"[{', '.join(map(str, index))}]" if index else "") for index in np.ndindex(*shape)]
        is_complex = "complex" in str(leaf.dtype)
        labels += [prefix + label for label in own for prefix in (("Re ", "Im ") if is_complex else ("",))]
    return labels


def _is_motion(leaves: list[Any], problem: Any, lead: int) -> bool:
    """Whether these are the positions and velocities of a second-order problem (and not what ``save=`` made)."""
    shape = np.shape(getattr(problem, "q0", ()))
    return hasattr(problem, "q0") and [tuple(leaf.shape)[lead:] for leaf in leaves] == [shape, shape]


def _name(accessor: Any) -> str:
    """Write the place of a leaf as its user would: ``S``, ``cell.a``, ``y[0]``."""
    name = ""
    for entry in accessor:
        key = entry.field if isinstance(entry, optree.NamedTupleEntry) else entry.entry
        name += f".{key}" if isinstance(key, str) else f"[{key!r}]" if name else f"y[{key!r}]"
    return name.removeprefix(".") or "y"
