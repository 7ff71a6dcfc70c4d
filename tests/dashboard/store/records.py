"""Users and cases that the tests of the store share."""

from __future__ import annotations

from dashboard.access.access import Role, User
from dashboard.store import CaseKey, CohortKey

VIEWER = User(name="session 0000aaaa", role=Role.VIEWER)
REVIEWER = User(name="session 1111bbbb", role=Role.REVIEWER)
ADMINISTRATOR = User(name="session 2222cccc", role=Role.ADMINISTRATOR)
COHORT = CohortKey(digest="a" * 64, title="Synthetic glioma")
OTHER = CohortKey(digest="b" * 64, title="Another cohort")
MODEL = "c" * 64


def token(number: int) -> str:
    return f"{number:016x}"


def case(number: int = 1, cohort: CohortKey = COHORT, model: str | None = MODEL) -> CaseKey:
    return CaseKey(cohort=cohort, token=token(number), model_digest=model)
