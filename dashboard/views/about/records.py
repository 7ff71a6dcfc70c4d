"""Records: what is kept about cohorts, what was done, export and erasure.

The store's counts and events go in and are drawn; exports and erasure are made when asked for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from camlif.wording import count, to_csv
from dashboard.access.access import Action, allowed
from dashboard.components import trail
from dashboard.components.download import offer_download
from dashboard.components.text import moment, plain
from dashboard.components.worklists import show_errors
from dashboard.session import resources
from dashboard.session.keys import SessionKey
from dashboard.session.user import current_user
from dashboard.store import AuditEvent, CohortSummary, SettingName, Store
from dashboard.store.export import CohortRecords

SHOWN_EVENTS = 500
SHORT = 8  # digits of a digest
KEEP_RECORDS: SessionKey[bool] = SessionKey("keep_records")
PREPARED: SessionKey[CohortRecords] = SessionKey("records_export")


def main() -> None:
    """Draw the page."""
    st.markdown(
        "Worklists, notes, estimates and decisions are kept on this computer under case tokens, "
        "never under identifiers. Forget my data leaves them; they are erased here."
    )
    if not allowed(Action.RECORDS_VIEWED, current_user().role):
        st.info("This page is for the administrator.")
        return
    with show_errors():
        store = resources.store()
        trail.record_once(Action.RECORDS_VIEWED)
        _storage()
        _cohorts(store)
        _trail(store)


def _storage() -> None:
    """Draw the switch of the installation that says whether anything is kept."""
    on = resources.store().is_on(SettingName.KEEP_RECORDS)

    def turned() -> None:
        with show_errors():
            resources.store().switch(
                current_user(), SettingName.KEEP_RECORDS, on=KEEP_RECORDS.require()
            )

    KEEP_RECORDS.set(on)
    st.toggle(
        "Keep worklists, groups, notes, estimates and decisions",
        key=KEEP_RECORDS.name,
        on_change=turned,
        disabled=not allowed(Action.STORAGE_OFF, current_user().role),
    )
    if not on:
        st.info("Storage is off. What was kept before can be exported and erased.")


def _cohorts(store: Store) -> None:
    st.header("Kept about cohorts", anchor=False)
    kept = {summary.cohort.digest: summary for summary in store.cohorts()}
    if not kept:
        st.caption("Nothing is kept so far.")
        return
    st.dataframe(
        pd.DataFrame([_row(summary) for summary in kept.values()]),
        hide_index=True,
        key="kept",
        alt="Cohorts about which something is kept, the newest first",
    )
    digest = st.selectbox(
        "Cohort",
        list(kept),
        format_func=lambda d: f"{kept[d].cohort.title} ({d[:SHORT]})",
        key="records_cohort",
        width=480,
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        _export(store, digest)
        _erase(store, kept[digest])


def _row(summary: CohortSummary) -> dict[str, object]:
    return {
        "Cohort": summary.cohort.title,
        "Digest": summary.cohort.digest[:SHORT],
        "Since": moment(summary.created),
        "Worklists": summary.worklists,
        "Groups": summary.groups,
        "Notes": summary.notes,
        "Estimates": summary.estimates,
        "Decisions": summary.decisions,
    }


def _export(store: Store, digest: str) -> None:
    """Collect a cohort's records first: only then is there a file, and an event in the trail."""
    if st.button("Prepare export", key="records_prepare"):
        PREPARED.set(store.export(current_user(), digest))
    records = PREPARED.get()
    if records is None or records.cohort.digest != digest:
        return
    name = f"records_{digest[:SHORT]}"
    st.download_button(
        "Records (JSON)",
        json.dumps(records.to_json(), indent=1),
        file_name=f"{name}.json",
        mime="application/json",
        key="records_json",
        on_click="ignore",
    )
    st.download_button(
        "Records (CSV)",
        records.to_csv(),
        file_name=f"{name}.csv",
        mime="text/csv",
        key="records_csv",
        on_click="ignore",
    )


def _erase(store: Store, summary: CohortSummary) -> None:
    digest = summary.cohort.digest
    with st.popover("Erase", key=f"records_erase_ask_{digest[:SHORT]}"):
        kept = (
            f"{count(summary.worklists, 'worklist')}, {count(summary.groups, 'group')}, "
            f"{count(summary.notes, 'note')}, "
            f"{count(summary.estimates, 'estimate')} and {count(summary.decisions, 'decision')}"
        )
        st.markdown(
            plain(
                f"This erases {kept} about {summary.cohort.title}. It cannot be undone; export "
                "first. The audit trail keeps that it was done."
            )
        )
        sure = st.checkbox("Erase them for good", key=f"records_sure_{digest[:SHORT]}")
        if st.button("Erase records", key="records_erase", type="primary", disabled=not sure):
            store.erase(current_user(), digest)
            PREPARED.pop()
            st.rerun()


def _trail(store: Store) -> None:
    st.header("Audit trail", anchor=False)
    st.markdown("What was done, by whom and when. Events are added, never changed; no values.")
    report = store.verify_audit()
    if report.intact:
        st.markdown(f"{count(report.n_events, 'event')}; every seal fits the one before it.")
    else:
        st.error(
            f"Event {report.broken_at} is not as it was recorded: somebody changed the database "
            "past this program, or it is damaged. Keep a copy of it and ask who had access."
        )
    events = store.audit_events(limit=SHOWN_EVENTS)
    actions = st.multiselect(
        "Actions",
        sorted({event.action for event in events}),
        key="audit_actions",
        placeholder="All",
        select_all=False,
    )
    table = _table([event for event in events if not actions or event.action in actions])
    st.dataframe(
        table,
        hide_index=True,
        key="audit",
        alt="Audit events, the newest first",
        column_config={"Case": st.column_config.Column(width=150)},  # a whole token
    )
    if report.n_events > len(events):
        st.caption(f"The latest {len(events):,} are shown; the file holds all.")
    if st.button("Prepare the whole trail", key="audit_prepare"):
        offer_download(
            "Audit trail (CSV)",
            to_csv(_table(store.audit_events(), short=False)),
            file_name="audit_trail.csv",
            mime="text/csv",
            key="audit_csv",
            export_type="audit trail",
        )


def _table(events: Sequence[AuditEvent], *, short: bool = True) -> pd.DataFrame:
    def digest(value: str | None) -> str:
        return (value or "")[: SHORT if short else None]

    rows = [
        {
            "Time": moment(e.recorded) if short else e.recorded.isoformat(),
            "By": e.author,
            "Action": e.action,
            "Cohort": digest(e.cohort_digest),
            "Model": digest(e.model_digest),
            "Case": e.case_token or "",
            "Export": e.export_type or "",
        }
        | ({} if short else {"Seal": e.seal})
        for e in events
    ]
    return pd.DataFrame(rows)


main()
