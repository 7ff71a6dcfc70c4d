"""What a study is asked, what it reports and what it knows of its cohort: plain frozen records.

Every record round-trips to JSON; `camlif.study.store` puts them into files. Raises `ConfigError`
for settings outside their range.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

from camlif.config import FOLDS, HORIZONS, SplitScheme, require_scheme
from camlif.exceptions import ConfigError
from camlif.statistics import SplitPValues

Family = Literal["camlif", "ablation", "rival", "generic", "single modality", "classical"]
Probabilities = Literal["nested", "in_sample"]
Head = Literal["matched", "native", "own"]
HeadChoice = Literal["matched", "native", "both"]

SETS = ("paper", "ablations", "generic", "classical", "all")
"""Names that stand for many methods; `camlif.study.methods` says which."""

RESULT_COLUMNS = (
    "method",
    "variant",
    "head",
    "family",
    "title",
    "split",
    "seed",
    "n_train",
    "n_test",
    "events",
    "c_index",
    "c_index_strict",
    "ipcw_c",
    "ibs",
    *(f"auc_{horizon}" for horizon in HORIZONS),
    "train_median",
    "parameters",
    "seconds",
)
"""Columns of ``results.csv``: one row per variant and split; empty where a measure is undefined.

``events`` are those of the test part. ``train_median`` is the median log risk of the training part,
the cut-off of the split. ``seconds`` is the split's share of its cell's time.
"""

RISK_COLUMNS = ("method", "variant", "head", "split", "patient_id", "log_risk")
"""Columns of ``risks.parquet``: one row per variant, split and patient of its test part.

``log_risk`` is centred on the mean over the split's training part.
"""

FAILED_COLUMNS = ("cell", "method", "variant", "head", "first_split", "last_split", "reason")
"""Columns of ``failed.csv``."""


class _Record:
    """JSON round trip of a flat record."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]  # always a dataclass

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build from plain values; fields of a later version are ignored."""
        return cls(**cls._values(data))

    @classmethod
    def _values(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        known = {f.name for f in fields(cls)}  # type: ignore[arg-type]  # always a dataclass
        return {k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k in known}


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySettings(_Record):
    """What a study is asked to do.

    Attributes
    ----------
    data : str
        Cohort folder or name of a sample, as given.
    methods : tuple of str
        Names and sets of the catalogue, as given (see `camlif.study.methods`).
    heads : {"matched", "native", "both"}
        Of the rivals: all with CA-MLIF's Cox head and protocol, each with its own, or both.
    splits, scheme, seed
        Of the folds file that every method reads.
    clinical : tuple of str
        Clinical inputs of every method but the native rivals, which take none.
    gaps : bool
        Keep patients that lack a modality; else complete cases only.
    epochs : int or None
        A quick look: epochs of every network (pre-training keeps its own). None: those of the
        preset in matched runs, of the method in native ones.
    probabilities : {"nested", "in_sample"}
        Risks that the survival probabilities behind the Brier score are fitted on: of models that
        saw neither the patient nor the test part, or, in earlier studies, of the training part's
        own model.
    select_top : int or None
        Strongest columns of each modality kept, on the training part of each split, by univariate
        Cox score; None: all, or what a preset of CA-MLIF or a classical model selects by itself.
    """

    data: str
    methods: tuple[str, ...] = ("paper",)
    heads: HeadChoice = "matched"
    splits: int = 15
    scheme: SplitScheme = "covering"
    seed: int = 0
    clinical: tuple[str, ...] = ()
    gaps: bool = False
    epochs: int | None = None
    select_top: int | None = None
    probabilities: Probabilities = "nested"

    PROTOCOL = (
        *("splits", "scheme", "seed", "clinical", "gaps", "epochs", "select_top"),
        "probabilities",
    )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build from plain values; studies that do not say so are of in-sample probabilities."""
        return cls(**cls._values({"probabilities": "in_sample", **data}))

    def __post_init__(self) -> None:
        if self.splits < 2:
            raise ConfigError("A study needs at least 2 splits.")
        require_scheme(self.splits, self.scheme, 1 / FOLDS)
        if self.heads not in ("matched", "native", "both"):
            raise ConfigError(f"Unknown heads {self.heads!r}. Choose matched, native or both.")

    @property
    def protocol(self) -> dict[str, Any]:
        """The settings that every cell of one study folder shares."""
        return {name: getattr(self, name) for name in self.PROTOCOL}


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortFacts(_Record):
    """The study's patients.

    Attributes
    ----------
    title, badge, profile, endpoint, event_noun, event_free, subtype_column, grade_column
        Of the cohort, as in `camlif.data.schema.CohortInfo`.
    digest : str
        Of the patients and columns that the study used.
    modalities : mapping of modality to number of columns
    n_patients, n_events : int
        Of the study.
    n_without_outcome, n_incomplete : int
        Patients left out: without follow-up, or lacking a modality.
    n_never_tested : int
        In the test part of no split.
    oracle_c_index : float or None
        Of the true log hazard, for simulated cohorts.
    """

    title: str
    badge: str
    profile: str
    endpoint: str
    event_noun: str
    event_free: str
    subtype_column: str | None
    grade_column: str | None
    digest: str
    modalities: Mapping[str, int]
    n_patients: int
    n_events: int
    n_without_outcome: int
    n_incomplete: int
    n_never_tested: int
    oracle_c_index: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(_Record):
    """A variant against CA-MLIF on their common splits, in C-index.

    Attributes
    ----------
    n_splits : int
        Common splits.
    wins, losses : int
        Splits in which the variant's C-index is above, or below, CA-MLIF's.
    difference : float
        Mean of variant minus CA-MLIF.
    low, high : float or None
        95 % interval with the variance of Nadeau and Bengio; None with fewer than two splits.
    p_value : float or None
        Corrected paired t-test; None where the differences do not vary.
    adjusted : float or None
        Holm's, over all variants of the study.
    """

    n_splits: int
    wins: int
    losses: int
    difference: float
    low: float | None
    high: float | None
    p_value: float | None
    adjusted: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantSummary(_Record):
    """One row of the study's table.

    Attributes
    ----------
    method, variant, head, family, title
        As in ``results.csv``.
    n_splits : int
    mean : float
        C-index over the splits, ties in risk counting one half.
    sd, low, high : float or None
        SD and 95 % interval (Nadeau and Bengio) of the C-index; None with a single split.
    half_width : float or None
        Of the plain t interval, only to stand beside the paper's subscripts.
    strict_mean : float
        C-index of the paper's equation 8, where tied risks count 0.
    ipcw_mean, ibs_mean : float or None
    auc_means : mapping of horizon in months, as text, to float or None
        Over the splits in which they are defined.
    p_values : SplitPValues or None
        None where undefined.
    comparison : Comparison or None
        None for CA-MLIF itself, and where it was not run.
    parameters : int or None
        Trainable numbers of one model; None where the word has no meaning.
    seconds : float
        Over all splits.
    printed : mapping of cohort to C-index
        What the paper prints for this row, of its own cohorts (``printed.py``).
    verdict : str
    """

    method: str
    variant: str
    head: Head
    family: Family
    title: str
    n_splits: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None
    half_width: float | None
    strict_mean: float
    ipcw_mean: float | None
    ibs_mean: float | None
    auc_means: Mapping[str, float | None]
    p_values: SplitPValues | None
    comparison: Comparison | None
    parameters: int | None
    seconds: float
    printed: Mapping[str, float] = field(default_factory=dict)
    verdict: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """Method, variant and head, which together name a row."""
        return self.method, self.variant, self.head

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build from plain values."""
        p_values, comparison = data["p_values"], data["comparison"]
        return super(VariantSummary, cls).from_json(
            {
                **data,
                "p_values": None if p_values is None else SplitPValues(**p_values),
                "comparison": None if comparison is None else Comparison.from_json(comparison),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NotApplicable(_Record):
    """A variant that cannot take the cohort, and why."""

    method: str
    variant: str
    head: Head
    family: Family
    title: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySummary(_Record):
    """The table of a study.

    Attributes
    ----------
    reference : str
        Title of the row that all others are compared with.
    rows : tuple of VariantSummary
        In the order of the catalogue.
    not_applicable : tuple of NotApplicable
    n_cells, n_done, n_failed : int
        Units of work planned, finished and failed.
    notes : tuple of str
        Sentences that belong under the table.
    """

    reference: str
    rows: tuple[VariantSummary, ...]
    not_applicable: tuple[NotApplicable, ...]
    n_cells: int
    n_done: int
    n_failed: int
    notes: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether no planned unit of work is left; failed ones do not count as left."""
        return self.n_done + self.n_failed >= self.n_cells

    def row(self, method: str, variant: str, head: str = "matched") -> VariantSummary | None:
        """Return the row of a variant, if the study has it.

        Parameters
        ----------
        method : str
            Name in the registry.
        variant : str
            Of the method, or empty.
        head : {"matched", "native"}
        """
        return next((r for r in self.rows if r.key == (method, variant, head)), None)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build from plain values."""
        return super(StudySummary, cls).from_json(
            {
                **data,
                "rows": [VariantSummary.from_json(row) for row in data["rows"]],
                "not_applicable": [NotApplicable.from_json(n) for n in data["not_applicable"]],
            }
        )
