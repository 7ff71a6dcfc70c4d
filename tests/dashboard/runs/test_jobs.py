"""Runs as processes: queue, cancel, retry, restart, private tables, what is on disk."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from camlif.exceptions import ConfigError
from camlif.model.bundle import load_bundle
from dashboard.runs import run_folder
from dashboard.runs.jobs import JobManager
from dashboard.runs.run_folder import Job, JobRequest
from dashboard.runs.run_requests import RunSource, TrainingChoice, training_request
from tests.builders.cohorts import make_cohort

PATIENCE = 20.0
SCRIPT = """
import json, os, subprocess, sys, time
order, progress = sys.argv[1], sys.argv[sys.argv.index("--progress") + 1]

def say(state, step):
    record = {"state": state, "step": step, "total": 2, "eta_seconds": 1.0, "message": "at work"}
    with open(progress + ".part", "w") as file:
        json.dump(record, file)
    os.replace(progress + ".part", progress)

say("running", 1)
print("begun", flush=True)
if order == "read":
    print(open("cohort/clinical.csv").read(), flush=True)
if order == "fail":
    sys.exit("no luck")
if order == "child":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    open("child.pid", "w").write(str(child.pid))
if order in ("wait", "child", "read"):
    while not os.path.exists("go"):
        time.sleep(0.02)
os.makedirs("study", exist_ok=True)
open("study/result.txt", "w").write("done")
say("finished", 2)
"""
Start = Callable[..., Job]


@pytest.fixture
def program(tmp_path: Path) -> tuple[str, ...]:
    script = tmp_path / "program.py"
    script.write_text(SCRIPT)
    return sys.executable, str(script)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def manager(home: Path, program: tuple[str, ...]) -> Iterator[JobManager]:
    made = JobManager(home, program=program, queue_limit=3)
    yield made
    for job in made.jobs():
        made.cancel(job.id)


def request(order: str = "quick", **changes: object) -> JobRequest:
    values: dict[str, object] = {
        "kind": "study",
        "title": "Cohort",
        "cohort_digest": "d1",
        "arguments": (order,),
        "settings": {"order": order},
        "result": "study",
    }
    return JobRequest(**(values | changes))  # type: ignore[arg-type]


def numbered(order: str, number: int) -> JobRequest:
    return request(order, settings={"order": order, "seed": number})


def until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def state_of(manager: JobManager, job: Job) -> str:
    found = manager.job(job.id)
    assert found is not None
    return found.state


def begun(manager: JobManager, job: Job) -> None:
    until(lambda: "begun" in manager.log_tail(job))


def go(manager: JobManager, job: Job) -> None:
    (manager.folder(job.id) / "go").touch()


def ended(manager: JobManager, job: Job) -> Job:
    until(lambda: state_of(manager, job) not in run_folder.ACTIVE)
    found = manager.job(job.id)
    assert found is not None
    return found


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def test_a_run_ends_with_its_result_log_and_progress_on_disk(manager: JobManager) -> None:
    job = manager.start(request())
    done = ended(manager, job)
    assert (done.state, done.exit_code) == ("finished", 0)
    assert done.started is not None
    assert done.ended is not None
    assert job.created <= done.started <= done.ended
    assert (manager.result(done) / "result.txt").read_text() == "done"
    assert manager.log_tail(done).splitlines() == ["$ camlif quick", "begun"]
    progress = manager.progress(done)
    assert progress is not None
    assert (progress.state, progress.step, progress.total) == ("finished", 2, 2)
    assert not manager.active


def test_a_run_that_fails_keeps_its_reason_in_the_log(manager: JobManager) -> None:
    done = ended(manager, manager.start(request("fail")))
    assert (done.state, done.exit_code) == ("failed", 1)
    assert manager.log_tail(done).endswith("no luck")
    progress = manager.progress(done)
    assert progress is not None
    assert progress.step == 1


def test_a_program_that_is_not_there_fails_and_the_next_run_starts(home: Path) -> None:
    manager = JobManager(home, program=("/nonexistent/program",))
    job = manager.start(request())
    assert state_of(manager, job) == "failed"
    assert "could not be started" in manager.log_tail(job)
    assert not manager.active


def test_one_runs_and_the_others_wait_their_turn(manager: JobManager) -> None:
    jobs = [manager.start(numbered("wait", i)) for i in range(3)]
    begun(manager, jobs[0])
    assert [state_of(manager, job) for job in jobs] == ["running", "queued", "queued"]
    assert [manager.place(job) for job in jobs] == [0, 1, 2]
    assert [job.id for job in manager.jobs()] == [job.id for job in reversed(jobs)]
    go(manager, jobs[0])
    until(lambda: state_of(manager, jobs[1]) == "running")
    assert state_of(manager, jobs[0]) == "finished"
    assert state_of(manager, jobs[2]) == "queued"


def test_a_full_queue_refuses_and_leaves_nothing_behind(manager: JobManager) -> None:
    for i in range(4):
        manager.start(numbered("wait", i))
    with pytest.raises(ConfigError, match="3 runs wait already"):
        manager.start(numbered("wait", 9))
    assert len(list((manager.folder("x").parent).iterdir())) == 4


def test_the_same_run_started_again_is_the_one_under_way(manager: JobManager) -> None:
    first, waiting = manager.start(request("wait")), manager.start(numbered("wait", 1))
    assert manager.start(request("wait")).id == first.id
    assert manager.start(numbered("wait", 1)).id == waiting.id
    other = manager.start(request("wait", cohort_digest="d2"))
    assert other.id not in (first.id, waiting.id)
    go(manager, first)
    ended(manager, first)
    assert manager.start(request("wait")).id != first.id


def test_cancelling_ends_the_run_and_what_it_started(manager: JobManager) -> None:
    job = manager.start(request("child"))
    until(lambda: (manager.folder(job.id) / "child.pid").is_file())
    until(lambda: (manager.folder(job.id) / "child.pid").read_text() != "")
    child = int((manager.folder(job.id) / "child.pid").read_text())
    assert alive(child)
    waiting = manager.start(request())
    assert manager.cancel(job.id).state == "cancelled"
    until(lambda: not alive(child))
    assert ended(manager, waiting).state == "finished"


def test_a_waiting_run_is_cancelled_without_ever_starting(manager: JobManager) -> None:
    first, second = manager.start(request("wait")), manager.start(numbered("wait", 1))
    assert manager.cancel(second.id).state == "cancelled"
    go(manager, first)
    ended(manager, first)
    assert state_of(manager, second) == "cancelled"
    assert manager.log_tail(second) == ""


def test_a_cancelled_run_goes_on_in_its_own_folder(manager: JobManager) -> None:
    job = manager.start(request("wait"))
    begun(manager, job)
    manager.cancel(job.id)
    (manager.folder(job.id) / "kept.txt").touch()
    again = manager.retry(job.id)
    assert again.id == job.id
    go(manager, again)
    assert ended(manager, again).state == "finished"
    assert (manager.folder(job.id) / "kept.txt").exists()
    with pytest.raises(ConfigError, match="nothing to try again"):
        manager.retry(job.id)


def test_deleting_removes_the_run_and_its_result_but_never_a_live_one(manager: JobManager) -> None:
    job = manager.start(request("wait", result="../../models/new"))
    with pytest.raises(ConfigError, match="Cancel it first"):
        manager.delete(job.id)
    go(manager, job)
    result = manager.result(ended(manager, job))
    result.mkdir(parents=True)
    manager.delete(job.id)
    assert manager.jobs() == ()
    assert not result.exists()
    assert not manager.folder(job.id).exists()


def test_a_record_that_points_outside_the_home_folder_deletes_nothing(
    manager: JobManager, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    job = ended(manager, manager.start(request(result="../../../outside")))
    with pytest.raises(ConfigError, match="outside its home"):
        manager.delete(job.id)
    assert outside.is_dir()


@pytest.mark.parametrize("name", ["", "../models", "20260101-000000-abc", "/etc"])
def test_only_names_of_runs_reach_a_path(manager: JobManager, name: str) -> None:
    assert manager.job(name) is None
    with pytest.raises(ConfigError, match="There is no run"):
        manager.delete(name)


# Restarts


def test_a_run_outlives_the_server_that_started_it(home: Path, program: tuple[str, ...]) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from dashboard.runs.jobs import JobManager\n"
        "from dashboard.runs.run_folder import JobRequest\n"
        f"m = JobManager(Path({str(home)!r}), program={program!r})\n"
        "r = JobRequest(kind='study', title='t', cohort_digest='d', arguments=('wait',), "
        "settings={}, result='study')\n"
        "print(m.start(r).id)\n"
    )
    server = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    job_id = server.stdout.strip()
    manager = JobManager(home, program=program)
    job = manager.job(job_id)
    assert job is not None
    assert job.state == "running"
    waiting = manager.start(request())
    assert waiting.state == "queued"
    go(manager, job)
    assert ended(manager, job).state == "finished"
    assert ended(manager, waiting).state == "finished"


def test_a_run_of_an_earlier_server_can_be_cancelled(
    manager: JobManager, home: Path, program: tuple[str, ...]
) -> None:
    job = manager.start(request("wait"))
    begun(manager, job)
    later = JobManager(home, program=program)
    assert later.cancel(job.id).state in ("cancelled", "failed")  # the earlier watcher may be first
    assert not later.active


@pytest.mark.parametrize(("said", "expected"), [("running", "stopped"), ("finished", "finished")])
def test_a_run_whose_process_is_gone_is_closed_after_a_restart(
    home: Path, program: tuple[str, ...], said: str, expected: str
) -> None:
    job = Job(
        id="20260101-000000-abcdef",
        request=request(private=True),
        state="running",
        created=1.0,
        started=1.0,
        pid=os.getpid(),  # a process of that number is there, but it does not hold the lock
    )
    folder = home / "runs" / job.id
    (folder / run_folder.TABLES).mkdir(parents=True)
    (folder / run_folder.LOCK).touch()
    progress = {"state": said, "step": 2, "total": 2, "eta_seconds": None, "message": ""}
    (folder / run_folder.PROGRESS).write_text(json.dumps(progress))
    run_folder.write_job(folder, job)
    manager = JobManager(home, program=program)
    assert state_of(manager, job) == expected
    assert not (folder / run_folder.TABLES).exists()
    if expected == "stopped":
        with pytest.raises(ConfigError, match="Load them again"):
            manager.retry(job.id)


def test_what_waited_before_a_restart_starts_after_it(home: Path, program: tuple[str, ...]) -> None:
    job = Job(id="20260101-000000-abcdef", request=request(), state="queued", created=1.0)
    (home / "runs" / job.id).mkdir(parents=True)
    run_folder.write_job(home / "runs" / job.id, job)
    manager = JobManager(home, program=program)
    assert ended(manager, job).state == "finished"


def test_a_damaged_record_is_left_out(manager: JobManager) -> None:
    job = ended(manager, manager.start(request()))
    (manager.folder(job.id) / run_folder.JOB).write_text('{"id": 1')
    assert manager.jobs() == ()
    (manager.folder(job.id) / run_folder.PROGRESS).write_text("[]")
    assert manager.progress(job) is None


# Uploaded cohorts


def test_private_tables_are_the_owners_only_and_gone_when_the_run_ends(
    manager: JobManager,
) -> None:
    def prepare(folder: Path) -> None:
        (folder / "clinical.csv").write_text("patient_id\nSECRET")

    job = manager.start(request("read", private=True), prepare)
    folder = manager.folder(job.id)
    begun(manager, job)
    for path in (folder, folder / run_folder.TABLES):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    go(manager, job)
    assert ended(manager, job).state == "finished"
    assert not (folder / run_folder.TABLES).exists()
    assert "SECRET" in manager.log_tail(job)  # it did read them


def test_private_tables_go_when_a_run_is_cancelled_or_cannot_be_prepared(
    manager: JobManager,
) -> None:
    job = manager.start(request("wait", private=True), lambda folder: None)
    begun(manager, job)
    manager.cancel(job.id)
    assert not (manager.folder(job.id) / run_folder.TABLES).exists()

    def broken(folder: Path) -> None:
        (folder / "clinical.csv").write_text("patient_id\nSECRET")
        raise OSError("disk full")

    before = manager.jobs()
    with pytest.raises(ConfigError, match="disk full"):
        manager.start(request("wait", private=True, cohort_digest="d3"), broken)
    with pytest.raises(ConfigError, match="Load them again"):
        manager.start(request("wait", private=True, cohort_digest="d3"))
    assert manager.jobs() == before
    assert len(list(manager.folder(job.id).parent.iterdir())) == len(before)


def test_private_tables_that_a_killed_server_was_writing_go_at_the_next_start(
    manager: JobManager, home: Path, program: tuple[str, ...]
) -> None:
    done = ended(manager, manager.start(request("fail")))
    tables = (
        home / "runs" / ".20260101-000000-abcdef.0a1b2c3d.part" / run_folder.TABLES,
        manager.folder(done.id) / ".cohort.0a1b2c3d.part",
        manager.folder(done.id) / run_folder.TABLES,
    )
    for folder in tables:
        folder.mkdir(parents=True)
        (folder / "clinical.csv").write_text("patient_id\nSECRET")
    assert manager.jobs() == (done,)

    JobManager(home, program=program)

    assert not [folder for folder in tables if folder.exists()]


def test_the_record_holds_what_was_asked(manager: JobManager) -> None:
    job = manager.start(request("quick"))
    ended(manager, job)
    data = json.loads((manager.folder(job.id) / run_folder.JOB).read_text())
    assert data["request"]["cohort_digest"] == "d1"
    found = manager.job(job.id)
    assert found is not None
    assert found.request == request("quick")


@pytest.mark.slow
def test_the_command_itself_trains_an_upload_and_tells_its_progress(home: Path) -> None:
    cohort = make_cohort(120, clinical=True)
    choice = TrainingChoice(preset="default", splits=5, epochs=2, seed=0, device="cpu")
    source = RunSource(cohort=cohort, digest="d", sample=None)
    manager = JobManager(home)
    job = manager.start(training_request(source, choice, "mine"), source.write)
    until(lambda: state_of(manager, job) not in run_folder.ACTIVE, patience=300)
    done = manager.job(job.id)
    assert done is not None
    assert done.state == "finished", manager.log_tail(job)
    progress = manager.progress(done)
    assert progress is not None
    assert (progress.state, progress.step, progress.total) == ("finished", 2, 2)
    bundle = load_bundle(home / "models" / "mine", device="cpu")
    assert bundle.name == "mine"
    assert str(home) not in bundle.card.reproduce
    result = bundle.score(cohort)
    assert (result.is_training | result.unclear).all()  # every patient is recognised
