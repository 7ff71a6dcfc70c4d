"""Forms that start a training or a study of the cohort in view.

Choices go in, a run is started (`dashboard.runs.jobs`); what is refused is said beside the form.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import streamlit as st

from camlif.config import FOLDS, PRESETS, PRODUCT_PRESET, require_scheme
from camlif.exceptions import CamlifError
from camlif.study import StudySettings, StudySummary
from camlif.study.methods import catalogue, names
from camlif.wording import count
from dashboard import messages
from dashboard.access.access import Action, allowed, require
from dashboard.components import trail
from dashboard.components.text import plain
from dashboard.runs.run_folder import Job, JobRequest
from dashboard.runs.run_requests import (
    DEVICES,
    HEADS,
    RunSource,
    StudyChoice,
    TrainingChoice,
    check_name,
    estimate_study,
    estimate_training,
    free_name,
    refusal,
    say_seconds,
    study_request,
    study_variants,
    training_request,
)
from dashboard.session import resources, state
from dashboard.session.keys import SessionKey
from dashboard.session.resources import LoadedCohort
from dashboard.session.state import Workspace
from dashboard.session.user import current_user, needs_sign_in
from dashboard.views.cohort.groups import say_late_entry

RUN: SessionKey[str | None] = SessionKey("run")
"""The run in view; also the name of its query parameter."""
RUN_NOTE: SessionKey[str] = SessionKey("run_note")
TRAIN_NAME: SessionKey[str] = SessionKey("train_name")
NAMED_FOR: SessionKey[str] = SessionKey("train_name_for")
"""Digest of the cohort that a model's name was proposed for."""
STUDY_METHODS: SessionKey[list[str]] = SessionKey("study_form_methods")
DEFAULT_SPLITS, MAX_SPLITS = 15, 100
SPLITS_HELP = (
    "In fives: each five test every patient once. Other numbers are for the command line, with "
    "--split-scheme monte-carlo."
)
MAX_EPOCHS = 1000
DEFAULT_METHODS = ("camlif", "classical")


def forms(workspace: Workspace) -> None:
    """Show both forms, or why the cohort is too small."""
    cohort = workspace.cohort
    if not allowed(Action.TRAINING_STARTED, current_user().role):
        st.info("Runs are started by reviewers.")
        return
    reason = refusal(cohort)
    if reason is not None:
        st.warning(plain(f"No run can be started on {cohort.info.title}. {reason}"))
        return
    say_late_entry(cohort)
    _say_who_sees_the_model(workspace)
    asked_study = state.STUDY_METHODS.is_set
    titles = ("Train a model", "Run a study")
    left, right = st.tabs(titles, default=titles[1] if asked_study else titles[0])
    with left:
        _training_form(workspace)
    with right:
        _study_form(workspace)


def _say_who_sees_the_model(workspace: Workspace) -> None:
    if needs_sign_in() and workspace.loaded.key == state.UPLOADED:
        st.caption(
            "The run is shown to you and to administrators. The model, which holds no patient's "
            "data, is offered to everybody who signs in here."
        )


def source_of(loaded: LoadedCohort) -> RunSource:
    """Return a cohort as a run reads it; an upload's patients go by their tokens."""
    if loaded.key == state.UPLOADED:
        return RunSource(cohort=resources.by_tokens(loaded), digest=loaded.digest, sample=None)
    return RunSource(cohort=loaded.cohort, digest=loaded.digest, sample=loaded.key)


def _training_form(workspace: Workspace) -> None:
    loaded = workspace.loaded
    taken = [model.name for model in resources.catalogue()]
    taken += [_model_of(job) for job in resources.job_manager().jobs() if job.active]
    _propose_name(loaded, taken)
    with st.form("training_form"):
        first, second, third = st.columns(3)
        name = first.text_input("Name of the model", key=TRAIN_NAME.name)
        default = PRESETS.index(PRODUCT_PRESET)
        preset = second.selectbox("Preset", PRESETS, index=default, key="train_preset")
        device = third.selectbox("Device", DEVICES, key="train_device")
        splits = first.number_input(
            "Splits (models of the ensemble)",
            FOLDS,
            MAX_SPLITS,
            DEFAULT_SPLITS,
            FOLDS,
            key="train_splits",
            help=SPLITS_HELP,
        )
        epochs = second.number_input(
            "Epochs (empty: the preset's)", 1, MAX_EPOCHS, None, key="train_epochs"
        )
        seed = third.number_input("Seed", 0, 2**31 - 1, 0, key="train_seed")
        with st.container(horizontal=True, vertical_alignment="center"):
            start = st.form_submit_button("Start training", type="primary", key="train_start")
            st.form_submit_button("Estimate time", key="train_estimate")
            choice = TrainingChoice(
                preset=preset, splits=splits, epochs=epochs, seed=seed, device=device
            )
            here = _trained_here()
            seconds = estimate_training(choice, loaded.cohort, resources.catalogue(), here)
            _say_estimate(seconds, known=bool(here))
    if start:
        try:
            check_name(name, taken)
            require_scheme(splits, "covering", 1 / FOLDS)
        except CamlifError as error:
            st.error(plain(str(error)))
            return
        _start(loaded, training_request(source_of(loaded), choice, name))


def _propose_name(loaded: LoadedCohort, taken: list[str]) -> None:
    """Fill in a free name for a new cohort, and again once a name has been used."""
    proposed = NAMED_FOR.get()
    if proposed == loaded.digest and TRAIN_NAME.is_set:
        return
    stem = loaded.key if loaded.key != state.UPLOADED else "own"
    TRAIN_NAME.set(free_name(stem, taken))
    NAMED_FOR.set(loaded.digest)


def _model_of(job: Job) -> str:
    return job.request.result.rsplit("/", 1)[-1] if job.request.kind == "train" else ""


def _study_form(workspace: Workspace) -> None:
    loaded = workspace.loaded
    every = names(tuple(catalogue(StudySettings(data=""), loaded.cohort.schema)))
    asked = state.STUDY_METHODS.pop()
    if asked is not None:
        STUDY_METHODS.set([m for m in asked if m in every])
    elif not STUDY_METHODS.is_set:
        STUDY_METHODS.set([m for m in DEFAULT_METHODS if m in every])
    with st.form("study_form"):
        methods = st.multiselect(
            "Methods: sets or names",
            every,
            key=STUDY_METHODS.name,
            persist_state="session",
            help="paper: Tables 1 to 3. classical: Cox models, forest, boosting. all: both and "
            "the generic forms. camlif: both presets of CA-MLIF.",
            select_all=False,
        )
        first, second, third, fourth = st.columns(4)
        heads = first.selectbox(
            "Heads of the rivals",
            HEADS,
            key="study_heads",
            help="matched: all with CA-MLIF's Cox head and protocol. native: each with its own.",
        )
        splits = second.number_input(
            "Splits", FOLDS, MAX_SPLITS, DEFAULT_SPLITS, FOLDS, key="study_splits", help=SPLITS_HELP
        )
        epochs = third.number_input(
            "Epochs (empty: each preset's)", 1, MAX_EPOCHS, None, key="study_epochs"
        )
        seed = fourth.number_input("Seed", 0, 2**31 - 1, 0, key="study_seed")
        choice = StudyChoice(
            methods=tuple(methods), heads=heads, splits=splits, epochs=epochs, seed=seed
        )
        problem = _scheme_problem(splits)
        with st.container(horizontal=True, vertical_alignment="center"):
            start = st.form_submit_button("Start study", type="primary", key="study_start")
            st.form_submit_button("Estimate time", key="study_estimate")
            if methods and problem is None:
                rows = study_variants(choice, loaded.cohort)
                measured, here = _measured(), _trained_here()
                seconds = estimate_study(
                    choice, loaded.cohort, resources.catalogue(), measured, here
                )
                what = f"{count(len(rows), 'row')} of {count(splits, 'split')}: "
                _say_estimate(seconds, what, known=bool(here or measured))
    if start and not methods:
        st.error("Pick at least one method.")
    elif problem is not None:
        st.error(plain(problem))
    elif start:
        _start(loaded, study_request(source_of(loaded), choice))


def _scheme_problem(splits: int) -> str | None:
    """Say why covering splits cannot be made; None if they can."""
    try:
        require_scheme(splits, "covering", 1 / FOLDS)
    except CamlifError as error:
        return str(error)
    return None


def _measured() -> list[tuple[StudySummary, int]]:
    """Summaries and patients of the studies on this machine."""
    found = []
    for entry in resources.studies():
        try:
            study = resources.study(entry.path, entry.changed)
        except CamlifError:
            continue
        found.append((study.summary, study.cohort.n_patients))
    return found


def _trained_here() -> dict[Path, float]:
    """Seconds that finished trainings took on this machine, by model folder."""
    manager = resources.job_manager()
    return {
        (manager.folder(job.id) / job.request.result).resolve(): job.ended - job.started
        for job in manager.jobs()
        if job.request.kind == "train" and job.state == "finished" and job.started and job.ended
    }


def _say_estimate(seconds: float | None, what: str = "", *, known: bool) -> None:
    if seconds is None:
        words = "no estimate yet, the run shows the time left as it goes"
    elif known:
        words = f"about {say_seconds(seconds)}, by runs on this machine"
    else:
        words = f"at least {say_seconds(seconds)}, by models trained on other machines"
    text = what + words
    st.caption(plain(f"{text[0].upper()}{text[1:]}."))


def _start(loaded: LoadedCohort, request: JobRequest) -> None:
    source = source_of(loaded)
    manager = resources.job_manager()
    known = {job.id for job in manager.jobs()}
    action = Action.TRAINING_STARTED if request.kind == "train" else Action.STUDY_STARTED
    try:
        user = current_user()
        require(action, user)
        request = replace(request, owner=user.name)
        job = manager.start(request, source.write if request.private else None)
    except CamlifError as error:
        st.error(plain(messages.describe(error)))
        return
    show_run(job.id)
    NAMED_FOR.pop()
    if job.id in known:
        RUN_NOTE.set("This run was under way already; it is shown below.")
    else:
        trail.record(action, cohort_digest=loaded.digest)
    st.rerun()


def show_run(job_id: str | None) -> None:
    """Look at a run, in the session and in the address."""
    RUN.set(job_id)
    if job_id is None:
        st.query_params.pop(RUN.name, None)
    else:
        st.query_params[RUN.name] = job_id
