"""What a case report says, in the order in which it is read.

A `CaseReport` goes in; blocks (`dashboard.report.blocks`) come out, the same for every paper size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from camlif.data.course import CourseEvent, chief_events, course_sentence
from camlif.explain.verdicts import NOUNS
from camlif.model.case import CaseScore
from camlif.model.sentences import RECALIBRATED
from camlif.statistics import GateResult
from camlif.typeset.letters import isolate
from camlif.wording import count, in_sentence, listed, of_100, period, range_of_100
from dashboard.figures.attribution import fold
from dashboard.figures.chart import ELLIPSIS, signed
from dashboard.figures.palette import LIGHT, strata_colors, text_tone
from dashboard.report.blocks import Bar, Bars, Block, Figure, Item, Listing, Row, Table, Text
from dashboard.report.build import CaseReport
from dashboard.report.drawings import agreement_strip, course_lines, icon_array, survival_curves
from dashboard.report.record import CaseRecord, ExplanationRecord, FeaturesRecord

N_FEATURES = 5
MAX_CLINICAL = 8
MAX_NAME, MAX_TITLE = 60, 120
MEANING = "Log risk: left lowers, right raises risk"
N_EVENTS = 12
"""Of a course that are drawn."""
NO_INPUT = "Months from time zero; the model reads none of it."
NOT_CAUSES = "Contributions describe the model's arithmetic, not causes of disease."


def cut(text: str, limit: int) -> str:
    """Return one line of at most so many characters; a cut one ends in an ellipsis."""
    plain = " ".join(text.split())
    return isolate(plain if len(plain) <= limit else plain[: limit - 1].rstrip() + ELLIPSIS)


def case_name(record: CaseRecord) -> str:
    """Return the token, with the identifier where the record holds it."""
    if record.patient_id is None:
        return record.case
    whole = isolate(" ".join(record.patient_id.split()))  # cut, two patients could look alike
    return f"{record.case} (patient {whole})"


def rows(report: CaseReport) -> list[Row]:
    """Return everything that is said of a case, down to the footer."""
    record = report.record
    found = [_header(record), *_above(report)]
    if record.curve is not None:
        finding = record.curve.finding
        curves = Figure("curves", survival_curves(report, record.curve), finding)
        found.append(Row(((Text("Where this case sits", "h2"), Text(finding), curves),)))
    if record.course:
        found.append(_course(record.course))
    if record.explanation is not None:
        found.append(_contributions(record.explanation))
    found.append(_listed("Caveats", record.caveats))
    if record.notes:
        found.append(_listed("Notes of the board", [isolate(note) for note in record.notes]))
    return found


def footer(record: CaseRecord) -> str:
    """Versions and digests."""
    model = record.model
    return (
        f"camlif {model.camlif_version}; model {cut(model.name, MAX_NAME)}, "
        f"{count(model.members, 'member')}, splits {model.split_scheme}, seed {model.seed}; "
        f"record schema {record.schema_version}. Model SHA-256 {model.digest}. "
        f"Settings {model.config_digest}. Data SHA-256 {record.cohort.digest}."
    )


def names(record: CaseRecord) -> list[str]:
    """Return the names from tables and manifests that sentences hold."""
    cohort, model, why = record.cohort, record.model, record.explanation
    found = {cohort.title, model.name, model.endpoint, model.event_noun, model.event_free}
    found |= {*record.strata, *record.clinical, *(part.label for part in record.modalities)}
    if why is not None:
        found |= set(why.modalities)
        if why.features is not None:
            found |= {feature.name for feature in why.features.largest}
            found |= {group.name for group in why.features.groups}
    return sorted(found - {""}, key=len, reverse=True)


def lacking_words(codes: Sequence[str]) -> str:
    """Say what the codes stand for that are printed instead of letters."""
    return (
        f"{listed(codes)}: printed in place of letters that no font of this report has. The JSON "
        "file of this case holds them."
    )


def _header(record: CaseRecord) -> Row:
    """Which case of which cohort by which model."""
    cohort, model = record.cohort, record.model
    about = (
        f"{cut(cohort.title, MAX_TITLE)} ({cohort.badge}), "
        f"{count(cohort.n_patients, 'patient')}. Model {cut(model.name, MAX_NAME)} of "
        f"{model.date}: {model.endpoint}, training cohort n = {model.n_training:,}, "
        f"{count(model.n_events, 'event')} ({model.event_noun}). "
        f"Report of {record.created.isoformat()}."
    )
    return Row(((Text(f"Case {case_name(record)}", "h1"), Text(about)),))


def _above(report: CaseReport) -> list[Row]:
    """Rows above the curves."""
    record = report.record
    inputs = tuple(_inputs(record))
    if record.result is None:
        abstention = (
            Text("Result", "h2"),
            Text("Hidden" if report.hidden else "No score", "label"),
            Text(" ".join(record.reasons)),
            *_gates(record),
        )
        return [Row((inputs, abstention), (2, 3))]
    certainty = tuple(_certainty(record, record.result))
    return [
        Row((inputs, tuple(_result(record, record.result))), (2, 3)),
        Row((tuple(_absolute_risk(report, record.result)), certainty), (1, 1)),
    ]


def _inputs(record: CaseRecord) -> Iterator[Text | Listing]:
    yield Text("Who and what data", "h2")
    if record.facts:
        yield Text(" · ".join(cut(fact, MAX_NAME) for fact in record.facts))
    items = [
        Item(
            part.status if not part.present else f"{part.status}, {_range(part.range)}",
            lead=f"{cut(part.label, MAX_NAME)}:",
        )
        for part in record.modalities
    ]
    if record.clinical:
        items.append(Item(_clinical(record.clinical), lead="Clinical inputs:"))
    yield Listing(tuple(items), small=False)
    if record.unlike is not None:
        yield Text(record.unlike, color=text_tone(LIGHT.high, "light"))


def _range(verdict: str) -> str:
    return {
        "in range": "in training range",
        "unusual": "unusual for the training data",
        "outside": "OUTSIDE the training range",
    }.get(verdict, verdict)


def _clinical(inputs: dict[str, str | None]) -> str:
    given = [f"{cut(in_sentence(k), 30)} {cut(v, 30)}" for k, v in inputs.items() if v is not None]
    missing = [cut(in_sentence(k), 30) for k, v in inputs.items() if v is None]
    words = f"{len(given)} of {len(inputs)} given"
    if given:
        words += f" ({_first(given)})"
    return words + (f"; missing: {_first(missing)}" if missing else "")


def _first(names: Sequence[str]) -> str:
    more = len(names) - MAX_CLINICAL
    return ", ".join(names[:MAX_CLINICAL]) + (f" and {more} more" if more > 0 else "")


def _result(record: CaseRecord, result: CaseScore) -> Iterator[Text | Table]:
    yield Text("Result", "h2")
    colors = dict(zip(record.strata, strata_colors(len(record.strata), "light"), strict=True))
    unsure = result.unlike or len(result.groups) > 1
    color = LIGHT.text if unsure else colors.get(result.stratum, LIGHT.text)
    yield Text(cut(result.label, MAX_NAME), "label", color=text_tone(color, "light"))
    yield Text(f"Risk group of the model; {result.percentile_words}.")
    yield Text(f"{result.spread_words}.")
    if result.subset_sentence:
        yield Text(result.subset_sentence)
    rows = tuple(
        (
            period(h.months),
            f"{of_100(h.survival.value).removeprefix('about ')} "
            f"({range_of_100(h.survival.low, h.survival.high)})",
        )
        for h in result.horizons
        if h.survival
    )
    if rows:
        event_free = record.model.event_free.capitalize()
        head = f"{event_free}, of 100 with a score like this (model interval)"
        yield Table((record.model.endpoint.capitalize(), head), rows, (1, 2))
    yield Text(result.outlived.sentence)


def _absolute_risk(report: CaseReport, result: CaseScore) -> Iterator[Text | Figure]:
    record = report.record
    horizon = record.horizon(report.horizon)
    if horizon is None or horizon.survival is None:
        yield Text("Absolute risk is hidden", "h2")
    else:
        share = horizon.survival.value
        legend = f"Blue figure: {record.model.event_free}. Cross: {record.model.event_noun}."
        yield Text(f"Of 100 patients, at {period(horizon.months)}", "h2")
        beside = (Text(horizon.sentence), Text(legend, "small", color=LIGHT.muted))
        yield Figure("icons", icon_array(share), horizon.sentence, beside)
    for hidden in (h for h in result.horizons if not h.survival):
        yield Text(hidden.sentence)
    yield from _gates(record)


def _certainty(record: CaseRecord, result: CaseScore) -> Iterator[Text | Figure]:
    yield Text("How sure", "h2")
    yield Text(record.certainty.sentence)
    yield Text(result.agreement_sentence)
    if result.borderline_sentence is not None:
        yield Text(result.borderline_sentence)
    if result.subgroup_sentence:
        yield Text(result.subgroup_sentence)
    alt = f"Hazard z-score by each model. {result.agreement_sentence} {result.spread_words}."
    yield Figure("strip", agreement_strip(record, result), alt)
    legend = "z by model (dots), their mean with the model interval (diamond)"
    if result.left_out:
        legend += f"; open: {result.left_out}"
    yield Text(f"{legend}.", "small", color=LIGHT.muted)


def _gates(record: CaseRecord) -> Iterator[Text]:
    """Gates of the absolute risks that are shown, in one sentence with ratios and denominators."""
    horizons = record.result.horizons if record.result else ()
    given = {horizon.months for horizon in horizons if horizon.survival}
    shown = [gate for gate in record.gates if gate.horizon in given]
    if shown:
        yield Text(shown_words(shown), "small")


def shown_words(gates: Sequence[GateResult]) -> str:
    """Say in one sentence how the absolute risks that are shown were checked."""
    when = listed([period(gate.horizon) for gate in gates])
    ratios = listed([f"{gate.ratio:.2f}" for gate in gates])
    patients = listed(list(dict.fromkeys(f"{gate.n_patients:,}" for gate in gates)))
    events = listed([f"{gate.n_events:,}" for gate in gates])
    return (
        f"Absolute risk at {when}: {RECALIBRATED}. Expected over observed events {ratios} "
        f"(n = {patients}; events by then: {events})."
    )


def _course(events: Sequence[CourseEvent]) -> Row:
    shown = chief_events(events, N_EVENTS)
    said = f"{course_sentence(events)} {NO_INPUT}"
    if len(shown) < len(events):
        said += f" {len(events) - len(shown):,} more are in the JSON file."
    drawn = Figure("course", course_lines(shown), said)
    return Row(((Text("Course", "h2"), Text(said, "small"), drawn),))


def _contributions(found: ExplanationRecord) -> Row:
    ranked = sorted(found.modalities.items(), key=lambda part: -abs(part[1]))
    modality_rows = [_bar(name, "", value) for name, value in ranked]
    how = f"Log risk against the {found.baseline}. Modalities: exact Shapley values. "
    shown = found.features
    if shown is not None:
        how += (
            f"{NOUNS[shown.level].capitalize()}: {shown.method}, {count(shown.steps, 'step')}, "
            f"completeness gap {100 * shown.completeness_gap:.1f}%. "
        )
    left: Block = (
        Text("Why: modalities", "h2"),
        Bars(("Modality", MEANING), tuple(modality_rows), 0.36),
        Text(f"{how}{found.verdict} {NOT_CAUSES}", "small", color=LIGHT.muted),
    )
    return Row((left,)) if shown is None else Row((left, _features(shown)), (2, 3))


def _features(found: FeaturesRecord) -> Block:
    bars = [_bar(f"{g.name}: {g.words}", "", g.contribution) for g in fold(found.groups)]
    block: Block = (
        Text("Why: feature groups", "h2"),
        Text(found.sentence),
        Bars(("Feature group: direction and share", MEANING), tuple(bars), 0.55),
    )
    if found.level == "group":
        return block
    largest = "; ".join(
        f"{cut(f.name, MAX_NAME)} ({cut(f.value_text, MAX_NAME)}) {signed(f.contribution)}"
        for f in found.largest[:N_FEATURES]
    )
    return (*block, Text(f"Largest single features: {largest}.", "small"))


def _bar(name: str, detail: str, value: float) -> Bar:
    color = LIGHT.raises if value > 0 else LIGHT.lowers
    return Bar(
        cut(name, MAX_NAME),
        cut(detail, MAX_NAME),
        value,
        number=signed(value),
        tone=text_tone(color, "light"),
    )


def _listed(title: str, texts: Sequence[str]) -> Row:
    return Row(((Text(title, "h2"), Listing(tuple(Item(text) for text in texts))),))
