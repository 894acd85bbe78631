"""An algorithm that can't go on says so, and keeps what it has."""

from __future__ import annotations

import traceback

import numpy as np
import pytest

import evolvent as ev

from ..backends import library_of, to_numpy
from ._setting import Setting, flat


class Failures(Setting):
    """Claims about functions that fail and limits that are reached."""

    def _with_function(self, xp, function):
        given = self.reference(xp)
        return self.problem(xp).replace(
            **{"a" if self.second_order else "f": lambda t, *arguments: function(t, given.f(t, *arguments))}
        )

    def test_exception_in_f_is_kept(self, xp):
        """An exception in f arrives with its traceback, and with the solution up to there."""
        if library_of(xp) == "jax":
            pytest.skip("JAX calls f before there is a time, so that it can't raise at one")

        def angry(t, rate):
            if t > 1.0:
                raise ZeroDivisionError("not after one")
            return rate

        with pytest.raises(ev.SolveError, match="not after one") as caught:
            self.solve(self._with_function(xp, angry))
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        assert "in angry" in "".join(traceback.format_exception(caught.value))
        assert caught.value.status is ev.Status.USER_ERROR
        # A method that asks f in the middle of steps may stand a rounding error behind the edge.
        assert 0.0 < float(caught.value.solution.t[-1]) <= 1.0 + 1e-12

    def test_nan_in_f_is_told(self, xp):
        """Where f turns NaN the solve ends with a status that says so, and nothing saved is NaN."""

        def lost(t, rate):
            hole = xp.where(t > 1.0, xp.nan * t, 0.0 * t)
            return [each + hole for each in rate] if isinstance(rate, list) else rate + hole

        solution = self.solve(self._with_function(xp, lost), throw=False)
        assert ev.Status(int(solution.status)) in (ev.Status.NON_FINITE, ev.Status.STEP_TOO_SMALL)
        assert np.all(np.isfinite(flat(solution.y)))
        # A step may reach over the edge if none of its stages does.
        assert 0.0 < float(solution.t[-1]) <= 1.1

    def test_too_few_steps_leave_a_partial_solution(self, xp):
        """After `max_steps` the error carries the solution up to there."""
        options = {"max_steps": 3, "dt": 0.01}
        with pytest.raises(ev.SolveError) as caught:
            self.solve(self.problem(xp), **options)
        partial = caught.value.solution
        assert caught.value.status is ev.Status.MAX_STEPS
        assert int(partial.stats.n_steps) == 3
        assert partial.t.shape[0] == 1 + int(partial.stats.n_accepted)
        assert np.all(np.diff(to_numpy(partial.t)) > 0.0)
        assert np.all(np.isfinite(flat(partial.y)))

    def test_wrong_problem_type_is_refused(self):
        """A problem of another type is an error that names the types that the algorithm takes."""

        class OtherProblem(ev.Problem):
            """A problem of no known type."""

        with pytest.raises(ev.InputError, match="algorithm"):
            ev.solve(OtherProblem(), self.algorithm)
