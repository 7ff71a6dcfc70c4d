"""Why a patient is not scored, and what a score from a part of the inputs is worth.

In go what each patient has and what the model was validated on; out come sentences, or None.
Nothing fails. A patient is scored only if the model was validated on exactly the modalities at
hand, be they some or all, and ranks with them; one who lacks clinical inputs, only if what they are
worth was measured and the model ranks without them; and one of a subgroup with enough events to
tell, only if the model ranks patients within it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from camlif.arrays import BoolArray
from camlif.data.preprocessing import RawInputs
from camlif.data.schema import FeatureSchema
from camlif.model.input_worth import missing_inputs, ranks_without, worth_of
from camlif.model.reference import Reference
from camlif.model.subgroups import find_deciding
from camlif.wording import listed, with_interval


def unscored_reasons(
    raw: RawInputs, subgroups: BoolArray, schema: FeatureSchema, reference: Reference
) -> list[str | None]:
    """Why each patient cannot be scored; None where it can.

    Parameters
    ----------
    raw : RawInputs
        With the model's columns.
    subgroups : bool, shape (n, g)
        Of the same patients as they are, whatever was changed in ``raw``; see
        `camlif.model.subgroups.find_members`.
    schema : FeatureSchema
        Of the model.
    reference : Reference
        Says on what the model was validated.
    """
    inputs = tuple(column.name for column in schema.clinical)
    missing = missing_inputs(raw, schema)
    by_modality = _for_each(raw.presence, lambda row: _without_modalities(row, schema, reference))
    by_input = _for_each(missing, lambda row: _without_inputs(row, inputs, reference))
    by_subgroup = _without_ranking(subgroups, reference)
    every = zip(by_modality, by_input, by_subgroup, strict=True)
    return [next((reason for reason in found if reason), None) for found in every]


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
        fault = reference.whole.fault
        return f"not scored: the model {fault}" if fault else None
    if not present:
        return "not scored: no modality of the model is present"
    absent = " and ".join(_chosen(schema.names, ~row))
    shown = " + ".join(present)
    found = reference.validated(frozenset(present))
    if found is None:
        return f"not scored: {absent} missing, and the model was not validated on {shown} alone"
    fault = found.validation.fault
    return f"not scored: {absent} missing, and {shown} alone {fault}" if fault else None


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


def _without_ranking(members: BoolArray, reference: Reference) -> list[str | None]:
    """Say of whom the model does not rank the subgroup."""
    return [
        f"not scored: the model {own.fault}" if own is not None and own.fault else None
        for own in find_deciding(reference.subgroups, members)
    ]


def subgroup_notes(members: BoolArray, reference: Reference) -> list[str | None]:
    """Beside a result: that the patient may be of a subtype that the model does not rank.

    Parameters
    ----------
    members : bool, shape (n, g)
        See `camlif.model.subgroups.find_members`.
    reference : Reference
    """
    subtypes = [(j, s) for j, s in enumerate(reference.subgroups) if s.kind == "subtype"]
    faults = [subtype.fault for _, subtype in subtypes if subtype.fault]
    if not faults:
        return [None] * len(members)
    note = f"{subtypes[0][1].column} not given or not known, and the model {listed(faults)}"
    given = np.asarray(members[:, [j for j, _ in subtypes]].any(axis=1))
    return [None if known else note for known in given]


def subset_notes(presence: BoolArray, reference: Reference) -> list[str | None]:
    """Beside a reduced-modality result: how well the model ranks with these modalities alone.

    Parameters
    ----------
    presence : bool, shape (n, m)
    reference : Reference
    """
    names = reference.whole.modalities
    notes: list[str | None] = [None] * len(presence)
    for found, rows in reference.by_set(presence):
        subset = found.validation
        if subset.valid and subset is not reference.whole:
            absent = " and ".join(name for name in names if name not in subset.modalities)
            weak = ", weak" if subset.weak else ""
            for row in rows:
                notes[row] = (
                    f"scored without {absent} (held-out C-index then {subset.c_index:.2f}{weak}, "
                    f"n = {subset.n_patients})"
                )
    return notes
