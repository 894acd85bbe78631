"""Points that attract each other, and rigid ones that turn."""

from __future__ import annotations

import math

import numpy as np

from ._reference import ReferenceProblem, reference_problem

HAIRER_1 = (
    "E. Hairer, S. P. Nørsett, G. Wanner, Solving Ordinary Differential Equations I, Springer, 1993, "
    "doi:10.1007/978-3-540-78862-1"
)
GEOMETRIC = (
    "E. Hairer, C. Lubich, G. Wanner, Geometric Numerical Integration, Springer, 2006, doi:10.1007/3-540-30666-8"
)


def column(xp, values, lanes: tuple[int, ...]):
    """Let one value a body, with lanes or without, broadcast against (body, coordinate, *lanes)."""
    own = values.shape[1:]
    return xp.reshape(values, (values.shape[0], 1, *own, *(1 for _ in lanes[len(own) :])))


def inverse_cube(xp, vectors, axis: int):
    """Compute ``1 / |v|**3`` along an axis that is kept; one for ``v = 0``, a body's distance to itself."""
    square = xp.sum(vectors**2, axis=axis, keepdims=True)
    return (square + xp.astype(square == 0.0, square.dtype)) ** -1.5


def kepler_state(t: float, eccentricity: float) -> np.ndarray:
    """Solve Kepler's equation for the orbit of half axis 1 from the pericentre; return [[x, y], [vx, vy]]."""
    anomaly = t
    for _ in range(60):
        residual = anomaly - eccentricity * math.sin(anomaly) - t
        change = residual / (1.0 - eccentricity * math.cos(anomaly))
        # Undamped, Newton's steps may run away near the pericentre of a slender orbit.
        anomaly -= max(-0.5, min(0.5, change))
        if abs(change) <= 1e-15 * (1.0 + abs(anomaly)):
            break
    sine, cosine = math.sin(anomaly), math.cos(anomaly)
    height = math.sqrt(1.0 - eccentricity**2)
    speed = 1.0 / (1.0 - eccentricity * cosine)
    return np.array([[cosine - eccentricity, height * sine], [-sine * speed, height * cosine * speed]])


@reference_problem
def kepler(xp):
    """Kepler's problem in first-order form: three orbits of eccentricity 0.6."""

    def f(t, y, p):
        cube = (y[0] ** 2 + y[1] ** 2) ** 1.5
        return [y[2], y[3], -p["gravity"] * y[0] / cube, -p["gravity"] * y[1] / cube]

    return ReferenceProblem(
        f,
        [0.4, 0.0, 0.0, 2.0],
        (0.0, 6.0 * math.pi),
        GEOMETRIC + ", section I.2",
        params={"gravity": 1.0},
        exact=lambda t: kepler_state(t, 0.6).reshape(4),
        digits=13,
    )


@reference_problem
def kepler_second_order(xp):
    """Kepler's problem in second-order form: three orbits of eccentricity 0.6."""

    def a(t, q, v, p):
        return -p["gravity"] * q * inverse_cube(xp, q, axis=0)

    return ReferenceProblem(
        a,
        ([0.4, 0.0], [0.0, 2.0]),
        (0.0, 6.0 * math.pi),
        GEOMETRIC + ", section I.2",
        params={"gravity": 1.0},
        exact=lambda t: kepler_state(t, 0.6),
        digits=13,
    )


@reference_problem
def swinging_kepler(xp):
    """Kepler's problem seen from a swinging carriage: second order, nonlinear, and driven by the clock."""

    def swing(t):
        return np.array([0.2 * math.sin(1.3 * t), 0.1 * math.cos(0.7 * t)])

    def a(t, q, v, p):
        sway = xp.stack([0.2 * xp.sin(1.3 * t), 0.1 * xp.cos(0.7 * t)])
        push = xp.stack([-0.338 * xp.sin(1.3 * t), -0.049 * xp.cos(0.7 * t)])
        away = q - sway
        return push - p["gravity"] * away * inverse_cube(xp, away, axis=0)

    def exact(t):
        swing_velocity = [0.26 * math.cos(1.3 * t), -0.07 * math.sin(0.7 * t)]
        return kepler_state(t, 0.2) + np.array([swing(t), swing_velocity])

    q0, v0 = exact(0.0)
    return ReferenceProblem(
        a, (q0, v0), (0.0, 3.0), GEOMETRIC + ", section I.2, in a moving frame", {"gravity": 1.0}, exact
    )


@reference_problem
def spring(xp):
    """A weight on a spring, pushed by the clock, in second-order form."""
    push = 1.0 / (1.0 - 1.3**2)

    def exact(t):
        return np.array(
            [
                [math.cos(t) + push * math.sin(1.3 * t)],
                [-math.sin(t) + 1.3 * push * math.cos(1.3 * t)],
            ]
        )

    q0, v0 = exact(0.0)
    return ReferenceProblem(
        lambda t, q, v, p: -p["stiffness"] * q + xp.sin(1.3 * t),
        (q0, v0),
        (0.0, 5.0),
        "elementary mechanics: a forced linear oscillation",
        params={"stiffness": 1.0},
        exact=exact,
    )


@reference_problem
def kink(xp):
    """The standing kink of the phi-to-the-fourth field, in second-order form."""

    def exact(t):
        return np.array([[math.tanh(t)], [1.0 / math.cosh(t) ** 2]])

    return ReferenceProblem(
        lambda t, q, v, p: p["coupling"] * (q**3 - q),
        ([0.0], [1.0]),
        (0.0, 2.0),
        "R. Rajaraman, Solitons and Instantons, North-Holland, 1982, section 2.3",
        params={"coupling": 2.0},
        exact=exact,
    )


@reference_problem
def pleiades(xp):
    """Seven stars in a plane, with close encounters; state x (7), y (7), their velocities (14)."""

    def f(t, y, p):
        lanes = y.shape[1:]
        position = xp.reshape(y[:14, ...], (2, 7, *lanes))  # coordinate, star, trajectories
        between = xp.expand_dims(position, axis=2) - xp.expand_dims(position, axis=1)
        pull = column(xp, p["masses"], lanes) * between * inverse_cube(xp, between, axis=0)
        acceleration = xp.sum(pull, axis=1)
        return xp.concat([y[14:, ...], xp.reshape(acceleration, (14, *lanes))], axis=0)

    start = [
        *(3.0, 3.0, -1.0, -3.0, 2.0, -2.0, 2.0),
        *(3.0, -3.0, 2.0, 0.0, 0.0, -4.0, 4.0),
        *(0.0, 0.0, 0.0, 0.0, 0.0, 1.75, -1.5),
        *(0.0, 0.0, 0.0, -1.25, 1.0, 0.0, 0.0),
    ]
    return ReferenceProblem(
        f,
        start,
        (0.0, 3.0),
        HAIRER_1 + ", section II.10",
        params={"masses": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]},
    )


@reference_problem
def arenstorf(xp):
    """A periodic orbit of a spacecraft around earth and moon, over one period."""

    def f(t, y, p):
        moon, earth = p["moon"], 1.0 - p["moon"]
        to_earth = ((y[0] + moon) ** 2 + y[1] ** 2) ** 1.5
        to_moon = ((y[0] - earth) ** 2 + y[1] ** 2) ** 1.5
        along = y[0] + 2.0 * y[3] - earth * (y[0] + moon) / to_earth - moon * (y[0] - earth) / to_moon
        across = y[1] - 2.0 * y[2] - earth * y[1] / to_earth - moon * y[1] / to_moon
        return [y[2], y[3], along, across]

    return ReferenceProblem(
        f,
        [0.994, 0.0, 0.0, -2.00158510637908252240537862224],
        (0.0, 17.0652165601579625588917206249),
        HAIRER_1 + ", section II.0, after R. F. Arenstorf, American Journal of Mathematics 85 (1963) 27-35, "
        "doi:10.2307/2373181",
        params={"moon": 0.012277471},
    )


@reference_problem
def rigid_body(xp):
    """Euler's equations of a free rigid body with moments of inertia 2, 1, 2/3."""

    def f(t, y, p):
        i1, i2, i3 = p["inertia"]
        return [
            (1.0 / i3 - 1.0 / i2) * y[2] * y[1],
            (1.0 / i1 - 1.0 / i3) * y[0] * y[2],
            (1.0 / i2 - 1.0 / i1) * y[1] * y[0],
        ]

    return ReferenceProblem(
        f,
        [math.cos(1.1), 0.0, math.sin(1.1)],
        (0.0, 10.0),
        GEOMETRIC + ", section VII.5",
        params={"inertia": (2.0, 1.0, 2.0 / 3.0)},
    )


@reference_problem
def henon_heiles(xp):
    """A star in a galaxy, in second-order form, on a regular orbit of energy 1/12."""

    def a(t, q, v, p):
        return xp.stack([-q[0] - 2.0 * q[0] * q[1], -q[1] - q[0] ** 2 + q[1] ** 2])

    return ReferenceProblem(
        a,
        ([0.0, 0.1], [math.sqrt(2.0 * (1.0 / 12.0 - 0.005 + 0.001 / 3.0)), 0.0]),
        (0.0, 20.0),
        "M. Hénon, C. Heiles, The applicability of the third integral of motion, Astronomical Journal 69 "
        "(1964) 73-79, "
        "doi:10.1086/109234",
    )
