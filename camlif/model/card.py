"""The model card: what a bundle is for, what it was trained on, how well it does, its limits."""

from __future__ import annotations

from jinja2 import Environment, StrictUndefined
from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CardData(_Part):
    """Training cohort."""

    title: str
    badge: str
    source: str
    licence: str
    n_patients: int
    n_events: int
    n_without_outcome: int
    median_follow_up_months: float | None
    endpoint: str
    event_noun: str
    event_free: str
    profile: str
    subtype_column: str | None
    grade_column: str | None
    notes: tuple[str, ...]


class CardModality(_Part):
    """One modality: its feature groups with widths, and how many patients had it."""

    name: str
    groups: dict[str, int]
    n_patients: int


class CardInterval(_Part):
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


class CardDiscrimination(_Part):
    """C-index on held-out patients."""

    per_split: tuple[float, ...]
    mean: float
    sd: float
    interval: CardInterval
    strict_mean: float
    heldout: CardInterval
    oracle: float | None
    oracle_share: float | None


class CardPValues(_Part):
    """Log-rank p-values of low against high risk, each of one reading of the test parts.

    Attributes
    ----------
    unique : float
        The headline: one row per patient, cut at the median of its mean z.
    fold_median : float or None
        Median over ``n_folds`` splits, each cut at its training median.
    pooled : float
        Test rows of all splits together; patients count several times, so it is far too small.
    """

    unique: float
    fold_median: float | None
    n_folds: int
    pooled: float


class CardCalibration(_Part):
    """Gate at one horizon; ratio is expected over observed events, cross-fitted."""

    horizon_months: int
    open: bool
    reason: str
    ratio: float | None
    n_patients: int
    n_events: int


class CardSubset(_Part):
    """Held-out discrimination with only some modalities shown."""

    modalities: tuple[str, ...]
    n_patients: int
    n_events: int
    c_index: float
    low: float
    high: float
    valid: bool


class CardTraining(_Part):
    """How the members were trained."""

    preset: str
    width: int
    splits: int
    split_scheme: str
    never_tested: int
    epochs: int
    batch_size: int
    modality_dropout: float
    seed: int
    device: str
    seconds: float
    parameters_per_member: int
    stored_precision: str
    torch_version: str
    camlif_version: str


class Card(_Part):
    """Contents of ``card.json``; ``card.md`` is rendered from it."""

    name: str
    date: str
    intended_use: str
    not_for: str
    data: CardData
    modalities: tuple[CardModality, ...]
    clinical: tuple[str, ...]
    missing_data: str
    training: CardTraining
    discrimination: CardDiscrimination
    log_rank_p: float | None
    p_values: CardPValues | None
    calibration_slope: float
    calibration: tuple[CardCalibration, ...]
    subsets: tuple[CardSubset, ...]
    limits: tuple[str, ...]
    reproduce: str
    config_digest: str


INTENDED_USE = (
    "Research: review of risk groups for patients whose feature tables have the model's columns, "
    "beside all other information."
)
NOT_FOR = (
    "Not a medical device. Not for diagnosis, choice of care or any decision about a person; "
    "not for patients unlike the training cohort."
)
MISSING_DATA = (
    "Single values: median of the training part. Clinical values: median and a missing indicator. "
    "Whole modalities: a learned token; scored only where that set of modalities was validated."
)

_TEMPLATE = """\
# {{ c.name }}

Research use only. Not a medical device.

**Intended use.** {{ c.intended_use }}

**Not for.** {{ c.not_for }}

## Data
{{ c.data.title }} ({{ c.data.badge }}). {{ c.data.n_patients }} patients, \
{{ c.data.n_events }} events ({{ c.data.event_noun }}); endpoint: {{ c.data.endpoint }}\
{% if c.data.median_follow_up_months is not none %}; median follow-up \
{{ "%.1f"|format(c.data.median_follow_up_months) }} months (reverse Kaplan-Meier){% endif %}.
{% if c.data.n_without_outcome %}\
{{ c.data.n_without_outcome }} patients without an outcome were left out.
{% endif %}\
{% if c.data.source %}Source: {{ c.data.source }}
{% endif %}\
{% if c.data.licence %}Licence: {{ c.data.licence }}
{% endif %}\
{% for note in c.data.notes %}- {{ note }}
{% endfor %}
| modality | patients | feature groups (columns) |
|---|---|---|
{% for m in c.modalities %}| {{ m.name }} | {{ m.n_patients }} | \
{% for g, n in m.groups.items() %}{{ g }} ({{ n }}){{ ", " if not loop.last }}{% endfor %} |
{% endfor %}
Clinical inputs: {{ c.clinical|join(", ") or "none" }}. {{ c.missing_data }}

## Discrimination (held-out patients)
C-index over {{ c.training.splits }} {{ c.training.split_scheme }} splits (8:2 by patient): mean \
{{ "%.3f"|format(c.discrimination.mean) }}, SD {{ "%.3f"|format(c.discrimination.sd) }}, \
95 % interval {{ "%.3f"|format(c.discrimination.interval.low) }} to \
{{ "%.3f"|format(c.discrimination.interval.high) }} (Nadeau-Bengio). \
Pooled over patients: {{ "%.3f"|format(c.discrimination.heldout.value) }} \
({{ "%.3f"|format(c.discrimination.heldout.low) }} to \
{{ "%.3f"|format(c.discrimination.heldout.high) }}, bootstrap).
{% if c.discrimination.oracle is not none %}The true log-hazard of this simulated cohort reaches \
{{ "%.3f"|format(c.discrimination.oracle) }}; the model reaches \
{{ "%.0f"|format(100 * c.discrimination.oracle_share) }} % of its distance from 0.5.
{% endif %}\
Log-rank p between risk groups, one held-out row per patient: {{ c.log_rank_p|p_value }}.
{% if c.p_values %}
| log-rank p, low against high risk | p | reading |
|---|---|---|
| unique | {{ c.p_values.unique|p_value }} | one row per patient, z averaged over the splits \
that tested it, cut at the median (headline) |
| fold median | {{ c.p_values.fold_median|p_value }} | median over {{ c.p_values.n_folds }} test \
parts, each cut at its training median |
| pooled | {{ c.p_values.pooled|p_value }} | all test rows together, as earlier papers print it: \
patients count several times, so far too small |
{% endif %}\
{% if c.subsets %}
| modalities shown | n | events | C-index (95 % bootstrap) | scored |
|---|---|---|---|---|
{% for s in c.subsets %}| {{ s.modalities|join(" + ") }} | {{ s.n_patients }} | {{ s.n_events }} | \
{{ "%.3f"|format(s.c_index) }} ({{ "%.3f"|format(s.low) }} to {{ "%.3f"|format(s.high) }}) | \
{{ "yes" if s.valid else "no" }} |
{% endfor %}{% endif %}
## Calibration
Slope on held-out risks: {{ "%.2f"|format(c.calibration_slope) }}. Cross-fitted expected / observed:

| months | E:O | patients | events by then | absolute risk shown |
|---|---|---|---|---|
{% for g in c.calibration %}| {{ g.horizon_months }} | \
{{ "%.2f"|format(g.ratio) if g.ratio is not none else "-" }} | {{ g.n_patients }} | \
{{ g.n_events }} | \
{{ "yes" if g.open else "no: " ~ g.reason }} |
{% endfor %}
## Training
Preset {{ c.training.preset }}, width {{ c.training.width }}, \
{{ c.training.parameters_per_member }} parameters a member, {{ c.training.splits }} members, \
{{ c.training.epochs }} epochs, batch {{ c.training.batch_size }}, modality dropout \
{{ c.training.modality_dropout }}, seed {{ c.training.seed }}, stored as \
{{ c.training.stored_precision }} (all numbers above are of the stored weights). \
{{ "%.0f"|format(c.training.seconds) }} s on {{ c.training.device }}; torch \
{{ c.training.torch_version }}, camlif {{ c.training.camlif_version }}; {{ c.date }}.
{% if c.training.never_tested %}{{ c.training.never_tested }} patients were in no test part.
{% endif %}
Reproduce: `{{ c.reproduce }}`

## Limits
{% for limit in c.limits %}- {{ limit }}
{% endfor %}"""


def _p_value(p: float | None) -> str:
    if p is None:
        return "not given"
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def environment() -> Environment:
    """Return the Jinja environment of everything that a card says; unknown names are errors."""
    # Markdown, shown as text: HTML escaping would spoil "<" and "&".
    found = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701
    found.filters["p_value"] = _p_value
    return found


def render_markdown(card: Card) -> str:
    """Render ``card.md``."""
    return environment().from_string(_TEMPLATE).render(c=card).strip() + "\n"
