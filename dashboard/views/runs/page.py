"""Runs: start a training or a study, watch it, open, cancel, retry and delete.

Runs on disk go in and are drawn with what their state allows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import pandas as pd
import streamlit as st

from camlif.data.samples import SAMPLES
from camlif.exceptions import CamlifError
from camlif.wording import count
from dashboard import messages
from dashboard.access.access import Action, may_see_run, require_run
from dashboard.components import trail
from dashboard.components.text import plain
from dashboard.runs.jobs import JobManager
from dashboard.runs.run_folder import ACTIVE, UNFINISHED, Job
from dashboard.runs.run_requests import say_seconds
from dashboard.session import resources, state
from dashboard.session.keys import SessionKey
from dashboard.session.user import current_user
from dashboard.views.runs.forms import RUN, RUN_NOTE, forms, show_run, source_of

KINDS = {"train": "Training", "study": "Study"}
REFRESH_SECONDS = 1.0
LOG_LINES = 40

PICKED: SessionKey[str | None] = SessionKey("pick_run")


def main() -> None:
    """Draw the page."""
    st.markdown(
        "A run computes on this computer in a process of its own; one runs, others wait. It goes "
        "on when you leave the page, reload or close the browser."
    )
    manager = resources.job_manager()
    if not state.AWAITED.is_set:
        forms(state.workspace())
    note = RUN_NOTE.pop()
    if note:
        st.info(note)
    jobs = _visible(manager)
    if not jobs:
        st.caption("No run so far.")
        return
    _follow_link(jobs)
    active = tuple(job.id for job in jobs if job.active)
    board = st.fragment(_board, run_every=REFRESH_SECONDS if active else None)
    board(active)


def _visible(manager: JobManager) -> tuple[Job, ...]:
    """Runs that this user may see: not those of other people's uploads."""
    user, digest = current_user(), state.current_cohort().digest
    return tuple(
        job
        for job in manager.jobs()
        if may_see_run(
            job.request.owner,
            user,
            private=job.request.private,
            has_tables=job.request.cohort_digest == digest,
        )
    )


def _follow_link(jobs: Sequence[Job]) -> None:
    """Look at the run of a link, else at the one looked at before, else at the newest."""
    known = [job.id for job in jobs]
    linked = st.query_params.get(RUN.name)
    if linked and linked != RUN.get():
        if linked not in known:
            st.warning("This link points to a run that isn't on this computer any more.")
        else:
            RUN.set(linked)
    chosen = RUN.get()
    show_run(chosen if chosen in known else known[0])


def _board(drawn_active: tuple[str, ...]) -> None:
    """Draw history and the run in view; redraw the whole page when a run has begun or ended."""
    manager = resources.job_manager()
    jobs = _visible(manager)
    if tuple(job.id for job in jobs if job.active) != drawn_active:
        st.rerun()
    st.header("History", anchor=False)
    st.dataframe(
        pd.DataFrame([_history_row(manager, job) for job in jobs]),
        hide_index=True,
        key="history",
        alt="Runs, the newest first",
    )
    ids = [job.id for job in jobs]
    names = {job.id: f"{KINDS[job.request.kind]} {job.id}" for job in jobs}
    PICKED.set(RUN.require())
    st.selectbox(
        "Run in view",
        ids,
        key=PICKED.name,
        format_func=lambda job_id: names[job_id],
        on_change=lambda: show_run(PICKED.get()),
        width=360,
    )
    shown = RUN.get()
    job = None if shown is None else manager.job(shown)
    if job is not None:
        _details(manager, job)


def _history_row(manager: JobManager, job: Job) -> dict[str, object]:
    place = manager.place(job)
    progress = manager.progress(job)
    share = None
    if progress is not None and progress.total:
        share = f"{100 * progress.step / progress.total:.0f} %"
    return {
        "Run": job.id,
        "What": KINDS[job.request.kind],
        "Cohort": job.request.title,
        "State": f"queued, {_ordinal(place)}" if place else job.state,
        "Done": share if job.state != "finished" else "100 %",
        "Took": _took(job),
        "Result": _result_name(job),
    }


def _ordinal(place: int) -> str:
    return "next" if place == 1 else f"{place - 1} before it"


def _took(job: Job) -> str:
    if job.started is None:
        return ""
    return say_seconds((job.ended or time.time()) - job.started)


def _result_name(job: Job) -> str:
    if job.state != "finished":
        return ""
    return job.request.result.rsplit("/", 1)[-1] if job.request.kind == "train" else "study"


def _details(manager: JobManager, job: Job) -> None:
    with st.container(border=True, key="run_details"):
        st.markdown(
            f"**{KINDS[job.request.kind]}** of {plain(job.request.title)} · {plain(job.state)}"
        )
        _progress(manager, job)
        _buttons(manager, job)
        left, right = st.columns([2, 3])
        with left:
            _parameters(manager, job)
        with right:
            log = manager.log_tail(job, LOG_LINES)
            with st.expander("Log", expanded=job.state in ("failed", "stopped")):
                st.code(log or "Nothing printed so far.", language=None, wrap_lines=True)


def _progress(manager: JobManager, job: Job) -> None:
    progress = manager.progress(job)
    step = 0 if progress is None else progress.step
    if job.state == "queued":
        place = manager.place(job)
        before = "It is next." if place == 1 else f"{count(place - 1, 'run')} before it."
        st.markdown(plain(f"Waiting for the run under way. {before}"))
    elif job.state == "running":
        total = 0 if progress is None else progress.total
        words = "Starting" if progress is None or not total else f"{step:,} of {total:,}"
        if progress is not None and progress.message:
            words += f" · {progress.message}"
        if progress is not None and progress.eta_seconds is not None:
            words += f" · about {say_seconds(progress.eta_seconds)} left"
        st.progress(min(step / total, 1.0) if total else 0.0, text=plain(words))
    elif job.state in ("failed", "stopped"):
        st.error(plain(messages.text("E-41", run=job.id, step=str(step))))
    elif job.state == "cancelled":
        st.info(plain(f"Cancelled at step {step:,}."))
    else:
        st.success(plain(f"Finished after {_took(job)}."))


def _buttons(manager: JobManager, job: Job) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if job.active:
            if st.button("Cancel", key="run_cancel", icon=":material/stop_circle:"):
                _change(Action.RUN_CANCELLED, job, lambda: manager.cancel(job.id))
            return
        if job.state == "finished":
            _open_result(job)
        if job.state in UNFINISHED:
            _try_again(manager, job)
        with st.popover("Delete", key="run_delete_ask"):
            thing = "model" if job.request.kind == "train" else "study"
            st.markdown(f"This removes the run, its log and its {thing} from this computer.")
            if st.button("Delete run", key="run_delete", type="primary"):
                _change(Action.RUN_DELETED, job, lambda: _delete(manager, job))


def _open_result(job: Job) -> None:
    loaded = state.loaded_as(job.request.cohort_digest)
    here = loaded is not None
    sample = job.request.arguments[1] if job.request.arguments[1] in SAMPLES else None
    if not here and sample is None:
        st.caption("Load the tables of this run again to open its result.")
        return
    label = "Use this model" if job.request.kind == "train" else "Open in Comparison"
    if not st.button(label, key="run_open", type="primary"):
        return
    if loaded is not None and loaded is not state.current_cohort():
        state.choose_cohort(loaded.key)
    elif not here and sample is not None:
        state.choose_cohort(sample)
    if job.request.kind == "train":
        state.choose_model(_result_name(job))
        st.switch_page("views/case/page.py")
    st.switch_page("views/study/comparison.py")


def _try_again(manager: JobManager, job: Job) -> None:
    loaded = state.loaded_as(job.request.cohort_digest)
    gone = job.request.private and loaded is None
    again = st.button(
        "Try again",
        key="run_retry",
        icon=":material/refresh:",
        disabled=gone,
    )
    if gone:
        st.caption("Its tables were erased when it ended. Load them again, then try again here.")
    if not again:
        return
    prepare = None if loaded is None or not job.request.private else source_of(loaded).write
    _change(Action.RUN_RETRIED, job, lambda: manager.retry(job.id, prepare))


def _change(action: Action, job: Job, change: Callable[[], object]) -> None:
    """Change a run, if its owner or an administrator asks, and note it in the audit trail."""
    try:
        require_run(action, current_user(), job.request.owner)
        change()
    except CamlifError as error:
        st.error(plain(messages.describe(error)))
        return
    trail.record(action, cohort_digest=job.request.cohort_digest)
    st.rerun()


def _delete(manager: JobManager, job: Job) -> None:
    manager.delete(job.id)
    if job.request.kind == "train" and state.MODEL.get() == _result_name(job):
        state.choose_model(None)
    show_run(None)


def _parameters(manager: JobManager, job: Job) -> None:
    def words(value: object) -> str:
        if value is None:
            return "preset's"
        return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)

    rows = [(name, words(value)) for name, value in job.request.settings.items()]
    rows.append(("cohort digest", job.request.cohort_digest[:8]))
    for name, when in (("started", job.started), ("ended", job.ended)):
        if when is not None:
            rows.append((name, _clock(when)))
    if job.exit_code not in (None, 0):
        rows.append(("exit status", str(job.exit_code)))
    if job.state not in ACTIVE:
        rows.append(("files", ", ".join(_files(manager, job)) or "none"))
    st.dataframe(
        pd.DataFrame(rows, columns=["Parameter", "Value"]),
        hide_index=True,
        key="run_parameters",
        alt="Parameters of the run",
    )


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def _files(manager: JobManager, job: Job) -> list[str]:
    """Names of what the run left: its result's files."""
    folder = manager.result(job)
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


main()
