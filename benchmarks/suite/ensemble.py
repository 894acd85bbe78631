"""A thousand Lorenz systems that differ in rho, each with its own steps."""

from __future__ import annotations

import numpy as np

import evolvent as ev

from ._problems import LIBRARIES, PARAMS, array, lorenz_problem

COUNT = 1_000
OPTIONS = {"rtol": 1e-6, "atol": 1e-6, "saveat": "end"}


class Ensemble:
    params = LIBRARIES
    param_names = ("library",)
    timeout = 120

    def setup(self, library):
        rows = {name: array(library, np.full(COUNT, value)) for name, value in PARAMS.items()}
        rows["rho"] = array(library, np.linspace(0.0, 21.0, COUNT))
        self.problem = ev.EnsembleProblem(lorenz_problem(library, t1=1.0), params=rows)
        self.time_solve(library)

    def time_solve(self, library):
        float(ev.solve(self.problem, "Tsit5", **OPTIONS).y[-1, -1, 0])


class Mapped:
    """The same by ``jax.vmap`` around a solve, compiled."""

    def setup(self):
        rho = array("jax", np.linspace(0.0, 21.0, COUNT))
        import jax

        problem = lorenz_problem("jax", t1=1.0)

        def final(rho):
            return ev.solve(problem.replace(params=PARAMS | {"rho": rho}), "Tsit5", **OPTIONS).y[-1]

        compiled = jax.jit(jax.vmap(final))
        self.run = lambda: compiled(rho).block_until_ready()
        self.run()

    def time_solve(self):
        self.run()
