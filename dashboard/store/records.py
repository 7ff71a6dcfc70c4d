"""The store: every change is one transaction with its audit event, made in somebody's name.

A user, keys and texts go in; frozen rows come out. Raises `AccessError` where the user may not, and
`StoreError` for texts, names and counts outside their limits or a database that refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.access.access import Action, User
from dashboard.store import audit, export, rules, worklists
from dashboard.store.audit import AuditReport
from dashboard.store.database import (
    StoreError,
    empty_journal,
    open_database,
    reading,
    writing,
)
from dashboard.store.export import CohortRecords, CohortSummary
from dashboard.store.keys import CaseKey, CohortKey, check_token
from dashboard.store.meetings import Meetings
from dashboard.store.models import (
    AuditEvent,
    Decision,
    Estimate,
    Note,
    RiskGroup,
    SettingName,
    SettingRow,
    WorklistRow,
)
from dashboard.store.patient_groups import PatientGroups
from dashboard.store.worklists import Worklist

SWITCHES = {
    (SettingName.KEEP_RECORDS, True): Action.STORAGE_ON,
    (SettingName.KEEP_RECORDS, False): Action.STORAGE_OFF,
}
_Row = TypeVar("_Row", Note, Decision, Estimate)


class Store:
    """Opens the database of a URL, brings it up to date, and reads and writes it.

    Safe to use from many threads. Methods that write take their author and raise `AccessError`
    where the author's role does not include them; all raise `StoreError` where the database
    cannot be reached. Groups of patients are those of ``groups``, meetings those of ``meetings``.

    Raises
    ------
    StoreError
        As `dashboard.store.database.open_database`.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_database(url)
        self.groups = PatientGroups(self._engine)
        self.meetings = Meetings(self._engine)

    def close(self) -> None:
        """Let go of the database's connections."""
        self._engine.dispose()

    # Audit trail

    def record(
        self,
        author: User,
        action: Action,
        *,
        cohort_digest: str | None = None,
        model_digest: str | None = None,
        case_token: str | None = None,
        export_type: str | None = None,
    ) -> None:
        """Add an event that no other record goes with to the audit trail.

        Parameters
        ----------
        author : User
        action : Action
        cohort_digest, model_digest, case_token, export_type : str, optional
            What the action was about, as far as that applies.

        Raises
        ------
        AccessError
            If the author's role does not include the action.
        StoreError
            If it cannot be written, or the token is none.
        """
        if case_token is not None:
            check_token(case_token)
        with writing(self._engine) as session:
            audit.append(
                session,
                action,
                author,
                cohort_digest=cohort_digest,
                model_digest=model_digest,
                case_token=case_token,
                export_type=export_type,
            )

    def audit_events(self, *, limit: int | None = None) -> Sequence[AuditEvent]:
        """Return the latest events, the newest first; all without a limit."""
        query = select(AuditEvent).order_by(AuditEvent.id.desc()).limit(limit)
        with reading(self._engine) as session:
            return session.scalars(query).all()

    def verify_audit(self) -> AuditReport:
        """Check that no event was changed or taken out."""
        with reading(self._engine) as session:
            return audit.verify(session)

    # Switches

    def is_on(self, name: SettingName) -> bool:
        """Whether a switch is on."""
        with reading(self._engine) as session:
            return rules.is_on(session, name)

    def switch(self, author: User, name: SettingName, *, on: bool) -> None:
        """Set a switch.

        Parameters
        ----------
        author : User
        name : SettingName
        on : bool
        """
        with writing(self._engine) as session:
            audit.append(session, SWITCHES[name, on], author)
            value = "on" if on else "off"
            row = SettingRow(name=name.value, value=value, author=author.name, recorded=rules.now())
            session.merge(row)

    # Notes, estimates, decisions

    def add_note(self, author: User, case: CaseKey, text: str) -> Note:
        """Keep a note.

        Parameters
        ----------
        author : User
        case : CaseKey
        text : str
            Spaces around it are not kept.

        Raises
        ------
        StoreError
            If it is empty or too long, or storage is switched off.
        """
        clean = rules.checked_text(text)
        if not clean:
            raise StoreError("The note is empty. Write something first.")
        with writing(self._engine) as session:
            _begin(session, Action.NOTE_ADDED, author, case)
            return _added(session, Note(**rules.stamp(author, case), text=clean))

    def notes(self, token: str) -> Sequence[Note]:
        """Return a case's notes, the newest first, whatever the version of the cohort."""
        return self._of_case(Note, token)

    def record_estimate(
        self, author: User, case: CaseKey, risk_group: RiskGroup, *, model_result: str
    ) -> Estimate:
        """Keep the board's own judgement of a case; there is one for each result of a model.

        Parameters
        ----------
        author : User
        case : CaseKey
            With the digest of the model.
        risk_group : RiskGroup
            The board's.
        model_result : str
            Risk group that the model gives, as shown.

        Raises
        ------
        StoreError
            If there is one already, no model scores the case, or storage is switched off.
        """
        if case.model_digest is None:
            raise StoreError("No model scores this case, so there is no result to commit before.")
        with writing(self._engine) as session:
            if _estimate(session, case) is not None:
                raise StoreError("The board's estimate of this case was recorded before.")
            shown = _first_shown(session, case)
            _begin(session, Action.ESTIMATE_RECORDED, author, case)
            row = Estimate(
                **rules.stamp(author, case),
                model_digest=case.model_digest,
                risk_group=risk_group,
                model_result=model_result,
                result_shown=shown,
            )
            return _added(session, row)

    def estimate(self, case: CaseKey) -> Estimate | None:
        """Return the board's estimate of a case for its present model; None where there is none."""
        with reading(self._engine) as session:
            return _estimate(session, case)

    def estimated(self, cohort: CohortKey, model_digest: str) -> frozenset[str]:
        """Return the tokens of a cohort's cases with an estimate for the results of a model."""
        query = select(Estimate.case_token).where(
            Estimate.cohort_digest == cohort.digest, Estimate.model_digest == model_digest
        )
        with reading(self._engine) as session:
            return frozenset(session.scalars(query).all())

    def record_decision(
        self,
        author: User,
        case: CaseKey,
        risk_group: RiskGroup | None,
        text: str,
        *,
        commit_first: bool = False,
    ) -> Decision:
        """Keep what the board decided.

        Parameters
        ----------
        author : User
        case : CaseKey
        risk_group : RiskGroup or None
            None where only words are kept.
        text : str
            May be empty beside a risk group.
        commit_first : bool
            Whether a decision on a model's result must follow an estimate.

        Raises
        ------
        StoreError
            If nothing is said, an estimate must come first and there is none, or storage is
            switched off.
        """
        clean = rules.checked_text(text)
        if risk_group is None and not clean:
            raise StoreError("Choose a risk group or write what was decided.")
        with writing(self._engine) as session:
            estimate = _estimate(session, case)
            if commit_first and case.model_digest and estimate is None:
                raise StoreError("Record the board's estimate first; the decision follows it.")
            _begin(session, Action.DECISION_RECORDED, author, case)
            row = Decision(
                **rules.stamp(author, case),
                model_digest=case.model_digest,
                estimate_id=None if estimate is None else estimate.id,
                risk_group=risk_group,
                text=clean,
            )
            return _added(session, row)

    def decisions(self, token: str) -> Sequence[Decision]:
        """Return the decisions about a case, the newest first."""
        return self._of_case(Decision, token)

    def _of_case(self, kind: type[_Row], token: str) -> Sequence[_Row]:
        query = select(kind).where(kind.case_token == token).order_by(kind.id.desc())
        with reading(self._engine) as session:
            return session.scalars(query).all()

    # Worklists

    def worklists(self, cohort: CohortKey) -> tuple[Worklist, ...]:
        """Return the worklists of a cohort and of its other versions, the newest first."""
        with reading(self._engine) as session:
            return worklists.worklists_of(session, cohort)

    def create_worklist(
        self, author: User, cohort: CohortKey, name: str, tokens: Sequence[str]
    ) -> Worklist:
        """Make a worklist.

        Parameters
        ----------
        author : User
        cohort : CohortKey
        name : str
            Unlike that of any other worklist of the cohort.
        tokens : sequence of str
            Of the cases, in order.

        Raises
        ------
        StoreError
            If the name is empty, too long or taken, there are too many cases, or storage is
            switched off.
        """
        with writing(self._engine) as session:
            rules.keep_cohort(session, cohort)
            row = worklists.create(session, author, cohort, name)
            _note_change(session, author, row, tokens)
            worklists.extend(session, row, tokens)
            return worklists.as_worklist(session, row)

    def add_to_worklist(self, author: User, worklist_id: int, tokens: Sequence[str]) -> Worklist:
        """Put cases at the end of a worklist; those that are on it stay where they are.

        Parameters
        ----------
        author : User
        worklist_id : int
        tokens : sequence of str
            Of the cases, in order.

        Raises
        ------
        StoreError
            If it is gone or would grow too long, or storage is switched off.
        """
        with writing(self._engine) as session:
            rules.require_storage(session)
            row = worklists.known(session, worklist_id)
            _note_change(session, author, row, tokens)
            worklists.extend(session, row, tokens)
            return worklists.as_worklist(session, row)

    def remove_from_worklist(self, author: User, worklist_id: int, token: str) -> Worklist:
        """Take a case off a worklist.

        Parameters
        ----------
        author : User
        worklist_id : int
        token : str
            Of the case.

        Raises
        ------
        StoreError
            If the worklist is gone.
        """
        with writing(self._engine) as session:
            row = worklists.known(session, worklist_id)
            _note_change(session, author, row, (token,))
            worklists.remove(session, row, token)
            return worklists.as_worklist(session, row)

    def delete_worklist(self, author: User, worklist_id: int) -> None:
        """Remove a worklist; notes and decisions about its cases stay.

        Raises
        ------
        StoreError
            If it is gone.
        """
        with writing(self._engine) as session:
            row = worklists.known(session, worklist_id)
            _note_change(session, author, row, ())
            session.delete(row)

    # Per cohort

    def cohorts(self) -> tuple[CohortSummary, ...]:
        """Return the cohorts about which something is kept, the newest first."""
        with reading(self._engine) as session:
            return export.summaries(session)

    def export(self, author: User, digest: str) -> CohortRecords:
        """Return all that is kept about a cohort, for a file; the trail says that it was.

        Raises
        ------
        StoreError
            If nothing is kept about it.
        """
        with writing(self._engine) as session:
            found = export.records_of(session, digest)
            audit.append(session, Action.RECORDS_EXPORTED, author, cohort_digest=digest)
            return found

    def erase(self, author: User, digest: str) -> None:
        """Delete all that is kept about a cohort; the trail keeps that it was erased.

        Raises
        ------
        StoreError
            If nothing is kept about it.
        """
        with writing(self._engine) as session:
            cohort = export.known_cohort(session, digest)
            audit.append(session, Action.RECORDS_ERASED, author, cohort_digest=digest)
            session.delete(cohort)
        empty_journal(self._engine)


def _begin(session: Session, action: Action, author: User, case: CaseKey) -> None:
    rules.keep_cohort(session, case.cohort)
    audit.append(
        session,
        action,
        author,
        cohort_digest=case.cohort.digest,
        model_digest=case.model_digest,
        case_token=case.token,
    )


def _note_change(session: Session, author: User, row: WorklistRow, tokens: Sequence[str]) -> None:
    audit.append(
        session,
        Action.WORKLIST_CHANGED,
        author,
        cohort_digest=row.cohort_digest,
        case_token=tokens[0] if len(tokens) == 1 else None,
    )


def _added(session: Session, row: _Row) -> _Row:
    session.add(row)
    session.flush()
    return row


def _estimate(session: Session, case: CaseKey) -> Estimate | None:
    query = select(Estimate).where(
        Estimate.case_token == case.token,
        Estimate.cohort_digest == case.cohort.digest,
        Estimate.model_digest == case.model_digest,
    )
    return session.scalar(query)


def _first_shown(session: Session, case: CaseKey) -> datetime | None:
    query = select(func.min(AuditEvent.recorded)).where(
        AuditEvent.action == Action.RESULT_SHOWN.value,
        AuditEvent.case_token == case.token,
        AuditEvent.cohort_digest == case.cohort.digest,
        AuditEvent.model_digest == case.model_digest,
    )
    return session.scalar(query)
