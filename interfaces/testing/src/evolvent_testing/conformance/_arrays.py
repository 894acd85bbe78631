"""An algorithm runs on every array library, and stays in it."""

from __future__ import annotations

import array_api_compat.numpy as np_api
import numpy as np
import pytest

import evolvent as ev

from ..backends import assert_close, make_array, to_numpy
from ..problems import rabi
from ._setting import Setting, end, flat, leaves

TIMES = (0.5, 1.0, 2.0)
SPAN = (0.0, 2.0)
FIXED = {"dt": 0.05, "adaptive": False, "saveat": "end"}


class Arrays(Setting):
    """Claims about array libraries, dtypes and devices."""

    def test_same_result_as_on_numpy(self, xp):
        """Every array library takes the steps that NumPy takes, to the same result but for rounding."""
        here = self.solve(self.problem(xp), saveat=TIMES)
        there = self.solve(self.problem(), saveat=TIMES)
        assert int(here.stats.n_steps) == there.stats.n_steps
        # Rounding in an error estimate moves the steps a little, and the dense output between them with them.
        loose = 1e-8 if self.algorithm.adaptive else 1e-11
        np.testing.assert_allclose(flat(here.y), flat(there.y), rtol=loose, atol=loose)

    def test_solution_is_of_the_state_s_library(self, xp):
        """The solution has the initial state's library, dtype and device."""
        given = self.reference(xp)
        solution = self.solve(self.problem(xp), saveat=TIMES)
        for leaf, start in zip(leaves(solution.y), leaves(given.y0), strict=True):
            assert type(leaf) is type(start)
            assert leaf.dtype == start.dtype
            assert leaf.device == start.device
        assert type(solution.t) is type(leaves(given.y0)[0])
        np.testing.assert_array_equal(to_numpy(solution.t), TIMES)

    def test_single_precision(self, xp):
        """A float32 state stays float32: equal to NumPy's but for rounding, and to float64 to its own precision."""
        options = {**self.options(tolerance=1e-4), "saveat": "end"}
        single = self.solve(self.problem(xp, xp.float32), **options)
        double = self.solve(self.problem(), **options)
        assert all(leaf.dtype == xp.float32 for leaf in leaves(single.y))
        np.testing.assert_allclose(flat(single.y), flat(double.y), rtol=2e-3, atol=2e-3)
        # Rounding decides about a trial step now and then; steps of one size show nothing else.
        here, there = (self.solve(self.problem(of, of.float32), **FIXED) for of in (xp, np_api))
        loose = 1e-4 * self.rounding_factor
        np.testing.assert_allclose(flat(here.y), flat(there.y), rtol=loose, atol=loose)

    def test_complex_state(self, xp):
        """A complex state gives what its parts give side by side on NumPy, and what is known of the solution."""
        if not self.complex_state:
            pytest.skip("does not take complex states")
        together, apart, exact = (self._oscillator if self.second_order else self._two_levels)(xp)
        here, there = flat(self.solve(together, **FIXED).y), flat(self.solve(apart, **FIXED).y)
        half = here.shape[1]
        parts = np.moveaxis(there.reshape(len(there), -1, 2, half // (2 if self.second_order else 1)), 2, 0)
        joined = (parts[0] + 1j * parts[1]).reshape(here.shape)
        np.testing.assert_allclose(here, joined, rtol=self.complex_tolerance, atol=0.01 * self.complex_tolerance)
        options = self.options()
        solution = self.solve(together, **options, saveat="end")
        assert all(leaf.dtype == xp.complex128 for leaf in leaves(solution.y))
        if self.algorithm.adaptive and self.sees_linear_errors:
            np.testing.assert_allclose(end(solution.y), exact, atol=self.tolerance_factor * options["atol"])

    def _two_levels(self, xp):
        """Make a complex problem, the same on NumPy of real and imaginary parts, and its exact end."""
        given, real = rabi(xp), rabi(np_api)

        def f(t, y, p):
            rate = np.stack(real.f(t, y[:2] + 1j * y[2:], p))
            return np.concatenate([np.real(rate), np.imag(rate)])

        apart = real.problem(t_span=SPAN).replace(f=f, y0=np.asarray([1.0, 0.0, 0.0, 0.0]))
        return given.problem(t_span=SPAN), apart, given.reference(SPAN[1])

    def _oscillator(self, xp):
        """Make the same of second order."""
        q0, v0, rate = 1.0 + 0.5j, 0.2 - 1.0j, 1.3

        def problem(of, q, v):
            start = (make_array(of, q), make_array(of, v))
            return ev.SecondOrderODEProblem(lambda t, q, v, p: -p * q, *start, SPAN, rate**2)

        sine, cosine = np.sin(rate * SPAN[1]), np.cos(rate * SPAN[1])
        exact = np.asarray([q0 * cosine + v0 * sine / rate, v0 * cosine - q0 * sine * rate])
        return problem(xp, [q0], [v0]), problem(np_api, [q0.real, q0.imag], [v0.real, v0.imag]), exact

    def test_is_deterministic(self, xp):
        """The same solve twice gives the same bits."""
        first, second = (self.solve(self.problem(xp), saveat=TIMES) for _ in range(2))
        for one, other in zip(leaves(first.y), leaves(second.y), strict=True):
            assert_close(one, other)
