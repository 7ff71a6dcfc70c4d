"""What people do on the pages, for the audit trail.

A case or an action goes in; an event is written with the user and the digests in view. Where the
trail cannot be written, the page says so once and goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

import streamlit as st

from dashboard import messages
from dashboard.access.access import Action, User
from dashboard.components.case_view import CaseView, ModelledCase, ScoredCase
from dashboard.components.text import plain
from dashboard.session import resources, state
from dashboard.session.keys import SessionKey
from dashboard.session.resources import LoadedCohort
from dashboard.session.user import current_user
from dashboard.store import CaseKey, CohortKey, StoreError

LAST: SessionKey[dict[Action, dict[str, str | None]]] = SessionKey("last_audited")
logger = logging.getLogger(__name__)


def cohort_key(loaded: LoadedCohort) -> CohortKey:
    """Return what records about a cohort are keyed by."""
    return CohortKey(digest=loaded.digest, title=loaded.cohort.info.title)


def case_key(case: CaseView) -> CaseKey:
    """Return what records about a case are keyed by; without the model where it has no score."""
    model = case.scoring.model.digest if isinstance(case, ScoredCase) else None
    cohort = cohort_key(case.workspace.loaded)
    return CaseKey(cohort=cohort, token=case.token, model_digest=model)


def record(action: Action, **fields: str | None) -> None:
    """Add an event; fields are those of `Store.record`.

    An event that cannot be written does not stop the page: `follow` has said why on top of it.
    """
    _write(current_user(), action, **fields)


def record_once(action: Action, **fields: str | None) -> None:
    """Add an event unless it is this session's last one of its kind: reruns are no new action."""
    last = LAST.start_with({})
    if last.get(action) != fields:
        last[action] = fields
        record(action, **fields)


def follow(loaded: LoadedCohort) -> None:
    """Record the cohort in view, or say that records cannot be kept."""
    try:
        resources.store()
    except StoreError as error:
        st.warning(plain(f"Notes and the audit trail cannot be kept. {messages.describe(error)}"))
        return
    record_once(Action.COHORT_LOADED, cohort_digest=loaded.digest)


def case_opened(case: CaseView, *, result_hidden: bool) -> None:
    """Record that a case was opened, and that its result was shown if it was."""
    fields: dict[str, str | None] = {
        "cohort_digest": case.workspace.loaded.digest,
        "model_digest": case.scoring.model.digest if isinstance(case, ModelledCase) else None,
        "case_token": case.token,
    }
    record_once(Action.CASE_OPENED, **fields)
    if isinstance(case, ScoredCase) and not result_hidden:
        record_once(Action.RESULT_SHOWN, **fields)


def exporting(
    export_type: str, token: str | None = None, model_digest: str | None = None
) -> Callable[[], None]:
    """Return what records that something about the cohort in view was downloaded.

    It may be called outside of the session, where files are made.

    Parameters
    ----------
    export_type : str
        What was downloaded.
    token : str, optional
        Of the case; None for the cohort as a whole.
    model_digest : str, optional
        Of the model; None where no model is in it.
    """
    return partial(
        _write,
        current_user(),
        Action.EXPORTED,
        cohort_digest=state.current_cohort().digest,
        model_digest=model_digest,
        case_token=token,
        export_type=export_type,
    )


def _write(user: User, action: Action, **fields: str | None) -> None:
    try:
        resources.store().record(user, action, **fields)
    except StoreError as error:
        logger.warning("audit event not written: %s", type(error.__cause__ or error).__name__)
