"""References of a bundle whose validation says what a test needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from camlif.model.bundle import Bundle
from camlif.model.card import reference_limits
from camlif.model.modality_sets import ValidatedSet
from camlif.model.reference import Reference
from camlif.statistics import GateResult


def with_gates(reference: Reference, change: Callable[[GateResult], GateResult]) -> Reference:
    """Change every gate of every set of modalities."""
    sets = (
        replace(
            found,
            validation=replace(
                found.validation, gates=tuple(change(gate) for gate in found.validation.gates)
            ),
        )
        for found in reference.sets
    )
    return replace(reference, sets=tuple(sets))


def with_parts(reference: Reference, **changes: Any) -> Reference:
    """Change the validation of every reduced set of modalities."""
    *parts, whole = reference.sets
    changed = (replace(p, validation=replace(p.validation, **changes)) for p in parts)
    return replace(reference, sets=(*changed, whole))


def with_whole(reference: Reference, **changes: Any) -> Reference:
    """Change the validation of all modalities together."""
    *parts, whole = reference.sets
    changed = replace(whole, validation=replace(whole.validation, **changes))
    return replace(reference, sets=(*parts, changed))


def without_parts(reference: Reference) -> Reference:
    """A model that was validated with all its modalities only."""
    return replace(reference, sets=reference.sets[-1:])


def scored_without(reference: Reference, absent: str) -> Reference:
    """A model whose one reduced set lacks a modality, calibrated as the whole is."""
    whole = reference.sets[-1]
    names = tuple(name for name in whole.validation.modalities if name != absent)
    numbers = {"n_patients": 80, "n_events": 40, "c_index": 0.7, "low": 0.6, "high": 0.8}
    part = ValidatedSet(
        validation=replace(whole.validation, modalities=names, **numbers),
        calibration=whole.calibration,
    )
    return replace(reference, sets=(part, whole))


def judged_as_a_whole(bundle: Bundle) -> Bundle:
    """A bundle too small to rank its subgroups, scored as if it had none."""
    reference = replace(bundle.reference, subgroups=())
    gone = {*reference_limits(bundle.reference)} - {*reference_limits(reference)}
    limits = tuple(limit for limit in bundle.card.limits if limit not in gone)
    card = bundle.card.model_copy(update={"subgroups": (), "limits": limits})
    return replace(bundle, reference=reference, card=card)


def ranked(bundle: Bundle) -> Bundle:
    """A bundle too small to rank patients, scored as if it did."""
    numbers = {"n_patients": 80, "n_events": 40, "c_index": 0.7, "low": 0.6, "high": 0.8}
    slope = abs(bundle.reference.whole.slope or 1.0)
    reference = with_whole(bundle.reference, slope=slope, **numbers)
    inputs = tuple(replace(worth, **numbers) for worth in reference.inputs)
    return judged_as_a_whole(replace(bundle, reference=replace(reference, inputs=inputs)))
