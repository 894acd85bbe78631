"""``python -m evolvent``: what is installed, what it can do, and what is broken."""

from __future__ import annotations

from importlib.metadata import distributions

from ._backend import factories
from ._registry import algorithm_home, algorithms, hook_results, load_algorithm


def main() -> None:
    """Print packages, algorithms with their traits, backends with their devices, and broken plugins."""
    print("packages")
    packages = {
        d.metadata["Name"]: d.version for d in distributions() if (d.metadata["Name"] or "").startswith("evolvent")
    }
    for name, version in sorted(packages.items()):
        print(f"  {name} {version}")
    broken = [f"{failure.plugin}: {failure.reason}" for failure in hook_results("evolvent_backends")[1]]
    print("algorithms")
    for name in algorithms():
        try:
            algorithm = load_algorithm(name)
            print(f"  {name:24} {algorithm_home(name):20} {', '.join(algorithm.traits(algorithm))}")
        except Exception as error:
            broken.append(f"{name}: {error}")
    print("backends")
    for factory in factories():
        try:
            print(f"  {factory.name:24} {', '.join(factory.devices())}")
        except Exception as error:
            broken.append(f"backend {factory.name}: {error!r}")
    if broken:
        print("failed to load")
        for line in broken:
            print(f"  {line}")


if __name__ == "__main__":
    main()
