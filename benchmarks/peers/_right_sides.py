"""The problems in the words of numba: ``f(t, y, dy, p)`` on pointers, by the name of the C program's header."""

from __future__ import annotations

import math
from collections.abc import Callable

from .cases.pollu import changes


def lorenz(t, y, dy, p):
    """Lorenz's equations; p = sigma, rho, beta."""
    dy[0] = p[0] * (y[1] - y[0])
    dy[1] = y[0] * (p[1] - y[2]) - y[1]
    dy[2] = y[0] * y[1] - p[2] * y[2]


def lotka_volterra(t, y, dy, p):
    """Predator and prey; p = a, b, c, d."""
    dy[0] = p[0] * y[0] - p[1] * y[0] * y[1]
    dy[1] = p[3] * y[0] * y[1] - p[2] * y[1]


def pleiades(t, y, dy, p):
    """Seven stars of masses 1 to 7: positions x, y and their velocities, seven each."""
    for i in range(7):
        dy[i] = y[14 + i]
        dy[7 + i] = y[21 + i]
        pull_x = pull_y = 0.0
        for j in range(7):
            if j != i:
                x, z = y[j] - y[i], y[7 + j] - y[7 + i]
                square = x * x + z * z
                weight = (j + 1) / (square * math.sqrt(square))
                pull_x += weight * x
                pull_y += weight * z
        dy[14 + i] = pull_x
        dy[21 + i] = pull_y


def rober(t, y, dy, p):
    """Robertson's reactions."""
    slow, middle, fast = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] * y[1]
    dy[0] = middle - slow
    dy[1] = slow - middle - fast
    dy[2] = fast


def hires(t, y, dy, p):
    """Eight reactants that explain how light changes plant tissue."""
    binding = 280.0 * y[5] * y[7]
    dy[0] = -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + 0.0007
    dy[1] = 1.71 * y[0] - 8.75 * y[1]
    dy[2] = -10.03 * y[2] + 0.43 * y[3] + 0.035 * y[4]
    dy[3] = 8.32 * y[1] + 1.71 * y[2] - 1.12 * y[3]
    dy[4] = -1.745 * y[4] + 0.43 * (y[5] + y[6])
    dy[5] = -binding + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6]
    dy[6] = binding - 1.81 * y[6]
    dy[7] = -dy[6]


def orego(t, y, dy, p):
    """The Oregonator."""
    dy[0] = 77.27 * (y[1] + y[0] * (1.0 - 8.375e-6 * y[0] - y[1]))
    dy[1] = (y[2] - (1.0 + y[0]) * y[1]) * (1.0 / 77.27)
    dy[2] = 0.161 * (y[0] - y[2])


def brusselator_stiff(t, y, dy, p):
    """The Brusselator on a torus; p = A, B, alpha, and what each point of the disc is fed from t = 1.1 on."""
    n = 32
    diffusion = p[2] * (n - 1) ** 2
    fed = 1.0 if t >= 1.1 else 0.0
    for i in range(n):
        up, down = (i - 1) % n * n, (i + 1) % n * n
        for j in range(n):
            left, right, at = i * n + (j - 1) % n, i * n + (j + 1) % n, i * n + j
            u, v, k = y[at], y[n * n + at], n * n
            reaction = u * u * v
            around_u = y[up + j] + y[down + j] + y[left] + y[right]
            around_v = y[k + up + j] + y[k + down + j] + y[k + left] + y[k + right]
            dy[at] = p[1] + reaction - (p[0] + 1.0) * u + diffusion * (around_u - 4.0 * u) + fed * p[3 + at]
            dy[n * n + at] = p[0] * u - reaction + diffusion * (around_v - 4.0 * v)


def pollu() -> Callable[..., None]:
    """Air pollution, whose changes come in a tuple."""
    import numba

    compiled = numba.njit(changes)

    def fill(t, y, dy, p):
        for i, value in enumerate(compiled(y)):
            dy[i] = value

    return fill


BY_HAND = (lorenz, lotka_volterra, pleiades, rober, hires, orego, brusselator_stiff)
WRITTEN = {function.__name__: function for function in BY_HAND}


def of(problem: str) -> Callable[..., None]:
    """The right side of a problem, ready for ``numba.cfunc`` and ``numba.njit``."""
    return pollu() if problem == "pollu" else WRITTEN[problem]
