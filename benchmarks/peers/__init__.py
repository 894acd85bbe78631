"""evolvent beside other solvers: ``python -m benchmarks.peers`` from the root of the repository."""

import os

# SciPy's explicit methods combine their stages with BLAS, and on a few threads they are up to ten times slower than on
# one. Every peer is measured at its best. It must be said before NumPy is imported; the user's own setting stands.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
