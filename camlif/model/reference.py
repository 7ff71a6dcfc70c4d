"""What a bundle remembers of its training cohort: aggregates and digests, no patient rows.

Everything here is computed from held-out risks (members that did not see the patient), never from
in-sample ones.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from camlif.config import HORIZONS, TrainConfig
from camlif.data.cohort import BoolArray, Cohort
from camlif.data.preprocessing import RawInputs
from camlif.data.schema import FeatureSchema
from camlif.exceptions import EstimationError
from camlif.model.training_range import TrainingRange, fit_range
from camlif.statistics import (
    Calibration,
    GateResult,
    KaplanMeierCurve,
    bootstrap_c_index,
    calibration_gate,
    fit_calibration,
    kaplan_meier,
)
from camlif.statistics.strata import Strata
from camlif.training.ensemble import Ensemble

MAX_SUBSET_MODALITIES = 6
MIN_SUBSET_PATIENTS = 50
MIN_SUBSET_EVENTS = 10
SIGNIFICANT_DIGITS = 3
CHUNK_COLUMNS = 4  # small blocks: one value rounded otherwise spoils its block only
MAX_CHUNKS = 4
DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SubsetValidation:
    """Held-out discrimination with only these modalities shown to the members.

    ``valid`` says whether the interval's lower end lies above 0.5: a subset that does not rank
    patients in validation is not scored.
    """

    modalities: tuple[str, ...]
    n_patients: int
    n_events: int
    c_index: float
    low: float
    high: float

    @property
    def valid(self) -> bool:
        """Whether patients with exactly these modalities may be scored."""
        return (
            self.n_patients >= MIN_SUBSET_PATIENTS
            and self.n_events >= MIN_SUBSET_EVENTS
            and self.low > 0.5
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """Which patients were in the training cohort.

    Attributes
    ----------
    is_training : bool, shape (n,)
    seen : bool, shape (n, e)
        Members that had the patient in their training part; none of a new patient, and none of a
        training patient whom every split tested.
    """

    is_training: BoolArray
    seen: BoolArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """What patients' values are known by again.

    Attributes
    ----------
    blocks : uint64, shape (n, c)
        Of blocks of columns; 0 where absent. A table re-saved with fewer digits still agrees in
        most of them.
    rows : uint64, shape (n, m), or (n, 0) of bundles that have none
        Of every modality's whole row; 0 where absent. They tell patients apart whose blocks hold
        flags or calls, which are soon equal.
    """

    blocks: NDArray[np.uint64]
    rows: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Training reference of a bundle.

    Attributes
    ----------
    mean, sd : float
        Of the held-out log risks; z = (log risk - mean) / sd.
    sorted_z : float64, shape (n_heldout,)
        Ascending held-out z, for percentiles.
    digests : Digests
        Of each training patient's values.
    seen : bool, shape (n, e)
        Members that had the patient in their training part.
    strata : Strata
        Cut-offs on z.
    curves : mapping of stratum to KaplanMeierCurve
    calibration : Calibration
    gates : mapping of horizon to GateResult
    training_range : TrainingRange
    subsets : tuple of SubsetValidation
    """

    mean: float
    sd: float
    sorted_z: NDArray[np.float64]
    digests: Digests
    seen: BoolArray
    strata: Strata
    curves: Mapping[str, KaplanMeierCurve]
    calibration: Calibration
    gates: Mapping[int, GateResult]
    training_range: TrainingRange
    subsets: tuple[SubsetValidation, ...]

    def z(self, log_risk: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return log risks on the held-out scale."""
        return (log_risk - self.mean) / self.sd

    def percentile(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Percentage of training patients with a lower held-out risk."""
        rank = np.searchsorted(self.sorted_z, z, side="left")
        return np.where(np.isfinite(z), 100 * rank / len(self.sorted_z), np.nan)

    def recognise(self, digests: Digests) -> Recognised:
        """Find training patients among others.

        A patient is recognised as one training patient when at least half of its blocks agree
        with that patient's, and with no other's as well.

        Parameters
        ----------
        digests : Digests
            As stored for the training patients.
        """
        blocks, rows = _positions(self.digests.blocks), _positions(self.digests.rows)
        is_training = np.zeros(len(digests), dtype=bool)
        seen = np.zeros((len(digests), self.seen.shape[1]), dtype=bool)
        for patient, (own, own_rows) in enumerate(
            zip(digests.blocks.tolist(), digests.rows.tolist(), strict=True)
        ):
            votes = _agreeing(blocks, own)
            found = _most_alike(votes, _agreeing(rows, own_rows))
            if found is not None and 2 * votes[found] >= sum(digest != 0 for digest in own):
                is_training[patient] = True
                seen[patient] = self.seen[found]
        return Recognised(is_training=is_training, seen=seen)

    def subset(self, names: frozenset[str]) -> SubsetValidation | None:
        """Return the validation of a set of modalities, if there is one."""
        return next((s for s in self.subsets if frozenset(s.modalities) == names), None)


def feature_digests(raw: RawInputs, schema: FeatureSchema) -> Digests:
    """Digest each patient's values, rounded to `SIGNIFICANT_DIGITS`.

    Every modality gives up to `MAX_CHUNKS` blocks of `CHUNK_COLUMNS` columns, and its whole row.
    """
    blocks, rows = [], []
    for i, modality in enumerate(schema.modalities):
        table = raw.tables[modality.name]
        if modality.bag:
            table = np.nanmean(np.where(raw.presence[:, i, None, None], table, 0.0), axis=1)
        rounded, present = _round_significant(table), raw.presence[:, i]
        last = max(table.shape[1] - CHUNK_COLUMNS, 0)
        starts = np.unique(np.linspace(0, last, MAX_CHUNKS).astype(int))
        blocks += [_digest_rows(rounded[:, s : s + CHUNK_COLUMNS], present) for s in starts]
        rows.append(_digest_rows(rounded, present))
    return Digests(blocks=np.stack(blocks, axis=1), rows=np.stack(rows, axis=1))


def _positions(digests: NDArray[np.uint64]) -> dict[tuple[int, int], list[int]]:
    """Patients by the place and value of their digests."""
    found: dict[tuple[int, int], list[int]] = {}
    for place, column in enumerate(digests.T.tolist()):
        for patient, digest in enumerate(column):
            if digest:
                found.setdefault((place, digest), []).append(patient)
    return found


def _agreeing(known: Mapping[tuple[int, int], list[int]], digests: list[int]) -> Counter[int]:
    """Count in how many places each known patient has the same digest."""
    return Counter(patient for at in enumerate(digests) for patient in known.get(at, ()))


def _most_alike(blocks: Counter[int], rows: Counter[int]) -> int | None:
    """Who agrees in most blocks, and among equals in most rows; None where several do so."""
    ranked = heapq.nlargest(2, ((n, rows[patient], patient) for patient, n in blocks.items()))
    if not ranked or (len(ranked) == 2 and ranked[0][:2] == ranked[1][:2]):
        return None
    return ranked[0][2]


def _digest_rows(block: NDArray[np.float64], present: BoolArray) -> NDArray[np.uint64]:
    """Digest each row of rounded values, shape (n,); 0 where absent or without any value."""
    block = np.ascontiguousarray(block)
    digests = np.zeros(len(block), dtype=np.uint64)
    for row in np.flatnonzero(present & np.isfinite(block).any(axis=1)):
        digest = hashlib.blake2b(block[row].tobytes(), digest_size=DIGEST_BYTES).digest()
        digests[row] = np.frombuffer(digest, dtype=np.uint64)[0] or 1
    return digests


def _round_significant(x: NDArray[np.float32]) -> NDArray[np.float64]:
    values = np.where(np.isfinite(x), x, 0.0).astype(np.float64)
    size = np.floor(np.log10(np.abs(values), out=np.zeros_like(values), where=values != 0))
    factor = 10.0 ** (SIGNIFICANT_DIGITS - 1 - size)
    rounded = np.round(values * factor) / factor
    return np.where(np.isfinite(x), rounded + 0.0, np.inf)  # + 0.0 turns -0.0 into 0.0


def heldout_mean(member_log_risk: NDArray[np.float64], test: BoolArray) -> NDArray[np.float64]:
    """Mean over the members that tested the patient, shape (n,); NaN where none did.

    Parameters
    ----------
    member_log_risk : float64, shape (n, e)
    test : bool, shape (e, n)
    """
    count = test.sum(axis=0)
    total = np.where(test.T, member_log_risk, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def fit_reference(
    cohort: Cohort,
    raw: RawInputs,
    ensemble: Ensemble,
    test: BoolArray,
    config: TrainConfig,
) -> Reference:
    """Fit everything that later scoring needs from held-out risks.

    Parameters
    ----------
    cohort, raw
        Training patients, with outcome.
    ensemble : Ensemble
    test : bool, shape (e, n)
    config : TrainConfig
        Trained without modality dropout, no reduced set of modalities is validated.
    """
    events, durations = cohort.outcome()
    log_risk = heldout_mean(ensemble.predict(raw).log_risk, test)
    known = np.isfinite(log_risk)
    risk, event, duration = log_risk[known], events[known], durations[known]
    mean, sd = float(risk.mean()), float(risk.std(ddof=1))
    if sd == 0:
        raise EstimationError("All held-out risks are equal: the model learned nothing.")
    z = (risk - mean) / sd
    strata = Strata.from_median(z) if config.strata == "median" else Strata.from_tertiles(z)
    assigned = strata.assign(z)
    members = {name: known.nonzero()[0][assigned == name] for name in strata.names}
    return Reference(
        mean=mean,
        sd=sd,
        sorted_z=np.sort(z),
        digests=feature_digests(raw, cohort.schema),
        seen=~test.T,
        strata=strata,
        curves={
            name: kaplan_meier(
                events[rows],
                durations[rows],
                None if cohort.entry is None else cohort.entry[rows],
            )
            for name, rows in members.items()
        },
        calibration=fit_calibration(risk, event, duration),
        gates={h: calibration_gate(risk, event, duration, horizon=h) for h in HORIZONS},
        training_range=fit_range(cohort),
        subsets=_validate_subsets(cohort, raw, ensemble, test) if config.modality_dropout else (),
    )


def _validate_subsets(
    cohort: Cohort, raw: RawInputs, ensemble: Ensemble, test: BoolArray
) -> tuple[SubsetValidation, ...]:
    """Score held-out patients with every reduced set of modalities."""
    names = cohort.schema.names
    if len(names) > MAX_SUBSET_MODALITIES:
        return ()
    events, durations = cohort.outcome()
    results = []
    for size in range(1, len(names)):
        for chosen in combinations(range(len(names)), size):
            shown = np.isin(np.arange(len(names)), chosen)
            rows = np.flatnonzero(raw.presence[:, shown].all(axis=1) & test.any(axis=0))
            if not events[rows].any():
                continue
            part = raw.take(rows)
            masked = RawInputs(
                tables=part.tables,
                masks=part.masks,
                presence=part.presence & shown,
                clinical=part.clinical,
            )
            risk = heldout_mean(ensemble.predict(masked).log_risk, test[:, rows])
            interval = bootstrap_c_index(risk, events[rows], durations[rows])
            results.append(
                SubsetValidation(
                    modalities=tuple(names[i] for i in chosen),
                    n_patients=len(rows),
                    n_events=int(events[rows].sum()),
                    c_index=interval.value,
                    low=interval.low,
                    high=interval.high,
                )
            )
    return tuple(results)
