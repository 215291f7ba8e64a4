"""The suite. It limits threads here, before the libraries that start them are loaded."""

import os

# Matrices are small in tests, and threads that wait for each other on busy cores make seconds into minutes.
for limit in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(limit, "1")
