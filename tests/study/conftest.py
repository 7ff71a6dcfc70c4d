"""One small finished study for all tests that only read it."""

from __future__ import annotations

import pytest

from camlif.study import Study
from tests.study.tiny import tiny_study


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The study of `tests.study.tiny`; read only."""
    return tiny_study(tmp_path_factory.mktemp("study") / "tiny")
