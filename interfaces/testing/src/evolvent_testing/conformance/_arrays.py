"""An algorithm runs on every array library, and stays in it."""

from __future__ import annotations

import numpy as np
import pytest

from ..backends import assert_close, make_array, to_numpy
from ..problems import rabi
from ._setting import Setting, end, flat, leaves

TIMES = (0.5, 1.0, 2.0)


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
        """A float32 state stays float32, and agrees with float64 to its own precision."""
        options = {**self.options(tolerance=1e-4), "saveat": "end"}
        single = self.solve(self.problem(xp, xp.float32), **options)
        double = self.solve(self.problem(), **options)
        assert all(leaf.dtype == xp.float32 for leaf in leaves(single.y))
        np.testing.assert_allclose(flat(single.y), flat(double.y), rtol=2e-3, atol=2e-3)

    def test_complex_state(self, xp):
        """A complex state gives the result of its real and imaginary parts solved side by side."""
        if not self.complex_state:
            pytest.skip("does not take complex states")
        if self.second_order:
            pytest.skip("the complex problem is of first order")
        given = rabi(xp)

        def f(t, y, p):
            rate = given.f(t, y[:2] + 1j * y[2:], p)
            return [*(xp.real(each) for each in rate), *(xp.imag(each) for each in rate)]

        options = {"dt": 0.05, "adaptive": False, "saveat": "end"}
        together = self.solve(given.problem(t_span=(0.0, 2.0)), **options)
        assert together.y.dtype == xp.complex128
        parts = make_array(xp, [1.0, 0.0, 0.0, 0.0])
        apart = self.solve(given.problem(t_span=(0.0, 2.0)).replace(f=f, y0=parts), **options)
        joined = end(apart.y)[:2] + 1j * end(apart.y)[2:]
        np.testing.assert_allclose(end(together.y), joined, rtol=1e-10, atol=1e-12)

    def test_is_deterministic(self, xp):
        """The same solve twice gives the same bits."""
        first, second = (self.solve(self.problem(xp), saveat=TIMES) for _ in range(2))
        for one, other in zip(leaves(first.y), leaves(second.y), strict=True):
            assert_close(one, other)
