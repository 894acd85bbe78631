"""One small problem on each array library: what a solve costs that is not the user's function."""

from __future__ import annotations

import evolvent as ev

from ._problems import LIBRARIES, lorenz_problem

OPTIONS = {"rtol": 1e-6, "atol": 1e-6, "saveat": "end"}


class Lorenz:
    params = LIBRARIES
    param_names = ("library",)
    # A torch solve takes a second or two.
    timeout = 120

    def setup(self, library):
        self.problem = lorenz_problem(library)
        self.run = ev.compile(self.problem, "Tsit5", **OPTIONS)
        self.solve()
        self.run()

    def solve(self):
        return float(ev.solve(self.problem, "Tsit5", **OPTIONS).y[-1, 0])

    def time_solve(self, library):
        self.solve()

    def time_compiled(self, library):
        """The handle of `evolvent.compile`: no staging, no checks of the problem."""
        float(self.run().y[-1, 0])
