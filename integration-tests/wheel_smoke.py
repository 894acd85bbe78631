"""Solve with wheels alone, as a user of one plugin would: run by CI in a clean environment.

    python wheel_smoke.py FOLDER

FOLDER is where the wheels were built: every evolvent package that is installed must have come from there, and
nothing that the plugin did not ask for may be installed beside it.
"""

import json
import math
import sys
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlparse

PLUGIN_AND_WHAT_IT_NEEDS = {"evolvent-core", "evolvent-stepping", "evolvent-ode"}
RATES = {"a": 0.55, "b": 0.028, "c": 0.80, "d": 0.024}


def check_origin(folder: Path) -> None:
    """Assert that the evolvent packages installed here are the plugin's, and the wheels of `folder`."""
    ours = {dist.name: dist for dist in metadata.distributions() if dist.name.startswith("evolvent")}
    assert set(ours) == PLUGIN_AND_WHAT_IT_NEEDS, f"installed: {sorted(ours)}"
    for name, dist in ours.items():
        origin = json.loads(dist.read_text("direct_url.json") or "{}").get("url", "an index")
        wheel = Path(unquote(urlparse(origin).path))
        assert wheel.suffix == ".whl", f"{name} was installed from {origin}"
        assert wheel.parent.resolve() == folder.resolve(), f"{name} was installed from {origin}"
    for heavy in ("torch", "jax", "cupy", "scipy"):
        assert not any(dist.name == heavy for dist in metadata.distributions()), f"{heavy} is installed"


def lotka_volterra(t, y, p):
    hares, lynx = y
    return [p["a"] * hares - p["b"] * hares * lynx, p["d"] * hares * lynx - p["c"] * lynx]


def invariant(y) -> float:
    """Return what Lotka and Volterra's equations conserve along every orbit."""
    hares, lynx = map(float, y)
    p = RATES
    return p["d"] * hares - p["c"] * math.log(hares) + p["b"] * lynx - p["a"] * math.log(lynx)


def main() -> None:
    check_origin(Path(sys.argv[1]))

    import evolvent as ev

    problem = ev.ODEProblem(lotka_volterra, y0=[33.956, 5.933], t_span=(0.0, 20.0), params=RATES)
    for algorithm in (None, "Tsit5"):
        solution = ev.solve(problem, algorithm, rtol=1e-10, atol=1e-10)
        drift = max(abs(invariant(y) / invariant(solution.y[0]) - 1.0) for y in solution.y)
        assert float(solution.t[-1]) == 20.0
        assert drift < 1e-7, f"the invariant drifted by {drift:.1e}"
        print(f"{algorithm or 'chosen algorithm'}: {solution.status}, invariant kept to {drift:.1e}")
    print("solved with", *(f"{name} {metadata.version(name)}" for name in sorted(PLUGIN_AND_WHAT_IT_NEEDS)))


if __name__ == "__main__":
    main()
