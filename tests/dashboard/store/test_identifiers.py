"""A text about a case names no patient of the cohort."""

from __future__ import annotations

import pytest

from dashboard.store import StoreError
from dashboard.store.identifiers import check_free_of_identifiers

IDS = ("P0017", "TCGA-02-0047", "12", "123456", "Müller-3")


@pytest.mark.parametrize(
    "text",
    [
        "P0017 was discussed",
        "see tcga-02-0047.",
        "(123456)",
        "wie Müller-3, MÜLLER-3",
        "first line\nP0017",
    ],
)
def test_an_identifier_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(StoreError, match="holds 1 patient identifier") as told:
        check_free_of_identifiers(text, IDS)
    assert not any(name in str(told.value) for name in IDS)


@pytest.mark.parametrize(
    "text", ["12 months of follow-up", "P00170 is longer", "TCGA-02-00471", "1234567", ""]
)
def test_other_words_and_numbers_may_be_written(text: str) -> None:
    check_free_of_identifiers(text, IDS)
