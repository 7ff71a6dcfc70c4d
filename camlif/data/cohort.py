"""The cohort: patients, modality matrices, clinical table and outcome, aligned row by row.

Arrays go in; a frozen `Cohort` comes out, and parts of it by rows or columns. Raises
`AlignmentError` for rows or identifiers that do not fit, `SchemaError` for unknown columns,
`DataError` where an outcome is asked for that is not there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlif.arrays import BoolArray, Float32Array
from camlif.data.course import CourseEvent, course_events
from camlif.data.schema import CohortInfo, FeatureSchema
from camlif.exceptions import AlignmentError, DataError, SchemaError
from camlif.statistics.outcome import FollowUp
from camlif.wording import count

MAX_CATEGORIES = 30
"""A text with more different values is free text: no model input and no grouping."""
DEFAULT_CLINICAL = ("age", "sex")
"""Clinical inputs of a model unless others are chosen."""


def mean_of_instances(values: Float32Array) -> Float32Array:
    """Mean of instances (..., k, d) -> (..., d), missing values left out; NaN where all are."""
    observed = np.isfinite(values)
    count = observed.sum(axis=-2)
    # In double precision: a broken cell near the largest float32 would overflow the sum.
    total = np.where(observed, values, 0).sum(axis=-2, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Patients with one matrix per modality; every array has one row per patient, in one order.

    Attributes
    ----------
    info : CohortInfo
    schema : FeatureSchema
        Column order of the matrices; ``schema.clinical`` lists the clinical columns that can be
        inputs.
    patient_ids : ndarray of str, shape (n,)
    tables : mapping of modality to float32 ndarray, shape (n, n_features)
        Raw units. NaN where a value is missing; all NaN where the patient lacks the modality.
    bags : mapping of modality to tuple of float32 ndarrays, each shape (n_instances, d_inst)
        Only for bag modalities (which have no entry in ``tables``). Zero instances = absent.
    presence : ndarray of bool, shape (n, m)
        True where the patient has the modality.
    clinical : DataFrame, n rows, index ``patient_ids``
        All clinical columns as read: numbers as float64, everything else as str or missing.
        The outcome columns are not in it.
    duration : ndarray of float64, shape (n,), or None
        Follow-up in months; None where the cohort has no outcome. NaN for a patient without one.
    event : ndarray of bool, shape (n,), or None
        True = the endpoint's event was observed.
    entry : ndarray of float64, shape (n,), or None
        Months at which patients came under observation (delayed entry); None where everybody was
        followed from time zero. Before ``duration`` where that is known.
    course : DataFrame or None
        What happened to patients and when (`camlif.data.course`): no input, and not in the digest.
    problems : tuple of str
        Sentences about what reading changed or found (for pages and cards).
    inputs_chosen : bool
        Whether ``schema.clinical`` was chosen (see `select`), rather than all that could be.
    """

    info: CohortInfo
    schema: FeatureSchema
    patient_ids: NDArray[np.str_]
    tables: Mapping[str, Float32Array]
    presence: BoolArray
    clinical: pd.DataFrame
    duration: NDArray[np.float64] | None = None
    event: BoolArray | None = None
    entry: NDArray[np.float64] | None = None
    bags: Mapping[str, tuple[Float32Array, ...]] = field(default_factory=dict)
    course: pd.DataFrame | None = None
    problems: tuple[str, ...] = ()
    inputs_chosen: bool = False

    def __post_init__(self) -> None:
        n = len(self.patient_ids)
        if len(set(self.patient_ids.tolist())) != n:
            raise AlignmentError("Patient identifiers are not unique.", column="patient_id")
        sizes = {name: len(table) for name, table in self.tables.items()}
        sizes |= {name: len(bag) for name, bag in self.bags.items()}
        sizes |= {"presence": len(self.presence), "clinical": len(self.clinical)}
        if self.duration is not None and self.event is not None:
            sizes |= {"duration": len(self.duration), "event": len(self.event)}
        if self.entry is not None:
            sizes |= {"entry": len(self.entry)}
        wrong = {name: size for name, size in sizes.items() if size != n}
        if wrong:
            raise AlignmentError(f"Row counts differ from the {count(n, 'patient')}: {wrong}.")
        for modality in self.schema.modalities:
            table = self.tables.get(modality.name)
            if table is not None and table.shape[1] != modality.n_features:
                raise SchemaError(
                    f"{modality.name} has {table.shape[1]} columns, "
                    f"its schema {modality.n_features}."
                )

    def __len__(self) -> int:
        return len(self.patient_ids)

    @property
    def has_outcome(self) -> bool:
        """Whether follow-up and events are known for at least one patient."""
        return self.duration is not None and bool(np.isfinite(self.duration).any())

    @property
    def with_outcome(self) -> BoolArray:
        """Patients whose follow-up is known, shape (n,)."""
        if self.duration is None:
            return np.zeros(len(self), dtype=bool)
        return np.isfinite(self.duration)

    @property
    def enters_late(self) -> bool:
        """Whether some patients came under observation after time zero."""
        return self.entry is not None and bool((self.entry > 0).any())

    def follow_up(
        self, rows: Sequence[int] | NDArray[np.int_] | BoolArray | None = None
    ) -> FollowUp:
        """Return the outcome of some patients, of all by default, with their late entry.

        Raises
        ------
        DataError
            If the cohort has no outcome columns, or one of the patients has no outcome.
        """
        event, duration = self.outcome()
        chosen = slice(None) if rows is None else np.asarray(rows)
        entry = None if self.entry is None else self.entry[chosen]
        return FollowUp.check(event[chosen], duration[chosen], entry)

    def outcome(self) -> tuple[BoolArray, NDArray[np.float64]]:
        """Return event and duration, each shape (n,).

        Raises
        ------
        DataError
            If the cohort has no outcome columns.
        """
        if self.event is None or self.duration is None:
            raise DataError(
                "The cohort has no follow-up and event columns.",
                file="clinical",
                fix="Add survival_months and event.",
                code="E-08",
            )
        return self.event, self.duration

    @property
    def subtype(self) -> pd.Series | None:
        """The subtype column, if the cohort names one that exists."""
        return self._named(self.info.subtype_column)

    @property
    def grade(self) -> pd.Series | None:
        """The grade column, if the cohort names one that exists."""
        return self._named(self.info.grade_column)

    def _named(self, column: str | None) -> pd.Series | None:
        return self.clinical[column] if column and column in self.clinical else None

    def take(self, rows: Sequence[int] | NDArray[np.int_] | BoolArray) -> Cohort:
        """Return the cohort restricted to the given rows (indices or a mask), in that order."""
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(int)
        course = self.course
        if course is not None:
            course = course[course["patient_id"].isin(self.patient_ids[index])]
        return replace(
            self,
            patient_ids=self.patient_ids[index],
            tables={name: table[index] for name, table in self.tables.items()},
            bags={name: tuple(bag[i] for i in index) for name, bag in self.bags.items()},
            presence=self.presence[index],
            clinical=self.clinical.iloc[index],
            duration=None if self.duration is None else self.duration[index],
            event=None if self.event is None else self.event[index],
            entry=None if self.entry is None else self.entry[index],
            course=course,
        )

    def course_of(self, row: int) -> tuple[CourseEvent, ...]:
        """Return what happened to a patient, in order; empty where nothing is known."""
        if self.course is None:
            return ()
        return course_events(self.course[self.course["patient_id"] == self.patient_ids[row]])

    def rows(self, modality: str) -> Float32Array:
        """Values of a modality as one row a patient, shape (n, n_features).

        A bag is the mean of its instances; a patient without any has NaN.
        """
        if modality in self.tables:
            return self.tables[modality]
        rows = np.full((len(self), self.schema[modality].n_features), np.nan, dtype=np.float32)
        for row, bag in zip(rows, self.bags[modality], strict=True):
            row[:] = mean_of_instances(bag)
        return rows

    def select(
        self, *, modalities: Sequence[str] | None = None, clinical: Sequence[str] | None = None
    ) -> Cohort:
        """Return the cohort with these modalities and clinical inputs only, in the given order.

        The clinical table itself keeps all its columns, for figures.
        """
        names = self.schema.names if modalities is None else tuple(modalities)
        chosen = tuple(self.schema[name] for name in names)
        inputs = self.schema.clinical
        if clinical is not None:
            known = {c.name: c for c in inputs}
            unknown = [c for c in clinical if c not in known]
            if unknown:
                raise SchemaError(
                    f"Clinical columns not available as inputs: {', '.join(unknown)}.",
                    file="clinical",
                    expected=", ".join(known) or "none",
                )
            inputs = tuple(known[c] for c in clinical)
        positions = [self.schema.names.index(name) for name in names]
        return replace(
            self,
            schema=FeatureSchema(chosen, inputs),
            tables={name: self.tables[name] for name in names if name in self.tables},
            bags={name: self.bags[name] for name in names if name in self.bags},
            presence=self.presence[:, positions],
            inputs_chosen=self.inputs_chosen or clinical is not None,
        )

    def with_chosen_inputs(self) -> Cohort:
        """Return the cohort with its chosen clinical inputs; else age and sex, as it has them."""
        if self.inputs_chosen:
            return self
        named = {c.name for c in self.schema.clinical}
        return self.select(clinical=[name for name in DEFAULT_CLINICAL if name in named])

    @property
    def digest(self) -> str:
        """SHA-256 of schema, identifiers and values: changes when any cell changes."""
        sha = hashlib.sha256(repr(self.schema.to_json()).encode())
        sha.update("\0".join(self.patient_ids.tolist()).encode())
        for name in self.schema.names:
            for block in [self.tables[name]] if name in self.tables else self.bags[name]:
                sha.update(np.ascontiguousarray(block).data)
        sha.update(self.presence.tobytes())
        sha.update(self.clinical.to_csv().encode())
        for outcome in (self.duration, self.event, self.entry):
            sha.update(b"" if outcome is None else outcome.tobytes())
        return sha.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """What a patient has of one modality.

    Attributes
    ----------
    modality : str
    observed : float
        Share of the values that are there; 0 where the modality is absent.
    items : int or None
        Instances of a bag; None for a table.
    """

    modality: str
    observed: float
    items: int | None

    @property
    def status(self) -> str:
        """Say it: ``absent``, ``complete``, ``93% observed``, ``12 items``."""
        if self.observed == 0:
            return "absent"
        if self.items is not None:
            return count(self.items, "item")
        return "complete" if self.observed == 1 else f"{100 * self.observed:.0f}% observed"


def completeness(cohort: Cohort, row: int) -> tuple[Completeness, ...]:
    """What a patient has of each modality of its cohort."""
    found = []
    for i, modality in enumerate(cohort.schema.modalities):
        there = bool(cohort.presence[row, i])
        observed, items = float(there), None
        if modality.bag:
            items = len(cohort.bags[modality.name][row]) if there else 0
        elif there:
            observed = float(np.isfinite(cohort.tables[modality.name][row]).mean())
        found.append(Completeness(modality=modality.name, observed=observed, items=items))
    return tuple(found)
