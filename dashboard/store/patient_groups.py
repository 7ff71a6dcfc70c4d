"""Named groups of patients, kept with the cohort that they are of.

A user, a cohort's key, a rule in words and case tokens go in; frozen `PatientGroup` records come
out. Raises `StoreError` for names, groups without a patient and groups that are gone, `AccessError`
where the user may not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, insert, select
from sqlalchemy.orm import Session

from dashboard.access.access import Action, User
from dashboard.store import audit, rules
from dashboard.store.database import StoreError, reading, writing
from dashboard.store.keys import CohortKey, check_token
from dashboard.store.models import GroupRow, MemberRow

NAME_LIMIT = 60  # characters
GROUP_LIMIT = 40
GONE = "This group was deleted in the meantime. Choose another one."


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientGroup:
    """A named group of case tokens; ``rule`` says how it was made."""

    id: int
    name: str
    rule: str
    tokens: frozenset[str]


class PatientGroups:
    """The groups of a database; groups of one cohort may overlap.

    They belong to the digest of the cohort: in corrected tables the same rule may mean others.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, cohort: CohortKey) -> tuple[PatientGroup, ...]:
        """Return the groups of a cohort, in the order of their making."""
        query = select(GroupRow).where(GroupRow.cohort_digest == cohort.digest)
        with reading(self._engine) as session:
            rows = session.scalars(query.order_by(GroupRow.id)).all()
            tokens = _tokens(session, cohort.digest)
            return tuple(_as_group(row, tokens[row.id]) for row in rows)

    def create(
        self, author: User, cohort: CohortKey, name: str, *, rule: str, tokens: Sequence[str]
    ) -> PatientGroup:
        """Keep a group.

        Parameters
        ----------
        author : User
        cohort : CohortKey
        name : str
            Unlike that of any other group of the cohort; repeated spaces count as one.
        rule : str
            How it was made, in words.
        tokens : sequence of str
            Of its patients.

        Raises
        ------
        StoreError
            If the name is empty, too long or taken, nobody is in it, there are too many groups, or
            storage is switched off.
        """
        clean = " ".join(name.split())
        if not 0 < len(clean) <= NAME_LIMIT:
            raise StoreError(f"Give the group a name of up to {NAME_LIMIT} characters.")
        if not tokens:
            raise StoreError("Nobody is in this group. Change what it is made from.")
        for token in tokens:
            check_token(token)
        with writing(self._engine) as session:
            rules.keep_cohort(session, cohort)
            _check_room(session, cohort, clean)
            _append(session, author, cohort.digest)
            row = GroupRow(
                cohort_digest=cohort.digest,
                name=clean,
                rule=rules.checked_text(rule),
                author=author.name,
                recorded=rules.now(),
            )
            session.add(row)
            session.flush()
            members = [{"group_id": row.id, "case_token": t} for t in dict.fromkeys(tokens)]
            session.execute(insert(MemberRow), members)
            return _as_group(row, tokens)

    def delete(self, author: User, group_id: int) -> None:
        """Remove a group; its patients stay.

        Raises
        ------
        StoreError
            If it is gone.
        """
        with writing(self._engine) as session:
            row = rules.known(session, GroupRow, group_id, GONE)
            _append(session, author, row.cohort_digest)
            session.delete(row)


def _append(session: Session, author: User, digest: str) -> None:
    audit.append(session, Action.GROUP_CHANGED, author, cohort_digest=digest)


def _check_room(session: Session, cohort: CohortKey, name: str) -> None:
    query = select(GroupRow.name).where(GroupRow.cohort_digest == cohort.digest)
    names = session.scalars(query).all()
    if name in names:
        raise StoreError("There is a group of this name already. Choose another name.")
    if len(names) >= GROUP_LIMIT:
        raise StoreError(f"A cohort has up to {GROUP_LIMIT} groups. Delete one first.")


def _tokens(session: Session, digest: str) -> dict[int, list[str]]:
    """Members of a cohort's groups, by the group's number."""
    query = select(MemberRow.group_id, MemberRow.case_token).join(GroupRow)
    query = query.where(GroupRow.cohort_digest == digest)
    found: dict[int, list[str]] = defaultdict(list)
    for group, token in session.execute(query):
        found[group].append(token)
    return found


def _as_group(row: GroupRow, tokens: Iterable[str]) -> PatientGroup:
    return PatientGroup(id=row.id, name=row.name, rule=row.rule, tokens=frozenset(tokens))
