"""Text without identifiers: what is written about a case may not name a patient.

A text and the cohort's identifiers go in; `StoreError` is raised where one stands in the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from camlif.wording import count
from dashboard.store.database import StoreError

LEAST_LENGTH = 5
"""Shorter identifiers of digits alone ("12") are words of any note."""


def check_free_of_identifiers(text: str, patient_ids: Iterable[str]) -> None:
    """Refuse a text that holds an identifier of the cohort as a word.

    Raises
    ------
    StoreError
        Saying how many identifiers there are, not which.
    """
    folded = text.casefold()
    named = {i for i in map(str, patient_ids) if _recognisable(i) and i.casefold() in folded}
    found = sum(bool(re.search(rf"(?<!\w){re.escape(i.casefold())}(?!\w)", folded)) for i in named)
    if found:
        raise StoreError(
            f"The text holds {count(found, 'patient identifier')}. Nothing was "
            'stored. Write "this patient" in its place.'
        )


def _recognisable(identifier: str) -> bool:
    mixed = not identifier.isdigit() and any(c.isdigit() for c in identifier)
    return mixed or len(identifier) >= LEAST_LENGTH
