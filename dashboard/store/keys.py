"""What records are keyed by: digests and case tokens, and nothing that could be an identifier.

Digests and tokens go in, checked frozen keys come out. Raises `StoreError` for anything else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from camlif.data.reading.tokens import TOKEN_DIGITS
from dashboard.store.database import StoreError

_TOKEN = re.compile(rf"[0-9a-f]{{{TOKEN_DIGITS}}}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortKey:
    """A cohort by its SHA-256; ``title`` is shown to people and joins versions of one cohort."""

    digest: str
    title: str

    def __post_init__(self) -> None:
        check_digest(self.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseKey:
    """A case by token; ``model_digest`` is None where no model scores it."""

    cohort: CohortKey
    token: str
    model_digest: str | None = None

    def __post_init__(self) -> None:
        check_token(self.token)
        if self.model_digest is not None:
            check_digest(self.model_digest)


def check_token(token: str) -> None:
    """Require a case token, so that no identifier gets into the database by mistake.

    Raises
    ------
    StoreError
        For anything else.
    """
    if not _TOKEN.fullmatch(token):
        raise StoreError("A record was about to be kept under something that is no case token.")


def check_digest(digest: str) -> None:
    """Require a SHA-256 in hexadecimal digits.

    Raises
    ------
    StoreError
        For anything else.
    """
    if not _DIGEST.fullmatch(digest):
        raise StoreError("A record was about to be kept under something that is no digest.")
