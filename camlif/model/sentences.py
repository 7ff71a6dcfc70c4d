"""Sentences of a case: its numbers as a reader may quote them.

In go the numbers, out come sentences with denominator, endpoint and model spread; nothing fails.
Their ids are those of the product's messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from camlif.data.schema import Endpoint
from camlif.model.recognition import Membership
from camlif.model.reference import SubsetValidation
from camlif.model.scoring import MIN_AGREEMENT
from camlif.statistics import GateResult
from camlif.statistics.splits import Interval
from camlif.wording import MONTHS_PER_YEAR, period

if TYPE_CHECKING:
    from camlif.model.card import Card


def survival_sentence(survival: Interval, months: int, endpoint: Endpoint, n_training: int) -> str:
    """Say the survival at a horizon as a frequency, with interval, endpoint and denominator.

    Parameters
    ----------
    survival : Interval
        Probabilities, in [0, 1].
    months : int
        The horizon.
    endpoint : Endpoint
        Gives the words of the event.
    n_training : int
        Patients that the baseline hazard is fitted on.
    """
    return (
        f"Of 100 patients with a score like this, about {100 * survival.value:.0f} were "
        f"{endpoint.event_free} at {period(months)} (model interval {100 * survival.low:.0f} to "
        f"{100 * survival.high:.0f}; {endpoint.name}, training cohort n = {n_training}). "
        "This describes groups, not this person's certain outcome."
    )


def hidden_sentence(gate: GateResult) -> str:
    """Say that absolute risk at a horizon is not shown, and why."""
    return (
        f"E-22: Absolute risk at {period(gate.horizon)} is hidden: the calibration check fails "
        f"({gate.reason}). Rank and group are still shown."
    )


def calibration_sentence(gate: GateResult) -> str:
    """Say whether absolute risk is calibrated at a horizon, with ratio and denominators."""
    when = period(gate.horizon)
    if not gate.open:
        return f"Calibration at {when} fails: {gate.reason}."
    return (
        f"Calibration at {when} passes: expected over observed events {gate.ratio:.2f} "
        f"(n = {gate.n_patients:,}, {gate.n_events:,} events by then)."
    )


def frequencies(survival: Mapping[int, Interval], endpoint: Endpoint) -> str:
    """Say survival at horizons in months as frequencies; empty where none is given."""
    parts = [f"{100 * s.value:.0f} at {m // MONTHS_PER_YEAR} y" for m, s in survival.items()]
    return f"{endpoint.event_free.capitalize()}, of 100: {', '.join(parts)}" if parts else ""


def subset_sentence(subset: SubsetValidation | None) -> str:
    """Say what a reduced-modality result was validated by; empty where nothing is absent."""
    if subset is None:
        return ""
    return (
        f"Scored from {' + '.join(subset.modalities)} only: held-out C-index with these "
        f"{subset.c_index:.2f} ({subset.low:.2f} to {subset.high:.2f}; n = "
        f"{subset.n_patients:,}, {subset.n_events:,} events)."
    )


def models_words(count: str, membership: Membership, *, held_out: bool) -> str:
    """Say which models are used: "5 models that did not see this patient".

    Parameters
    ----------
    count : str
        Of the models, in words or figures.
    membership : Membership
        Whether the patient was recognised as one of the training.
    held_out : bool
        Whether models that may have seen the patient are left out.
    """
    if membership == Membership.TRAINING:
        return f"{count} that did not see this patient"
    if membership == Membership.UNCLEAR and held_out:
        return f"{count} that cannot have seen this patient"
    return count


def left_out_words(membership: Membership, *, held_out: bool) -> str:
    """Say which models are shown beside those that count; empty where all count."""
    if membership == Membership.NEW:
        return ""
    if membership == Membership.TRAINING:
        return "models that saw this patient, not counted"
    likely = "that may have seen" if held_out else "more likely to have seen"
    return f"models {likely} this patient, not counted"


def agreement_sentence(
    agree: int, used: int, stratum: str, *, membership: Membership, held_out: bool
) -> str:
    """Say how many members place the case in its stratum, of those that count.

    Parameters
    ----------
    agree, used : int
        Members that place the case in its stratum, of those that count (at least 1).
    stratum : str
    membership, held_out
        As in `models_words`.
    """
    if used == 1:
        only = models_words("The only model", membership, held_out=held_out)
        return f"{only} places it in {stratum}."
    models = models_words(f"{used} models", membership, held_out=held_out)
    return f"{agree} of the {models} place it in {stratum}."


def borderline_sentence(agree: int, used: int, z: Interval, cutoffs: Sequence[float]) -> str:
    """Say why a case is borderline: by its members, by the interval of its z, or both.

    Parameters
    ----------
    agree, used
        As in `agreement_sentence`.
    z : Interval
        Of the case, in standard deviations of held-out risks.
    cutoffs : sequence of float
        Between the strata, in the same unit, ascending.
    """
    reasons = []
    if agree < MIN_AGREEMENT * used:
        reasons.append(f"fewer than {100 * MIN_AGREEMENT:.0f}% of the models agree")
    crossed = [f"{c:+.2f}" for c in cutoffs if z.low < c <= z.high]
    if crossed:
        reasons.append(f"the interval of z crosses {' and '.join(crossed)}")
    return f"Borderline: {' and '.join(reasons)}."


def no_score_sentence(notes: Sequence[str], absent: Sequence[str]) -> str:
    """Say why there is no score, with the absent modalities as people know them."""
    note = "; ".join(notes).removeprefix("not scored: ")
    reason = note.partition(" missing, and ")[2] or note
    reason = f"{reason[:1].upper()}{reason[1:]}. No score is shown."
    return f"E-32: {' and '.join(absent)} is missing for this case. {reason}" if absent else reason


def held_out_sentence(used: int, members: int) -> str:
    """Say that a training patient's score leaves out the members that saw it."""
    return (
        f"This patient was in the training cohort. Only the {used} of {members} models that did "
        "not see it are used."
    )


def ranking_sentence(card: Card) -> str:
    """Say how well the model ranks patients that it has not seen."""
    d = card.discrimination
    return (
        f"In its own cohort the model ranks pairs of unseen patients right in "
        f"{100 * d.mean:.0f} of 100 (C-index {d.mean:.3f}, SD {d.sd:.3f} over "
        f"{card.training.splits} splits)."
    )
