"""The Runs page in process, with a real manager and a program that stands in for the command."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from camlif.data.reading.readers import load_cohort
from camlif.data.samples import load_sample
from camlif.data.simulator import simulate, write_simulated
from camlif.model.bundle import load_bundle
from dashboard.access.access import Action, Role
from dashboard.runs import run_folder
from dashboard.runs.jobs import JobManager
from dashboard.session import resources, settings, state
from dashboard.session import user as user_
from tests.dashboard.conftest import OpenApp
from tests.dashboard.runs.test_jobs import PATIENCE, SCRIPT
from tests.dashboard.views.test_pages import problems_of, text_of

# As the stand-in of the tests of jobs, but its order comes from the seed of the form.
ORDERS = {0: "quick", 1: "wait", 2: "fail"}
PROGRAM = SCRIPT.replace(
    "order, progress = sys.argv[1],",
    f'order, progress = {ORDERS}[int(sys.argv[sys.argv.index("--seed") + 1])],',
)


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobManager]:
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    made = JobManager(
        tmp_path / "home",
        program=(sys.executable, str(script)),
        on_end=lambda: resources.results_changed(),
    )
    monkeypatch.setattr(resources, "job_manager", lambda: made)
    yield made
    for job in made.jobs():
        made.cancel(job.id)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def start(app: AppTest, seed: int) -> AppTest:
    app.number_input(key="train_seed").set_value(seed)
    return app.button(key="train_start").click().run()


def only(manager: JobManager) -> run_folder.Job:
    (job,) = manager.jobs()
    return job


def test_a_training_is_started_watched_and_opened(open_app: OpenApp, manager: JobManager) -> None:
    app = open_app("runs")
    assert "No run so far." in text_of(app)
    assert "by models trained on other machines" in text_of(app)
    start(app, 1)
    assert problems_of(app) == []
    job = only(manager)
    assert job.request.arguments[:2] == ("train", "glioma")
    assert resources.store().audit_events(limit=1)[0].action == Action.TRAINING_STARTED
    assert app.query_params["run"] in (job.id, [job.id])
    until(lambda: "begun" in manager.log_tail(job))
    app.run()
    shown = text_of(app)
    assert "1 of 2 · at work · about 1 second left" in shown
    assert "begun" in shown
    (manager.folder(job.id) / "go").touch()
    until(lambda: not manager.active)
    app.run()
    assert problems_of(app) == []
    assert "Finished after" in text_of(app)
    app.button(key="run_open").click().run()
    assert app.session_state[state.MODEL.name] == "glioma_2"
    assert "Who and what data" in text_of(app)


def test_a_training_under_another_name_waits_for_the_one_under_way(
    open_app: OpenApp, manager: JobManager
) -> None:
    app = start(open_app("runs"), 1)
    assert app.text_input(key="train_name").value == "glioma_3"  # glioma_2 is being made
    app.button(key="train_start").click().run()
    assert sorted(job.request.result for job in manager.jobs()) == [
        "../../models/glioma_2",
        "../../models/glioma_3",
    ]
    assert not any("under way already" in i.value for i in app.info)


def test_a_viewer_starts_nothing(
    open_app: OpenApp, manager: JobManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_, "WITHOUT_SIGN_IN", Role.VIEWER)
    app = open_app("runs")
    assert problems_of(app) == []
    assert any("started by reviewers" in info.value for info in app.info)
    assert [b.key for b in app.button if b.key in ("train_start", "study_start")] == []
    assert manager.jobs() == ()


def test_a_name_in_use_starts_nothing(open_app: OpenApp, manager: JobManager) -> None:
    app = open_app("runs")
    app.text_input(key="train_name").set_value("glioma")
    app.button(key="train_start").click().run()
    assert any("There is a model glioma already" in e.value for e in app.error)
    assert manager.jobs() == ()


def test_a_failed_run_says_so_shows_its_log_and_is_tried_again(
    open_app: OpenApp, manager: JobManager
) -> None:
    app = start(open_app("runs"), 2)
    until(lambda: not manager.active)
    app.run()
    job = only(manager)
    errors = problems_of(app)
    assert len(errors) == 1
    assert errors[0].startswith(f"E-41: Run {job.id} stopped at step 1.")
    assert "no luck" in text_of(app)
    app.button(key="run_retry").click().run()
    until(lambda: not manager.active)
    assert manager.log_tail(job).count("no luck") == 2


def test_a_run_is_cancelled_and_deleted(open_app: OpenApp, manager: JobManager) -> None:
    app = start(open_app("runs"), 1)
    app.button(key="run_cancel").click().run()
    assert only(manager).state == "cancelled"
    assert "Cancelled at step" in text_of(app)
    app.button(key="run_delete").click().run()
    assert problems_of(app) == []
    assert manager.jobs() == ()
    assert "run" not in app.query_params


def test_runs_wait_in_line(open_app: OpenApp, manager: JobManager) -> None:
    app = start(open_app("runs"), 1)
    start(app, 0)
    shown = text_of(app)
    assert "Waiting for the run under way. It is next." in shown
    assert "queued, next" in shown
    assert [job.state for job in manager.jobs()] == ["queued", "running"]


def test_a_link_opens_its_run_in_another_session(open_app: OpenApp, manager: JobManager) -> None:
    app = start(open_app("runs"), 1)
    first = only(manager)
    start(app, 0)
    other = open_app("case", query={"run": first.id})
    other.query_params["run"] = first.id
    other.switch_page("views/runs/page.py")
    other.query_params["run"] = first.id
    other.run()
    assert other.selectbox(key="pick_run").value == first.id
    unknown = open_app("case")
    unknown.switch_page("views/runs/page.py")
    unknown.query_params["run"] = "20200101-000000-000000"
    unknown.run()
    assert any("isn't on this computer" in w.value for w in unknown.warning)
    assert unknown.selectbox(key="pick_run").value == manager.jobs()[0].id


def test_a_study_is_started_with_the_methods_that_a_page_asks_for(
    open_app: OpenApp, manager: JobManager
) -> None:
    app = open_app("runs", **{state.STUDY_METHODS.name: ("mcat", "gpdbn")})
    assert app.multiselect(key="study_form_methods").value == ["mcat", "gpdbn"]
    app.button(key="study_start").click().run()
    assert problems_of(app) == []
    request = only(manager).request
    assert request.kind == "study"
    assert "mcat,gpdbn" in request.arguments
    until(lambda: not manager.active)
    app.run()
    assert app.button(key="run_open").label == "Open in Comparison"


def test_a_study_without_methods_starts_nothing(open_app: OpenApp, manager: JobManager) -> None:
    app = open_app("runs")
    app.multiselect(key="study_form_methods").set_value([])
    app.button(key="study_start").click().run()
    assert any("at least one method" in e.value for e in app.error)
    assert manager.jobs() == ()


def test_a_cohort_that_is_too_small_has_no_form(open_app: OpenApp, manager: JobManager) -> None:
    open_app()
    small = resources.loaded(state.UPLOADED, load_sample("glioma").take(range(99)))
    app = open_app("runs", state.UPLOADED, **{state.UPLOAD.name: small})
    assert problems_of(app) == []
    assert any("At least 100 patients" in w.value for w in app.warning)
    assert not [b for b in app.button if b.key == "train_start"]


def uploaded(open_app: OpenApp, folder: Path) -> resources.LoadedCohort:
    write_simulated(simulate("glioma", n_patients=120, seed=5), folder)
    open_app()
    cohort = load_cohort(folder)
    return resources.loaded(
        state.UPLOADED, replace(cohort, info=replace(cohort.info, badge="uploaded"))
    )


def test_a_run_of_an_upload_is_nobody_elses(
    open_app: OpenApp, manager: JobManager, tmp_path: Path
) -> None:
    loaded = uploaded(open_app, tmp_path / "tables")
    roles = {"one@example.org": "reviewer", "two@example.org": "reviewer"}
    secrets = {"auth": {"client_id": "x"}, "access": {"emails": roles}}

    def person(name: str) -> dict[str, object]:
        email = f"{name}@example.org"
        return {"is_logged_in": True, "iss": "https://id", "sub": name, "email": email}

    own = {"secrets": secrets, "user": person("one")}
    app = open_app("runs", state.UPLOADED, **{state.UPLOAD.name: loaded}, **own)
    assert "offered to everybody who signs in" in text_of(app)
    start(app, 1)
    job = only(manager)
    other = open_app("runs", secrets=secrets, user=person("two"))
    assert problems_of(other) == []
    assert "No run so far." in text_of(other)
    assert "run" not in other.query_params
    again = open_app("runs", **own)
    assert again.query_params["run"] in (job.id, [job.id])
    again.button(key="run_cancel").click().run()
    assert problems_of(again) == []
    assert only(manager).state == "cancelled"
    assert resources.store().audit_events(limit=1)[0].action == Action.RUN_CANCELLED


def test_an_upload_goes_by_tokens_and_is_gone_afterwards(
    open_app: OpenApp, manager: JobManager, tmp_path: Path
) -> None:
    loaded = uploaded(open_app, tmp_path / "tables")
    cohort = loaded.cohort
    app = start(open_app("runs", state.UPLOADED, **{state.UPLOAD.name: loaded}), 1)
    assert problems_of(app) == []
    job = only(manager)
    tables = manager.folder(job.id) / run_folder.TABLES
    read = load_cohort(tables)
    assert read.digest == resources.by_tokens(loaded).digest
    assert read.patient_ids.tolist() == list(loaded.tokens)
    assert not set(read.patient_ids) & set(cohort.patient_ids)
    ids = [str(i).encode() for i in cohort.patient_ids]
    kept = [p for p in manager.folder(job.id).rglob("*") if p.is_file()]
    assert not any(i in p.read_bytes() for p in kept for i in ids)
    (manager.folder(job.id) / "go").touch()
    until(lambda: not manager.active)
    assert not tables.exists()


def test_a_finished_model_appears_in_the_picker_and_leaves_it_when_deleted(
    open_app: OpenApp, manager: JobManager, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = start(open_app("runs"), 1)
    job = only(manager)
    home = manager.folder(job.id).parents[1]
    place = settings.Installation(models=settings.settings().models, home=home)
    monkeypatch.setattr(resources, "settings", lambda: place)
    bundle = load_bundle(models / "glioma", device="cpu")
    replace(bundle, name="glioma_2").save(manager.result(job))
    (manager.folder(job.id) / "go").touch()
    until(lambda: not manager.active)
    app.run()
    assert any("glioma_2" in o for o in app.selectbox(key="pick_model").options)
    app.button(key="run_open").click().run()
    assert problems_of(app) == []
    assert app.selectbox(key="pick_model").value == "glioma_2"
    app.switch_page("views/runs/page.py").run()
    app.button(key="run_delete").click().run()
    assert problems_of(app) == []
    assert not any("glioma_2" in o for o in app.selectbox(key="pick_model").options)
    assert not manager.result(job).exists()
