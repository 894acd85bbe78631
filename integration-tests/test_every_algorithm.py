"""Every registered algorithm holds what the conformance kit asks, on every array library."""

import evolvent as ev
from evolvent_testing import AlgorithmConformance

for name in ev.algorithms():
    globals()[f"Test{name}"] = type(
        f"Test{name}", (AlgorithmConformance,), {"algorithm": ev.load_algorithm(name)(), "__doc__": f"{name}."}
    )
