"""The jump processes that simulators are compared on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import evolvent as ev
from evolvent_testing.problems.bionetgen import bionetgen_problem, data_folder

INFECTION, RECOVERY = 1e-4, 0.01


@dataclass(frozen=True)
class JumpModel:
    """One model, as evolvent has it; peers make theirs of its arrays.

    Parameters
    ----------
    saves : int
        How many equal pieces of the span a peer that saves at given times saves at the ends of.
    """

    name: str
    title: str
    problem: ev.JumpProblem
    saves: int = 1

    @property
    def end(self) -> float:
        return self.problem.t_span[1]

    @property
    def reactions(self) -> ev.MassAction:
        return self.problem.jumps[0]


def sir() -> JumpModel:
    """The epidemic of Kermack and McKendrick."""
    jumps = ev.MassAction([INFECTION, RECOVERY], [{0: 1, 1: 1}, {1: 1}], [{0: -1, 1: 1}, {1: -1, 2: 1}])
    return JumpModel("sir", "SIR (999, 1, 0), t 0..250", ev.JumpProblem([999, 1, 0], (0.0, 250.0), jumps=[jumps]))


def diffusion(sites: int, end: float = 1.0) -> JumpModel:
    """Random walks on a line of sites, each hop a reaction; ten walkers a site."""
    pairs = [(i, i + 1) for i in range(sites - 1)]
    pairs += [(j, i) for i, j in pairs]
    jumps = ev.MassAction([1.0] * len(pairs), [{i: 1} for i, _ in pairs], [{i: -1, j: 1} for i, j in pairs])
    problem = ev.JumpProblem([10] * sites, (0.0, end), jumps=[jumps])
    return JumpModel(f"diffusion-{sites}", f"random walks on {sites} sites, t 0..{end:g}", problem)


@cache
def bionetgen(name: str, end: float) -> JumpModel:
    """A network that BioNetGen wrote, from the folder of real inputs."""
    folder = data_folder()
    if folder is None:
        raise FileNotFoundError("the real inputs are missing: name their folder in EVOLVENT_DATA")
    problem = bionetgen_problem(folder / "bngl" / f"{name}.net", (0.0, end))
    title = f"{name}: {len(problem.y0)} species, {problem.n_jumps} reactions, t 0..{end:g}"
    return JumpModel(name, title, problem)


def egfr(end: float = 12.0) -> JumpModel:
    """Signalling of the epidermal growth factor's receptor."""
    return bionetgen("egfr_net", end)


def multistate() -> JumpModel:
    """A receptor that is bound and phosphorylated."""
    return bionetgen("multistate", 100.0)
