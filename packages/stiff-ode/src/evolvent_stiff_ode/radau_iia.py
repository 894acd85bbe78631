"""Radau IIA methods of three orders, one of which each step takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

from evolvent_stepping import Step

from ._radau import Memory, Radau
from ._radau_tableau import radau

LEVELS = tuple(radau(stages) for stages in (3, 5, 7))
WIDEST = LEVELS[-1].stages
EASY, HARD = 0.002, 0.8  # rates of convergence at which to go up and down
QUIET = 0.8, 1.2  # the next step's ratio where it is worth to go up
PATIENCE = 10  # steps at one order before going up


class Ladder(NamedTuple):
    """What one step hands to the next: also which of the orders, for how long, and how fast iterations converged."""

    level: Any
    since: Any
    rate: Any
    memory: Memory


@dataclass(frozen=True)
class RadauIIA(Radau):
    """RadauIIA: orders 5, 9 and 13, for stiff systems and DAEs from moderate to the most stringent tolerances.

    Three, five or seven implicit stages, L-stable and stiffly accurate. Where the iterations converge fast more stages
    are worth it, where they don't fewer are. Its dense output, the collocation polynomial, is of order 3, 5 or 7. Takes
    mass matrices, singular ones too.

    References
    ----------
    E. Hairer, G. Wanner, Stiff differential equations solved by Radau methods, J. Comput. Appl. Math. 111 (1999),
    doi:10.1016/S0377-0427(99)00134-X.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "RadauIIA").y[-1, 0]), 6)
    1.0
    """

    order = LEVELS[-1].order
    error_order = LEVELS[0].stages  # of the first step, whose size is guessed by it
    dense_order = LEVELS[0].stages
    variable_order: ClassVar[bool] = True
    tableau = LEVELS[-1]

    def start(self, system, t, y):
        """Begin with the lowest order, and room for the highest."""
        b = system.backend
        return Ladder(b.integer(0), b.integer(0), b.real(1.0), self._begun(system, t, y, LEVELS[-1]))

    def measured_step(self, system, t, y, dt, cache):
        """Take a step, and give the Jacobian that it was taken with."""
        step = self.step(system, t, y, dt, cache)
        return step, step.cache.memory.kept.jacobian

    def step(self, system, t, y, dt, cache) -> Step:
        """Take a step of the present order, and choose the next."""
        b, c = system.backend, system.backend.control
        low, middle, high = (partial(self._taken, system, t, y, dt, cache.memory, tableau) for tableau in LEVELS)
        step, rate, iterations = b.cond(cache.level == 0, low, lambda: b.cond(cache.level == 1, middle, high))

        one, none = b.integer(1), b.integer(0)
        rate = c.minimum(10.0, c.maximum(c.where(iterations > 1, rate, 0.0), 0.5 * cache.rate))
        since = cache.since + one
        quiet = c.logical_and(step.factor > QUIET[0], step.factor < QUIET[1])
        easy = c.logical_and(c.logical_and(iterations > 1, rate <= EASY), c.logical_and(quiet, since >= PATIENCE))
        up = c.where(c.logical_and(easy, cache.level < len(LEVELS) - 1), one, none)
        down = c.where(c.logical_and(rate >= HARD, cache.level > 0), one, none)
        after = _moved(b, cache, cache.level + up - down, since, rate, step.cache)
        # A failure with a new Jacobian: fewer stages ask less of the iteration.
        hopeless = c.logical_and(step.reason > 0, c.logical_not(step.retry.kept.wanted))
        down = c.where(c.logical_and(hopeless, cache.level > 0), one, none)
        retry = _moved(b, cache, cache.level - down, since, cache.rate, step.retry)
        return step._replace(cache=after, retry=retry)

    def _taken(self, system, t, y, dt, memory, tableau) -> tuple[Step, Any, Any]:
        """Take a step of one order, with the factors that it wants; what comes out has room for the highest."""
        used = self._split(system, y, tableau).solves
        kept, rest = memory.kept, memory.kept.factors[used:]
        given = memory._replace(kept=kept._replace(factors=kept.factors[:used]))
        step, found = self._step(system, t, y, dt, given, tableau)
        none = tuple(system.backend.zeros_like(y) for _ in range(WIDEST - tableau.stages))

        def widened(memory):
            return memory._replace(kept=memory.kept._replace(factors=memory.kept.factors + rest))

        terms = step.dense.terms + none
        step = step._replace(
            cache=widened(step.cache._replace(terms=terms)),
            retry=widened(step.retry),
            dense=step.dense._replace(terms=terms),
        )
        return step, found.rate, found.iterations


def _moved(b, cache, level, since, rate, memory) -> Ladder:
    """Go to a level; the factors of another one are of no use, nor is its error."""
    c = b.control
    same = level == cache.level
    kept = memory.kept._replace(shift=c.where(same, memory.kept.shift, 0.0))
    memory = memory._replace(kept=kept, error=c.where(same, memory.error, 1.0))
    return Ladder(level, c.where(same, since, b.integer(0)), rate, memory)
