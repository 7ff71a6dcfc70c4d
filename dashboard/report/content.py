"""What a case report says, in the order in which it is read.

A `CaseReport` goes in; its texts come out by section, the same for every paper size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from camlif.model.case import CaseScore
from camlif.model.sentences import calibration_sentence
from camlif.statistics import GateResult
from camlif.wording import listed, of_100, period, range_of_100
from dashboard.figures.attribution import direction
from dashboard.figures.chart import ELLIPSIS, signed
from dashboard.figures.palette import LIGHT, strata_colors, text_tone
from dashboard.report.build import CaseReport
from dashboard.report.drawings import Bar, agreement_strip, bars, icon_array
from dashboard.report.layout import Block, Picture, Row, Text
from dashboard.report.record import CaseRecord, ExplanationRecord

N_FEATURES = 5
ICONS_SIDE = 74.0
MAX_CLINICAL, MAX_FACTS = 8, 6
MAX_LABEL, MAX_NAME, MAX_TITLE = 32, 60, 120
NOT_CAUSES = "Contributions describe the model's arithmetic, not causes of disease."


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a record's lists is printed, and how many lines each text may take."""

    modalities: int
    bars: int
    caveats: int
    caveat_lines: int
    notes: int
    note_lines: int


FULL = Limits(modalities=9, bars=9, caveats=12, caveat_lines=3, notes=6, note_lines=5)
TIGHT = Limits(modalities=4, bars=6, caveats=7, caveat_lines=1, notes=4, note_lines=2)


def cut(text: str, limit: int) -> str:
    """Return one line of at most so many characters; a cut one ends in an ellipsis."""
    plain = " ".join(text.split())
    return plain if len(plain) <= limit else plain[: limit - 1].rstrip() + ELLIPSIS


def header(record: CaseRecord) -> Row:
    """Which case of which cohort by which model."""
    title = f"Case {record.case}"
    if record.patient_id is not None:
        title += f" (patient {cut(record.patient_id, MAX_NAME)})"
    cohort, model = record.cohort, record.model
    return Row(
        (
            (
                Text(title, "h1", lines=1),
                Text(
                    f"{cut(cohort.title, MAX_TITLE)} ({cohort.badge}), {cohort.n_patients:,} "
                    f"patients. Model {cut(model.name, MAX_NAME)} of {model.date}: "
                    f"{model.endpoint}, training cohort n = {model.n_training:,}, "
                    f"{model.n_events:,} events ({model.event_noun}). "
                    f"Report of {record.created.isoformat()}.",
                    lines=3,
                ),
            ),
        )
    )


def rows_above(report: CaseReport, limits: Limits) -> list[Row]:
    """Rows above the curves."""
    record = report.record
    if record.result is None:
        abstention = (
            Text("Result", "h2"),
            Text("No score", "label"),
            Text(" ".join(record.reasons), lines=8),
            *_gates(record),
        )
        return [Row((tuple(_inputs(record, limits)), abstention), (2, 3))]
    return [
        Row((tuple(_inputs(record, limits)), tuple(_result(record, record.result))), (2, 3)),
        Row(
            (
                tuple(_absolute_risk(report, record.result)),
                tuple(_certainty(record, record.result)),
            ),
            (1, 1),
        ),
    ]


def rows_below(report: CaseReport, limits: Limits) -> list[Row]:
    """Rows below the curves."""
    record = report.record
    rows = []
    if record.explanation is not None:
        rows.append(_contributions(record.explanation, limits))
    caveats = _listed("Caveats", record.caveats, limits.caveats, limits.caveat_lines)
    if record.notes:
        notes = _listed("Notes of the board", record.notes, limits.notes, limits.note_lines)
        rows.append(Row((caveats, notes), (3, 2)))
    else:
        rows.append(Row((caveats,)))
    return rows


def footer(record: CaseRecord) -> Row:
    """Versions and digests."""
    model = record.model
    words = (
        f"camlif {model.camlif_version}; model {cut(model.name, MAX_NAME)}, {model.members} "
        f"members, {model.split_scheme} splits, seed {model.seed}; record schema "
        f"{record.schema_version}. Model SHA-256 {model.digest}. Settings {model.config_digest}. "
        f"Data SHA-256 {record.cohort.digest}."
    )
    return Row(((Text(words, "small", color=LIGHT.muted),),))


def _inputs(record: CaseRecord, limits: Limits) -> Iterator[Text]:
    yield Text("Who and what data", "h2")
    facts = [cut(fact, MAX_NAME) for fact in record.facts[:MAX_FACTS]]
    if facts:
        yield Text(" · ".join(facts), lines=2)
    for part in record.modalities[: limits.modalities]:
        words = part.status if not part.present else f"{part.status}, {_range(part.range)}"
        yield Text(words, lead=f"{cut(part.label, MAX_LABEL)}:", lines=2)
    if len(record.modalities) > limits.modalities:
        yield Text(f"and {len(record.modalities) - limits.modalities} more modalities")
    if record.clinical:
        yield Text(_clinical(record.clinical), lead="Clinical inputs:", lines=3)
    if record.unlike is not None:
        yield Text(record.unlike, color=text_tone(LIGHT.high, "light"), lines=3)


def _range(verdict: str) -> str:
    return {
        "in range": "in training range",
        "unusual": "unusual for the training data",
        "outside": "OUTSIDE the training range",
    }.get(verdict, verdict)


def _clinical(inputs: dict[str, str | None]) -> str:
    given = [f"{cut(k, 30)} {cut(v, 30)}" for k, v in inputs.items() if v is not None]
    missing = [cut(k, 30) for k, v in inputs.items() if v is None]
    words = f"{len(given)} of {len(inputs)} given"
    if given:
        words += f" ({_first(given)})"
    return words + (f"; missing: {_first(missing)}" if missing else "")


def _first(names: Sequence[str]) -> str:
    more = len(names) - MAX_CLINICAL
    return ", ".join(names[:MAX_CLINICAL]) + (f" and {more} more" if more > 0 else "")


def _result(record: CaseRecord, result: CaseScore) -> Iterator[Text]:
    yield Text("Result", "h2")
    colors = dict(zip(record.strata, strata_colors(len(record.strata), "light"), strict=True))
    unsure = result.unlike or len(result.groups) > 1
    color = LIGHT.text if unsure else colors.get(result.stratum, LIGHT.text)
    yield Text(cut(result.label, MAX_NAME), "label", color=text_tone(color, "light"))
    yield Text(f"Risk group of the model; {result.percentile_words}.")
    yield Text(f"{result.spread_words}.")
    if result.subset_sentence:
        yield Text(result.subset_sentence)
    shown = [h for h in result.horizons if h.survival]
    if shown:
        parts = [
            f"{period(h.months)} {of_100(h.survival.value).removeprefix('about ')} "
            f"({range_of_100(h.survival.low, h.survival.high)})"
            for h in shown
            if h.survival
        ]
        lead = f"{record.model.event_free.capitalize()}, of 100 with a score like this:"
        yield Text(f"at {listed(parts)}. {record.model.endpoint.capitalize()}.", lead=lead)
    yield Text(result.outlived.sentence)


def _absolute_risk(report: CaseReport, result: CaseScore) -> Iterator[Text | Picture]:
    record = report.record
    horizon = record.horizon(report.horizon)
    if horizon is None or horizon.survival is None:
        yield Text("Absolute risk is hidden", "h2")
    else:
        share = horizon.survival.value
        legend = f"Blue figure: {record.model.event_free}. Cross: {record.model.event_noun}."
        yield Text(f"Of 100 patients, at {period(horizon.months)}", "h2")
        yield Picture(
            lambda _: icon_array(share, ICONS_SIDE),
            alt=horizon.sentence,
            beside=(Text(horizon.sentence), Text(legend, "small", color=LIGHT.muted)),
        )
    for hidden in (h for h in result.horizons if not h.survival):
        yield Text(hidden.sentence, lines=3)
    yield from _gates(record)


def _certainty(record: CaseRecord, result: CaseScore) -> Iterator[Text | Picture]:
    yield Text("How sure", "h2")
    yield Text(result.agreement_sentence)
    if result.borderline_sentence is not None:
        yield Text(result.borderline_sentence)
    yield Picture(
        lambda width: agreement_strip(record, result, width),
        alt=f"Hazard z-score by each model. {result.agreement_sentence} {result.spread_words}.",
    )
    legend = "z by model (dots), their mean with the model interval (diamond)"
    if result.left_out:
        legend += f"; open: {result.left_out}"
    yield Text(f"{legend}.", "small", color=LIGHT.muted)


def _gates(record: CaseRecord) -> Iterator[Text]:
    """Open gates in one sentence with ratios and denominators; closed ones say what they hide."""
    passed = [gate for gate in record.gates if gate.open]
    if passed:
        yield Text(passed_words(passed), "small", lines=4)
    if record.result is None:
        for gate in record.gates:
            if not gate.open:
                yield Text(calibration_sentence(gate), "small", lines=2)


def passed_words(gates: Sequence[GateResult]) -> str:
    """Say in one sentence at which horizons calibration passes."""
    when = listed([period(gate.horizon) for gate in gates])
    ratios = listed([f"{gate.ratio:.2f}" for gate in gates])
    patients = listed(list(dict.fromkeys(f"{gate.n_patients:,}" for gate in gates)))
    events = listed([f"{gate.n_events:,}" for gate in gates])
    return (
        f"Calibration at {when} passes: expected over observed events {ratios} (n = {patients}; "
        f"{events} events by then)."
    )


def _contributions(found: ExplanationRecord, limits: Limits) -> Row:
    features = found.features[:N_FEATURES]
    rest = found.n_other + len(found.features) - len(features)
    other = found.sum_other + sum(f.contribution for f in found.features[N_FEATURES:])
    feature_rows = [Bar(f.name, f.value_text, f.contribution) for f in features]
    if rest:
        feature_rows.append(Bar(f"and {rest:,} more", "sum of all other features", other))
    ranked = sorted(found.modalities.items(), key=lambda part: -abs(part[1]))
    kept = ranked if len(ranked) <= limits.bars else ranked[: limits.bars - 1]
    modality_rows = [Bar(name, "", value) for name, value in kept]
    if len(kept) < len(ranked):
        others = ranked[len(kept) :]
        modality_rows.append(Bar(f"{len(others)} more", "", sum(value for _, value in others)))
    left: Block = (
        Text("Why: modalities", "h2"),
        Picture(
            lambda width: bars(modality_rows, width, label_share=0.36), alt=_alt(modality_rows)
        ),
        Text(
            f"Log risk against the {found.baseline}; right raises, left lowers risk. "
            f"Modalities: exact Shapley values. Features: {found.method}, {found.steps} steps, "
            f"completeness gap {100 * found.completeness_gap:.1f}%. {NOT_CAUSES}",
            "small",
            color=LIGHT.muted,
        ),
    )
    right: Block = (
        Text("Why: features (value, percentile of training)", "h2"),
        Picture(lambda width: bars(feature_rows, width), alt=_alt(feature_rows)),
    )
    return Row((left, right), (2, 3))


def _alt(rows: Sequence[Bar]) -> str:
    return "Contributions to log risk: " + "; ".join(
        f"{cut(r.name, MAX_NAME)}{f' ({cut(r.detail, MAX_NAME)})' if r.detail else ''} "
        f"{signed(r.value)}, {direction(r.value)}"
        for r in rows
    )


def _listed(title: str, texts: Sequence[str], most: int, lines: int) -> Block:
    shown = [Text(text, "small", bullet=True, lines=lines) for text in texts[:most]]
    if len(texts) > most:
        more = f"{len(texts) - most} more in the JSON file of this case."
        shown.append(Text(more, "small", bullet=True))
    return (Text(title, "h2"), *shown)
