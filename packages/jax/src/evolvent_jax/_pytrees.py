"""Solutions as JAX pytrees, so that they may leave a transformed function."""

from __future__ import annotations

import jax

from evolvent import EnsembleSolution, EventLog, Occurrences, Solution, Stats


def register_solutions() -> None:
    """Register the core's result types; what holds Python functions stays behind in the transformation."""
    node = jax.tree_util.register_pytree_node
    node(Solution, _flatten_solution, _unflatten_solution)
    node(EnsembleSolution, _flatten_ensemble, _unflatten_ensemble)
    node(Stats, _flatten_stats, lambda labels, counts: Stats(*counts, *labels))
    node(Occurrences, lambda o: ((o.t, o.y), None), lambda _, children: Occurrences(*children))
    node(
        EventLog,
        lambda log: (tuple(log.values()), tuple(log.names)),
        lambda names, entries: EventLog(list(entries), list(names)),
    )


def _flatten_solution(s: Solution):
    return (s.t, s.y, s.status, s.stats, s.events), s.algorithm


def _unflatten_solution(algorithm, children):
    return Solution(*children, algorithm=algorithm)


def _flatten_ensemble(s: EnsembleSolution):
    return (s.t, s.y, s.status, s.stats, s.counts), s.algorithm


def _unflatten_ensemble(algorithm, children):
    return EnsembleSolution(*children, algorithm=algorithm)


def _flatten_stats(s: Stats):
    return (s.n_steps, s.n_accepted, s.n_rejected, s.n_f), (
        s.backend,
        s.device,
        s.algorithm,
        s.seconds if isinstance(s.seconds, float) else 0.0,
        s.note,
    )
