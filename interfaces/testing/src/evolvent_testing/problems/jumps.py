"""Jump problems that benchmarks and tests share."""

from __future__ import annotations

import numpy as np

import evolvent as ev


def diffusion_ctrw(n_sites: int = 256, *, hopping: bool = False, per_site: int = 10, t_end: float = 0.01):
    """Diffusion on the unit interval as a random walk in continuous time, as SciMLBenchmarks has it.

    Individuals hop at the rate ``n_sites**2`` to either neighbour, and turn back at the ends.

    Parameters
    ----------
    n_sites : int
        The interval's compartments.
    hopping : bool
        Whether as `Hopping`, the state (1, sites); else as a network of ``2 (n_sites - 1)`` reactions, (sites,).
    per_site : int
        Individuals at each site at the start.
    t_end : float
        The end of the span.

    Returns
    -------
    JumpProblem

    Examples
    --------
    >>> from evolvent_testing.problems.jumps import diffusion_ctrw
    >>> diffusion_ctrw(10).n_jumps
    18
    """
    rate = float(n_sites) ** 2
    if hopping:
        jumps = ev.Hopping([rate], (n_sites,))
        return ev.JumpProblem(np.full((1, n_sites), per_site), (0.0, t_end), jumps=[jumps])
    links = [(i, i + d) for i in range(n_sites) for d in (1, -1) if 0 <= i + d < n_sites]
    jumps = ev.MassAction(np.full(len(links), rate), [{i: 1} for i, _ in links], [{i: -1, j: 1} for i, j in links])
    return ev.JumpProblem(np.full(n_sites, per_site), (0.0, t_end), jumps=[jumps])
