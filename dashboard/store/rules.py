"""What every record obeys, inside a transaction: switches, known cohorts, authors, lengths.

A session and what is to be kept go in; checked values come out. Raises `StoreError` with what is
wrong.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from camlif.wording import count
from dashboard.access.access import User
from dashboard.store.database import StoreError
from dashboard.store.keys import CaseKey, CohortKey
from dashboard.store.models import CohortRow, SettingName, SettingRow

Row = TypeVar("Row")
TEXT_LIMIT = 4000  # characters
DEFAULTS = {SettingName.KEEP_RECORDS: True}
STORAGE_OFF = "Storage is switched off by the administrator. Nothing was stored."


def now() -> datetime:
    """Return the present time in UTC."""
    return datetime.now(UTC)


def is_on(session: Session, name: SettingName) -> bool:
    """Whether a switch is on."""
    row = session.get(SettingRow, name.value)
    return DEFAULTS[name] if row is None else row.value == "on"


def require_storage(session: Session) -> None:
    """Refuse to keep anything while storage is switched off.

    Raises
    ------
    StoreError
        If it is.
    """
    if not is_on(session, SettingName.KEEP_RECORDS):
        raise StoreError(STORAGE_OFF)


def known(session: Session, kind: type[Row], number: int, gone: str) -> Row:
    """Return a record by its number.

    Parameters
    ----------
    session : Session
    kind : type
        Of its row.
    number : int
    gone : str
        What is said where it is gone.

    Raises
    ------
    StoreError
        If there is none of this number.
    """
    row = session.get(kind, number)
    if row is None:
        raise StoreError(gone)
    return row


def keep_cohort(session: Session, cohort: CohortKey) -> None:
    """Make room for records about a cohort.

    Raises
    ------
    StoreError
        If storage is switched off.
    """
    require_storage(session)
    if session.get(CohortRow, cohort.digest) is None:
        session.add(CohortRow(digest=cohort.digest, title=cohort.title, created=now()))
        session.flush()


def stamp(author: User, case: CaseKey) -> dict[str, Any]:
    """Columns that every record about a case has."""
    return {
        "cohort_digest": case.cohort.digest,
        "case_token": case.token,
        "author": author.name,
        "recorded": now(),
    }


def checked_text(text: str) -> str:
    """Return a text without space around it.

    Raises
    ------
    StoreError
        If it is too long or holds a character that PostgreSQL cannot store.
    """
    clean = text.strip()
    if len(clean) > TEXT_LIMIT:
        raise StoreError(
            f"The text has {count(len(clean), 'character')}; the limit is {TEXT_LIMIT:,}. Shorten "
            "it or write two notes."
        )
    if "\0" in clean:
        raise StoreError("The text holds a character that cannot be stored (NUL). Type it anew.")
    return clean
