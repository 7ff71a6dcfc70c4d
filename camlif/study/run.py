"""Run a study: cells through joblib, each kept as soon as it is finished.

A cohort, settings and a folder go in; a finished `Study` comes out, and in the folder. Raises
`ConfigError` for settings, for another study in the folder, and where workers or a cluster fail;
the finished cells are kept. The same cells give the same numbers on one core, on many, or on a Ray
or Dask cluster.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import joblib
import numpy as np
import pandas as pd
from joblib.externals.loky.process_executor import TerminatedWorkerError

from camlif.data.cohort import Cohort
from camlif.data.preprocessing import encode
from camlif.data.splits import Splits, make_splits
from camlif.exceptions import ConfigError
from camlif.progress import Progress
from camlif.statistics import SplitPValues
from camlif.study import store
from camlif.study.cells import (
    Cell,
    CellOutcome,
    StudyData,
    cells_of,
    reason_not_applicable,
    run_cell,
)
from camlif.study.methods import Variant, catalogue, select_variants
from camlif.study.records import (
    FAILED_COLUMNS,
    CohortFacts,
    NotApplicable,
    StudySettings,
    StudySummary,
)
from camlif.study.store import Study, read_study
from camlif.study.summary import KEY_COLUMNS, Key, notes, summarise, variant_p_values
from camlif.wording import count

Backend = Literal["local", "ray", "dask"]
INSTALL_CLUSTER = "pip install 'camlif[cluster]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where cells are computed.

    Attributes
    ----------
    jobs : int or None
        Cells at once; None: this machine's physical cores, or all that the cluster offers.
    backend : {"local", "ray", "dask"}
    address : str or None
        Of the cluster's head or scheduler; None starts or finds one on this machine.
    device : str
        As in `camlif.training.ensemble.choose_device`.
    """

    jobs: int | None = None
    backend: Backend = "local"
    address: str | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.backend not in get_args(Backend):
            raise ConfigError(f"Unknown backend {self.backend!r}. Choose local, ray or dask.")
        if self.address is not None and self.backend == "local":
            raise ConfigError("--address names a cluster; add --backend ray or dask.")

    @property
    def n_jobs(self) -> int:
        """Cells at once, as joblib reads it."""
        if self.jobs is not None:
            return self.jobs
        return joblib.cpu_count(only_physical_cores=True) if self.backend == "local" else -1


def run_study(
    cohort: Cohort,
    settings: StudySettings,
    out: str | Path,
    *,
    where: Where | None = None,
    use_splits: int | None = None,
    retry_failed: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Study:
    """Run what is not yet finished of a study, and return all of it.

    Parameters
    ----------
    cohort : Cohort
        Patients without an outcome, and without ``settings.gaps`` those that lack a modality, are
        left out and counted.
    settings : StudySettings
    out : str or Path
        Folder of the study; one that holds it already is continued.
    where : Where, optional
    use_splits : int, optional
        Run the methods of this call on so many first splits of the folds only.
    retry_failed : bool
        Compute cells again that failed before.
    progress : callable, optional
        Called at the start and after every cell.

    Raises
    ------
    ConfigError
        For an unknown method, settings or data other than the folder's, a cluster that is not
        there, or a worker that died.

    Notes
    -----
    A cell that fails is recorded with its reason, and the rest goes on.
    """
    home = Path(out)
    known, facts, splits = _patients(cohort, settings)
    if use_splits is not None and not 1 <= use_splits <= len(splits):
        raise ConfigError(
            f"The study has {count(len(splits), 'split')}; {use_splits} of them is no choice."
        )
    variants = select_variants(settings, known.schema)
    merged = store.open_study(home, settings, facts, splits)
    where = where or Where()
    data = StudyData(cohort=known, splits=splits, seed=settings.seed, device=where.device)
    run = _Run(home=home, settings=merged, facts=facts, data=data, progress=progress)
    run.plan(variants, range(use_splits or len(splits)), retry_failed=retry_failed)
    run.compute(where)
    return read_study(home)


def _patients(cohort: Cohort, settings: StudySettings) -> tuple[Cohort, CohortFacts, Splits]:
    """Choose the study's patients and inputs, and draw its folds."""
    with_outcome = cohort.take(cohort.with_outcome)
    presence = encode(with_outcome, with_outcome.schema).presence
    whole = np.asarray(presence.all(axis=1))
    kept = with_outcome if settings.gaps else with_outcome.take(whole)
    known = kept.select(clinical=settings.clinical)
    event, _ = known.outcome()
    splits = make_splits(
        known.patient_ids,
        event,
        n_splits=settings.splits,
        scheme=settings.scheme,
        seed=settings.seed,
    )
    info = cohort.info
    facts = CohortFacts(
        title=info.title,
        badge=info.badge,
        profile=info.profile,
        endpoint=info.endpoint.name,
        event_noun=info.endpoint.event_noun,
        event_free=info.endpoint.event_free,
        subtype_column=info.subtype_column,
        grade_column=info.grade_column,
        digest=known.digest,
        modalities={m.name: m.n_features for m in known.schema.modalities},
        n_patients=len(known),
        n_events=int(event.sum()),
        n_without_outcome=len(cohort) - len(with_outcome),
        n_incomplete=int((~whole).sum()),
        n_never_tested=splits.n_never_tested,
        oracle_c_index=info.oracle_c_index,
    )
    return known, facts, splits


class _Run:
    """One call's work on a study folder."""

    def __init__(
        self,
        *,
        home: Path,
        settings: StudySettings,
        facts: CohortFacts,
        data: StudyData,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.home = home
        self.settings = settings
        self.facts = facts
        self.data = data
        self.progress = progress
        self.failed = store.read_failed(home)
        self.cells: list[Cell] = []
        self.planned: tuple[str, ...] = ()
        self.not_applicable: list[NotApplicable] = []
        self.p_values: dict[Key, SplitPValues | None] = {}
        every = catalogue(settings, data.cohort.schema)
        self.order = {variant.key: rank for rank, variant in enumerate(every)}

    def plan(self, variants: Sequence[Variant], splits: range, *, retry_failed: bool) -> None:
        """Decide which cells to compute, and record what the study will hold."""
        finished = store.finished_cells(self.home)
        for variant in select_variants(self.settings, self.data.cohort.schema):
            reason = reason_not_applicable(variant, self.data.cohort)
            if reason is not None:
                self.not_applicable.append(_not_applicable(variant, reason))
        refused = {(n.method, n.variant, n.head) for n in self.not_applicable}
        wanted = [
            cell
            for variant in variants
            if variant.key not in refused
            for cell in cells_of(variant, splits, finished)
        ]
        if retry_failed:
            again = {cell.key for cell in wanted}
            self.failed = self.failed[~self.failed["cell"].isin(again)]
        known_failures = set(self.failed["cell"])
        self.cells = [cell for cell in wanted if cell.key not in known_failures]
        # A block asked for anew stands for the smaller or larger one that was never finished.
        rows = {cell.row_key for cell in wanted}
        outdated = {
            key
            for key in store.planned_cells(self.home)
            if key not in finished | known_failures and key.rpartition(".")[0] in rows
        }
        self.planned = store.plan(
            self.home,
            self.settings,
            self.facts,
            (cell.key for cell in wanted),
            without=outdated,
        )

    def compute(self, where: Where) -> None:
        """Compute the planned cells, keeping each as it comes."""
        total, done, weight = len(self.cells), 0, 0.0
        whole = sum(cell.weight for cell in self.cells)
        start = time.perf_counter()
        self._refresh(self._finished())
        self._tell(
            0, total, None, f"{count(total, 'cell')} to compute" if total else "nothing to compute"
        )
        for outcome in _outcomes(self.cells, self.data, where):
            self._keep(outcome)
            done, weight = done + 1, weight + outcome.cell.weight
            seconds = time.perf_counter() - start
            eta = seconds * (whole - weight) / weight
            verb = "failed" if outcome.reason else "finished"
            self._tell(done, total, eta, f"{outcome.cell.variant.title} {verb}")

    def _tell(self, step: int, total: int, eta: float | None, message: str) -> None:
        if self.progress is not None:
            self.progress(Progress.running(step, total, eta, message))

    def _keep(self, outcome: CellOutcome) -> None:
        cell = outcome.cell
        if outcome.results is None or outcome.risks is None:
            row = (cell.key, *cell.variant.key, cell.first, cell.last, outcome.reason)
            failure = pd.DataFrame([row], columns=list(FAILED_COLUMNS))
            self.failed = pd.concat([self.failed, failure], ignore_index=True)
        else:
            store.write_cell(self.home, cell.key, outcome.results, outcome.risks)
            self.p_values.pop(cell.variant.key, None)
        self._refresh(self._finished())

    def _finished(self) -> list[str]:
        finished = store.finished_cells(self.home)
        return [key for key in self.planned if key in finished]

    def _refresh(self, keys: Sequence[str]) -> None:
        """Write the tables of all finished cells."""
        results, risks = store.read_cells(self.home, keys)
        results, risks = self._ordered(results), self._ordered(risks)
        for key in map(tuple, results[KEY_COLUMNS].drop_duplicates().to_numpy().tolist()):
            if key not in self.p_values:
                self.p_values[key] = variant_p_values(
                    _rows_of(results, key),
                    _rows_of(risks, key),
                    cohort=self.data.cohort,
                    splits=self.data.splits,
                )
        rows = summarise(results, self.p_values)
        summary = StudySummary(
            reference="CA-MLIF",
            rows=rows,
            not_applicable=tuple(self.not_applicable),
            n_cells=len(self.planned),
            n_done=len(keys),
            n_failed=len(self.failed),
            notes=notes(self.settings, self.facts, rows),
        )
        store.write_tables(
            self.home, results=results, risks=risks, failed=self.failed, summary=summary
        )

    def _ordered(self, table: pd.DataFrame) -> pd.DataFrame:
        keys = map(tuple, table[KEY_COLUMNS].to_numpy().tolist())
        rank = [self.order.get(key, len(self.order)) for key in keys]
        by = table.assign(rank=rank).sort_values(["rank", "split"], kind="stable")
        return by.drop(columns="rank").reset_index(drop=True)


def _rows_of(table: pd.DataFrame, key: Key) -> pd.DataFrame:
    return table[(table[KEY_COLUMNS] == list(key)).all(axis=1)]


def _not_applicable(variant: Variant, reason: str) -> NotApplicable:
    return NotApplicable(
        method=variant.method,
        variant=variant.variant,
        head=variant.head,
        family=variant.family,
        title=variant.title,
        reason=reason,
    )


def _outcomes(cells: Sequence[Cell], data: StudyData, where: Where) -> Iterator[CellOutcome]:
    """Yield the outcome of each cell as it finishes."""
    if not cells:
        return
    with _backend(where):
        calls = [joblib.delayed(run_cell)(cell, data) for cell in cells]
        try:
            if where.backend == "ray":
                yield from _in_rounds(calls, where.n_jobs)
            else:
                # Without max_nbytes the workers would get read-only maps of the tables.
                yield from joblib.Parallel(
                    n_jobs=where.n_jobs, return_as="generator_unordered", max_nbytes=None
                )(calls)
        except TerminatedWorkerError as error:
            raise ConfigError(
                "A worker process died, most likely for want of memory. Finished cells are kept: "
                "give the same command again with fewer --jobs."
            ) from error


def _in_rounds(calls: Sequence[Any], n_jobs: int) -> Iterator[CellOutcome]:
    """Yield outcomes a round of workers at a time: Ray's backend returns lists only."""
    with joblib.Parallel(n_jobs=n_jobs) as parallel:
        width = joblib.effective_n_jobs(n_jobs)
        for start in range(0, len(calls), width):
            yield from parallel(calls[start : start + width])


@contextmanager
def _backend(where: Where) -> Iterator[None]:
    """Connect joblib to where cells are computed."""
    if where.backend == "local":
        with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
            yield
    else:
        with _dask(where.address) if where.backend == "dask" else _ray(where.address):
            yield


@contextmanager
def _dask(address: str | None) -> Iterator[None]:
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError(f"Dask is not installed: {INSTALL_CLUSTER}.") from error
    try:
        client = Client(address) if address else Client(threads_per_worker=1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"No Dask scheduler answers at {address}: {error}.") from error
    with client, joblib.parallel_config(backend="dask"):
        yield


@contextmanager
def _ray(address: str | None) -> Iterator[None]:
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise ConfigError(f"Ray is not installed: {INSTALL_CLUSTER}.") from error
    started = not ray.is_initialized()
    if started:
        try:
            ray.init(
                address=address, log_to_driver=False, num_cpus=None if address else os.cpu_count()
            )
        except ConnectionError as error:
            raise ConfigError(f"No Ray cluster answers at {address}: {error}.") from error
    register_ray()
    try:
        with joblib.parallel_config(backend="ray"):
            yield
    finally:
        if started:
            ray.shutdown()
