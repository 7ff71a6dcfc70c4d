"""Whether tables are on the scale of training: units, signs, codes and shapes of their columns.

A cohort in a model's columns and what the model knows of training go in; problems come out, and
notes for every patient's score. Nothing fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from camlif.arrays import Float32Array
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import CLINICAL, clinical_names, encode_clinical
from camlif.data.reading.problems import Problem, examples
from camlif.data.reading.roles import person_role
from camlif.data.schema import FeatureSchema
from camlif.model.better_fit import (
    find_better,
    find_mirrored,
    find_other_profile,
    is_reversed,
)
from camlif.model.column_shift import find_other_sign, find_shifted
from camlif.model.training_range import LEVELS, MAX_SHARE_OUTSIDE, TrainingRange
from camlif.wording import count, verb

MAX_SHARE_OF_PATIENTS = 0.2
"""With more patients out of range than this, a modality seems to be on another scale."""
UNIT_FIX = "Check units and normalisation before trusting scores"


@dataclass(frozen=True, slots=True)
class _Shifted:
    """A column in another unit, and how that is said."""

    name: str
    words: str


@dataclass(frozen=True, slots=True)
class ScaleCheck:
    """The columns of a cohort beside those of training.

    Attributes
    ----------
    cohort : Cohort
        In the model's columns.
    schema : FeatureSchema
        Of the model.
    known : TrainingRange
    """

    cohort: Cohort
    schema: FeatureSchema
    known: TrainingRange

    def table(self, name: str, file: str | None) -> list[Problem]:
        """Say that columns of a modality, or the values of many patients, are not as in training.

        Parameters
        ----------
        name : str
            Of the modality.
        file : str or None
            For the problem's place.
        """
        shifted, sign = self._shifted(name), self._other_shape(name)
        messages = []
        if sign:
            messages.append(f"{name} is in another unit, coding or scale than in training: {sign}.")
        if shifted:
            words = examples(f"{shift.name} ({shift.words})" for shift in shifted)
            n = self.schema[name].n_features
            messages.append(
                f"{len(shifted):,} of {count(n, 'column')} of {name} "
                f"{verb(len(shifted), 'is', 'are')} in another unit, coding or scale than in "
                f"training: {words}."
            )
        share = self.known.share_outside(name, self.cohort.rows(name))
        share = share[np.isfinite(share)]
        if len(share) and (share > MAX_SHARE_OUTSIDE).mean() > MAX_SHARE_OF_PATIENTS:
            messages.append(
                f"{100 * share.mean():.0f}% of {name} features fall outside the training range, in "
                f"{100 * (share > MAX_SHARE_OUTSIDE).mean():.0f}% of patients more than "
                f"{100 * MAX_SHARE_OUTSIDE:.0f}%."
            )
        if not messages:
            return []
        return [
            Problem(
                severity="warning",
                code="E-16",
                message=" ".join(messages),
                file=file,
                fix=f"{UNIT_FIX}, or leave the table out.",
                topic="suitability",
            )
        ]

    def inputs(self, file: str) -> list[Problem]:
        """Say which clinical inputs are not as in training; see `table`."""
        return [
            Problem(
                severity="warning",
                code="E-16",
                message=f"{shift.name} is in another unit, coding or scale than in training: "
                f"{shift.words}.",
                file=file,
                column=shift.name,
                fix=f"{UNIT_FIX}.",
            )
            for shift in self._shifted(CLINICAL)
        ]

    def notes(self) -> dict[str, str]:
        """Return what the score of every patient must say of a table, by modality."""
        notes = {}
        for name in (*self.cohort.schema.names, CLINICAL):
            shifted = examples(shift.name for shift in self._shifted(name))
            words = shifted or self._other_shape(name)
            if words:
                notes[name] = f"{name}: another unit, coding or scale than in training ({words})"
        return notes

    def _shifted(self, name: str) -> list[_Shifted]:
        """Columns of a modality, or clinical inputs, that are in another unit than in training."""
        if name not in self.known.levels:  # no clinical inputs, or an old model
            return []
        cohort, n_patients, levels = self.cohort, None, self.known.levels[name]
        if name == CLINICAL:
            columns: Sequence[str] = clinical_names(self.schema)
            rows = values = encode_clinical(cohort.clinical, self.schema)
        else:
            columns = self.schema[name].columns
            rows = values = cohort.rows(name)
            if name in cohort.bags:
                bags = cohort.bags[name]
                values = np.concatenate([rows[:0], *bags])
                n_patients = sum(len(bag) > 0 for bag in bags)
        numeric = {column.name for column in self.schema.clinical if column.kind == "numeric"}
        far = (self.known.times_reach(name, rows) > 1).sum(axis=0)
        found = find_shifted(
            values,
            levels,
            LEVELS,
            n_patients=n_patients,
            beyond=far > np.isfinite(rows).sum(axis=0) / 2,
            flags=name != CLINICAL,
        )
        said = {shift.column: shift.words for shift in found}
        if name not in cohort.bags:
            better = find_better(columns, values, levels, LEVELS)
            for j, words in better.items():
                if name != CLINICAL or columns[j] in numeric:
                    said[j] = ", ".join(filter(None, (said.get(j), words)))
        return [_Shifted(columns[j], said[j]) for j in sorted(said)] + (
            self._reversed_sexes(values, levels) if name == CLINICAL else []
        )

    def _reversed_sexes(self, values: Float32Array, levels: Float32Array) -> list[_Shifted]:
        columns = clinical_names(self.schema)
        found = []
        for column in self.schema.clinical:
            if person_role(column.name) != "sex" or len(column.levels) != 2:
                continue
            j = columns.index(f"{column.name}={column.levels[0]}")
            known = values[values[:, j : j + 2].any(axis=1), j]
            if is_reversed(known, levels[:, j], LEVELS):
                shares = f"{100 * known.mean():.0f}% are {column.levels[0]}"
                found.append(_Shifted(column.name, f"{shares}, as if the words were exchanged"))
        return found

    def _other_shape(self, name: str) -> str:
        if name == CLINICAL or name in self.cohort.bags:
            return ""
        rows, levels = self.cohort.rows(name), self.known.levels[name]
        groups = [(group.name, group.n_features) for group in self.schema[name].groups]
        looks = (find_other_sign, find_mirrored, find_other_profile)
        said = (look(rows, levels, LEVELS, groups=groups) for look in looks)
        return next(filter(None, said), "")
