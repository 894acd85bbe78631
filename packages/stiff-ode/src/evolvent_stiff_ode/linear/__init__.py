"""Linear solvers of implicit methods."""
