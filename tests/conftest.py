"""Settings of the whole test run."""

import os
from collections.abc import Iterator

import pytest

# Before torch is imported: small networks run several times slower on two threads than on one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Before pyarrow is imported: its mimalloc pool can crash in threads that end, as test apps' do.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


@pytest.fixture(autouse=True, scope="session")
def _few_patients_check_explanations() -> Iterator[None]:
    """Let training check explanations on as few patients as decide anything, not on 50."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("camlif.explain.verdicts.N_PATIENTS", 12)
        yield
