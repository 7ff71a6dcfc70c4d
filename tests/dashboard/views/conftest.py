"""A database of records for the tests of pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.session import resources, settings
from dashboard.store import Store


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A database of this test alone."""
    place = tmp_path / "kept" / "board.sqlite"
    monkeypatch.setenv("CAMLIF_DATABASE", f"sqlite:///{place}")
    settings.settings.cache_clear()
    resources.store.clear()
    yield place
    resources.store.clear()
    settings.settings.cache_clear()


@pytest.fixture
def store(database: Path) -> Iterator[Store]:
    """The same database, seen by another process as it were."""
    opened = Store(f"sqlite:///{database}")
    yield opened
    opened.close()
