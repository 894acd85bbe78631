"""Backends that find, while they stage a problem, that they can't run it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import evolvent as ev
from evolvent._numpy import NumpyBackend

Tsit5 = ev.load_algorithm("Tsit5")
REASON = "f, model.py line 3: `if y[0] > 0` asks for a value; write xp.where."


class Eager(NumpyBackend):
    note = REASON


class Unable(NumpyBackend):
    """Says that it can't stage f, when a program is made or when that is called first."""

    name = "unable"

    def __init__(self, late):
        super().__init__()
        self.late, self.asked_for = late, 0

    def program(self, entry, functions, examples):
        def refuse(*operands):
            self.asked_for += 1
            error = ev.CannotStage(Eager(), REASON)
            error.__dict__["evolvent_function"] = "f"
            raise error

        return refuse if self.late else refuse()

    def in_lanes(self, lanes):
        backend = super().in_lanes(lanes)
        backend.program = self.program
        return backend


@pytest.fixture(params=["when it is made", "when it is called"])
def unable(request):
    return Unable(request.param == "when it is called")


@pytest.fixture
def decay():
    return ev.ODEProblem(lambda t, y, p: -p * y, np.array([1.0]), (0.0, 1.0), 1.0)


def test_a_solve_starts_over(unable, decay):
    """The other backend solves the problem, and the statistics say why it did."""
    solution = Tsit5().solve(decay, backend=unable)
    assert_allclose(solution.y[-1], np.exp(-1.0), rtol=1e-5)
    assert solution.stats.note == REASON
    assert solution.stats.backend == "eager (numpy)"


def test_a_handle_starts_over_once(unable, decay):
    """A compiled handle runs on the other backend ever after."""
    run = Tsit5().compile(decay, backend=unable)
    assert_allclose(run(params=2.0).y[-1], np.exp(-2.0), rtol=1e-5)
    assert run(y0=np.array([3.0])).stats.note == REASON
    assert run(y0=np.ones(2)).stats.note == REASON
    assert unable.asked_for == 1


def test_an_integrator_starts_over(unable, decay):
    """Stepping by hand, and starting again, go on the other backend."""
    integrator = Tsit5().init(decay, backend=unable)
    integrator.advance_to(0.5)
    assert_allclose(integrator.y, np.exp(-0.5), rtol=1e-5)
    integrator.reinit(params=2.0)
    integrator.advance_to(0.5)
    assert_allclose(integrator.y, np.exp(-1.0), rtol=1e-5)
    assert integrator.solution.stats.note == REASON
    assert unable.asked_for == 1


def test_an_ensemble_starts_over(unable, decay):
    """All trajectories run on the other backend."""
    many = ev.EnsembleProblem(decay, params=np.array([1.0, 2.0]))
    solution = Tsit5().solve(many, backend=unable, saveat=[1.0])
    assert_allclose(solution.y[:, 0, 0], np.exp([-1.0, -2.0]), rtol=1e-5)
    assert solution.stats.note == REASON


@pytest.mark.parametrize("ensemble", [False, True])
def test_explain_gives_the_reason(decay, monkeypatch, ensemble):
    """Explain says which backend runs instead, and why."""
    monkeypatch.setattr("evolvent._solve.choose_backend", lambda *trees: Unable(late=False))
    problem = ev.EnsembleProblem(decay, params=np.array([1.0, 2.0])) if ensemble else decay
    assert ev.explain(problem).splitlines()[1] == f"backend eager (numpy): {REASON}"
    assert ev.explain(problem, "Vern7", saveat=0.1).splitlines()[0] == "Vern7: as asked for"
