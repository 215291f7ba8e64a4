from collections.abc import Iterator

import pytest
import scipy.linalg  # noqa: F401 - a limit reaches only libraries that are loaded
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="session")
def one_blas_thread() -> Iterator[None]:
    """Matrices are small here, and threads that wait for each other on busy cores make seconds into minutes."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield
