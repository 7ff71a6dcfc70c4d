"""Why a patient is not scored, and what a score from a part of the inputs is worth.

In go what each patient has and what the model was validated on; out come sentences, or None.
Nothing fails. A patient who lacks a modality is scored only if the model was validated on exactly
the modalities at hand; one who lacks clinical inputs, only if what they are worth was measured and
the model ranks without them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from camlif.arrays import BoolArray
from camlif.data.preprocessing import RawInputs
from camlif.data.schema import FeatureSchema
from camlif.model.input_worth import missing_inputs, ranks_without, worth_of
from camlif.model.reference import Reference
from camlif.wording import listed, with_interval


def unscored_reasons(
    raw: RawInputs, schema: FeatureSchema, reference: Reference
) -> list[str | None]:
    """Why each patient cannot be scored; None where it can.

    Parameters
    ----------
    raw : RawInputs
        With the model's columns.
    schema : FeatureSchema
        Of the model.
    reference : Reference
        Says on what the model was validated.
    """
    inputs = tuple(column.name for column in schema.clinical)
    missing = missing_inputs(raw, schema)
    by_modality = _for_each(raw.presence, lambda row: _without_modalities(row, schema, reference))
    by_input = _for_each(missing, lambda row: _without_inputs(row, inputs, reference))
    return [first or second for first, second in zip(by_modality, by_input, strict=True)]


def _for_each(patterns: BoolArray, say: Callable[[BoolArray], str | None]) -> list[str | None]:
    """Say something of each row; the same of equal rows."""
    cache: dict[bytes, str | None] = {}
    for row in patterns:
        key = row.tobytes()
        if key not in cache:
            cache[key] = say(row)
    return [cache[row.tobytes()] for row in patterns]


def _chosen(names: Sequence[str], row: BoolArray) -> list[str]:
    return [name for name, chosen in zip(names, row.tolist(), strict=True) if chosen]


def _without_modalities(row: BoolArray, schema: FeatureSchema, reference: Reference) -> str | None:
    present = _chosen(schema.names, row)
    if len(present) == len(schema.names):
        return None
    if not present:
        return "not scored: no modality of the model is present"
    absent = " and ".join(_chosen(schema.names, ~row))
    shown = " + ".join(present)
    subset = reference.subset(frozenset(present))
    if subset is None:
        return f"not scored: {absent} missing, and the model was not validated on {shown} alone"
    if not subset.valid:
        return (
            f"not scored: {absent} missing, and {shown} alone did not rank patients in validation "
            f"(C-index {subset.c_index:.2f}, {subset.low:.2f} to {subset.high:.2f})"
        )
    return None


def _without_inputs(row: BoolArray, names: Sequence[str], reference: Reference) -> str | None:
    lacking = _chosen(names, row)
    if ranks_without(lacking, reference.inputs):
        return None
    worth = worth_of(lacking, reference.inputs)
    if worth is None:
        return (
            f"not scored: {listed(lacking)} missing, and what a score without is worth was not "
            "measured"
        )
    c_index = with_interval(worth.c_index, worth.low, worth.high)
    return (
        f"not scored: {listed(lacking)} missing, and without the model did not rank patients in "
        f"validation (C-index {c_index})"
    )


def subset_notes(
    presence: BoolArray, names: tuple[str, ...], reference: Reference
) -> list[str | None]:
    """Beside a reduced-modality result: how well the model ranks with these modalities alone.

    Parameters
    ----------
    presence : bool, shape (n, m)
    names : tuple of str, length m
        Modalities of the model.
    reference : Reference
    """

    def note(row: BoolArray) -> str | None:
        subset = reference.subset(frozenset(_chosen(names, row)))
        if subset is None or not subset.valid:
            return None
        return (
            f"scored from {' + '.join(subset.modalities)} only "
            f"(validation C-index {subset.c_index:.2f}, n = {subset.n_patients})"
        )

    return _for_each(np.asarray(presence), note)
