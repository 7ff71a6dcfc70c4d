"""Cells, the units of work of a study: one variant on a block of splits.

A variant and the study's data go in; results and held-out risks come out, or the reason why not: a
fit that fails is an outcome of its cell. A network takes all its splits in one stacked block; a
classical model takes blocks of `CLASSICAL_BLOCK`. What a cell computes depends on its variant, its
splits and the study's seed, not on which cells ran before it, beside it or where.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from urllib.parse import quote

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from camlif.arrays import BoolArray
from camlif.config import RunConfig, TrainConfig
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import Preprocessor, clinical_names, encode
from camlif.data.schema import FeatureSchema
from camlif.data.splits import Splits
from camlif.exceptions import CamlifError, EstimationError, SchemaError
from camlif.networks.registry import AnyNetworkConfig, build_architecture
from camlif.networks.rivals.multicofusion import MultiCoFusionConfig
from camlif.statistics.calibration import cross_fit_parts
from camlif.study.measures import split_measures
from camlif.study.methods import ClassicalRun, NetworkRun, Variant
from camlif.study.references import CLASSICAL, classical_inputs
from camlif.training.engine import NO_LATE_ENTRY, cpu_threads, train_ensemble
from camlif.training.ensemble import choose_device

CLASSICAL_BLOCK = 5
INNER_PARTS = 2
"""Models of a training part whose risks of each other's patients make probabilities. Two cost about
as much again as the split's own; three gave a Brier score 0.001 lower on simulated gliomas."""
NEEDS_CLINICAL = ("no_clinical", "cox_clinical")
"""Variants that mean nothing without clinical inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One unit of work.

    Attributes
    ----------
    variant : Variant
    first, last : int
        Splits of the block, both inclusive.
    """

    variant: Variant
    first: int
    last: int

    @property
    def splits(self) -> range:
        """Split numbers."""
        return range(self.first, self.last + 1)

    @property
    def row_key(self) -> str:
        """File-safe name of the variant."""
        return ".".join(quote(part, safe="") for part in self.variant.key)

    @property
    def key(self) -> str:
        """File-safe name of the cell."""
        return f"{self.row_key}.{self.first:02d}-{self.last:02d}"

    @property
    def weight(self) -> float:
        """Rough relative cost, for the estimate of the time left before any cell has finished."""
        return float(len(self.splits))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellOutcome:
    """What a cell gave: results and held-out risks, or the reason why not.

    Attributes
    ----------
    cell : Cell
    results, risks : DataFrame or None
        `RESULT_COLUMNS` and `RISK_COLUMNS`; None where the cell failed.
    reason : str
        Empty where it did not fail.
    seconds : float
    """

    cell: Cell
    results: pd.DataFrame | None
    risks: pd.DataFrame | None
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyData:
    """What every cell reads.

    Attributes
    ----------
    cohort : Cohort
        The study's patients and clinical inputs.
    splits : Splits
    seed : int
    device : str
    """

    cohort: Cohort
    splits: Splits
    seed: int
    device: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fitted:
    """Risks of all patients by the models of s splits, and the size of one model.

    Attributes
    ----------
    risk : float64, shape (n, s)
    inner : float64, shape (n, s)
        Of each training part, see `camlif.study.measures.split_measures`; NaN elsewhere.
    parameters : int or None
    """

    risk: NDArray[np.float64]
    inner: NDArray[np.float64]
    parameters: int | None


def cells_of(variant: Variant, splits: range, finished: Collection[str]) -> Iterator[Cell]:
    """Yield the cells of a variant that are not among the finished ones.

    Parameters
    ----------
    variant : Variant
    splits : range
        Split numbers wanted.
    finished : collection of str
        Keys of cells.
    """
    done = {split for cell in _parsed(variant, finished) for split in cell.splits}
    left = [split for split in splits if split not in done]
    width = CLASSICAL_BLOCK if isinstance(variant.run, ClassicalRun) else len(splits)
    while left:
        block = [left[0] + i for i in range(width) if left[0] + i in left]
        # Only neighbours share a block: a finished split between them ends it.
        run = next((i for i, s in enumerate(block) if s != block[0] + i), len(block))
        yield Cell(variant=variant, first=block[0], last=block[run - 1])
        left = left[run:]


def _parsed(variant: Variant, keys: Collection[str]) -> Iterator[Cell]:
    prefix = Cell(variant=variant, first=0, last=0).row_key + "."
    for key in keys:
        if key.startswith(prefix):
            first, _, last = key.removeprefix(prefix).partition("-")
            if first.isdigit() and last.isdigit():
                yield Cell(variant=variant, first=int(first), last=int(last))


def reason_not_applicable(variant: Variant, cohort: Cohort) -> str | None:
    """Say why a variant cannot take the cohort; None where it can."""
    run = variant.run
    if variant.variant in NEEDS_CLINICAL and not cohort.schema.clinical:
        return "The study has no clinical inputs."
    if isinstance(run, ClassicalRun):
        takes_late_entry = CLASSICAL[run.key].takes_late_entry
        return NO_LATE_ENTRY if cohort.enters_late and not takes_late_entry else None
    schema = _seen_by(run, cohort).schema
    try:
        network, _ = _with_grade(run.network, cohort)
        built = build_architecture(schema, len(clinical_names(schema)), network)
    except CamlifError as error:
        return str(error)
    return NO_LATE_ENTRY if cohort.enters_late and not built.takes_late_entry else None


def run_cell(cell: Cell, data: StudyData) -> CellOutcome:
    """Fit a variant on its block of splits and measure it; a failure is an outcome, too."""
    start = time.perf_counter()
    results, risks, reason = None, None, ""
    try:
        data = replace(data, cohort=_owned(data.cohort))
        # One thread, because sums by several have other last digits, and cells run side by side.
        with threadpool_limits(1), cpu_threads(1):
            fitted = _fit(cell, data)
        seconds = (time.perf_counter() - start) / len(cell.splits)
        results = _results(cell, data, fitted, seconds)
        risks = _risks(cell, data, fitted)
    except Exception as error:  # the boundary at which a study outlives any of its methods
        reason = f"{type(error).__name__}: {error}"
    return CellOutcome(
        cell=cell,
        results=results,
        risks=risks,
        reason=" ".join(reason.split()),
        seconds=time.perf_counter() - start,
    )


def _owned(cohort: Cohort) -> Cohort:
    """Copy the arrays: those that a cluster hands over are read-only, which PyTorch warns of."""
    event, duration = cohort.outcome()
    return replace(
        cohort,
        tables={name: table.copy() for name, table in cohort.tables.items()},
        bags={name: tuple(bag.copy() for bag in bags) for name, bags in cohort.bags.items()},
        presence=cohort.presence.copy(),
        event=event.copy(),
        duration=duration.copy(),
    )


def split_seed(seed: int, split: int) -> int:
    """Seed of one split of a study, whatever the block it is computed in."""
    return int(np.random.SeedSequence(entropy=seed, spawn_key=(split,)).generate_state(1)[0])


def _block_seed(seed: int, first: int) -> int:
    """Seed of a stacked block; the first block's is the study's own, as `camlif.train` has it."""
    return seed if first == 0 else split_seed(seed, first)


def _fit(cell: Cell, data: StudyData) -> _Fitted:
    risk, parameters = _risk_of(cell, data, data.splits.test[cell.first : cell.last + 1])
    return _Fitted(risk=risk, inner=inner_risk(cell, data), parameters=parameters)


def inner_risk(cell: Cell, data: StudyData) -> NDArray[np.float64]:
    """Give each training patient's risk by a model of the other half of the training part.

    Parameters
    ----------
    cell : Cell
        Of s splits.
    data : StudyData
        Of n patients.

    Returns
    -------
    float64, shape (n, s)
        Centred on the mean of those that the model was trained on; NaN for the test part.
    """
    test, event = data.splits.test[cell.first : cell.last + 1], data.cohort.outcome()[0]
    half = np.full(test.shape, -1)
    for row, split in enumerate(cell.splits):
        trained = np.flatnonzero(~test[row])
        seed = split_seed(data.seed, split)
        half[row, trained] = cross_fit_parts(event[trained], seed=seed, parts=INNER_PARTS)
    inner = np.full(test.shape[::-1], np.nan)
    for part in range(INNER_PARTS):
        left_out = half == part
        risk, _ = _risk_of(cell, data, test | left_out)
        for row in range(len(test)):
            own, seen = risk[:, row], ~(test[row] | left_out[row])
            inner[left_out[row], row] = own[left_out[row]] - own[seen].mean()
    return inner


def _risk_of(
    cell: Cell, data: StudyData, test: BoolArray
) -> tuple[NDArray[np.float64], int | None]:
    """Fit a model on the rest of each test part (s, n); risks of everyone (n, s), and its size."""
    run = cell.variant.run
    if isinstance(run, NetworkRun):
        return _fit_network(run, cell, data, test)
    return _fit_classical(run, cell, data, test), None


def _fit_network(
    run: NetworkRun, cell: Cell, data: StudyData, test: BoolArray
) -> tuple[NDArray[np.float64], int]:
    cohort = _seen_by(run, data.cohort)
    block = replace(data.splits, test=test)
    training = replace(run.training, seed=_block_seed(data.seed, cell.first))
    network, label = _with_grade(run.network, cohort)
    ensemble = train_ensemble(
        cohort,
        RunConfig(network=network, training=training),
        block,
        device=choose_device(data.device),
        label=label,
    ).ensemble
    return ensemble.predict(encode(cohort, cohort.schema)).log_risk, ensemble.n_parameters


def _with_grade(
    network: AnyNetworkConfig, cohort: Cohort
) -> tuple[AnyNetworkConfig, NDArray[np.int64] | None]:
    """Give a network that learns the grade beside the risk its classes and labels.

    Raises
    ------
    SchemaError
        If the cohort has no grade to learn.
    """
    if not isinstance(network, MultiCoFusionConfig):
        return network, None
    grade = pd.Series(dtype=object) if cohort.grade is None else cohort.grade
    label, levels = pd.factorize(grade.to_numpy(), sort=True)  # -1 where it is missing
    if len(levels) < 2:
        raise SchemaError(
            "The method learns the tumour grade, too, and the cohort has none.",
            fix="Name a column of two grades or more as grade in cohort.toml.",
        )
    return replace(network, aux_classes=len(levels)), label.astype(np.int64)


def _fit_classical(
    run: ClassicalRun, cell: Cell, data: StudyData, test: BoolArray
) -> NDArray[np.float64]:
    cohort = data.cohort
    followed = cohort.follow_up()
    raw = encode(cohort, cohort.schema)
    columns = TrainConfig(select_top=run.select_top)
    model = CLASSICAL[run.key].model
    risks = []
    for split, left_out in zip(cell.splits, test, strict=True):
        rows = np.flatnonzero(~left_out)
        fitted = Preprocessor.fit(
            raw,
            cohort.schema,
            rows,
            columns,
            event=followed.event,
            duration=followed.duration,
            entry=followed.entry,
        )
        inputs = classical_inputs(raw, fitted)
        seed = split_seed(data.seed, split)
        risks.append(model.fit(inputs.take(rows), followed.take(rows), seed=seed).risk(inputs))
    return np.stack(risks, axis=1)


def _seen_by(run: NetworkRun, cohort: Cohort) -> Cohort:
    """Return the cohort with the columns that a network reads."""
    modalities = None if run.modality is None else (run.modality,)
    clinical = None if run.with_clinical else ()
    seen = cohort.select(modalities=modalities, clinical=clinical)
    return seen if run.group is None else _only_group(seen, run.group)


def _only_group(cohort: Cohort, group: str) -> Cohort:
    (modality,) = cohort.schema.modalities
    position = [g.name for g in modality.groups].index(group)
    start = sum(g.n_features for g in modality.groups[:position])
    chosen = modality.groups[position]
    columns = slice(start, start + chosen.n_features)
    narrowed = replace(modality, groups=(chosen,))
    return replace(
        cohort,
        schema=FeatureSchema((narrowed,), cohort.schema.clinical),
        tables={modality.name: cohort.tables[modality.name][:, columns]},
    )


def _results(cell: Cell, data: StudyData, fitted: _Fitted, seconds: float) -> pd.DataFrame:
    followed = data.cohort.follow_up()
    variant, rows = cell.variant, []
    for column, split in enumerate(cell.splits):
        test, risk = data.splits.test[split], fitted.risk[:, column]
        try:
            inner = fitted.inner[:, column]
            measures = split_measures(risk, followed, test=test, inner=inner)
        except EstimationError as error:
            raise EstimationError(f"Split {split}: {error}") from error
        rows.append(
            {
                "method": variant.method,
                "variant": variant.variant,
                "head": variant.head,
                "family": variant.family,
                "title": variant.title,
                "split": split,
                "seed": split_seed(data.seed, split)
                if isinstance(variant.run, ClassicalRun)
                else _block_seed(data.seed, cell.first),
                "n_train": int((~test).sum()),
                "n_test": int(test.sum()),
                "events": int(followed.event[test].sum()),
                **measures,
                "train_median": float(np.median(risk[~test] - risk[~test].mean())),
                "parameters": np.nan if fitted.parameters is None else float(fitted.parameters),
                "seconds": seconds,
            }
        )
    return pd.DataFrame(rows)


def _risks(cell: Cell, data: StudyData, fitted: _Fitted) -> pd.DataFrame:
    method, variant, head = cell.variant.key
    parts = []
    for column, split in enumerate(cell.splits):
        test, risk = data.splits.test[split], fitted.risk[:, column]
        parts.append(
            pd.DataFrame(
                {
                    "method": method,
                    "variant": variant,
                    "head": head,
                    "split": split,
                    "patient_id": data.cohort.patient_ids[test],
                    "log_risk": risk[test] - risk[~test].mean(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
