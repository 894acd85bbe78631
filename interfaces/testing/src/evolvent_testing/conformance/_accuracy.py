"""An algorithm is as accurate as it says."""

from __future__ import annotations

import array_api_compat.numpy as np_api
import numpy as np
import pytest

import evolvent as ev

from ..convergence import dense_slope, measured_order
from ..problems import (
    bouncing_ball,
    detest_b4,
    detest_e2,
    kepler_second_order,
    lotka_volterra,
    rigid_body,
    spring,
)
from ._setting import Setting, end


class Accuracy(Setting):
    """Claims about errors."""

    def test_order(self):
        """With fixed steps the error at the end falls with the claimed power of the step size."""
        claim = self.algorithm.order
        self._check_order(claim, claim, dense=False)

    def test_dense_order(self):
        """With fixed steps the error between the steps falls with the claimed power of the step size."""
        # The steps' own errors fall with the order p, the interpolant's with q + 1: either may prevail.
        self._check_order(dense_slope(self.algorithm), self.algorithm.dense_order + 1, dense=True)

    def _check_order(self, claim, highest, dense):
        if getattr(self.algorithm, "variable_order", False):
            pytest.skip("a method of variable order has no order at fixed steps")
        shown = measured_order(self.algorithm, dense=dense, claim=claim)
        assert claim - self.order_tolerance <= shown.order <= highest + self.order_excess, f"claim {claim}\n{shown}"

    def test_error_follows_the_tolerance(self):
        """An adaptive solve's error stays within the stated factor of the tolerance, and falls with it."""
        if not self.algorithm.adaptive:
            pytest.skip("takes fixed steps")
        makers = (
            (spring, kepler_second_order) if self.second_order else (lotka_volterra, rigid_body, detest_b4, detest_e2)
        )
        usual = (1e-3, 1e-5) if self.algorithm.order < 3 else (1e-4, 1e-6, 1e-8)
        tolerances = self.tolerances or usual
        for make in makers:
            given = make(np_api)
            exact = given.reference().reshape(-1)
            errors = []
            for tolerance in tolerances:
                solution = self.solve(given.problem(), rtol=tolerance, atol=tolerance, saveat="end")
                errors.append(float(np.max(np.abs(end(solution.y) - exact))) / max(1.0, float(np.max(np.abs(exact)))))
            span = given.t_span[1] - given.t_span[0]
            for tolerance, error in zip(tolerances, errors, strict=True):
                assert error <= self.tolerance_factor * tolerance * max(1.0, span), f"{given.name}: {errors}"
            # An error that is within the tightest tolerance all along need not fall.
            enough = max(0.3 * errors[0], tolerances[-1])
            assert errors[-1] <= enough, f"{given.name}: {errors} at tolerances {tolerances}"

    def test_events_are_found_when_they_happen(self):
        """The bounces of a ball are found at their times, and the solve goes on from their effects."""
        if self.second_order:
            pytest.skip("the ball's problem is of first order")
        given = bouncing_ball(np_api)
        options = self.options(3.0, 300, 1e-8)
        if self.algorithm.adaptive:
            # A method that is exact on parabolas takes steps longer than a flight.
            options["max_step"] = 0.2
        solution = self.solve(given.problem(), **options, saveat="end")
        found = solution.events["bounce"].t
        loose = self.event_tolerance or (1e-6 if self.algorithm.order > 1 else 0.1)
        np.testing.assert_allclose(found, given.event_times, atol=loose)
        np.testing.assert_allclose(end(solution.y), given.reference(), atol=50.0 * loose)

    def test_backward_in_time(self):
        """A solve backward from the end of a forward solve comes back to its start."""
        forward = self.solve(self.problem(), **self.options(2.0, 400, 1e-8), saveat="end")
        there = tuple(leaf[-1] for leaf in forward.y) if self.second_order else forward.y[-1]
        changes = {"q0": there[0], "v0": there[1]} if self.second_order else {"y0": there}
        back = self.solve(self.problem().replace(t_span=(2.0, 0.0), **changes), **self.options(2.0, 400, 1e-8))
        assert back.t[-1] == 0.0
        assert bool(np.all(np.diff(back.t) < 0.0))
        start = np.concatenate([np.reshape(leaf, -1) for leaf in self._start()])
        loose = max(1e-5, 10.0**-self.algorithm.order, self.event_tolerance or 0.0)
        np.testing.assert_allclose(end(back.y), start, atol=loose)

    def _start(self):
        y0 = self.reference().y0
        return y0 if isinstance(y0, tuple) else (y0,)

    def test_statistics_add_up(self):
        """Accepted and rejected steps add up to all, and each call of f in a step is counted."""
        # What is called before the first step and after the last is the same however many there are between.
        assert self._uncounted_calls(1.0) == self._uncounted_calls(3.0)

    def _uncounted_calls(self, t1):
        calls = 0
        given = self.reference()

        def counted(t, *arguments):
            nonlocal calls
            calls += 1
            return given.f(t, *arguments)

        problem = self.problem(t_span=(0.0, t1)).replace(**{"a" if self.second_order else "f": counted})
        # Eagerly: a compiled solve calls a function of Python's only to see what it does.
        stats = self.solve(problem, saveat="end", backend="eager").stats
        assert stats.n_accepted + stats.n_rejected == stats.n_steps
        assert stats.n_accepted >= 1
        assert stats.n_f >= stats.n_steps
        return calls - stats.n_f

    def test_ensemble_is_its_members(self):
        """Solving many initial values at once gives each the steps and the result that it has alone."""
        factors = np.asarray([0.6, 1.0, 1.3])
        starts = self._start()
        batched = tuple(np.stack([factor * leaf for factor in factors]) for leaf in starts)
        ensemble = ev.EnsembleProblem(self.problem(), y0=batched if self.second_order else batched[0])
        many = self.solve(ensemble, saveat=[1.0, 2.0])
        for i, factor in enumerate(factors):
            scaled = [factor * leaf for leaf in starts]
            changes = {"q0": scaled[0], "v0": scaled[1]} if self.second_order else {"y0": scaled[0]}
            alone = self.solve(self.problem().replace(**changes), saveat=[1.0, 2.0])
            # Rounding in the error estimate of a very small first step moves the steps after it.
            np.testing.assert_allclose(end(many[i].y), end(alone.y), rtol=1e-7, atol=1e-7)
            assert many[i].stats.n_steps == alone.stats.n_steps
