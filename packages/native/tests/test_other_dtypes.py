"""Arrays of kinds that processors have no numbers of."""

import numpy as np
import pytest

import evolvent as ev

TEXT = np.asarray(["north"])
STRANGE = [np.full(2, 2.0, ">f8" if np.little_endian else "<f8"), np.full(2, 2.0, np.float16), TEXT]


def decay(t, y, p):
    return -y if p["other"].dtype.kind == "U" else -y * p["other"]


@pytest.mark.parametrize("other", STRANGE, ids=lambda x: x.dtype.str)
@pytest.mark.parametrize("closed_over", [False, True])
def test_strange_parameters_run_eagerly(other, closed_over, monkeypatch):
    """Texts, short floats and foreign byte orders give the eager backend's numbers, and a note that names the dtype."""
    monkeypatch.setenv("EVOLVENT_NATIVE", "on")
    f = (lambda t, y, p: decay(t, y, {"other": other})) if closed_over else decay
    problem = ev.ODEProblem(f, np.ones(2), (0.0, 1.0), None if closed_over else {"other": other})
    solution = ev.solve(problem, "Tsit5", rtol=1e-8)
    assert np.allclose(solution.y[-1], np.exp(-1.0 if other is TEXT else -2.0), rtol=1e-6)
    if other is not TEXT or not closed_over:
        assert solution.stats.backend == "eager (numpy)"
        assert str(other.dtype) in solution.stats.note


@pytest.mark.skipif(np.finfo(np.longdouble).nmant == 52, reason="extended precision is double precision here")
def test_extended_precision_runs_eagerly(monkeypatch):
    """A state of NumPy's longest floats keeps its dtype."""
    monkeypatch.setenv("EVOLVENT_NATIVE", "on")
    problem = ev.ODEProblem(lambda t, y, p: -y, np.ones(2, np.longdouble), (0.0, 1.0))
    assert ev.solve(problem, "Tsit5").y.dtype == np.longdouble
