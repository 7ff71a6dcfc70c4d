"""Count false matches and misses of recognition on the development cohorts, split 70/30.

    python -m tests.benchmarks.recognition [--seeds 10] [--data ../shared/data] [COHORT ...]

Digests are made of 70 % of a cohort. The others are looked up as new patients; the 70 % themselves
with their values unchanged and after a text file with three significant digits, halves rounded as
Python does and as a spreadsheet does. Each with all modalities and with one alone, and with the
clinical inputs (age, sex) given and hidden. No network is trained. Prints a Markdown table;
`tests/model/test_recognition_cohorts.py` asserts the bounds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import Float32Array
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import RawInputs, encode
from camlif.data.reading.readers import load_cohort
from camlif.data.schema import FeatureSchema
from camlif.model.recognition import Membership, TrainingDigests, fit_digests
from camlif.model.recognition_rates import MembershipCounts

DATA = Path("../shared/data")
COHORTS = (
    *("tcga_brca_path_gene", "tcga_gbmlgg", "tcga_kirc", "hancock", "tcga_luad_hif"),
    *("tcga_brca_hif", "tcga_transfer/tcga_coadread", "tcga_transfer/tcga_kirp"),
    *("tcga_transfer/tcga_paad", "nsclc_ct"),
)
OUTCOMES = "endpoints"
"""A table of outcomes in some folders: no modality."""
CLINICAL = ("age", "sex")
TRAINING_SHARE = 0.7
COLUMNS = (
    *("cohort", "shown", "age, sex", "new patients", "taken for training", "cannot tell"),
    *("training patients", "recognised", "cannot tell", "missed", "missed at three digits"),
)
NOBODY = MembershipCounts(patients=0, training=0, unclear=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Counts over all seeds.

    Attributes
    ----------
    modalities : tuple of str
        Those shown.
    clinical : bool
        Whether the clinical inputs were given.
    new, unchanged, rounded, rounded_up : MembershipCounts
    """

    modalities: tuple[str, ...]
    clinical: bool
    new: MembershipCounts
    unchanged: MembershipCounts
    rounded: MembershipCounts
    rounded_up: MembershipCounts


def read(name: str, data: Path = DATA) -> Cohort:
    """Read a development cohort as the product trains on it by default."""
    cohort = load_cohort(data / name)
    known = {column.name for column in cohort.schema.clinical}
    return cohort.take(cohort.with_outcome).select(
        modalities=[m for m in cohort.schema.names if m != OUTCOMES],
        clinical=[name for name in CLINICAL if name in known],
    )


def measure(cohort: Cohort, seeds: int) -> list[Rates]:
    """Count on ``seeds`` splits; all modalities first, then each one alone."""
    schema, raw = cohort.schema, encode(cohort, cohort.schema)
    tables = {
        "new": raw,
        "unchanged": raw,
        "rounded": _saved(raw, _as_python),
        "rounded_up": _saved(raw, _as_spreadsheet),
    }
    counts: dict[tuple[tuple[str, ...], bool], dict[str, MembershipCounts]] = {}
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(raw))
        n_training = round(TRAINING_SHARE * len(raw))
        training = np.sort(order[:n_training])
        digests = fit_digests(raw.take(training), schema, salt=bytes([seed]) * 16)
        for kind, table in tables.items():
            patients = table.take(np.sort(order[n_training:]) if kind == "new" else training)
            for key, found in _looked_up(digests, patients, schema):
                kinds = counts.setdefault(key, dict.fromkeys(tables, NOBODY))
                kinds[kind] = kinds[kind].plus(found)
    return [
        Rates(modalities=shown, clinical=clinical, **kinds)
        for (shown, clinical), kinds in counts.items()
    ]


def _looked_up(
    digests: TrainingDigests, patients: RawInputs, schema: FeatureSchema
) -> Iterator[tuple[tuple[tuple[str, ...], bool], MembershipCounts]]:
    sets = [schema.names, *((m,) for m in schema.names if len(schema.names) > 1)]
    nobody = np.zeros((len(digests), 1), dtype=bool)
    found = digests.digest(patients, schema)
    for shown in sets:
        columns = [schema.names.index(name) for name in shown]
        rows = np.flatnonzero(patients.presence[:, columns].any(axis=1))
        for clinical in (True, False):
            asked = found.showing(shown).take(rows)
            if not clinical:
                asked = replace(asked, clinical=np.zeros_like(asked.clinical))
            membership = digests.recognise(asked, nobody).membership
            yield (
                (shown, clinical),
                MembershipCounts(
                    patients=len(rows),
                    training=int((membership == Membership.TRAINING).sum()),
                    unclear=int((membership == Membership.UNCLEAR).sum()),
                ),
            )


def _saved(raw: RawInputs, text: Callable[[float], str]) -> RawInputs:
    """The patients after their numbers went through a text file."""

    def through(table: Float32Array) -> Float32Array:
        values, places = np.unique(table, return_inverse=True)
        saved: NDArray[np.float32] = np.array(
            [float(text(float(str(v)))) if np.isfinite(v) else np.nan for v in values], dtype="f4"
        )
        return saved[places].reshape(table.shape)

    return replace(
        raw,
        tables={name: through(table) for name, table in raw.tables.items()},
        clinical=through(raw.clinical),
    )


def _as_python(value: float) -> str:
    return f"{value:.3g}"


def _as_spreadsheet(value: float) -> str:
    number = Decimal(str(value))
    if number == 0:
        return "0"
    return str(number.quantize(Decimal(1).scaleb(number.adjusted() - 2), rounding=ROUND_HALF_UP))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cohorts", nargs="*", default=COHORTS)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    print(
        "| cohort | shown | age, sex | new patients | taken for training | cannot tell | ", end=""
    )
    print(f"| {' | '.join(COLUMNS)} |")
    print("|" + "---|" * len(COLUMNS))
    for name in options.cohorts:
        if not (options.data / name).is_dir():
            print(f"| {name} | not in {options.data} |" + " |" * (len(COLUMNS) - 2))
            continue
        for rates in measure(read(name, options.data), options.seeds):
            print(f"| {name.rpartition('/')[2]} | {_line(rates)} |", flush=True)


def _line(rates: Rates) -> str:
    new, known = rates.new, rates.unchanged
    return " | ".join(
        (
            " + ".join(rates.modalities),
            "given" if rates.clinical else "hidden",
            f"{new.patients:,}",
            f"{new.training} ({1000 * new.training / new.patients:.1f} in 1,000)",
            f"{100 * new.unclear / new.patients:.1f} %",
            f"{known.patients:,}",
            f"{100 * known.training / known.patients:.1f} %",
            f"{100 * known.unclear / known.patients:.1f} %",
            str(known.new),
            str(max(rates.rounded.new, rates.rounded_up.new)),
        )
    )


if __name__ == "__main__":
    main()
