"""evolvent beside other solvers: ``python -m benchmarks.peers`` from the root of the repository."""

import os

# SciPy's explicit methods combine their stages with BLAS, on two threads up to ten times slower than on one.
# Every peer is measured at its best. The user's own setting stands. NumPy reads it when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
