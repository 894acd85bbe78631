"""The driver's own cost: a thousand equal steps of an equation that costs nothing, method by method."""

from __future__ import annotations

import numpy as np

import evolvent as ev

STEPS = 1_000


def decay(t, y, p):
    return -y


class EagerSteps:
    params = ("Euler", "RK4", "Tsit5", "DOP853")
    param_names = ("algorithm",)

    def setup(self, algorithm):
        self.problem = ev.ODEProblem(decay, y0=np.array([1.0]), t_span=(0.0, 1.0))
        self.options = {"dt": 1.0 / STEPS, "adaptive": False, "saveat": "end", "backend": "eager"}
        self.time_thousand_steps(algorithm)

    def time_thousand_steps(self, algorithm):
        ev.solve(self.problem, algorithm, **self.options)


class Saving:
    """What it costs to keep results: nothing but the end, times in between, every step."""

    params = ("end", "times", "steps")
    param_names = ("saved",)

    def setup(self, saved):
        self.problem = ev.ODEProblem(decay, y0=np.array([1.0]), t_span=(0.0, 1.0))
        saveat = {"end": "end", "times": np.linspace(0.0, 1.0, STEPS), "steps": None}[saved]
        self.options = {"dt": 1.0 / STEPS, "adaptive": False, "saveat": saveat, "backend": "eager"}
        self.time_thousand_steps(saved)

    def time_thousand_steps(self, saved):
        ev.solve(self.problem, "Tsit5", **self.options)
