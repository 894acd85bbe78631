"""Backends whose records have a fixed size and are written in place, as compiled ones have them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import evolvent as ev
from evolvent._numpy import NumpyBackend
from evolvent.trees import flatten, tree_map

BS3, DOP853, Tsit5 = map(ev.load_algorithm, ("BS3", "DOP853", "Tsit5"))


def leaves(tree):
    return flatten(tree)[0]


class Rows:
    """A handle of rows in memory: writing makes a new one, and the old one must not be used any more."""

    def __init__(self, arrays, memory):
        self.arrays, self.memory = arrays, memory
        memory["newest"] = self

    def read(self):
        assert self.memory["newest"] is self, "an old version of a record was used"
        return self.arrays


class InPlace(NumpyBackend):
    """NumPy, with records in place and slices of few steps."""

    name = "in place"
    unbounded = False
    rematerialise = True
    slice = 7

    def buffer(self, capacity, example):
        return Rows(tree_map(lambda x: np.zeros((capacity, *np.shape(x)), np.asarray(x).dtype), example), {})

    def put(self, buffer, index, value, when):
        arrays = buffer.read()
        if when:
            for rows, x in zip(leaves(arrays), leaves(value), strict=True):
                assert 0 <= index < rows.shape[0]
                rows[index] = x
        return Rows(arrays, buffer.memory)

    def select(self, pred, yes, no):
        def chosen(a, b):
            assert a is b or not isinstance(a, Rows), "two versions of a record are alive"
            return a if pred else b

        return tree_map(chosen, yes, no)

    def while_loop(self, cond, body, carry, **rest):
        # Compiled loops keep the structure of what they carry.
        structure = [np.shape(x) for x in leaves(carry)]

        def kept(carry):
            carry = body(carry)
            assert [np.shape(x) for x in leaves(carry)] == structure
            return carry

        return super().while_loop(cond, kept, carry, **rest)

    def trimmed(self, buffer, count):
        return tree_map(lambda x: x[: int(count)].copy(), buffer.read() if isinstance(buffer, Rows) else buffer)

    def joined(self, buffers):
        buffers = [b.read() if isinstance(b, Rows) else b for b in buffers]
        return buffers[0] if len(buffers) == 1 else tree_map(lambda *parts: np.concatenate(parts), *buffers)

    def length(self, buffer):
        return leaves(buffer)[0].shape[0]

    def take(self, buffer, index):
        return tree_map(lambda x: x[index], buffer)

    def stacked(self, buffer, example):
        return buffer if not isinstance(buffer, list) else super().stacked(buffer, example)

    def evaluate(self, function, steps, times, direction):
        return super().evaluate(function, [self.take(steps, i) for i in range(self.length(steps))], times, direction)


def swing(t, y, p):
    return np.stack([y[1], -p * y[0]])


BOUNCE = ev.Event(lambda t, y, p: y[0], effect=lambda t, y, p: np.stack([-0.0 * y[0], -0.9 * y[1]]), direction=-1)
PASS = ev.Event(lambda t, y, p: y[1])
DOSE = ev.Dose([0.0, 1.0, 1.0, 2.5], lambda t, y, p: y + np.array([0.5, 0.0]))
PROBLEMS = {
    "plain": {},
    "events": {"events": [PASS]},
    "bounces": {"events": [BOUNCE, PASS]},
    "doses": {"events": [DOSE, PASS]},
    "jumps": {"discontinuities": [1.0, 2.0]},
}
SAVES = {
    "every step": {},
    "few": {"saveat": [0.0, 1.0, 2.5, 4.0]},
    "many": {"saveat": np.sort(np.r_[np.linspace(0.0, 4.0, 301), 1.0, 1.0, 2.5])},
    "dense": {"saveat": 0.125, "dense": True},
    "function": {"saveat": 0.5, "save": lambda t, y, p: {"energy": y[1] ** 2 + p * y[0] ** 2, "t": t}},
}


@pytest.mark.parametrize("saves", SAVES)
@pytest.mark.parametrize("kind", PROBLEMS)
def test_records_in_place_hold_the_same(kind, saves):
    """A solve never keeps two versions of a record, and gives what one with growing records gives."""
    problem = ev.ODEProblem(swing, np.array([1.0, 0.3]), (0.0, 4.0), 2.0, **PROBLEMS[kind])
    options = {"rtol": 1e-7, "atol": 1e-9, **SAVES[saves]}
    method = DOP853() if kind == "events" else Tsit5()
    expected = ev.solve(problem, method, backend="eager", **options)
    found = method.solve(problem, backend=InPlace(), **options)
    assert found.stats.n_steps == expected.stats.n_steps
    assert_allclose(found.t, expected.t, rtol=1e-14)
    for a, b in zip(leaves(found.y), leaves(expected.y), strict=True):
        assert_allclose(a, b, rtol=1e-12, atol=1e-13)
    for i in range(len(expected.events)):
        assert_allclose(found.events[i].t, expected.events[i].t, rtol=1e-13)
        assert_allclose(found.events[i].y, expected.events[i].y, rtol=1e-12, atol=1e-13)
    if saves in ("every step", "dense"):
        times = np.linspace(0.0, 4.0, 37)
        assert_allclose(found(times), expected(times), rtol=1e-12, atol=1e-13)


def test_more_steps_than_a_record_holds():
    """Full records are emptied, and the solve goes on."""
    problem = ev.ODEProblem(lambda t, y, p: np.cos(t) + 0.0 * y, np.array([0.0]), (0.0, 300.0))
    backend = InPlace()
    backend.slice = None
    found = BS3().solve(problem, backend=backend, adaptive=False, dt=0.1)
    assert found.t.shape == (3001,)
    assert_allclose(found.y[:, 0], np.sin(found.t), atol=1e-5)
    assert_allclose(found(123.456), [np.sin(123.456)], atol=1e-5)


def test_saves_survive_an_error_between_two_of_one_step(eager_xp, double):
    """What was saved in the last step, before a function of the user raised there, is not lost."""

    def save(t, y, p):
        if t > 0.55:
            raise ZeroDivisionError("lost")
        return y

    problem = ev.ODEProblem(lambda t, y, p: 0.0 * y, double(eager_xp, [1.0]), (0.0, 1.0))
    with pytest.raises(ev.SolveError, match="USER_ERROR") as caught:
        ev.solve(problem, "Tsit5", saveat=0.1, save=save, dt=0.4)
    assert_allclose(np.asarray(caught.value.solution.t)[:6], np.linspace(0.0, 0.5, 6), rtol=1e-12)
