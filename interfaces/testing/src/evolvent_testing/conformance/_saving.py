"""An algorithm's solution has what was asked for."""

from __future__ import annotations

import numpy as np

from ._setting import Setting, flat


class Saving(Setting):
    """Claims about saved times and interpolation."""

    def test_saveat_is_hit_exactly(self):
        """The saved times are those asked for, bit for bit, and the states are those of the dense output."""
        times = np.asarray([0.0, 0.1, 1.0 / 3.0, 0.7, np.nextafter(2.0, 0.0), 2.0])
        saved = self.solve(self.problem(), saveat=times)
        assert saved.t.tolist() == times.tolist()
        dense = self.solve(self.problem(), dense=True)
        np.testing.assert_allclose(flat(saved.y), flat(dense(times)), rtol=1e-10, atol=1e-12)

    def test_interpolation_meets_the_steps(self):
        """The dense output passes through the states at the ends of the steps."""
        solution = self.solve(self.problem(), dense=True)
        scale = float(np.max(np.abs(flat(solution.y))))
        np.testing.assert_allclose(flat(solution(solution.t)), flat(solution.y), atol=1e-11 * scale)

    def test_saving_changes_no_step(self):
        """How much is saved has no influence on the steps."""
        counts = {self.solve(self.problem(), saveat=saveat).stats.n_steps for saveat in (None, "end", 0.01)}
        assert len(counts) == 1

    def test_structured_state(self):
        """A state in a dict is solved as the flat one is."""
        if self.second_order:
            return
        given = self.reference()
        y0 = {"b": given.y0[1:], "a": given.y0[0]}

        def f(t, y, p):
            a, b = given.f(t, [y["a"], y["b"][0]], p)
            return {"a": a, "b": np.stack([b])}

        flat_solution = self.solve(self.problem(), saveat=[1.0, 2.0])
        solution = self.solve(self.problem().replace(f=f, y0=y0), saveat=[1.0, 2.0])
        assert set(solution.y) == {"a", "b"}
        assert solution.y["a"].shape == (2,)
        assert solution.y["b"].shape == (2, 1)
        np.testing.assert_allclose(solution.y["a"], flat_solution.y[:, 0], rtol=1e-12)
        np.testing.assert_allclose(solution.y["b"], flat_solution.y[:, 1:], rtol=1e-12)
