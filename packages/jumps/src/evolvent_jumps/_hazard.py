"""A problem with jumps as one without: the hazard is one more component, and what it leads to an event."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from evolvent import DAEProblem, Event, InputError, NonNegative, ODEProblem, SecondOrderODEProblem, Status, random
from evolvent.trees import Packing, flatten
from evolvent_stepping import Model

from ._aggregator import _rate
from ._network import network_of
from ._propensities import _row

OWN = 2  # leaves of the parameters that are not the user's
STREAM = 3  # of random numbers, beside those of the methods that go from jump to jump
SOONEST = 1e-12  # threshold below which a jump would follow the one before within rounding
ROUNDING = 4000.0  # spacings of time within which the next jump comes no sooner
NEGATIVE = 1e-6  # part of all rates, and
MISSED = 1e-3  # number of jumps in the span, by which a rate may be below zero: the error of a state that is near zero
BLAMED = (Status.NON_FINITE, Status.STEP_TOO_SMALL, Status.NEWTON_FAILED, Status.SINGULAR_MATRIX, Status.MAX_STEPS)


class Accompanied(Packing):
    """The packing of a state that a hidden entry follows: users see the state alone.

    Parameters
    ----------
    inner : Packing
        That of the state.
    shape : tuple of int
        Of the inner array.
    """

    def __init__(self, inner: Packing, shape: tuple[int, ...]):
        super().__init__(structure=inner.structure, dtype=inner.dtype)
        self.leaves, self.inner, self.shape, self.n = inner.leaves, inner, shape, prod(shape)

    @property
    def key(self) -> Any:
        return ("accompanied", self.inner.key, self.shape)

    def inside(self, backend: Any, array: Any, lead: int = 0) -> Any:
        """The inner array."""
        part = array[(*(slice(None),) * lead, slice(0, self.n), ...)]
        return backend.xp.reshape(part, (*array.shape[:lead], *self.shape, *array.shape[lead + 1 :]))

    def around(self, backend: Any, inside: Any, hidden: Any) -> Any:
        """The whole array of the inner one and the hidden entry, (1,) and lanes."""
        flat = backend.xp.reshape(inside, (-1, *backend.lanes))
        return backend.xp.concat([flat, hidden], axis=0)

    def pack(self, backend: Any, tree: Any, like: Any, what: str) -> Any:
        inside = self.inner.pack(backend, tree, self.inside(backend, like), what)
        return self.around(backend, inside, like[self.n :, ...])

    def unpack(self, backend: Any, array: Any, lead: int = 0) -> Any:
        return self.inner.unpack(backend, self.inside(backend, array, lead), lead)


class Counting(Packing):
    """A packing some of whose entries are counts: whole numbers but for the rounding of what integrates the others."""

    def __init__(self, inner: Packing):
        super().__init__(structure=inner.structure, dtype=inner.dtype)
        self.leaves, self.inner = inner.leaves, inner

    def pack(self, backend: Any, tree: Any, like: Any, what: str) -> Any:
        return self.inner.pack(backend, tree, like, what)

    def unpack(self, backend: Any, array: Any, lead: int = 0) -> Any:
        xp, index = backend.xp, (slice(None),) * lead
        if self.structure is None:
            return self.inner.unpack(backend, array if self.dtype is None else xp.round(array), lead)
        parts = []
        for leaf in self.leaves:
            part = array[(*index, slice(leaf.start, leaf.stop), ...)]
            whole = not xp.isdtype(leaf.dtype, ("real floating", "complex floating"))
            parts.append(xp.round(part) if whole else part)
        return self.inner.unpack(backend, xp.concat(parts, axis=lead), lead)


class HazardModel(Model):
    """A model whose state is followed by what is left of the hazard until the next jump.

    It falls at the sum of all rates; where it reaches zero an event of the model's own chooses a channel, lets it fire
    and draws the next hazard. The key of the random numbers and the event's number ride along as one more leaf of the
    parameters, and the length of the span as another. Right sides that are not known here, as the diffusion of a
    stochastic problem, leave the hazard alone.
    """

    packing: Accompanied
    right_sides: dict[str, Any]
    hidden = 1
    random = True

    def __init__(self, problem: Any, backend: Any, splits: bool = False):
        ground = _ground(problem)
        self._whole = None if problem.over is None else _whole(ground, backend, splits)
        super().__init__(ground, backend, splits)
        b = backend
        self.jumps_of = problem
        plain = Model(problem, backend) if problem.over is None else Model(ground.replace(mass=None), backend)
        plain.problem = problem
        self.network = network_of(plain)
        self.names = self.network.names
        self.net_rows = np.pad(self.network.net_rows, ((0, 0), (0, 1)))  # the hazard is no species
        if problem.over is None:
            self.right_sides = {"f": None}
        self.carrier = "f_explicit" if "f_explicit" in self.right_sides else next(iter(self.right_sides))
        words = b.xp.zeros((4, *b.lanes), dtype=b.xp.asarray([0]).dtype, device=b.device)
        span = b.xp.zeros(b.lanes, dtype=b.real_dtype(self.y0.dtype), device=b.device)
        self.params0 = (*self.params0, words, span)
        self.events = [*self.events, Event(lambda t, y, p: 0.0, lambda t, y, p: y, direction=-1)]

    # ------------------------------------------------------------ the state
    def _kinds(self, leaves: list[Any]) -> list[Any]:
        if self._whole is None:
            return super()._kinds(leaves)
        return [self._counted(leaf) if whole else None for leaf, whole in zip(leaves, self._whole, strict=True)]

    def _state0(self, state: Any) -> tuple[Any, Packing]:
        y, packing = super()._state0(state)
        b = self.backend
        if packing.dtype is not None or any(self._kinds(flatten(state, lists=False)[0])):
            packing = Counting(packing)
        packing = Accompanied(packing, tuple(y.shape[: len(y.shape) - len(b.lanes)]))
        return packing.around(b, y, b.xp.ones((1, *b.lanes), dtype=y.dtype, device=b.device)), packing

    def params(self, leaves: tuple[Any, ...]) -> Any:
        return super().params(leaves[:-OWN])

    def same_kind(self, params: Any) -> tuple[Any, ...] | None:
        found = super().same_kind(params)
        return None if found is None else (*found, *self.params0[-OWN:])

    def seeded(self, inputs: Any) -> Any:
        """Write the key into the parameters, and draw the first hazard."""
        b, n = self.backend, self.packing.n
        xp: Any = b.xp if any(hasattr(x, "aval") for x in inputs.noise) else np
        low, high, trajectory = inputs.noise
        dtype = np.float32 if "32" in str(b.real_dtype(inputs.y0.dtype)) else np.float64
        key = random.fold_in(xp, (low, high), STREAM)
        first = xp.reshape(xp.asarray(random.exponential(xp, key, trajectory, 0, 0, dtype=dtype)), (1, *b.lanes))
        words = xp.stack([xp.zeros(b.lanes, dtype=int) + word for word in (low, high, trajectory, 0)])
        y0 = b.xp.concat([inputs.y0[:n, ...], self._own(first, inputs.y0)], axis=0)
        span = inputs.span if hasattr(inputs.span, "aval") else np.broadcast_to(inputs.span, b.lanes)
        own = (self._own(x, like) for x, like in zip((words, span), self.params0[-OWN:], strict=True))
        return inputs._replace(y0=y0, params=(*inputs.params[:-OWN], *own))

    def _own(self, array: Any, like: Any) -> Any:
        if hasattr(array, "aval"):
            return array.astype(like.dtype)
        return self.backend.xp.asarray(array.tolist(), dtype=like.dtype, device=self.backend.device)

    def tolerances(self, rtol: Any, atol: Any) -> tuple[Any, Any]:
        """Control the hazard to `rtol` of its mean, which is one."""
        b, y0 = self.backend, self.y0
        xp, real = b.xp, b.real_dtype(y0.dtype)
        full = xp.zeros(y0.shape, dtype=real, device=b.device)
        state = (full + atol)[: self.packing.n, ...]
        return rtol, xp.concat([state, xp.zeros((1, *b.lanes), dtype=real, device=b.device) + rtol], axis=0)

    @property
    def nonnegative(self) -> NonNegative | None:
        given = super().nonnegative
        if given is None or given.components is not None:
            return given
        return NonNegative(range(self.packing.n))

    # ------------------------------------------------------------ functions
    def functions(self, save: Any, stepper: Any) -> dict[str, Any]:
        found = super().functions(save, stepper)
        found[f"effect{len(self.events) - 1}"] = lambda t, y, params: self._jump(t, y, params)
        return found

    def _conditions(self, t, y, params):
        hazard = y[self.packing.n, ...]
        real = self.backend.is_real(hazard.dtype)
        return (*super()._conditions(t, y, params)[:-1], hazard if real else self.backend.xp.real(hazard))

    def _effect(self, effect):
        own = super()._effect(effect)

        def apply(t, y, params):
            after, changed = own(t, y, params)
            return after, params if changed is params else (*changed, *params[-OWN:])

        return apply

    def _f(self, name, t, y, params):
        b, packing = self.backend, self.packing
        given = self.right_sides[name]
        inside = packing.inside(b, y)
        if given is None:
            value = b.zeros_like(inside)
        else:
            value = b.asked(given, y, b.time(t, y), packing.unpack(b, y), self.params(params))
            value = packing.inner.pack(b, value, inside, name)
        hidden = b.zeros_like(y[packing.n :, ...])
        if name == self.carrier:
            hidden = hidden - b.xp.sum(self.rates(t, y, params), axis=0)
        return packing.around(b, value, b.xp.astype(hidden, y.dtype))

    def rates(self, t: Any, y: Any, params: Any) -> Any:
        """The rates of all channels, (channels,) and lanes: none is below zero, and one that is no rate is NaN."""
        b, network = self.backend, self.network
        xp, parts, real = b.xp, [], b.real_dtype(y.dtype)
        if network.n_reactions:
            wide = (-1, *(1,) * len(b.lanes))
            constant = lambda x: xp.reshape(xp.asarray(x.tolist(), dtype=real, device=b.device), wide)  # noqa: E731
            a = network.constants(self, params) * constant(network.factors)
            for slots, scales, offsets in network.factor_columns:
                places = xp.asarray(slots.tolist(), dtype=xp.int64, device=b.device)
                factor = xp.take(y, places, axis=0)
                factor = factor if scales is None else factor * constant(scales)
                a = a * (factor if offsets is None else factor - constant(offsets))
            # Of fewer individuals than it takes there is no choice, however an ODE moves them.
            parts.append(xp.maximum(a, xp.zeros_like(a)) if network.max_order > 1 else a)
        zero = xp.zeros(b.lanes, dtype=real, device=b.device)
        parts += [xp.reshape(zero + _rate(self, jump, t, y, params), (1, *b.lanes)) for jump in network.jumps]
        rates = parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)
        above = xp.maximum(rates, xp.zeros_like(rates))
        # What the error of a state near zero explains is none.
        slack = NEGATIVE * xp.sum(above, axis=0) + MISSED / params[-1]
        return xp.where(rates < -slack, rates * float("nan"), above)

    def _jump(self, t, y, params):
        """Let a channel fire, and draw the next hazard."""
        b, packing, network = self.backend, self.packing, self.network
        xp = b.xp
        real = b.real_dtype(y.dtype)
        low, high, trajectory, number = (params[-OWN][k, ...] for k in range(4))
        key = random.fold_in(xp, (low, high), STREAM)
        _, uniform = random.exponential_and_uniform(xp, key, trajectory, number, 0, dtype=real)
        following = number + 1
        waiting, _ = random.exponential_and_uniform(xp, key, trajectory, following, 0, dtype=real)
        rates = self.rates(t, y, params)
        total = xp.sum(rates, axis=0)
        # Below all: a uniform that is rounded up to one.
        wanted = xp.minimum(uniform * total, total * (1.0 - float(xp.finfo(real).eps)))
        passed = xp.cumulative_sum(rates, axis=0)[:-1, ...] <= wanted
        channel = b.integer(xp.sum(xp.astype(passed, number.dtype), axis=0))
        after = y
        if network.n_reactions:
            after = y + xp.asarray(_row(b, self.net_rows, channel), dtype=y.dtype, device=b.device)
        for j, jump in enumerate(network.jumps):
            fire = lambda y, jump=jump: packing.pack(b, self._call(jump.effect, t, y, params), y, "effect")  # noqa: E731
            after = b.cond(channel == network.n_reactions + j, fire, lambda y: y, after)
        both = xp.maximum(total, xp.sum(self.rates(t, after, params), axis=0))
        soonest = SOONEST + (ROUNDING * b.epsilon) * xp.abs(b.time(t, y)) * both
        waiting = xp.maximum(waiting, xp.where(soonest < 1.0, soonest, xp.ones_like(soonest)))
        hidden = xp.astype(xp.reshape(waiting, (1, *b.lanes)), y.dtype)
        after = xp.concat([after[: packing.n, ...], hidden], axis=0)
        words = xp.stack([low, high, trajectory, following])
        return after, (*params[:-OWN], words, params[-1])

    # ------------------------------------------------------------ what went wrong
    def judged(self, state: Any) -> Any:
        """Where steps failed for a rate that is none, say so."""
        b, m = self.backend, state.march
        if b.traced or b.lanes or int(m.status) not in BLAMED or self.culprit(state) < 0:
            return state
        return state._replace(march=m._replace(status=b.integer(Status.INVALID_RATE)))

    def diagnosis(self, state: Any) -> str:
        if int(state.march.status) != Status.INVALID_RATE:
            return ""
        return f"It is that of {self.names[self.culprit(state)]}."

    def culprit(self, state: Any) -> int:
        """The channel whose rate is none at a state that was reached or just ahead of it; -1 where none is."""
        b, m = self.backend, state.march
        span = abs(self.problem.t_span[1] - self.problem.t_span[0])
        with np.errstate(all="ignore"):
            slope = self._f(self.carrier, m.t, m.y, state.params)
            slope = b.xp.where(b.xp.isfinite(slope), slope, b.zeros_like(slope))
            for ahead in (0.0, *(span * 10.0**-k for k in range(12, 2, -1))):
                t = b.real(float(m.t) + ahead)
                rates = self.rates(t, m.y + ahead * slope, state.params)
                found = np.flatnonzero(~np.isfinite(np.asarray(b.host(rates))))
                if found.size:
                    return int(found[0])
        return -1


def _ground(problem: Any) -> Any:
    """What moves the state between the jumps, with a mass matrix and a sparsity that have the hazard's row."""
    over = problem.over
    if over is None:
        return problem
    if isinstance(over, DAEProblem):
        raise InputError(
            "over",
            "can't be a DAEProblem.",
            "Give an ODEProblem, whose mass= may have rows of zeros for the constraints.",
        )
    if isinstance(over, SecondOrderODEProblem):
        return _first_order(over)
    changes: dict[str, Any] = {}
    if getattr(over, "jacobian", None) is not None:
        changes["jacobian"] = None  # it does not know the rates
    if getattr(over, "mass", None) is not None:
        changes["mass"] = _with_unit(over.mass)
    if getattr(over, "sparsity", None) is not None:
        changes["sparsity"] = _with_row(over.sparsity)
    return over.replace(**changes) if changes else over


def _first_order(over: Any) -> ODEProblem:
    names = ("events", "discontinuities", "domain", "stiff")
    return ODEProblem(
        lambda t, y, p: (y[1], over.a(t, y[0], y[1], p)),
        (np.asarray(over.q0) if isinstance(over.q0, list) else over.q0, over.v0),
        over.t_span,
        over.params,
        **{name: getattr(over, name) for name in names},
    )


def _with_unit(mass: Any) -> Any:
    if hasattr(mass, "tocoo"):
        from scipy.sparse import block_diag

        return block_diag([mass, [[1.0]]], format="csr")
    mass = np.asarray(mass)
    if mass.ndim == 1:
        return np.append(mass, 1.0)
    return np.block([[mass, np.zeros((len(mass), 1))], [np.zeros((1, len(mass))), np.ones((1, 1))]])


def _with_row(sparsity: Any) -> Any:
    from scipy.sparse import bmat, coo_matrix

    given = sparsity if hasattr(sparsity, "tocoo") else coo_matrix(np.asarray(sparsity))
    n = int(given.shape[0])  # pyright: ignore[reportOptionalSubscript]
    return bmat([[given, None], [np.ones((1, n)), np.zeros((1, 1))]], format="csr")


def _whole(ground: Any, backend: Any, splits: bool) -> list[bool]:
    """Which leaves of the state are integers that the problem itself leaves alone."""
    leaves, _ = flatten(ground.state0, lists=False)
    found = [not hasattr(leaf, "aval") and _is_integral(leaf) for leaf in leaves]
    if not any(found) or backend.traced:
        return [False] * len(leaves)
    mass = {"mass": None} if getattr(ground, "mass", None) is not None else {}
    plain = Model(ground.replace(**mass), backend, splits)
    t0, t1 = plain.problem.t_span
    places = plain.packing.leaves if plain.packing.structure is not None else [None]
    try:
        for t in (t0, t1):
            for y in (plain.y0, 1.5 * plain.y0 + 1.0):
                for name in plain.right_sides:
                    slope = np.asarray(backend.host(plain._f(name, backend.real(t), y, plain.params0)))
                    for i, place in enumerate(places):
                        part = slope if place is None else slope[place.start : place.stop]
                        found[i] = found[i] and not np.any(part)
    except Exception:  # what can't be asked elsewhere is taken for a quantity
        return [False] * len(leaves)
    return found


def _is_integral(leaf: Any) -> bool:
    kind = str(getattr(leaf, "dtype", "") or np.asarray(leaf).dtype)
    return "int" in kind
