import sys
import threading

import numpy as np
import pytest

from evolvent_native import StagingError, _recording, stage
from evolvent_native import _functions as xp
from evolvent_native._codegen import generate
from evolvent_native._machine import CodegenError


def text_of(function, *examples):
    """The code of a function and the bytes of memory that it wants for large arrays."""
    return generate(stage(function, *examples).graph)


def lines_of(function, *examples):
    return text_of(function, *examples)[0].count("\n")


def agrees(function, *arguments, plain=None, rtol=1e-13):
    """Whether machine code gives what Python and NumPy give."""
    found = stage(function, *arguments)(*arguments)
    with np.errstate(all="ignore"):
        expected = (plain or function)(*arguments)
    pairs = zip(found, expected, strict=True) if isinstance(found, tuple) else [(found, expected)]
    for x, y in pairs:
        assert np.shape(x) == np.shape(y)
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol)


# ---------------------------------------------------------------- large arrays
def test_elementwise_chains_need_no_memory():
    """A chain of elementwise operations is one loop, without an array in between."""

    def chain(y):
        z = np.sin(y) * 2 + y
        for i in range(10):
            z = np.exp(-z * z) + i * y
        return np.where(z > 0, z, -z)

    text, memory = text_of(chain, np.ones(1000))
    assert memory == 0
    assert text.count("llvm.loop.parallel_accesses") == 1
    agrees(chain, np.linspace(-1, 1, 1000))


@pytest.mark.parametrize("shape", [(100,), (10, 12), (5, 6, 7)])
def test_stencils_need_no_memory(shape):
    """Shifted arrays in a sum are read where they lie: the loop is cut at the seams instead."""

    def laplacian(y):
        return sum(np.roll(y, 1, axis=i) + np.roll(y, -1, axis=i) - 2 * y for i in range(len(shape)))

    _, memory = text_of(laplacian, np.ones(shape))
    assert memory == 0
    agrees(laplacian, np.random.default_rng(0).normal(size=shape))


def test_code_does_not_grow_with_arrays():
    """The length of the code does not depend on the arrays' lengths."""

    def function(y):
        z = np.roll(y, 1) - 2 * y + np.roll(y, -1)
        z[0] = 0.0
        return np.concatenate([z, y[::-1]]) * np.sum(y)

    assert lines_of(function, np.ones(100)) == lines_of(function, np.ones(100_000))


def test_code_grows_linearly_with_pieces():
    """A concatenation of twice as many pieces is twice as much code."""

    def joined(n):
        return lambda y: np.concatenate([y[i : i + 3] * (i + 1) for i in range(n)]) + 1

    lengths = [lines_of(joined(n), np.ones(300)) for n in (50, 100, 200)]
    assert lengths[2] - lengths[1] < 2.2 * (lengths[1] - lengths[0])
    agrees(joined(100), np.linspace(0, 1, 300))


def test_cuts_across_each_other_stay_few():
    """Pieces along both axes, of pieces of pieces, make as many loops as there are pieces, not their product."""

    def function(y):
        rows = np.concatenate([y[i : i + 1] * i for i in range(20)], axis=0)
        return np.concatenate([rows[:, i : i + 1] + i for i in range(20)], axis=1) + np.roll(rows, (1, 2), (0, 1))

    assert lines_of(function, np.ones((20, 20))) < 20_000
    agrees(function, np.random.default_rng(0).normal(size=(20, 20)))


@pytest.mark.parametrize("reduction", [np.sum, np.max, np.min, np.mean])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_reductions_of_pieces(reduction, axis):
    """Reductions of concatenations, updates and rolled arrays walk their parts."""

    def function(y):
        z = np.zeros_like(y)
        z[1:-1, 2:] = np.roll(y, 1, 0)[1:-1, 2:]
        return reduction(z * y, axis=axis), reduction(np.concatenate([y, z, y[:, ::-1]], axis=1), axis=axis)

    agrees(function, np.random.default_rng(0).normal(size=(8, 9)), rtol=1e-12)


@pytest.mark.parametrize("key", [np.s_[1:-1], np.s_[::2], np.s_[::-1], np.s_[5:90:7], np.s_[3], np.s_[80:20:-3]])
def test_updates(key):
    """Writing to slices of large arrays agrees with NumPy."""

    def function(y):
        z, w = np.zeros_like(y), y * 1
        z[key] = 2 * y[key]
        w[key] += z[key]
        w[:-1] -= w[1:]
        return z, w, z[::-1] + w

    agrees(function, np.linspace(0, 1, 100))


# ---------------------------------------------------------------- long programs
def test_thousands_of_scalar_equations():
    """2,000 equations written as a Python loop are right, and twice as many take twice the code."""

    def equations(n):
        def function(y):
            rates = np.zeros_like(y)
            for i in range(n):
                rates[i] = -0.5 * y[i] + (y[i - 1] if i else 0.0) * np.sin(y[(i + 1) % n])
            return rates

        return function

    lengths = [lines_of(equations(n), np.ones(n)) for n in (1000, 2000)]
    assert lengths[1] < 2.1 * lengths[0]
    # One rate after the other is read and written: by the code as by Python.
    agrees(equations(2000), np.linspace(0, 1, 2000))


def deep(step, n):
    def function(y):
        for i in range(n):
            y = step(y, i)
        return y

    return function


STEPS = {
    "sum": lambda y, i: y + 1e-3 * (i % 3) * y,
    "reduction": lambda y, i: y - 1e-3 * y.sum() / y.size,
    "roll": lambda y, i: 0.5 * y + 0.5 * np.roll(y, 1),
    "gather": lambda y, i: y[np.arange(y.size)[::-1]] * 1.001,
    "update": lambda y, i: np.concatenate([y[:1] * 0.5, y[1:]]),
}


def test_sums_leave_out_what_is_known_to_be_zero():
    """A weighted sum of arrays of zeros is its first term, and of others goes without them."""
    y, h = np.array([1.0, -0.0, 2.0]), 0.5
    alone = stage(lambda y, h: _recording.combine(y, h, (0.3,), (xp.zeros(3),)), y, h)
    assert "combine" not in alone.show()
    assert np.array_equal(alone(y, h), y)
    among = stage(lambda y, h: _recording.combine(y, h, (0.3, 2.0), (xp.zeros(3), y)), y, h)
    assert np.array_equal(among(y, h), y + h * (2.0 * y))
    nothing = stage(lambda h: _recording.combine(None, h, (0.3,), (xp.zeros(3),)), h)
    assert np.array_equal(nothing(h), np.zeros(3))


@pytest.mark.parametrize("size", [3, 50])
@pytest.mark.parametrize("step", STEPS)
def test_deep_chains(step, size):
    """Chains that are longer than Python's stack is deep, and chains of everything else, are computed in parts."""
    n = 5000 if step == "sum" else 60
    function = deep(STEPS[step], n)
    assert lines_of(function, np.ones(size)) < 60 * n
    agrees(function, np.linspace(0, 1, size), rtol=1e-9)


@pytest.mark.parametrize("size", [3, 50])
@pytest.mark.parametrize("step", STEPS)
def test_chains_deeper_than_the_stack(step, size):
    """No chain of 1,500 steps makes code generation run out of stack."""
    text_of(deep(STEPS[step], 1500), np.ones(size))


@pytest.mark.parametrize("size", [3, 50])
def test_chains_of_branches(size):
    """What two branches read from around them is written once, so that a chain of them grows linearly."""

    def chain(n, cond):
        def function(y):
            for i in range(n):
                y = cond(y[1] > 0.1 * i, lambda y: 0.9 * y, lambda y: y + 1, y)
            return y

        return function

    def switches(n):
        def function(y, p):
            for i in range(n):
                y = _recording.cond(p[i] > 0, lambda y: 0.9 * y, lambda y: y + 1, y)
            return y

        return function

    def plain(pred, yes, no, y):
        return yes(y) if pred else no(y)

    agrees(chain(30, _recording.cond), np.arange(size) * 0.5, plain=chain(30, plain))
    lengths = [lines_of(switches(n), np.ones(size), np.ones(300)) for n in (50, 100)]
    assert lengths[1] < 2.1 * lengths[0]
    text_of(switches(300), np.ones(size), np.ones(300))


# ---------------------------------------------------------------- carried arrays
def loop(turns, body):
    """A loop that is recorded, and Python's."""

    def recorded(*carry):
        return _recording.while_loop(lambda c: c[0] < turns, lambda c: (c[0] + 1, *body(xp, *c[1:])), (0, *carry))[1:]

    def plain(*carry):
        for _ in range(turns):
            carry = body(np, *carry)
        return carry

    return recorded, plain


BODIES = {
    "swapped": lambda x, a, b, c: (b, a, c),
    "rotated": lambda x, a, b, c: (b, c, a),
    "read by others": lambda x, a, b, c: (0.5 * b, 0.5 * a, a + b - c),
    "read in another order": lambda x, a, b, c: (x.roll(a, 1) * 0.5, a[::-1], x.flip(c) + b),
    "reduced": lambda x, a, b, c: (a + 0.1 * x.sum(b), 0.5 * b, c - 0.01 * x.max(a)),
    "short parts": lambda x, a, b, c: (x.concat([b[:3], a[3:]]), 0.9 * b + a[1], x.concat([c[-1:], a[:-1]])),
    "one twice": lambda x, a, b, c: (x.roll(b, 1), 0.9 * b, x.roll(b, 1)),
    "all of all": lambda x, a, b, c: (x.roll(b, 1) + c, x.roll(c, 1) - a, 0.5 * x.roll(a, 1) + b),
    "unchanged": lambda x, a, b, c: (a, a + 0.1 * b, a),
    "chosen": lambda x, a, b, c: (x.where(a[0] < b[0], b, a), x.where(a[0] < b[0], a, b), c),
    "gathered": lambda x, a, b, c: (x.take(b, x.asarray(np.arange(len(a))[::-1])), 0.9 * a, x.cumulative_sum(a) * 0.1),
}


@pytest.mark.parametrize("size", [4, 40])
@pytest.mark.parametrize("turns", [0, 1, 2, 5])
@pytest.mark.parametrize("body", BODIES)
def test_carried_arrays_change_places(body, turns, size):
    """All entries of a carry are replaced at once, whoever reads whom."""
    recorded, plain = loop(turns, BODIES[body])
    values = np.random.default_rng(0).normal(size=(3, size))
    agrees(recorded, *values, plain=plain, rtol=1e-12)


@pytest.mark.parametrize("size", [4, 40])
def test_what_nobody_needs_is_carried(size):
    """A loop in a loop may carry what nobody needs, made by a branch that is not computed."""

    def function(y):
        made = 2 * _recording.cond(y[0] > 0, lambda y: y + 1, lambda y: y - 1, y)

        def body(c):
            inner = _recording.while_loop(
                lambda d: d[0] < 2, lambda d: (d[0] + 1, 0.5 * d[1], d[2] + 1), (0, c[1], made)
            )
            return c[0] + 1, inner[1]

        return _recording.while_loop(lambda c: c[0] < 3, body, (0, y))[1]

    agrees(function, np.arange(size) + 1.0, plain=lambda y: y / 64)


def test_branches_return_one_another():
    """Branches may return their operands in any order, and what was made around them."""

    def function(p, a, b):
        c = a * b
        return _recording.cond(p, lambda a, b: (b, a, c, c), lambda a, b: (a, c, b, c), a, b)

    def plain(p, a, b):
        c = a * b
        return (b, a, c, c) if p else (a, c, b, c)

    for size in (3, 50):
        for p in (True, False):
            agrees(function, p, np.arange(size) * 1.0, np.ones(size) * 3, plain=plain)


# ---------------------------------------------------------------- corners
@pytest.mark.parametrize("shape", [(0,), (0, 40), (40, 0), (), (1,), (1, 40), (40, 1, 1), (1, 1, 1)])
def test_unusual_shapes(shape):
    """Arrays without entries, without axes and with axes of one entry agree with NumPy."""

    def function(y):
        z = 2 * y + 1
        return z, np.concatenate([np.ravel(z), np.ravel(y)]), np.sum(z), np.sum(z * z, axis=tuple(range(len(shape))))

    agrees(function, np.random.default_rng(0).normal(size=shape))


@pytest.mark.parametrize("size", [5, 50])
@pytest.mark.parametrize("kind", [np.int64, np.int32, np.int8, np.uint8])
def test_integers_wrap_around(kind, size):
    """Integers overflow as NumPy's do, and dividing by zero gives zero."""
    limits = np.iinfo(kind)
    x = np.resize(np.array([limits.max, limits.min, 0, 1, 7], kind), size)
    y = np.resize(np.array([0, limits.max, 3], kind), size)

    def function(x, y):
        return x + y, x - y, x * y, -x, x // y, x % y, abs(x)

    found = stage(function, x, y)(x, y)
    with np.errstate(all="ignore"):
        expected = function(x, y)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


REFUSED = [
    lambda y: y if y[0] > 0 else -y,
    lambda y: np.linspace(0, 1, int(y[0])),
    lambda y: y[y > 0],
    lambda y: np.linalg.eig(y.reshape(2, -1)),
    lambda y: np.array([float(y[0])]),
    lambda y: np.unique(y),
]


@pytest.mark.parametrize("which", range(len(REFUSED)))
def test_what_can_not_be_staged_is_said(which):
    """What the compiler can't take ends in an error that says so, never in an assertion."""
    with pytest.raises((StagingError, CodegenError, TypeError, ValueError)) as raised:
        stage(REFUSED[which], np.ones(4))(np.ones(4))
    assert len(str(raised.value)) > 20


# ---------------------------------------------------------------- threads
def test_one_program_in_many_threads():
    """A program that several threads run at once gives each its own result."""
    run = stage(lambda y: np.cumsum(np.roll(np.sort(y), 1)) + np.sum(y), np.zeros(500))
    values = [np.random.default_rng(i).normal(size=500) for i in range(8)]
    expected = [run(y) for y in values]
    wrong = []

    def work(i):
        for _ in range(100):
            if not np.array_equal(run(values[i]), expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_other_threads_go_on():
    """While machine code runs, other threads of Python's make progress."""
    recorded, _ = loop(3_000_000, lambda x, y: (x.sin(y),))
    run = stage(recorded, np.ones(20))
    run(np.ones(20))
    counted, done = [0], threading.Event()

    def count():
        while not done.is_set():
            counted[0] += 1

    # A thread that holds the lock for good would never let this one count.
    interval = sys.getswitchinterval()
    thread = threading.Thread(target=count)
    thread.start()
    try:
        sys.setswitchinterval(1e-4)
        before = counted[0]
        run(np.ones(20))
        after = counted[0]
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert after - before > 1000
