"""Trainings and studies as processes of their own: one runs, others wait, all outlive the server.

A `JobRequest` goes in, a process and its records come out. Raises `ConfigError` for what cannot be
asked of a run in its state.

What is known of a run is on disk (`dashboard.runs.run_folder`), so that a page switch, a reload,
another browser or a restarted server shows the same runs. A process that is still alive after a
restart is watched again; one that is gone is ``stopped``.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from camlif.exceptions import ConfigError
from camlif.files import PRIVATE, folders_in, place_folder, sweep
from camlif.progress import Progress
from camlif.wording import count
from dashboard.runs import run_folder
from dashboard.runs.run_folder import UNFINISHED, Job, JobRequest, RunState

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = (sys.executable, "-m", "camlif")
RUNS = "runs"
QUEUE_LIMIT = 8
GRACE_SECONDS = 5.0
"""A cancelled process that has not ended by then is killed."""
POLL_SECONDS = 0.2

Prepare = Callable[[Path], None]
"""Writes the tables of an uploaded cohort into a folder."""


class JobManager:
    """Starts, watches and ends runs; one per server, safe to call from any thread.

    Parameters
    ----------
    home : Path
        Runs are kept in ``home/runs``; results must lie below ``home``.
    program : sequence of str
        What a run's arguments are given to.
    queue_limit : int
        Runs that may wait.
    on_end : callable, optional
        Called, from any thread, whenever a run has ended or was deleted.
    """

    def __init__(
        self,
        home: Path,
        *,
        program: Sequence[str] = PROGRAM,
        queue_limit: int = QUEUE_LIMIT,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self._home = home
        self._runs = home / RUNS
        self._program = tuple(program)
        self._queue_limit = queue_limit
        self._on_end = on_end
        self._lock = threading.RLock()
        self._cancelled: set[str] = set()
        self._watchers: dict[str, threading.Thread] = {}
        with self._lock:
            self._recover()
            self._start_next()

    def jobs(self) -> tuple[Job, ...]:
        """All runs, the newest first."""
        found = [run_folder.read_job(path) for path in folders_in(self._runs)]
        known = [job for job in found if job is not None]
        return tuple(sorted(known, key=lambda job: (job.created, job.id), reverse=True))

    def job(self, job_id: str) -> Job | None:
        """Return a run; None where there is none of this name."""
        return run_folder.read_job(self.folder(job_id)) if run_folder.is_id(job_id) else None

    @property
    def active(self) -> bool:
        """Whether a run is under way or waits."""
        return any(job.active for job in self.jobs())

    def folder(self, job_id: str) -> Path:
        """Folder of a run."""
        return self._runs / job_id

    def result(self, job: Job) -> Path:
        """Where a run's model or study is, or will be.

        Raises
        ------
        ConfigError
            If the record names a place outside the home folder.
        """
        path = (self.folder(job.id) / job.request.result).resolve()
        if not path.is_relative_to(self._home.resolve()):
            raise ConfigError(f"Run {job.id} names a result outside its home folder.")
        return path

    def progress(self, job: Job) -> Progress | None:
        """How far a run is; None before its process has said so."""
        return run_folder.progress_of(self.folder(job.id))

    def log_tail(self, job: Job, lines: int = 40) -> str:
        """Last lines of a run's log."""
        return run_folder.log_tail(self.folder(job.id), lines)

    def place(self, job: Job) -> int:
        """Place of a waiting run in the queue, from 1; 0 for any other."""
        waiting = [j.id for j in reversed(self.jobs()) if j.state == "queued"]
        return waiting.index(job.id) + 1 if job.id in waiting else 0

    def start(self, request: JobRequest, prepare: Prepare | None = None) -> Job:
        """Start a run, or queue it; the same run already under way is returned instead.

        Parameters
        ----------
        request : JobRequest
        prepare : callable, optional
            For a private cohort: writes its tables into the folder it is given.

        Raises
        ------
        ConfigError
            If the queue is full, the home folder cannot be written, or a private cohort has no
            ``prepare``.
        """
        with self._lock:
            running = self._same(request)
            if running is not None:
                return running
            self._require_room()
            job = Job(id=_new_id(), request=request, state="queued", created=time.time())
            try:
                self._runs.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
                with place_folder(self.folder(job.id), mode=PRIVATE) as draft:
                    _write_tables(draft, request, prepare)
                    run_folder.write_job(draft, job)
            except OSError as error:
                raise ConfigError(
                    f"{self._runs} cannot be written: {error.strerror or error}."
                ) from error
            self._start_next()
            return self.job(job.id) or job

    def retry(self, job_id: str, prepare: Prepare | None = None) -> Job:
        """Queue an unfinished run again, in the same folder: a study goes on where it stopped.

        Raises
        ------
        ConfigError
            If there is no such run, it is under way or finished, or as `start`.
        """
        with self._lock:
            job = self._known(job_id)
            if job.state not in UNFINISHED:
                raise ConfigError(f"Run {job.id} is {job.state}; there is nothing to try again.")
            running = self._same(job.request)
            if running is not None:
                return running
            self._require_room()
            _write_tables(self.folder(job.id), job.request, prepare)
            (self.folder(job.id) / run_folder.PROGRESS).unlink(missing_ok=True)
            again = Job(id=job.id, request=job.request, state="queued", created=job.created)
            run_folder.write_job(self.folder(job.id), again)
            self._start_next()
            return self._known(job_id)

    def cancel(self, job_id: str) -> Job:
        """End a run and everything it started; returns when it is gone.

        Raises
        ------
        ConfigError
            If there is no such run.
        """
        with self._lock:
            job = self._known(job_id)
            if job.state == "queued":
                self._end(job, "cancelled")
                return self._known(job_id)
            if job.state != "running":
                return job
            self._cancelled.add(job.id)
            watcher = self._watchers.get(job.id)
        for sign in (signal.SIGTERM, signal.SIGKILL):
            self._signal(job, sign)
            if watcher is not None:
                watcher.join(GRACE_SECONDS)
            if self._known(job_id).state != "running":
                break
        return self._known(job_id)

    def delete(self, job_id: str) -> None:
        """Remove a run that has ended, with its result.

        Raises
        ------
        ConfigError
            If there is no such run, or it has not ended.
        """
        with self._lock:
            job = self._known(job_id)
            if job.active:
                raise ConfigError(f"Run {job.id} is {job.state}. Cancel it first.")
            # An unfinished run may name a folder that a later one has written since.
            if job.state == "finished":
                shutil.rmtree(self.result(job), ignore_errors=True)
            shutil.rmtree(self.folder(job.id), ignore_errors=True)
        self._tell()

    def _tell(self) -> None:
        if self._on_end is not None:
            self._on_end()

    def _known(self, job_id: str) -> Job:
        job = self.job(job_id)
        if job is None:
            raise ConfigError(f"There is no run {job_id}.")
        return job

    def _same(self, request: JobRequest) -> Job | None:
        wanted = request.fingerprint
        return next((j for j in self.jobs() if j.active and j.request.fingerprint == wanted), None)

    def _require_room(self) -> None:
        waiting = sum(job.state == "queued" for job in self.jobs())
        if waiting >= self._queue_limit:
            raise ConfigError(
                f"{count(waiting, 'run waits', 'runs wait')} already. Cancel one, or start this "
                "one later."
            )

    def _recover(self) -> None:
        """Watch what still runs from before a restart; close the record of what is gone.

        What a killed server was writing goes: it may be patients' tables.
        """
        sweep(self._runs, older_than=0)
        for job in self.jobs():
            if not job.active:
                sweep(self.folder(job.id), older_than=0)
                shutil.rmtree(self.folder(job.id) / run_folder.TABLES, ignore_errors=True)
            if job.state != "running":
                continue
            if run_folder.is_alive(self.folder(job.id)):
                self._watch(job, process=None)
            else:
                self._ended(job.id, exit_code=None)

    def _start_next(self) -> None:
        jobs = self.jobs()
        if any(job.state == "running" for job in jobs):
            return
        for job in reversed(jobs):
            if job.state == "queued" and self._launch(job):
                return

    def _launch(self, job: Job) -> bool:
        """Start a run's process; a run that cannot be started has failed."""
        folder = self.folder(job.id)
        command = [*self._program, *job.request.arguments, "--progress", run_folder.PROGRESS]
        try:
            held = run_folder.take_lock(folder)
        except (OSError, ConfigError) as error:
            return self._refused(job, str(error))
        try:
            with (folder / run_folder.LOG).open("ab") as log:
                log.write(f"$ camlif {shlex.join(job.request.arguments)}\n".encode())
                log.flush()
                process = subprocess.Popen(  # noqa: S603  # nosec B603  # our own program, no shell
                    command,
                    cwd=folder,
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=(held,),
                )
        except OSError as error:
            return self._refused(job, str(error))
        finally:
            os.close(held)  # the process holds the lock through its own copy
        running = replace(job, state="running", started=time.time(), pid=process.pid)
        run_folder.write_job(folder, running)
        self._watch(running, process)
        return True

    def _refused(self, job: Job, reason: str) -> bool:
        with (self.folder(job.id) / run_folder.LOG).open("a", encoding="utf-8") as log:
            log.write(f"The run could not be started: {reason}\n")
        self._end(job, "failed")
        return False

    def _watch(self, job: Job, process: subprocess.Popen[bytes] | None) -> None:
        watcher = threading.Thread(
            target=self._await_end, args=(job.id, process), name=f"run {job.id}", daemon=True
        )
        self._watchers[job.id] = watcher
        watcher.start()

    def _await_end(self, job_id: str, process: subprocess.Popen[bytes] | None) -> None:
        if process is not None:
            exit_code: int | None = process.wait()
        else:
            exit_code = None
            while run_folder.is_alive(self.folder(job_id)):
                time.sleep(POLL_SECONDS)
        with self._lock:
            self._ended(job_id, exit_code)
            self._watchers.pop(job_id, None)
            self._start_next()

    def _ended(self, job_id: str, exit_code: int | None) -> None:
        job = self.job(job_id)
        if job is None or job.state != "running":  # closed already, or its folder is gone
            return
        self._end(replace(job, exit_code=exit_code), self._outcome(job, exit_code))

    def _outcome(self, job: Job, exit_code: int | None) -> RunState:
        """How a run ended; a process of before a restart leaves no exit status, only its file."""
        if job.id in self._cancelled:
            return "cancelled"
        if exit_code is not None:
            return "finished" if exit_code == 0 else "failed"
        progress = self.progress(job)
        if progress is None or progress.state in ("running", "cancelled"):
            return "stopped"
        return progress.state

    def _end(self, job: Job, state: RunState) -> None:
        folder = self.folder(job.id)
        shutil.rmtree(folder / run_folder.TABLES, ignore_errors=True)
        run_folder.write_job(folder, replace(job, state=state, ended=time.time()))
        self._cancelled.discard(job.id)
        self._tell()

    def _signal(self, job: Job, sign: signal.Signals) -> None:
        """Signal a run's process group, if the process is still the one that was started."""
        if job.pid is not None and run_folder.is_alive(self.folder(job.id)):
            try:
                os.killpg(job.pid, sign)
            except ProcessLookupError:
                return


def _new_id() -> str:
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"


def _write_tables(folder: Path, request: JobRequest, prepare: Prepare | None) -> None:
    if not request.private:
        return
    if prepare is None:
        raise ConfigError(
            "The uploaded tables of this run are gone. Load them again and start a new run."
        )
    tables = folder / run_folder.TABLES
    shutil.rmtree(tables, ignore_errors=True)
    tables.mkdir(mode=PRIVATE)
    prepare(tables)


def _environment() -> dict[str, str]:
    """The server's environment, with the package importable from any folder."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        "OMP_NUM_THREADS": "1",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
    }
