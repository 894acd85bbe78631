"""Random draws: the published bits, the same on every backend, distributed as they claim."""

import contextlib
import importlib
import math
from types import SimpleNamespace

import numpy as np
import pytest

from evolvent import random

# Random123, tests/kat_vectors: counter, key, words.
KNOWN_ANSWERS = (
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
)
MODULES = {
    "numpy": "numpy",
    "array-api-strict": "array_api_strict",
    "torch": "array_api_compat.torch",
    "jax": "jax.numpy",
    "jax-x64": "jax.numpy",
}


@pytest.fixture(params=list(MODULES))
def xp(request):
    """Each array namespace; JAX without and with 64-bit types."""
    if request.param == "torch":
        pytest.importorskip("torch")
    module = pytest.importorskip(MODULES[request.param])
    scope = contextlib.nullcontext()
    if request.param.startswith("jax"):
        scope = importlib.import_module("jax").enable_x64(request.param == "jax-x64")
    with scope:
        yield module


@pytest.fixture
def jax():
    return pytest.importorskip("jax")


def without(*names):
    """NumPy, with the named dtypes hidden."""
    full = np.__array_namespace_info__()

    def dtypes(*, kind=None):
        return {name: dtype for name, dtype in full.dtypes(kind=kind).items() if name not in names}

    members = {name: getattr(np, name) for name in np.__all__ if name not in names and hasattr(np, name)}
    return SimpleNamespace(**members | {"__array_namespace_info__": lambda: SimpleNamespace(dtypes=dtypes)})


def parse(text):
    return [int(word, 16) for word in text.split()]


def words_of(xp, values):
    """An array of 32-bit words, in the dtype that draws of this namespace come in."""
    return xp.asarray(values, dtype=random.bits(xp, 0, 0, 0, 0)[0].dtype)


def as_numpy(array):
    return np.from_dlpack(array)


def float_dtypes(xp):
    return xp.__array_namespace_info__().dtypes(kind="real floating")


def chi_square_limit(freedom):
    """The quantile that chance passes once in 1,000 (Wilson and Hilferty)."""
    return freedom * (1 - 2 / (9 * freedom) + 3.09 * math.sqrt(2 / (9 * freedom))) ** 3


def kolmogorov_distance(draws, cdf):
    """The distance of the empirical from the claimed distribution function, in units of 1 / sqrt(n)."""
    at = cdf(np.sort(draws.ravel()))
    n = at.size
    steps = np.arange(n + 1) / n
    return math.sqrt(n) * max(np.max(steps[1:] - at), np.max(at - steps[:-1]))


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_known_answers_of_plain_integers(xp, counter, key, expected):
    """Plain integers give Random123's words."""
    words = random.philox4x32(xp, parse(counter), parse(key))
    assert [int(word) for word in words] == parse(expected)


def test_known_answers_of_arrays(xp):
    """Arrays give Random123's words."""
    counter, key, expected = ([parse(text) for text in column] for column in zip(*KNOWN_ANSWERS, strict=True))
    counter, key = ([words_of(xp, word) for word in zip(*given, strict=True)] for given in (counter, key))
    words = random.philox4x32(xp, counter, key)
    assert np.array_equal(np.stack([as_numpy(word) for word in words], axis=-1), expected)


@pytest.mark.parametrize("hidden", [("uint32", "uint64"), ("int64", "uint64"), ("uint32", "int64")])
def test_every_word_arithmetic_agrees(hidden):
    """Products in int64, in uint64 and by limbs of 16 bits give equal words on any counters and keys."""
    given = np.random.default_rng(1).integers(0, 2**32, size=(6, 4096), dtype=np.uint32)
    given[:, :64] = given[:, :64] // 2**31 * 0xFFFFFFFF
    if "uint32" in hidden:
        given = given.astype(np.int64 if "uint64" in hidden else np.uint64)
    words = random.philox4x32(without(*hidden), given[:4], given[4:])
    expected = random.philox4x32(np, given[:4], given[4:])
    assert np.array_equal(words, expected)


def test_bits_are_equal_on_every_backend(xp):
    """Bits of arrays are those that plain integers give, one at a time."""
    trajectories, steps, blocks = [0, 1, 2**32 - 1], [5, 2**31, 2**32 - 1], [0, 7, 2**32 - 2]
    words = random.bits(
        xp, 0x0123456789ABCDEF, words_of(xp, trajectories)[:, None], words_of(xp, steps), words_of(xp, blocks)
    )
    for i, trajectory in enumerate(trajectories):
        for j, (step, block) in enumerate(zip(steps, blocks, strict=True)):
            one = random.bits(np, 0x0123456789ABCDEF, trajectory, step, block)
            assert [int(word[i, j]) for word in words] == [int(word) for word in one]


def test_counter_layout():
    """The key is the seed, low word first; the counter is (block, step low, step high, trajectory)."""
    words = random.bits(np, (3 << 32) + 2, 7, (5 << 32) + 4, 6)
    assert np.array_equal(words, random.philox4x32(np, (6, 4, 5, 7), (2, 3)))
    key = random.fold_in(np, (2, 3), (5 << 32) + 4)
    assert np.array_equal(key, random.philox4x32(np, (0, 4, 5 + 2**31, 0), (2, 3))[:2])


def test_steps_beyond_32_bits(xp):
    """A 64-bit array of steps gives what the plain integers give."""
    integers = xp.__array_namespace_info__().dtypes(kind="integral")
    if "int64" not in integers:
        pytest.skip("jax without 64-bit types has no such arrays")
    steps = [2**32, 2**40 + 3, 2**63 - 1]
    words = random.bits(xp, 1, 2, xp.asarray(steps, dtype=integers["int64"]), 3)
    for i, step in enumerate(steps):
        assert [int(word[i]) for word in words] == [int(w) for w in random.bits(np, 1, 2, step, 3)]


def test_streams_do_not_overlap():
    """Blocks, steps and trajectories that differ in any word give different blocks."""
    edges = np.asarray([0, 1, 2, 2**16, 2**31, 2**32 - 1], dtype=np.uint64)
    steps = np.concatenate([edges, edges[1:-2] << np.uint64(32)])
    words = random.bits(np, 9, edges[:, None, None], steps[:, None], edges)
    blocks = np.stack(words, axis=-1).reshape(-1, 4)
    assert len(np.unique(blocks, axis=0)) == edges.size * steps.size * edges.size


def test_integer_dtypes_do_not_matter(xp):
    """Counters of any integer dtype give equal bits."""
    names = set(xp.__array_namespace_info__().dtypes(kind="integral"))
    expected = [as_numpy(word) for word in random.bits(xp, 1, range(100), 0, 0)]
    for name in sorted(names):
        trajectory = xp.arange(100, dtype=getattr(xp, name))
        words = random.bits(xp, 1, trajectory, 0, 0)
        assert np.array_equal([as_numpy(word) for word in words], expected), name


def test_numpy_integers_serve_any_namespace(xp):
    """Host integers of the control plane, and keys made on it, are taken by every namespace."""
    key = random.fold_in(np, 5, 1)
    words = random.bits(xp, key, np.uint32(3), np.asarray(2**40), np.int64(1))
    assert [int(word) for word in words] == [int(word) for word in random.bits(np, key, 3, 2**40, 1)]


def test_derived_keys(xp):
    """Folding in an array splits a key; a derived key is taken wherever a seed is, and gives other draws."""
    keys = random.fold_in(xp, 3, range(1000))
    low, high = (as_numpy(word).astype(np.uint64) for word in keys)
    assert np.unique(low + (high << np.uint64(32))).size == 1000
    one = random.fold_in(xp, 3, 17)
    assert [int(word[17]) for word in keys] == [int(word) for word in one]
    again = random.fold_in(xp, one, 17)
    draws = [random.uniform(xp, key, 0, 0, range(64), dtype=xp.float32) for key in (3, one, again)]
    assert np.unique([as_numpy(draw) for draw in draws]).size == 3 * 64


def test_keys_broadcast(xp):
    """An array of keys draws for each key what the key alone draws."""
    keys = random.fold_in(xp, 3, range(5))
    draws = as_numpy(random.uniform(xp, keys, 0, 0, 4, dtype=xp.float32))
    same = as_numpy(random.uniform(xp, keys, 0, 0, range(5), dtype=xp.float32))
    assert draws.shape == same.shape == (5,)
    for i in range(5):
        key = tuple(word[i] for word in keys)
        assert draws[i] == float(random.uniform(xp, key, 0, 0, 4, dtype=xp.float32))
        assert same[i] == float(random.uniform(xp, key, 0, 0, i, dtype=xp.float32))


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_uniforms_are_equal_on_every_backend(xp, name):
    """Uniform draws are bitwise equal, dtype and namespace as asked."""
    if name not in float_dtypes(xp):
        pytest.skip("jax without 64-bit types has no float64")
    for positive in (False, True):
        draws = random.uniform(xp, 11, range(40), 3, 5, dtype=getattr(xp, name), positive=positive)
        assert draws.dtype == getattr(xp, name)
        expected = random.uniform(np, 11, range(40), 3, 5, dtype=getattr(np, name), positive=positive)
        assert np.array_equal(as_numpy(draws), expected)


@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("draw", [random.normal, random.exponential])
def test_other_draws_are_equal_to_rounding(xp, draw, name):
    """Normal and exponential draws agree to a few units in the last place of the largest term."""
    if name not in float_dtypes(xp):
        pytest.skip("jax without 64-bit types has no float64")
    draws = draw(xp, 11, range(1000), 3, range(1000), dtype=getattr(xp, name))
    assert draws.dtype == getattr(xp, name)
    expected = draw(np, 11, range(1000), 3, range(1000), dtype=getattr(np, name))
    # Near an angle of pi a cosine loses half an ulp of 2 pi, times the radius.
    np.testing.assert_allclose(as_numpy(draws), expected, rtol=0, atol=16 * np.finfo(name).eps)


@pytest.mark.parametrize("draw", [random.uniform, random.normal, random.exponential])
def test_single_precision_follows_double(draw):
    """The float32 draws are the float64 draws, to single precision.

    The worst are small normals: an error of 2**-25 in u near 1 is one of 2**-25 / r in the radius r.
    """
    double = draw(np, 1, range(100_000), 0, 0, dtype=np.float64)
    single = draw(np, 1, range(100_000), 0, 0, dtype=np.float32)
    np.testing.assert_allclose(single, double, rtol=0, atol=2e-5)


def test_intervals_at_the_extremes():
    """The smallest and the largest bits stay inside [0, 1), and inside (0, 1) where positive."""
    words = np.asarray([0, 0xFFFFFFFF], dtype=np.uint32)
    for dtype, digits in ((np.float32, 24), (np.float64, 53)):
        unit = random._Unit.of(np, dtype)
        assert unit.half_open(words, words).tolist() == [0, 1 - 2.0**-digits]
        assert unit.positive(words, words).tolist() == [2.0**-64, 1 - 2.0**-digits]


def test_uniforms_are_multiples_of_the_last_place():
    """Half-open uniforms hold 24 and 53 random bits, the last one as often set as not."""
    for dtype, digits in ((np.float32, 24), (np.float64, 53)):
        scaled = random.uniform(np, 1, range(10_000), 0, 0, dtype=dtype).astype(np.float64) * 2.0**digits
        assert np.array_equal(scaled, np.floor(scaled))
        odd = int(np.sum(scaled.astype(np.int64) & 1))
        assert abs(odd - 5000) < 4 * 50


def test_ranges_mean_their_values(xp):
    """A range of indices gives bitwise the draws of its values, whichever way they are computed."""
    trajectory = words_of(xp, [[1], [2], [3]])
    for index in (range(0), range(3, 8), range(8, 0, -2)):
        draws = as_numpy(random.uniform(xp, 1, trajectory, 2, index, dtype=xp.float32))
        assert draws.shape == (3, len(index))
        values = words_of(xp, list(index))
        assert np.array_equal(as_numpy(random.uniform(xp, 1, trajectory, 2, values, dtype=xp.float32)), draws)


@pytest.mark.parametrize("draw", [random.uniform, random.normal, random.exponential])
def test_ranges_are_their_integers_one_by_one(draw):
    """Draw number i is the same in a range, in an array and alone, for either half of a block."""
    for index in (range(1), range(6), range(3, 8), range(8, 0, -2)):
        draws = draw(np, 1, np.arange(3)[:, None], 2, index, dtype=np.float64)
        array = draw(np, 1, np.arange(3)[:, None], 2, np.asarray(index), dtype=np.float64)
        alone = [[draw(np, 1, i, 2, j, dtype=np.float64) for j in index] for i in range(3)]
        np.testing.assert_allclose(array, draws, rtol=1e-15)
        np.testing.assert_allclose(alone, draws, rtol=1e-15)


def test_a_range_along_the_axis_of_another_argument(xp):
    """A range pairs off with an array of its own length, as broadcasting says."""
    paired = as_numpy(random.uniform(xp, 1, range(4), 2, range(4), dtype=xp.float32))
    crossed = as_numpy(random.uniform(xp, 1, words_of(xp, [[0], [1], [2], [3]]), 2, range(4), dtype=xp.float32))
    assert np.array_equal(paired, np.diagonal(crossed))


def test_broadcast_shapes(xp):
    """All integers broadcast; plain ones give arrays without axes."""
    trajectory, step = words_of(xp, [[[1]], [[2]]]), words_of(xp, [[1], [2], [3]])
    assert random.uniform(xp, 1, trajectory, step, range(5), dtype=xp.float32).shape == (2, 3, 5)
    scalar = random.normal(xp, 1, 0, 0, 0, dtype=xp.float32)
    assert scalar.shape == ()
    assert type(scalar) is type(xp.asarray(1.0))


def test_other_trajectories_and_draws_change_nothing():
    """A draw is the same however many others are made with it."""
    few = random.normal(np, 1, np.arange(3)[:, None], 5, range(3), dtype=np.float64)
    many = random.normal(np, 1, np.arange(100)[:, None], 5, range(31), dtype=np.float64)
    assert np.array_equal(few, many[:3, :3])


def test_device_comes_from_the_inputs_or_the_keyword():
    """Draws go to the device of the arrays given, or to the one asked for."""
    strict = pytest.importorskip("array_api_strict")
    other = strict.Device("device1")
    trajectory = strict.arange(3, device=other)
    for index in (2, range(4)[1:], strict.asarray([1], device=other)):
        assert random.normal(strict, 1, trajectory[:, None], 0, index, dtype=strict.float64).device == other
        given = random.normal(strict, 1, 0, 0, index, dtype=strict.float64, device=other)
        assert given.device == other
    assert all(word.device == other for word in random.fold_in(strict, 1, 2, device=other))


@pytest.mark.parametrize("x64", [False, True])
def test_jit_and_vmap(jax, x64):
    """Under jit, vmap and inside a compiled loop the bits are those of eager calls."""
    with jax.enable_x64(x64):
        jnp = jax.numpy

        def draw(seed, trajectory, step, index):
            return random.uniform(jnp, random.fold_in(jnp, seed, 1), trajectory, step, index, dtype=jnp.float32)

        trajectories = jnp.arange(6, dtype=jnp.int32)
        eager = [draw(jnp.uint32(3), trajectory, 9, 1) for trajectory in trajectories]
        mapped = jax.vmap(draw, in_axes=(None, 0, None, None))(jnp.uint32(3), trajectories, 9, 1)
        compiled = jax.jit(draw)(jnp.uint32(3), trajectories, jnp.int32(9), jnp.int32(1))
        assert np.array_equal(mapped, eager)
        assert np.array_equal(compiled, eager)

        def add(step, total):
            return total + random.uniform(jnp, 3, 0, step, range(2), dtype=jnp.float32)

        looped = jax.jit(lambda: jax.lax.fori_loop(0, 5, add, jnp.zeros(2, jnp.float32)))()
        total = jnp.zeros(2, jnp.float32)
        for step in range(5):
            total = add(step, total)
        assert np.array_equal(looped, total)


@pytest.mark.parametrize("x64", [False, True])
def test_jit_of_normals(jax, x64):
    """A compiled normal draw is the eager one to rounding."""
    with jax.enable_x64(x64):
        jnp = jax.numpy
        steps = jnp.arange(100, dtype=jnp.int32)[:, None]

        def draw(steps):
            return random.normal(jnp, 3, 0, steps, range(3), dtype=jnp.float32)

        np.testing.assert_allclose(jax.jit(draw)(steps), draw(steps), rtol=0, atol=16 * 2.0**-23)


@pytest.fixture(scope="module")
def sample():
    """Words of 64 trajectories, 64 steps and 64 blocks of one seed: 2**20 words."""
    grid = np.arange(64)
    return np.stack(random.bits(np, 2024, grid[:, None, None], grid[:, None], grid))


def test_every_bit_is_fair(sample):
    """Each of the 128 bits is set half the time: a bias of 0.01 would be found with probability above 0.999.

    Each count of n = 2**18 has z = 2 bias sqrt(n); chance passes 4.6 once in 1,800 runs of 128 bits.
    """
    words = sample.reshape(4, -1)
    counts = np.asarray([[np.sum((word >> bit) & 1) for bit in range(32)] for word in words.astype(np.int64)])
    z = (counts - words.shape[1] / 2) / (math.sqrt(words.shape[1]) / 2)
    assert np.max(np.abs(z)) < 4.6


@pytest.mark.parametrize("shift", [0, 8, 16, 24])
def test_bytes_are_equidistributed(sample, shift):
    """Chi-square of bytes: were half of the values 3 % more likely than the others, it would say so surely.

    The non-centrality is then 2**20 0.015**2 = 236 on 255 degrees of freedom, limit 330: power above 0.999.
    """
    counts = np.bincount(((sample >> shift) & 0xFF).ravel(), minlength=256)
    expected = sample.size / 256
    assert np.sum((counts - expected) ** 2) / expected < chi_square_limit(255)


@pytest.mark.parametrize("axis", [0, 1, 2, 3], ids=["word", "trajectory", "step", "block"])
def test_neighbours_are_independent(sample, axis):
    """Chi-square of the pairs of top nibbles of neighbouring words, trajectories, steps and blocks.

    A neighbour that repeats the nibble once in 128 times more than it should would be found with probability
    above 0.999: the non-centrality is then 800 or more on 255 degrees of freedom, limit 330.
    """
    nibbles = np.moveaxis(sample >> 28, axis, 0).astype(np.int64)
    pairs = (nibbles[:-1] * 16 + nibbles[1:]).ravel()
    counts = np.bincount(pairs, minlength=256)
    expected = pairs.size / 256
    assert np.sum((counts - expected) ** 2) / expected < chi_square_limit(255)


@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize(
    ("draw", "cdf"),
    [
        (random.uniform, lambda x: x),
        (random.normal, np.vectorize(lambda x: 0.5 * math.erfc(-x / math.sqrt(2)))),
        (random.exponential, lambda x: -np.expm1(-x)),
    ],
    ids=["uniform", "normal", "exponential"],
)
def test_distributions(draw, cdf, name):
    """Kolmogorov-Smirnov on 10**5 draws, even and odd: a distance of 0.0125 is found with probability 0.999.

    Chance passes 1.95 / sqrt(n) once in 1,000; a distance d comes out below it with probability at most
    2 exp(-2 (d sqrt(n) - 1.95)**2), the bound of Dvoretzky, Kiefer, Wolfowitz and Massart.
    """
    draws = draw(np, 77, np.arange(1000)[:, None], 3, range(100), dtype=getattr(np, name))
    assert kolmogorov_distance(draws.astype(np.float64), cdf) < 1.95


def test_normal_moments():
    """Mean, variance, third and fourth moment of 10**6 draws are within 4 standard errors."""
    draws = random.normal(np, 5, range(1000), np.arange(1000)[:, None], 0, dtype=np.float64)
    errors = [1.0, math.sqrt(2), math.sqrt(15), math.sqrt(96)]
    for power, (moment, error) in enumerate(zip([0, 1, 0, 3], errors, strict=True), start=1):
        assert abs(np.mean(draws**power) - moment) < 4 * error / 1000


@pytest.mark.parametrize("along", ["trajectory", "step", "index", "seed", "key"])
def test_streams_are_uncorrelated(along):
    """Normals of 64 streams of 4,096: a correlation of 0.13 in any pair is found with probability 0.999.

    r sqrt(n) is standard normal; chance passes 5.2 in one of 2,500 runs of the 2,016 pairs.
    """
    many, long = np.arange(64)[:, None], np.arange(4096)
    place = {"seed": 1, "trajectory": 0, "step": long, "index": 0}
    if along == "key":
        place["seed"] = random.fold_in(np, 1, many)
    elif along == "step":
        place |= {"step": many, "trajectory": long}
    else:
        place[along] = many
    draws = random.normal(np, *place.values(), dtype=np.float64)
    correlation = np.corrcoef(draws)[np.triu_indices(64, 1)]
    assert np.max(np.abs(correlation)) * math.sqrt(long.size) < 5.2


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("seed", (-1, 0, 0, 0)),
        ("seed", (2**64, 0, 0, 0)),
        ("seed", ((1, 2, 3), 0, 0, 0)),
        (r"seed\[1\]", ((1, 2**32), 0, 0, 0)),
        ("trajectory", (0, -1, 0, 0)),
        ("trajectory", (0, 2**32, 0, 0)),
        ("trajectory", (0, range(-1, 3), 0, 0)),
        ("step", (0, 0, -1, 0)),
        ("step", (0, 0, 2**63, 0)),
        ("step", (0, 0, np.int64(-1), 0)),
        ("index", (0, 0, 0, -1)),
        ("index", (0, 0, 0, 2**32)),
        ("index", (0, 0, 0, range(-1, 3))),
        ("index", (0, 0, 0, range(2**32 - 1, 2**32 + 1))),
    ],
)
def test_out_of_range_integers_are_named(xp, name, place):
    """A plain integer or range out of range is a ValueError that names the argument."""
    with pytest.raises(ValueError, match=f"^{name} must be"):
        random.uniform(xp, *place, dtype=xp.float32)


@pytest.mark.parametrize("value", [1.0, True, "1", None, [1, 2], np.asarray([1.0]), np.asarray(True)])
@pytest.mark.parametrize("position", range(4))
def test_what_is_no_integer_is_named(position, value):
    """Anything but integers is a TypeError that names the argument."""
    place = [0, 0, 0, 0]
    place[position] = value
    name = ("seed", "trajectory", "step", "index")[position]
    with pytest.raises(TypeError, match=f"^{name} must be an integer"):
        random.uniform(np, *place, dtype=np.float64)


@pytest.mark.parametrize("name", ["int32", "complex64", "bool"])
def test_other_dtypes_are_refused(xp, name):
    """Draws are float32 or float64."""
    with pytest.raises(ValueError, match=r"^dtype must be float32 or float64"):
        random.normal(xp, 0, 0, 0, 0, dtype=getattr(xp, name))


def test_float64_is_refused_where_there_is_none(jax):
    """JAX without 64-bit types would silently return float32."""
    with jax.enable_x64(False), pytest.raises(ValueError, match=r"^dtype must be float32 or float64"):
        random.uniform(jax.numpy, 0, 0, 0, 0, dtype=jax.numpy.float64)


def test_unsuitable_namespaces_are_refused():
    """A module that doesn't say its dtypes, or has no wide enough integers, is a TypeError."""
    with pytest.raises(TypeError, match=r"^xp must be an Array API namespace"):
        random.bits(math, 0, 0, 0, 0)
    with pytest.raises(TypeError, match=r"^xp must offer"):
        random.bits(without("uint32", "uint64", "int64"), 0, 0, 0, 0)


def test_numbers_of_words():
    """Philox takes four counter and two key words."""
    with pytest.raises(ValueError, match="4 counter and 2 key words, got 3 and 2"):
        random.philox4x32(np, (0, 0, 0), (0, 0))
    with pytest.raises(ValueError, match=r"^counter\[2\] must be"):
        random.philox4x32(np, (0, 0, 2**32, 0), (0, 0))
