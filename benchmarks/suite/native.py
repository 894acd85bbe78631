"""Machine code beside the eager backend: what a first solve waits for, and what the later ones cost."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec

import numpy as np

import evolvent as ev

from ._problems import PARAMS, lorenz_problem

BACKENDS = ["native", "eager"]
OPTIONS = {"rtol": 1e-6, "atol": 1e-6, "saveat": "end"}
TRAJECTORIES = 1_000


def require(backend: str) -> None:
    """Skip the benchmark where the backend is not installed."""
    if backend == "native" and find_spec("evolvent_native") is None:
        raise NotImplementedError("evolvent-native is not installed")


class FirstSolve:
    """The first solve in a new process, with nothing cached, and with what an earlier solve left there."""

    params = (BACKENDS, ["empty", "warm"])
    param_names = ("backend", "cache")
    timeout = 120

    def setup(self, backend, cache):
        # Before what may skip the benchmark, which is torn down all the same.
        self.folder = tempfile.TemporaryDirectory()
        require(backend)

    def teardown(self, backend, cache):
        self.folder.cleanup()

    def timeraw_lorenz(self, backend, cache):
        """Every sample of the warm cache but the first finds what the one before it wrote."""
        folder = f"{self.folder.name!r}" if cache == "warm" else f"tempfile.mkdtemp(dir={self.folder.name!r})"
        setup = f"""
            import os, tempfile
            import evolvent as ev, evolvent_stepping, evolvent_ode
            if {backend!r} == "native":
                import evolvent_native
            os.environ["EVOLVENT_CACHE_DIR"] = {folder}
            def lorenz(t, y, p):
                return [p[0] * (y[1] - y[0]), y[0] * (p[1] - y[2]) - y[1], y[0] * y[1] - p[2] * y[2]]
            problem = ev.ODEProblem(lorenz, y0=[1.0, 0.0, 0.0], t_span=(0.0, 1.0), params=(10.0, 28.0, 8.0 / 3.0))
        """
        return f"ev.solve(problem, 'Tsit5', backend={backend!r}, saveat='end')", setup


class CompileCost:
    """A first solve, with nothing cached, of many equations in a Python loop, and of one on a long array."""

    params = (BACKENDS, ["loop of 250", "loop of 1000", "array of 100000"])
    param_names = ("backend", "model")
    timeout = 120

    def setup(self, backend, model):
        # Before what may skip the benchmark, which is torn down all the same.
        self.folder = tempfile.TemporaryDirectory()
        require(backend)

    def teardown(self, backend, model):
        self.folder.cleanup()

    def timeraw_first_solve(self, backend, model):
        kind, _, size = model.split()
        rhs = "[(1.0 + i / len(y)) * y[i] * (1.0 - y[i]) for i in range(len(y))]" if kind == "loop" else "y * (1.0 - y)"
        setup = f"""
            import os, tempfile
            import numpy as np
            import evolvent as ev, evolvent_stepping, evolvent_ode
            if {backend!r} == "native":
                import evolvent_native
            os.environ["EVOLVENT_CACHE_DIR"] = tempfile.mkdtemp(dir={self.folder.name!r})
            problem = ev.ODEProblem(lambda t, y, p: {rhs}, y0=np.full({size}, 0.1), t_span=(0.0, 1.0))
        """
        return f"ev.solve(problem, 'Tsit5', backend={backend!r}, saveat='end')", setup


class Steady:
    """Lorenz once its code is there: what staging costs a plain solve, and what a handle does without."""

    params = BACKENDS
    param_names = ("backend",)
    timeout = 120

    def setup(self, backend):
        require(backend)
        self.problem = lorenz_problem("numpy")
        self.run = ev.compile(self.problem, "Tsit5", backend=backend, **OPTIONS)
        self.run()
        self.time_solve(backend)

    def time_solve(self, backend):
        ev.solve(self.problem, "Tsit5", backend=backend, **OPTIONS)

    def time_handle(self, backend):
        self.run()


class Trajectories:
    """A thousand Lorenz systems that differ in rho, once the code is there."""

    params = BACKENDS
    param_names = ("backend",)
    timeout = 120

    def setup(self, backend):
        require(backend)
        rows = {name: np.full(TRAJECTORIES, value) for name, value in PARAMS.items()}
        rows["rho"] = np.linspace(0.0, 21.0, TRAJECTORIES)
        self.problem = ev.EnsembleProblem(lorenz_problem("numpy", t1=1.0), params=rows)
        self.time_solve(backend)

    def time_solve(self, backend):
        ev.solve(self.problem, "Tsit5", backend=backend, **OPTIONS)
