"""How often recognition errs, counted on the training cohort itself when a bundle is trained.

In go the training patients and their digests; out come false matches of patients met as new and
misses of training patients, with all modalities and with each one alone, as the card states them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from camlif.arrays import Float32Array
from camlif.config import FOLDS
from camlif.data.preprocessing import RawInputs
from camlif.data.schema import FeatureSchema
from camlif.model.digests import significant
from camlif.model.recognition import MAX_FITTED, Membership, TrainingDigests, fit_digests

"""Parts of the training cohort, each of which is met as new by the digests of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipCounts:
    """How many patients were taken for what.

    Attributes
    ----------
    patients : int
        Those with one of the modalities shown.
    training, unclear : int
        Of these, taken for training patients, and left unclear; the others were taken for new.
    """

    patients: int
    training: int
    unclear: int

    @property
    def new(self) -> int:
        """Taken for new."""
        return self.patients - self.training - self.unclear

    def plus(self, other: MembershipCounts) -> MembershipCounts:
        """Return both together."""
        return MembershipCounts(
            patients=self.patients + other.patients,
            training=self.training + other.training,
            unclear=self.unclear + other.unclear,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionRates:
    """How recognition does on the training cohort with some modalities shown.

    Attributes
    ----------
    modalities : tuple of str
    new : MembershipCounts
        Patients of each fifth of the cohort, met by the digests of the others: a false match is
        one taken for a training patient.
    unchanged, rounded : MembershipCounts
        Training patients by all digests, with their values as they were and saved with three
        significant digits: a miss is one taken for new.
    """

    modalities: tuple[str, ...]
    new: MembershipCounts
    unchanged: MembershipCounts
    rounded: MembershipCounts


def measure_recognition(
    training: TrainingDigests, raw: RawInputs, schema: FeatureSchema, *, seed: int
) -> tuple[RecognitionRates, ...]:
    """Count false matches and misses with all modalities, and with each one alone.

    Parameters
    ----------
    training : TrainingDigests
        Of all patients.
    raw : RawInputs
        The n patients; of more than `MAX_FITTED`, so many are looked up.
    schema : FeatureSchema
    seed : int
        Of the fifths.
    """
    sets = [schema.names, *([(name,) for name in schema.names] if len(schema.names) > 1 else [])]
    order = np.random.default_rng(seed).permutation(len(raw))
    asked = order[:MAX_FITTED]
    new = dict.fromkeys(sets, MembershipCounts(patients=0, training=0, unclear=0))
    for part in np.array_split(asked, FOLDS):
        others = raw.take(np.setdiff1d(order, part))
        digests = fit_digests(others, schema, salt=training.salt)
        found = _count(digests, raw.take(part), schema, sets)
        new = {shown: new[shown].plus(found[shown]) for shown in sets}
    known = raw.take(asked)
    unchanged = _count(training, known, schema, sets)
    rounded = _count(training, _saved_with_three_digits(known), schema, sets)
    return tuple(
        RecognitionRates(
            modalities=shown, new=new[shown], unchanged=unchanged[shown], rounded=rounded[shown]
        )
        for shown in sets
    )


def _count(
    training: TrainingDigests,
    patients: RawInputs,
    schema: FeatureSchema,
    sets: list[tuple[str, ...]],
) -> dict[tuple[str, ...], MembershipCounts]:
    digests = training.digest(patients, schema)
    nobody = np.zeros((len(training), 1), dtype=bool)
    counts = {}
    for shown in sets:
        present = patients.presence[:, [schema.names.index(name) for name in shown]].any(axis=1)
        asked = digests.showing(shown).take(np.flatnonzero(present))
        found = training.recognise(asked, nobody).membership
        counts[shown] = MembershipCounts(
            patients=len(found),
            training=int((found == Membership.TRAINING).sum()),
            unclear=int((found == Membership.UNCLEAR).sum()),
        )
    return counts


def _saved_with_three_digits(raw: RawInputs) -> RawInputs:
    def saved(table: Float32Array) -> Float32Array:
        return np.where(np.isfinite(table), significant(table), np.nan).astype(np.float32)

    return replace(
        raw,
        tables={name: saved(table) for name, table in raw.tables.items()},
        clinical=saved(raw.clinical),
    )
