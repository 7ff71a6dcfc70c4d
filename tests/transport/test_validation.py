"""What a validation says of patients that a model was not made of."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pypdf
import pytest

from camlif.data.cohort import Cohort
from camlif.exceptions import DataError, EstimationError
from camlif.statistics import concordance_index
from camlif.statistics.new_patients import Estimate
from camlif.transport import validation as measuring
from camlif.transport.case_mix import input_shifts, tell_apart
from camlif.transport.checklists import UNKNOWN, answers
from camlif.transport.claims import claims_of
from camlif.transport.document import Drawing, Paragraph, Table, blocks
from camlif.transport.report import to_html, to_json, to_pdf
from camlif.transport.validation import Validation
from camlif.wording import RESEARCH_USE, period
from tests.builders.bundles import tiny_bundle, tiny_cohort
from tests.builders.cohorts import make_cohort

DAY = dt.date(2026, 1, 2)
validate = partial(measuring.validate, n_resamples=25)


@cache
def newcomers() -> Cohort:
    return make_cohort(260, seed=7, clinical=True, gaps=0.1, strength=2.5)


@cache
def validation() -> Validation:
    return validate(tiny_bundle(), newcomers(), training=tiny_cohort(), setting="elsewhere")


def test_every_patient_read_is_accounted_for() -> None:
    flow = validation().flow
    left_out = flow.n_training + flow.n_unclear + flow.n_unscored + flow.n_without_outcome
    assert flow.n_read == left_out + flow.n_used == len(newcomers())
    assert sum(flow.unscored.values()) == flow.n_unscored
    assert flow.n_absolute <= flow.n_used


def test_the_index_is_of_the_new_patients_alone() -> None:
    bundle, cohort = tiny_bundle(), newcomers()
    result = bundle.score(cohort)
    rows = np.flatnonzero(result.scored & cohort.with_outcome)
    followed = cohort.follow_up(rows)
    expected = concordance_index(result.log_risk[rows], followed.event, followed.duration)
    found = validation().c_index
    assert isinstance(found, Estimate)
    assert found.value == pytest.approx(expected)


def test_training_patients_are_left_out_and_counted() -> None:
    known = tiny_cohort()
    n = int(tiny_bundle().score(known).is_training.sum())
    assert n > 200
    with pytest.raises(DataError, match=f"{n} are of the training cohort"):
        validate(tiny_bundle(), known)
    assert validation().flow.n_training == 0


@pytest.mark.parametrize(
    ("setting", "title"),
    [
        ("elsewhere", "External validation"),
        ("later", "Temporal validation"),
        ("unknown", "Validation on other patients"),
    ],
)
def test_only_patients_from_elsewhere_make_it_external(setting: str, title: str) -> None:
    found = replace(validation(), setting=setting)
    html = to_html(found, DAY)
    assert title in html
    said = re.sub(r"so this is not called external", "", html)
    assert ("external" in said.lower()) == (setting == "elsewhere")


def test_claims_follow_the_intervals() -> None:
    sure, unsure = Estimate(value=0.7, low=0.6, high=0.8), Estimate(value=0.55, low=0.45, high=0.65)
    wrong = Estimate(value=0.3, low=0.2, high=0.4)
    verdicts = [
        claims_of(c, "", [], [], n_events=50)[0].verdict for c in (sure, unsure, wrong, "no event")
    ]
    assert verdicts == ["shown", "not shown", "contradicted", "not shown"]
    (few, _) = claims_of(sure, "", [], [], n_events=19)
    assert few.verdict == "not shown"
    assert "only 19 events; 20 are needed" in few.sentence


@pytest.mark.parametrize(
    ("ratio", "verdict", "words"),
    [
        ((1.0, 0.85, 1.2), "shown", "as many events as there were"),
        ((1.57, 1.16, 2.18), "contradicted", "more events than there were"),
        ((0.4, 0.3, 0.6), "contradicted", "fewer events than there were"),
        ((1.1, 0.7, 1.9), "not shown", "not wholly within 0.8 to 1.25"),
        ((1.15, 1.05, 1.4), "not shown", "not wholly within 0.8 to 1.25"),
        (None, "not shown", "no event was observed"),
    ],
)
def test_the_number_of_events_is_judged_by_its_interval(
    ratio: tuple[float, float, float] | None, verdict: str, words: str
) -> None:
    found: Estimate | str = "No event was observed"
    if ratio is not None:
        found = Estimate(value=ratio[0], low=ratio[1], high=ratio[2])
    claim = claims_of("", found, [], [], n_events=50)[1]
    assert claim.verdict == verdict
    assert words in claim.sentence


def test_claims_of_probabilities_are_those_of_the_gates() -> None:
    found = validation()
    words = {"open": "shown", "closed": "contradicted", "untested": "not shown"}
    for at in found.horizons:
        name = f"calibrated at {period(at.gate.horizon)}"
        (claim,) = (c for c in found.claims if c.name == name)
        assert claim.verdict == words[at.gate.verdict]
        assert at.gate.reason in claim.sentence


def test_patients_of_the_same_kind_are_not_told_apart_and_others_are() -> None:
    bundle = tiny_bundle()
    raw = bundle.prepare(newcomers())
    half = np.arange(len(raw)) < len(raw) // 2
    alike = tell_apart(raw.take(np.flatnonzero(half)), raw.take(np.flatnonzero(~half)))
    assert alike.low < 0.6
    name = bundle.schema.names[0]
    moved = replace(raw, tables={**raw.tables, name: raw.tables[name] + 5})
    apart = tell_apart(moved, raw)
    assert apart.auc > 0.95
    with pytest.raises(EstimationError, match="30 patients"):
        tell_apart(raw.take(np.arange(10)), raw)


def test_an_input_that_moved_comes_first_with_its_shift() -> None:
    bundle = tiny_bundle()
    raw = bundle.prepare(newcomers())
    name = bundle.schema.names[0]
    moved = raw.tables[name].copy()
    levels = bundle.reference.training_range.levels[name]
    middle = len(levels) // 2
    moved[:, 2] += 3 * (levels[-2, 2] - levels[1, 2])
    shifts = input_shifts(
        replace(raw, tables={**raw.tables, name: moved}),
        bundle.reference.training_range,
        bundle.schema,
    )
    column = bundle.schema[name].columns[2]
    assert (shifts[0].modality, shifts[0].name) == (name, column)
    assert shifts[0].shift > 3
    assert shifts[0].distance > 0.9
    assert shifts[0].training[1] == pytest.approx(float(levels[middle, 2]))


def test_training_itself_has_no_distance_from_its_quantiles() -> None:
    bundle = tiny_bundle()
    raw = bundle.prepare(tiny_cohort())
    shifts = input_shifts(raw, bundle.reference.training_range, bundle.schema)
    assert max(s.distance for s in shifts) < 0.05  # levels are 0.05 apart
    assert max(abs(s.shift) for s in shifts if np.isfinite(s.shift)) < 1e-5


def test_what_the_data_do_not_say_is_unknown() -> None:
    rows = {a.number: a.answer for a in answers("tripod", validation())}
    assert rows["6c"] == rows["17"] == UNKNOWN
    assert f"{validation().flow.n_used} patients" in rows["10"]
    said = [a.answer for a in answers("probast", validation())]
    assert UNKNOWN in said
    assert any("training patients" in answer for answer in said)


def test_json_is_json_and_says_what_was_measured() -> None:
    record = json.loads(to_json(validation()))
    assert record["notice"] == RESEARCH_USE
    assert record["flow"]["n_used"] == validation().flow.n_used
    assert [h["gate"]["horizon"] for h in record["horizons"]] == [12, 36, 60]
    assert len(record["inputs"]) == len(validation().inputs)


def test_html_asks_for_nothing_and_escapes_what_users_write() -> None:
    found = replace(validation(), cohort="<script>alert(1)</script> & Söhne")
    html = to_html(found, DAY)
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert not re.search(r"(src|href)=[\"'](?!#)", re.sub(r"xlink:href", "", html))
    assert RESEARCH_USE.replace("'", "&#39;") in html


def test_pdf_says_the_claims_and_the_same_report_gives_the_same_bytes() -> None:
    found = replace(validation(), cohort="Klinik 東京 #strong[x]")
    pdf = to_pdf(found, DAY)
    assert pdf == to_pdf(found, DAY)
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    text = " ".join(" ".join(page.extract_text() for page in pages).split())
    assert RESEARCH_USE in text
    for claim in found.claims:
        assert claim.sentence.split(":")[0][:40] in text
    assert "#strong[x]" in text


def test_every_table_is_as_wide_as_its_head_and_every_drawing_is_described() -> None:
    for block in blocks(validation()):
        if isinstance(block, Table):
            assert {len(row) for row in block.rows} <= {len(block.head)}
            assert len(block.shares) == len(block.head)
        if isinstance(block, Drawing):
            assert block.alt
            assert block.svg.startswith("<svg")


def test_a_cohort_that_is_unlike_the_training_is_warned_of_beside_the_claims() -> None:
    bundle = tiny_bundle()
    cohort = newcomers()
    name = bundle.schema.names[0]
    moved = replace(cohort, tables={**cohort.tables, name: cohort.tables[name] * 1000})
    found = validate(bundle, moved)
    assert found.flow.n_unlike > found.flow.n_used / 2
    assert any(isinstance(b, Paragraph) and b.lead == "Beware:" for b in blocks(found))


@pytest.mark.parametrize(
    "change",
    [
        lambda c: replace(c, event=np.zeros(len(c), dtype=bool)),
        lambda c: replace(c, entry=c.duration * 0.5),
        lambda c: replace(c, duration=np.minimum(c.duration, 8.0)),
        lambda c: replace(c, duration=c.duration * 10),
        lambda c: replace(c, duration=np.full(len(c), 24.0)),
    ],
    ids=["no events", "late entry", "short follow-up", "long follow-up", "equal times"],
)
def test_odd_outcomes_are_reported(change: Callable[[Cohort], Cohort]) -> None:
    found = validate(tiny_bundle(), change(newcomers().take(np.arange(60))))
    to_html(found, DAY)
    record = json.loads(to_json(found))
    assert all(claim["sentence"].endswith(".") for claim in record["claims"])
    assert ("came under observation after time zero" in to_html(found, DAY)) == found.late_entry


@pytest.mark.parametrize("n", [3, 12])
def test_few_patients_show_nothing_and_break_nothing(n: int) -> None:
    few = newcomers().take(np.arange(n))
    found = validate(tiny_bundle(), few)
    assert {c.verdict for c in found.claims if c.name.startswith("calibrated")} == {"not shown"}
    to_json(found)
    to_html(found, DAY)


def test_without_an_outcome_it_says_so() -> None:
    unknown = replace(newcomers(), event=None, duration=None)
    with pytest.raises(DataError):
        validate(tiny_bundle(), unknown)
