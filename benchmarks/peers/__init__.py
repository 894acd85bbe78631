"""evolvent beside other solvers: ``python -m benchmarks.peers`` from the root of the repository."""
