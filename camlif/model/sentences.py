"""Sentences of a case: its numbers as a reader may quote them.

In go the numbers, out come sentences with denominator, endpoint and interval; nothing fails.
Their ids are those of the product's messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from camlif.arrays import BoolArray, Float64Array
from camlif.data.schema import Endpoint
from camlif.model.modality_sets import SubsetValidation
from camlif.model.recognition import Membership
from camlif.model.subgroups import SubgroupValidation
from camlif.statistics import GateResult, SurvivalBound
from camlif.statistics.splits import Interval
from camlif.wording import (
    MONTHS_PER_YEAR,
    count,
    extent,
    in_sentence,
    listed,
    of_100,
    period,
    range_of_100,
    ratio_words,
    verb,
)

if TYPE_CHECKING:
    from camlif.model.card import Card

SURE = 0.99
"""Of a higher chance no more is said: it rests on a few models."""
UNLIKE_REASON = "this patient's data are unlike the training data"
GROUPS_ONLY = "This describes groups, not this person's certain outcome."
NO_COMPARISON = (
    "This is how they fared, not how this patient will, and no comparison of treatments: who was "
    "treated otherwise differed in other ways, too."
)
MOST_NAMED = 3
MIN_WHOLE_MONTHS = 3
"""A shorter time is said with a decimal."""


def percentile_words(percentile: float, n_training: int) -> str:
    """Say where a risk lies among those of the training patients, after "risk".

    Of some but not all it is never 0 or 100 %.

    Parameters
    ----------
    percentile : float
        In 0 to 100.
    n_training : int
        Training patients.
    """
    patients = count(n_training, "training patient")
    if percentile >= 100:
        return f"higher than all {patients}"
    if percentile <= 0:
        return f"not higher than any of {patients}"
    if percentile < 1:
        return f"among the lowest 1% of {patients}"
    if percentile > 99:
        return f"among the highest 1% of {patients}"
    return f"higher than {percentile:.0f}% of {patients}"


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
        f"Of 100 patients with a score like this, the model expects {of_100(survival.value)} to be "
        f"{endpoint.event_free} at {period(months)} (model interval "
        f"{range_of_100(survival.low, survival.high)}; {endpoint.name}, training cohort n = "
        f"{n_training}). {GROUPS_ONLY}"
    )


def survival_statement(survival: Interval, months: int, endpoint: Endpoint) -> str:
    """Say the survival at a horizon in one line: ``About 86 of 100 alive at 3 years (83 to 88)``.

    Parameters
    ----------
    survival, months, endpoint
        As in `survival_sentence`.
    """
    words = of_100(survival.value)
    return (
        f"{words[:1].upper()}{words[1:]} of 100 {endpoint.event_free} at {period(months)} "
        f"({range_of_100(survival.low, survival.high)})"
    )


RECALIBRATED = "recalibrated within this cohort; not an external check"
"""What a gate of the training cohort is, wherever it is quoted."""


def closed_words(gate: GateResult) -> str:
    """Say why a gate that is not open hides absolute risk."""
    check = "the calibration check fails" if gate.verdict == "closed" else "calibration is untested"
    return f"{check} ({gate.reason})"


def contradicted_words(gate: GateResult) -> str:
    """Say that the outcomes of the scored cohort contradict the predictions."""
    return (
        f"among {count(gate.n_patients, 'patient')} of this cohort with an outcome ("
        f"{count(gate.n_events, 'event')} by {period(gate.horizon)}), {gate.reason}"
    )


def judged_sentence(gate: GateResult) -> str:
    """Say how absolute risk fared among patients of the scored cohort not known from training."""
    when = period(gate.horizon)
    if gate.verdict == "closed":
        return f"Calibration at {when} fails {contradicted_words(gate)}."
    whom = "patients of this cohort not known from training"
    return f"Calibration at {when}, checked on {whom}. {_gate_numbers(gate)}."


def hidden_sentence(months: int, reason: str) -> str:
    """Say that absolute risk at a horizon is not shown, and why."""
    return (
        f"E-22: Absolute risk at {period(months)} is hidden: {reason}. "
        "Rank and group are still shown."
    )


def outlived_sentence(months: float, bound: SurvivalBound, endpoint: Endpoint) -> str:
    """Say a time that 9 of 10 such patients outlive, with what was measured of it.

    Parameters
    ----------
    months : float
        The time, above 0.
    bound : SurvivalBound
        Says how far follow-up reaches and what coverage was measured.
    endpoint : Endpoint
        Gives the words of the event.
    """
    verb = "live" if endpoint.event_free == "alive" else f"stay {endpoint.event_free}"
    whole = months >= MIN_WHOLE_MONTHS
    time = f"{int(months):,}" if whole else f"{int(10 * months) / 10:.1f}"
    ends = ", as far as follow-up can tell" if months >= bound.last else ""
    measured = ""
    if bound.coverage is not None:
        c = bound.coverage
        measured = (
            f" (held-out patients who did: {100 * c.value:.0f} of 100, {100 * c.low:.0f} to "
            f"{100 * c.high:.0f}; n = {bound.n_patients:,})"
        )
    return f"9 of 10 such patients {verb} longer than {time} months{ends}{measured}."


def calibration_sentence(gate: GateResult) -> str:
    """Say how absolute risk was checked at a horizon in the training cohort."""
    when = period(gate.horizon)
    if gate.verdict == "untested":
        return f"Calibration at {when} is untested: {gate.reason}."
    if gate.verdict == "closed":
        return f"Calibration at {when} fails: {gate.reason} ({RECALIBRATED})."
    return f"Calibration at {when}: {RECALIBRATED}. {_gate_numbers(gate)}."


def _gate_numbers(gate: GateResult) -> str:
    """Say how many events came of those expected, with denominators; the card has the rest."""
    counted = f"n = {gate.n_patients:,}, {count(gate.n_events, 'event')} by then"
    if gate.ratio is None:
        return counted
    return f"Expected over observed events {gate.ratio:.2f} ({counted})"


def frequencies(survival: Mapping[int, Interval], endpoint: Endpoint) -> str:
    """Say survival at horizons in months as frequencies; empty where none is given."""
    parts = [
        f"{of_100(s.value).removeprefix('about ')} at {m // MONTHS_PER_YEAR} y"
        for m, s in survival.items()
    ]
    return f"{endpoint.event_free.capitalize()}, of 100: {', '.join(parts)}" if parts else ""


def subset_sentence(
    subset: SubsetValidation | None, modalities: Sequence[str], inputs: Sequence[str]
) -> str:
    """Say what a reduced-modality result was validated by; empty where nothing is absent.

    Parameters
    ----------
    subset : SubsetValidation or None
        Of the patient's modalities; None where all are there.
    modalities, inputs : sequence of str
        Names of its modalities, and of the clinical inputs of which the patient has a value, and
        on which the score rests too.
    """
    if subset is None:
        return ""
    used = listed([*modalities, *inputs])
    weak = " This is weak: little better than chance." if subset.weak else ""
    return (
        f"Scored from {used} only: held-out C-index of the model without the rest "
        f"{subset.c_index:.2f} ({subset.low:.2f} to {subset.high:.2f}; n = "
        f"{subset.n_patients:,}, {count(subset.n_events, 'event')}).{weak}"
    )


def subgroup_sentence(subgroup: SubgroupValidation, *, reduced: bool = False) -> str:
    """Say how the model ranks unseen patients of a subgroup.

    Parameters
    ----------
    subgroup : SubgroupValidation
    reduced : bool
        Whether the patient lacks a modality, which most of the subgroup have.
    """
    unlike = ", with the modalities that they have" if reduced else ""
    return f"Among patients of {subgroup.name}: held-out {subgroup.numbers}{unlike}."


def spread_words(z: Interval, ratio: Interval) -> str:
    """Say z and hazard ratio with the model's interval.

    Parameters
    ----------
    z : Interval
        In standard deviations of held-out risks.
    ratio : Interval
        Hazard ratio against the median training patient.
    """
    low, high = ratio_words(ratio.low), ratio_words(ratio.high)
    beyond = low == high and not low[0].isdigit()
    return (
        f"z = {z.value:+.2f} ({z.low:+.2f} to {z.high:+.2f}); hazard ratio against the median "
        f"{ratio_words(ratio.value)} ({low if beyond else f'{low} to {high}'}, model interval)"
    )


def models_words(models: str, membership: Membership, *, held_out: bool) -> str:
    """Say which models are used: "5 models that did not see this patient".

    Parameters
    ----------
    models : str
        Their number, in words.
    membership : Membership
        Whether the patient was recognised as one of the training.
    held_out : bool
        Whether models that may have seen the patient are left out.
    """
    if membership == Membership.TRAINING:
        return f"{models} that did not see this patient"
    if membership == Membership.UNCLEAR and held_out:
        return f"{models} that cannot have seen this patient"
    return models


def left_out_words(membership: Membership, *, held_out: bool) -> str:
    """Say which models are shown beside those that count; empty where all count."""
    if membership == Membership.NEW:
        return ""
    if membership == Membership.TRAINING:
        return "models that saw this patient, not counted"
    likely = "that may have seen" if held_out else "more likely to have seen"
    return f"models {likely} this patient, not counted"


def agreement_words(agreement: float) -> str:
    """Say of how many of 100 ensembles of many members the stratum is the same."""
    return f"more than {100 * SURE:.0f}" if agreement > SURE else of_100(agreement)


def agreement_sentence(
    agreement: float, used: int, stratum: str, *, membership: Membership, held_out: bool
) -> str:
    """Say on how many members a result rests, and how surely many would agree.

    Parameters
    ----------
    agreement : float
        Chance that many members would place the case in its stratum, in [0, 1].
    used : int
        Members that count, at least 1.
    stratum : str
    membership, held_out
        As in `models_words`.
    """
    models = models_words(count(used, "model"), membership, held_out=held_out)
    words = agreement_words(agreement)
    return (
        f"Rests on {models}; of 100 ensembles of many models, {words} would place it in {stratum}."
    )


def borderline_sentence(z: Interval, cutoffs: Sequence[float]) -> str:
    """Say why a case is borderline.

    Parameters
    ----------
    z : Interval
        Of the case, in standard deviations of held-out risks.
    cutoffs : sequence of float
        Between the strata, in the same unit, ascending.
    """
    crossed = [f"{c:+.2f}" for c in cutoffs if z.low < c <= z.high]
    noun = verb(len(crossed), "cut-off", "cut-offs")
    return f"The interval of z crosses the {noun} {listed(crossed)}."


def no_score_sentence(notes: Sequence[str], absent: Sequence[str]) -> str:
    """Say why there is no score, with the absent modalities as people know them."""
    note = "; ".join(notes).removeprefix("not scored: ")
    reason = note.partition(" missing, and ")[2] or note
    reason = f"{reason[:1].upper()}{reason[1:]}. No score is shown."
    return f"E-32: {' and '.join(absent)} is missing for this case. {reason}" if absent else reason


def told_sentence(label: str, inputs: Sequence[str]) -> str:
    """Say that a model reads what tells a column's levels; empty where it reads nothing such.

    Parameters
    ----------
    label : str
        What the column is called.
    inputs : sequence of str
        Inputs that tell it, as people call them.
    """
    if not inputs:
        return ""
    named, rest = list(inputs[:MOST_NAMED]), len(inputs) - MOST_NAMED
    if rest > 0:
        named.append(count(rest, "more input"))
    return (
        f"The model reads what tells {in_sentence(label)} ({listed(named)}): separation by it is "
        "partly by construction."
    )


def held_out_sentence(used: int, members: int) -> str:
    """Say that a training patient's score leaves out the members that saw it."""
    return (
        f"This patient was in the training cohort. Only the {used} of {count(members, 'model')} "
        f"that did not see it {verb(used, 'is', 'are')} used."
    )


def ranking_sentence(card: Card) -> str:
    """Say how well the model ranks patients that it has not seen."""
    d = card.discrimination
    return (
        f"In its own cohort the model ranks pairs of unseen patients right in "
        f"{100 * d.mean:.0f} of 100 (C-index {d.mean:.3f}, SD {d.sd:.3f} over "
        f"{count(card.training.splits, 'split')})."
    )


def outcomes_sentence(event: BoolArray, duration: Float64Array, endpoint: Endpoint) -> str:
    """Say how similar cases fared.

    Parameters
    ----------
    event : bool, shape (n,)
    duration : float64, shape (n,), months
    endpoint : Endpoint
        Gives the words of the event.
    """
    free = duration[~event]
    told = (
        f"{int(event.sum())} of {count(len(event), 'case')} had the event ({endpoint.event_noun})"
    )
    if not len(free):
        return f"{told}."
    months = extent(float(free.min()), float(free.max()), "month")
    return f"{told}; {len(free)} {verb(len(free), 'was', 'were')} followed for {months} without it."


def seen_words(seen: int, n: int) -> str:
    """Say that some of the similar cases trained the models; empty where none did."""
    if not seen:
        return ""
    return (
        f" Of {count(n, 'case')}, {seen} {verb(seen, 'was', 'were')} training "
        f"{verb(seen, 'patient', 'patients')} of some of these models, so outcomes may agree more "
        "than among new patients."
    )
