"""The report of a validation as blocks, in reading order; HTML and PDF set the same ones.

A validation goes in, blocks come out: headings, paragraphs, tables and drawings. Every number has
its denominators, and what was not measured says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from camlif.statistics import SubgroupPerformance
from camlif.statistics.gate import MAX_RATIO, MIN_RATIO
from camlif.statistics.new_patients import Estimate
from camlif.statistics.over_time import MIN_EVENTS
from camlif.transport.case_mix import InputShift, Membership
from camlif.transport.checklists import Checklist, answers
from camlif.transport.drawings import (
    LEAST_AT_RISK,
    calibration_svg,
    decision_svg,
    discrimination_svg,
)
from camlif.transport.validation import AtHorizon, Validation
from camlif.wording import count, listed, period, with_interval

MOST_INPUTS = 20
"""Of the most distant inputs in the report; the JSON has them all."""
UNDEFINED = "not defined"
ABOUT = {
    "elsewhere": "Its patients are from elsewhere, as the user says.",
    "later": "Its patients are later ones of the training hospital, as the user says.",
    "unknown": "Where its patients are from was not told, so this is not called external.",
}


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 1 or 2."""

    words: str
    level: int = 2
    kind: str = field(default="heading", init=False)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph; ``lead`` is set bold before it."""

    words: str
    lead: str = ""
    kind: str = field(default="paragraph", init=False)


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption; columns take ``shares`` of the width."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    shares: tuple[float, ...]
    kind: str = field(default="table", init=False)


@dataclass(frozen=True, slots=True)
class Drawing:
    """An SVG, with what it shows in words and its caption; ``share`` of the width."""

    svg: str
    alt: str
    caption: str
    share: float = 1.0
    kind: str = field(default="drawing", init=False)


Block = Heading | Paragraph | Table | Drawing


def blocks(found: Validation) -> Iterator[Block]:
    """Yield the report's blocks."""
    yield Heading(f"{found.title} of the model {found.model}", level=1)
    yield Paragraph(
        f"{found.cohort}; outcome: {found.endpoint}. {ABOUT[found.setting]} Model "
        f"{found.digest[:12]}. Intervals are 95 %."
    )
    yield Heading("What this shows")
    for claim in found.claims:
        yield Paragraph(claim.sentence, lead=f"{claim.verdict.capitalize()}:")
    if 2 * found.flow.n_unlike >= found.flow.n_used:
        yield Paragraph(
            f"{found.flow.n_unlike:,} of {count(found.flow.n_used, 'patient')} have data unlike "
            "the training data, and pages withhold results of such patients. Check units, scanner "
            "or assay and column names before anything is concluded.",
            lead="Beware:",
        )
    yield from _flow(found)
    yield from _case_mix(found)
    yield from _discrimination(found)
    yield from _calibration(found)
    yield from _groups(found)
    yield from _decision(found)
    yield from _checklists(found)


def _flow(found: Validation) -> Iterator[Block]:
    flow = found.flow
    steps = [
        ("read", flow.n_read),
        ("of the training cohort, left out", flow.n_training),
        ("possibly of the training cohort, left out", flow.n_unclear),
        ("without a score, left out", flow.n_unscored),
        ("without an outcome, left out", flow.n_without_outcome),
        ("used for ranking", flow.n_used),
        ("used for probabilities", flow.n_absolute),
    ]
    yield Heading("Flow of patients")
    yield Table(
        caption="Patients at each step",
        head=("Patients", "n"),
        rows=tuple((step, f"{n:,}") for step, n in steps),
        shares=(4, 1),
    )
    for reason, n in flow.unscored.items():
        yield Paragraph(f"{count(n, 'patient')} without a score: {reason}")
    here, there = found.follow_up, found.training_follow_up
    yield Paragraph(f"Here: {here.words}. In training: {there.words}.")
    if found.late_entry:
        yield Paragraph(
            "Some patients came under observation after time zero; they count in risk sets from "
            "then on."
        )


def _case_mix(found: Validation) -> Iterator[Block]:
    flow, inputs = found.flow, found.inputs
    yield Heading("Case mix, beside training")
    yield Paragraph(
        f"Standardised risk: mean {found.z_mean:.2f}, SD {found.z_sd:.2f} (training 0 and 1). "
        f"{flow.n_unlike:,} of {count(flow.n_used, 'patient')} "
        f"({_percent(flow.n_unlike, flow.n_used)}) have data unlike the training data."
    )
    member = found.membership
    yield Paragraph(
        f"Told apart from training: {_apart(member)}"
        if isinstance(member, Membership)
        else f"Whether new patients can be told from those of training is not measured: {member}."
    )
    shown = inputs[:MOST_INPUTS]
    yield Table(
        caption=f"The {len(shown)} of {count(len(inputs), 'input')} whose distributions differ "
        "most. Distance: the largest difference of the shares of patients at or below a quantile "
        "of training (0 alike, 1 apart). Shift: of the medians, in robust SDs of training",
        head=("Input", "Training, median (quartiles)", "Here", "Missing", "Shift", "Distance"),
        rows=tuple(_input_row(s) for s in shown),
        shares=(3.2, 3, 3, 1.1, 1, 1.1),
    )


def _apart(member: Membership) -> str:
    return (
        f"AUC {with_interval(member.auc, member.low, member.high)} of a ridge logistic regression "
        f"on all inputs, cross-fitted ({member.n_new:,} new, {member.n_training:,} of training); "
        "0.5 is not at all, 1 always."
    )


def _input_row(shift: InputShift) -> tuple[str, ...]:
    return (
        f"{shift.name} ({shift.modality})",
        _quartiles(shift.training),
        _quartiles(shift.new) if shift.n_known else "none has it",
        f"{100 * shift.missing:.0f} %",
        "" if np.isnan(shift.shift) else f"{shift.shift:+.1f}",
        "" if np.isnan(shift.distance) else f"{shift.distance:.2f}",
    )


def _quartiles(values: tuple[float, float, float]) -> str:
    low, middle, high = (f"{value:.4g}" for value in values)
    return f"{middle} ({low} to {high})"


def _discrimination(found: Validation) -> Iterator[Block]:
    flow, over = found.flow, found.over_time
    yield Heading("Discrimination")
    yield Table(
        caption=f"Ranking of {count(flow.n_used, 'patient')}, {count(flow.n_events, 'event')}",
        head=("Measure", "Here", "In training, held out"),
        rows=(
            ("C-index (Harrell)", _estimate(found.c_index), _estimate(found.training_c_index)),
            ("C-index (Uno)", _estimate(found.uno), ""),
        ),
        shares=(2, 3, 3),
    )
    yield Table(
        caption="AUC at a time: who had the event by then against who was followed beyond",
        head=("Months", "Events by then", "Followed beyond", "AUC", "Brier", "Kaplan-Meier's"),
        rows=tuple(
            (
                f"{at.horizon:g}",
                f"{at.n_cases:,}",
                f"{at.n_controls:,}",
                UNDEFINED
                if at.auc is None
                else _estimate(Estimate(value=at.auc, low=at.low, high=at.high)),
                _three(at.brier),
                _three(at.null),
            )
            for at in over.horizons
        ),
        shares=(1, 1.4, 1.5, 2.4, 1, 1.4),
    )
    yield Drawing(
        discrimination_svg(found),
        alt="AUC at each time with its interval, as in the table above, and observed and predicted "
        "survival of the risk groups "
        + listed([f"{name} (n = {n:,})" for name, n in found.sizes.items()])
        + ".",
        caption="Left: AUC over time; dashed: chance. Right: survival of each risk group, observed "
        f"(Kaplan-Meier, as far as {LEAST_AT_RISK} are at risk) and mean predicted",
    )


def _calibration(found: Validation) -> Iterator[Block]:
    yield Heading("Calibration")
    large = found.in_the_large
    yield Paragraph(
        "In the large: expected over observed events over the whole follow-up "
        + (f"{_estimate(large)}." if isinstance(large, Estimate) else f"is not given: {large}.")
    )
    yield Table(
        caption=f"Probabilities of {count(found.flow.n_absolute, 'patient')}. Absolute risk may be "
        f"shown where expected over observed lies in {MIN_RATIO:g} to {MAX_RATIO:g} and the other "
        "rules of the model card hold. ICI: mean distance of predicted and smoothed observed risk. "
        "Brier gain: the score of these patients' own Kaplan-Meier estimate less the model's",
        head=("At", "Events by then", "Expected / observed", "Slope", "ICI", "Brier gain", "Rules"),
        rows=tuple(_horizon_row(at) for at in found.horizons),
        shares=(1, 1, 2, 2, 1, 2, 3),
    )
    yield Drawing(
        calibration_svg(found.horizons),
        alt="Predicted against observed risk at "
        + listed([period(at.gate.horizon) for at in found.horizons])
        + "; the numbers are in the table above.",
        caption="Calibration: smooth curve, and groups of equal predictions with Kaplan-Meier "
        "intervals; dashed: perfect",
    )


def _horizon_row(at: AtHorizon) -> tuple[str, ...]:
    gate = at.gate
    slope = (
        UNDEFINED
        if gate.slope is None
        else _estimate(Estimate(value=gate.slope, low=gate.slope_low, high=gate.slope_high))
    )
    return (
        period(gate.horizon),
        f"{gate.n_events:,}",
        UNDEFINED if at.ratio is None else _estimate(at.ratio),
        slope,
        UNDEFINED if gate.ici is None else f"{100 * gate.ici:.1f} points",
        UNDEFINED if at.gain is None else _estimate(at.gain, digits=3),
        "open" if gate.open else f"{gate.verdict}: {gate.reason}",
    )


def _groups(found: Validation) -> Iterator[Block]:
    yield Heading("Groups")
    if not found.groups:
        yield Paragraph("The tables name no sex, age, centre or subtype to break results down by.")
        return
    place = len(found.horizons) // 2
    when = period(found.horizons[place].gate.horizon)
    yield Table(
        caption=f"Ranking, and expected over observed events at {when}. Too few: under "
        f"{MIN_EVENTS} events. Groups differ in case mix, so their C-indices are not comparable",
        head=("By", "Group", "n", "Events", "C-index", f"Events by {when}", "Expected / observed"),
        rows=tuple(_group_row(g.kind, g.level, g.performance[place]) for g in found.groups),
        shares=(1.2, 2, 0.8, 0.9, 2.2, 1.2, 2.2),
    )


def _group_row(kind: str, level: str, at: SubgroupPerformance) -> tuple[str, ...]:
    index = _optional(at.c_index, at.c_low, at.c_high, enough=at.n_events >= MIN_EVENTS)
    by_then = at.n_events_by_horizon
    ratio = _optional(at.ratio, at.ratio_low, at.ratio_high, enough=by_then >= MIN_EVENTS)
    return (kind, level, f"{at.n_patients:,}", f"{at.n_events:,}", index, f"{by_then:,}", ratio)


def _optional(value: float | None, low: float | None, high: float | None, *, enough: bool) -> str:
    if not enough:
        return "too few"
    return UNDEFINED if value is None else _estimate(Estimate(value=value, low=low, high=high))


def _decision(found: Validation) -> Iterator[Block]:
    yield Heading("Decision curve")
    yield Drawing(
        decision_svg(found.horizons),
        alt="Net benefit of flagging by the model and of flagging everyone, by threshold, at "
        + listed([period(at.gate.horizon) for at in found.horizons])
        + ".",
        caption="Net benefit per patient: blue the model, grey everyone, the line at 0 nobody",
    )


def _checklists(found: Validation) -> Iterator[Block]:
    named: tuple[tuple[str, Checklist], ...] = (("TRIPOD+AI", "tripod"), ("PROBAST+AI", "probast"))
    for name, checklist in named:
        yield Heading(f"What {name} asks of an evaluation")
        yield Table(
            caption="Answered from the data by machine, topics in our words; (in part) where the "
            "data know a part of it. The judgement is the reader's",
            head=("Item", "Topic", "Answer"),
            rows=tuple(
                (a.number, a.topic, a.answer + (" (in part)" if a.partial else ""))
                for a in answers(checklist, found)
            ),
            shares=(1, 2.5, 5),
        )


def _estimate(found: Estimate | str, digits: int = 2) -> str:
    """Say a measure with its interval, or why there is none."""
    if isinstance(found, str):
        return f"{UNDEFINED}: {found}"
    if found.low is None or found.high is None:
        return f"{found.value:.{digits}f} (no interval)"
    return with_interval(found.value, found.low, found.high, digits=digits)


def _three(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.3f}"


def _percent(n: int, of: int) -> str:
    return f"{100 * n / of:.0f} %" if of else "0 %"
