"""Twenty years of lynx and hare pelts: solved on every array library at hand, fitted, and drawn.

    python docs/demo/hudson_bay.py [--picture FILE]

The model is Lotka and Volterra's. The data are the thousands of pelts that the Hudson's Bay Company collected
from 1900 to 1920, as printed by Howard (2009) and used in Stan's case study (Carpenter 2018). As there, the
errors are taken to be proportional to the numbers: the fit is by least squares on the logarithms. It needs
NumPy alone, for the derivatives by all six unknowns come from one ensemble of thirteen solves.

References
----------
P. Howard, Modeling Basics, lecture notes, Texas A&M University, 2009,
https://www.math.tamu.edu/~phoward/m442/modbasics.pdf.
B. Carpenter, Predator-Prey Population Dynamics: the Lotka-Volterra model in Stan, 2018,
https://mc-stan.org/users/documentation/case-studies/lotka-volterra-predator-prey.html.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import evolvent as ev

# Year, thousands of hares, thousands of lynx.
DATA = np.array(
    [
        [1900, 30.0, 4.0],
        [1901, 47.2, 6.1],
        [1902, 70.2, 9.8],
        [1903, 77.4, 35.2],
        [1904, 36.3, 59.4],
        [1905, 20.6, 41.7],
        [1906, 18.1, 19.0],
        [1907, 21.4, 13.0],
        [1908, 22.0, 8.3],
        [1909, 25.4, 9.1],
        [1910, 27.1, 7.4],
        [1911, 40.3, 8.0],
        [1912, 57.0, 12.3],
        [1913, 76.6, 19.5],
        [1914, 52.3, 45.7],
        [1915, 19.5, 51.1],
        [1916, 11.2, 29.7],
        [1917, 7.6, 15.8],
        [1918, 14.6, 9.7],
        [1919, 16.2, 10.1],
        [1920, 24.7, 8.6],
    ]
)
YEARS, PELTS = DATA[:, 0], DATA[:, 1:]
T = YEARS - YEARS[0]

# The means and standard deviations of Stan's posterior.
UNKNOWNS = ("a", "b", "c", "d", "hares in 1900", "lynx in 1900")
STAN_MEANS = np.array([0.545, 0.028, 0.803, 0.024, 33.956, 5.933])
STAN_DEVIATIONS = np.array([0.064, 0.004, 0.092, 0.004, 2.856, 0.535])

PICTURE = Path(__file__).parents[1] / "_build" / "hudson_bay.png"


def lotka_volterra(t, y, p):
    hares, lynx = y
    return [p["a"] * hares - p["b"] * hares * lynx, p["d"] * hares * lynx - p["c"] * lynx]


def libraries() -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Name the array libraries that are installed, each with what makes one of its arrays."""
    yield "numpy", np.asarray
    for name in ("array_api_strict", "torch", "jax.numpy", "cupy"):
        try:
            xp = import_module(name)
        except ImportError:
            continue
        if name == "torch":
            yield "torch", lambda x, xp=xp: xp.asarray(x, dtype=xp.float64)
            if xp.cuda.is_available():
                yield "torch", lambda x, xp=xp: xp.asarray(x, dtype=xp.float64, device="cuda")
        elif name == "jax.numpy":
            # JAX computes in single precision unless told otherwise.
            import_module("jax").config.update("jax_enable_x64", True)
            yield "jax", xp.asarray
        elif name != "cupy" or xp.cuda.is_available():
            yield name, xp.asarray


class Row(NamedTuple):
    """What one library did with the same problem."""

    library: str
    backend: str
    device: str
    steps: int
    error: float
    first: float
    again: float


def solve_everywhere() -> list[Row]:
    """Solve one problem twice on every library, and compare with a far tighter solution."""
    rates, y0 = STAN_MEANS[:4].tolist(), STAN_MEANS[4:].tolist()
    problem = ev.ODEProblem(lotka_volterra, y0, (0.0, 20.0), dict(zip("abcd", rates, strict=True)))
    runs = []
    for library, array in libraries():
        seconds = []
        for _ in range(2):
            began = time.perf_counter()
            solution = ev.solve(problem.replace(y0=array(y0)), "Tsit5", rtol=1e-8, atol=1e-8, saveat=T)
            seconds.append(time.perf_counter() - began)
        runs.append((library, solution, seconds))
    # After the others, so that the first of them pays for all that is loaded.
    tight = ev.solve(problem, "Vern9", rtol=1e-13, atol=1e-13, saveat=T).y
    return [
        Row(
            library,
            solution.stats.backend,
            solution.stats.device,
            solution.stats.n_steps,
            float(np.max(np.abs(to_numpy(solution.y) - tight))),
            *seconds,
        )
        for library, solution, seconds in runs
    ]


def to_numpy(x: Any) -> np.ndarray:
    """Copy an array to the host."""
    for method in ("cpu", "get"):
        if hasattr(x, method):
            x = getattr(x, method)()
    return np.asarray(x)


def show(rows: list[Row]) -> None:
    """Print the table."""
    print(f"{'library':18}{'backend':26}{'device':14}{'steps':>6}{'error':>10}{'first':>11}{'again':>11}")
    for row in rows:
        device = "cpu" if "cpu" in row.device.lower() else row.device
        print(
            f"{row.library:18}{row.backend:26}{device:14}{row.steps:6d}{row.error:10.1e}"
            f"{1e3 * row.first:8.1f} ms{1e3 * row.again:8.1f} ms"
        )


def log_pelts(x: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Solve for many unknowns at once: logarithms (members, 6) to logarithms (members, times, 2)."""
    values = np.exp(x)
    model = ev.ODEProblem(lotka_volterra, values[0, 4:], (times[0], times[-1]), dict.fromkeys("abcd", 1.0))
    members = ev.EnsembleProblem(model, y0=values[:, 4:], params=dict(zip("abcd", values[:, :4].T, strict=True)))
    return np.log(ev.solve(members, "Tsit5", rtol=1e-9, atol=1e-9, saveat=times).y)


def with_derivatives(x: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The solution at `times` and its derivatives by x, as central differences within one ensemble."""
    h = 1e-4
    shifts = h * np.eye(x.size)
    y = log_pelts(np.vstack([x, x + shifts, x - shifts]), times).reshape(2 * x.size + 1, -1)
    return y[0], (y[1 : x.size + 1] - y[x.size + 1 :]).T / (2.0 * h)


class Fit(NamedTuple):
    """The logarithms of the six unknowns, their covariance, and the standard deviation of the errors."""

    x: np.ndarray
    covariance: np.ndarray
    sigma: float
    iterations: int

    @property
    def values(self) -> np.ndarray:
        return np.exp(self.x)

    @property
    def errors(self) -> np.ndarray:
        return self.values * np.sqrt(np.diag(self.covariance))


def fit(start: np.ndarray, tolerance: float = 1e-6) -> Fit:
    """Fit by least squares on the logarithms, with Levenberg and Marquardt's method."""
    x, damping = np.log(start), 1e-2
    y, jacobian = with_derivatives(x, T)
    residual = np.log(PELTS).ravel() - y
    step, iterations = np.ones_like(x), 0
    while np.max(np.abs(step)) > tolerance:
        iterations += 1
        normal = jacobian.T @ jacobian
        step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), jacobian.T @ residual)
        y, trial_jacobian = with_derivatives(x + step, T)
        trial = np.log(PELTS).ravel() - y
        if trial @ trial < residual @ residual:
            x, residual, jacobian, damping = x + step, trial, trial_jacobian, damping / 10.0
        else:
            damping *= 10.0
    variance = residual @ residual / (residual.size - x.size)
    return Fit(x, variance * np.linalg.inv(jacobian.T @ jacobian), float(np.sqrt(variance)), iterations)


def report(found: Fit) -> None:
    """Print what was found, beside Stan's posterior (whose prior pulls a little)."""
    print(f"{'':18}{'fit':>8}  {'std. error':>10}{'Stan':>10}  {'std. dev.':>10}")
    for row in zip(UNKNOWNS, found.values, found.errors, STAN_MEANS, STAN_DEVIATIONS, strict=True):
        print("{:18}{:8.4g}  {:10.2g}{:10.4g}  {:10.2g}".format(*row))
    print(f"{'error, relative':18}{found.sigma:8.3g}  {'':10}{0.25:10.3g}")


INK, PAPER, FAINT = "#2b2b2b", "#fbfaf6", "#b9b4a8"
COLOURS = ("#c0762b", "#2f5d7c")


def draw(found: Fit, picture: Path) -> None:
    """Draw data and fit against time, with a band of two standard errors, and the cycle."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    times = np.linspace(T[0], T[-1], 401)
    y, jacobian = with_derivatives(found.x, times)
    width = 2.0 * np.sqrt(np.einsum("ij,jk,ik->i", jacobian, found.covariance, jacobian))
    curve, low, high = (np.exp(z).reshape(-1, 2) for z in (y, y - width, y + width))
    style = {
        "font.family": "serif",
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": FAINT,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.facecolor": PAPER,
        "figure.facecolor": PAPER,
    }
    with plt.rc_context(style):
        figure, (left, right) = plt.subplots(1, 2, figsize=(11.5, 4.8), width_ratios=(2.1, 1.0), layout="constrained")
        _against_time(left, YEARS[0] + times, curve, low, high)
        _cycle(right, curve)
        picture.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(picture, dpi=160)
        plt.close(figure)


def _against_time(ax: Any, years: np.ndarray, curve: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    for i, (name, colour, place) in enumerate(
        zip(("snowshoe hare", "Canada lynx"), COLOURS, ((1901.9, 88.0), (1905.35, 58.0)), strict=True)
    ):
        ax.fill_between(years, low[:, i], high[:, i], color=colour, alpha=0.16, linewidth=0)
        ax.plot(years, curve[:, i], color=colour, linewidth=2.0)
        ax.plot(YEARS, PELTS[:, i], "o", color=colour, markeredgecolor=PAPER, markersize=6.5, zorder=3)
        ax.text(*place, name, color=colour, fontsize=12, style="italic")
    ax.set_xlim(1899.6, 1920.4)
    ax.set_ylim(0.0, 100.0)
    ax.set_xticks(range(1900, 1921, 5))
    ax.set_ylabel("pelts, thousands a year")
    ax.set_title("Hudson's Bay Company, 1900 to 1920", loc="left", fontsize=13)
    ax.text(
        1.0,
        1.0,
        "points: as published\nlines: Lotka and Volterra's model, fitted\nbands: two standard errors",
        transform=ax.transAxes,
        ha="right",
        va="top",
        fontsize=8.5,
        color="#7d776a",
    )


def _cycle(ax: Any, curve: np.ndarray) -> None:
    ax.plot(*PELTS.T, color=FAINT, linewidth=0.8, zorder=1)
    ax.plot(*PELTS.T, "o", color="#7d776a", markeredgecolor=PAPER, markersize=5.5, zorder=2)
    ax.plot(curve[:, 0], curve[:, 1], color=INK, linewidth=1.8, zorder=3)
    for year, shift in ((1900, (4, -11)), (1903, (6, 4)), (1904, (6, 4)), (1913, (7, 2)), (1915, (-30, 4))):
        ax.annotate(
            str(year),
            PELTS[year - 1900],
            xytext=shift,
            textcoords="offset points",
            fontsize=8.5,
            color="#7d776a",
        )
    ax.set_xlim(0.0, 90.0)
    ax.set_ylim(0.0, 66.0)
    ax.set_xlabel("hares")
    ax.set_ylabel("lynx")
    ax.set_title("the cycle", loc="left", fontsize=13)


def main() -> None:
    """Solve, fit, draw."""
    parser = argparse.ArgumentParser(description="Fit Lotka and Volterra's model to the Hudson Bay data.")
    parser.add_argument("--picture", type=Path, default=PICTURE, help="where to write the PNG")
    picture = parser.parse_args().picture

    print("Lotka and Volterra's model, twenty years, Tsit5 with rtol = atol = 1e-8")
    show(solve_everywhere())
    began = time.perf_counter()
    found = fit(start=np.array([1.0, 0.05, 1.0, 0.05, *PELTS[0]]))
    print(f"\nFitted in {found.iterations} iterations, {time.perf_counter() - began:.1f} s")
    report(found)
    draw(found, picture)
    print(f"\nThe picture: {picture}")


if __name__ == "__main__":
    main()
