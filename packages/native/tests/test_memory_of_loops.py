"""Large arrays in loops: nothing is copied that need not be, and memory is used again."""

import re

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from evolvent_native import _functions as xp
from evolvent_native import _recording
from evolvent_native._codegen import generate
from evolvent_native._compiled import stage

N = 40
X = np.sin(np.arange(4.0 * N)).reshape(4, N)


def turns_of(text):
    """The code of the outermost loop over a carry."""
    label = re.search(r"^while(\d+):", text, re.MULTILINE)
    branch = re.search(r"^  br i1 %\w+, label %body\d+, label %(end\d+)$", text[label.start() :], re.MULTILINE)
    return text[label.start() : text.index(f"\n{branch[1]}:")]


def plain_while(condition, body, carry):
    """The same loop, run at once."""
    while condition(carry):
        carry = body(carry)
    return carry


def test_a_recurrence_exchanges_pointers():
    """A recurrence of three terms copies no array from turn to turn."""

    def run(functions, loop, a, b):
        return loop(
            lambda s: s[0] < 7,
            lambda s: (s[0] + 1, s[2], functions.roll(s[2], 1) * 0.5 - functions.sin(s[1])),
            (0, a, b),
        )

    staged = stage(lambda a, b: run(xp, _recording.while_loop, a, b)[1:], X[0], X[1])
    assert "memcpy" not in turns_of(staged.llvm())
    for got, expected in zip(staged(X[0], X[1]), run(np, plain_while, X[0], X[1])[1:], strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-14, atol=1e-15)


def test_choices_are_between_pointers():
    """A step that is taken or refused, as one truth value says, copies no array, in a loop inside of another too."""

    def run(functions, loop, y):
        def step(s):
            i, y, before = s
            new = functions.roll(y, 1) - 0.25 * y
            good = functions.sum(new) > functions.sum(y)
            return (
                i + 1,
                functions.where(good, new, y * 1.0 if functions is np else y),
                functions.where(good, y, before),
            )

        def several(s):
            _, y, before = loop(lambda s: s[0] < 4, step, (0, s[1], s[2]))
            return s[0] + 1, y, before

        return loop(lambda s: s[0] < 3, several, (0, y, y))

    staged = stage(lambda y: run(xp, _recording.while_loop, y)[1:], X[0])
    assert "memcpy" not in turns_of(staged.llvm())
    for got, expected in zip(staged(X[0]), run(np, plain_while, X[0])[1:], strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-14, atol=1e-15)


def plain_cond(pred, yes, no):
    """The same branch, gone down at once."""
    return yes() if pred else no()


def test_what_a_branch_keeps_is_not_copied():
    """An array that turns replace now and then is not copied where it is kept, whether the turn is taken or refused."""

    def run(functions, loop, cond, y):
        def step(s):
            i, y, kept = s
            kept = cond(i % 3 == 1, lambda: functions.cos(y) + functions.roll(kept, 1), lambda: kept)
            new = functions.roll(y, 1) - 0.25 * kept
            good = functions.sum(new) > functions.sum(y)
            return i + 1, functions.where(good, new, 1.0 * y if functions is np else y), kept

        def several(s):
            _, y, kept = loop(lambda s: s[0] < 5, step, (0, s[1], s[2]))
            return s[0] + 1, y, kept

        return loop(lambda s: s[0] < 3, several, (0, y, y * 0.5))

    staged = stage(lambda y: run(xp, _recording.while_loop, _recording.cond, y)[1:], X[0])
    assert "memcpy" not in turns_of(staged.llvm())
    for got, expected in zip(staged(X[0]), run(np, plain_while, plain_cond, X[0])[1:], strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-14, atol=1e-15)


def test_results_are_computed_where_they_go():
    """What a loop gives back has its memory outside of the workspace, but for one array to be exchanged with it."""

    def f(y):
        return _recording.while_loop(lambda s: s[0] < 5, lambda s: (s[0] + 1, xp.roll(s[1], 1) * 0.5), (0, y))[1]

    staged = stage(f, np.zeros(1000))
    assert generate(staged.graph)[1] <= 8064
    np.testing.assert_allclose(staged(np.arange(1000.0)), np.roll(np.arange(1000.0), 5) * 0.5**5)


def choices(leaf):
    return st.recursive(leaf, lambda x: st.tuples(st.integers(0, 6), x, x), max_leaves=4)


@hypothesis.settings(max_examples=40, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(
    new=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=3, max_size=3),
    outer=st.lists(choices(st.integers(0, 7)), min_size=4, max_size=4),
    inner=st.lists(choices(st.integers(0, 7)), min_size=4, max_size=4),
    order=st.permutations(range(4)),
    nested=st.booleans(),
)
def test_any_exchange(new, outer, inner, order, nested):
    """However carried arrays are exchanged, shared, replaced and chosen in two loops, each gets its own entries."""

    def run(functions, loop, cond, carry):
        def chosen(choice, values, turn):
            if choice == 7:
                return functions.roll(values[0], 2) + values[1]  # new where it is chosen
            if isinstance(choice, int):
                return values[choice]
            which, yes, no = choice
            if which > 3:
                return cond(
                    (turn + which) % 3 == 0, lambda: chosen(yes, values, turn), lambda: chosen(no, values, turn)
                )
            return functions.where((turn + which) % 3 == 0, chosen(yes, values, turn), chosen(no, values, turn))

        def turn(choices, then):
            def body(s):
                i, *y = s
                values = y + [functions.roll(y[a], 1) * 0.5 + y[b] for a, b in new]
                return (i + 1, *then([chosen(x, values, i) for x in choices]))

            return body

        def whole(y):
            if not nested:
                return y
            _, *y = loop(lambda s: s[0] < 3, turn(inner, lambda y: y), (0, *y))
            return [y[i] for i in order]

        def around(s):
            i, *y = s
            # First the loop inside, which goes on with what is carried.
            return turn(outer, lambda y: y)((i, *whole(y)))

        return loop(lambda s: s[0] < 4, around, (0, *carry))[1:]

    # Numbers in arrays, so that the recorded conditions are no Python numbers.
    staged = stage(lambda *carry: run(xp, _recording.while_loop, _recording.cond, carry), *X)
    for got, expected in zip(staged(*X), run(np, plain_while, plain_cond, X), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_loops_of_few_turns(turns):
    """A loop that ends at once gives back what it was given."""

    def run(functions, loop, a, b):
        return loop(lambda s: s[0] < turns, lambda s: (s[0] + 1, s[2], s[1] + s[2]), (0, a, b))[1:]

    staged = stage(lambda a, b: run(xp, _recording.while_loop, a, b), X[0], X[1])
    for got, expected in zip(staged(X[0], X[1]), run(np, plain_while, X[0], X[1]), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_memory_is_used_again():
    """Thirty arrays one after the other need the memory of few."""

    def f(y):
        for _ in range(30):
            y = y + 0.1 * xp.roll(xp.sin(y), 1) * xp.cumulative_sum(y)
        return y

    text, workspace = generate(stage(f, np.zeros(1000)).graph)
    assert text
    assert workspace <= 6 * 8064


def test_long_lists_of_equations_are_written_one_by_one():
    """No more numbers are held in registers than an equation needs: LLVM would put the rest to memory and back."""

    def f(y):
        return xp.stack([xp.sin(y[i]) * y[i - 1] for i in range(100)])

    body = stage(f, np.zeros(100)).llvm().splitlines()
    calls = [i for i, line in enumerate(body) if "@sin(" in line and "call" in line]
    stores = [i for i, line in enumerate(body) if line.startswith("  store double")]
    assert len(calls) == len(stores) == 100
    assert all(call < store for call, store in zip(calls, stores, strict=True))
    assert all(store < call for store, call in zip(stores[:-1], calls[1:], strict=True))
