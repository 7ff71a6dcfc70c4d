"""Whether tables speak of the same patients, and whether shorter identifiers would help."""

from __future__ import annotations

from itertools import combinations

from camlif.data.patients import PatientTable
from camlif.data.problems import Findings, examples
from camlif.wording import count

MIN_OVERLAP = 0.1
"""Two tables that share fewer of the smaller one's patients get a warning."""

MIN_LENGTH = 3
"""Identifiers cut shorter than this could be of anybody."""

TCGA_PATIENT = 12
"""Characters of a TCGA patient barcode."""


def check_overlap(tables: list[PatientTable], found: Findings) -> None:
    """Report tables that share no patients with any other, or few with one."""
    ids = {t.rows.file: set(t.ids) for t in tables}
    shared = {(a, b): len(ids[a] & ids[b]) for a, b in combinations(ids, 2)}
    apart = [f for f in ids if not any(n for pair, n in shared.items() if f in pair)]
    if len(ids) == 2:
        apart = apart[1:]  # one sentence says it of both
    for file in apart if len(ids) > 1 else []:
        other = next(f for f in ids if f != file)
        lengths = helpful_lengths(ids[file], ids[other])
        found.error(
            f"{file} and {other} share 0 of {count(len(ids[file]), 'id')}. Examples: "
            f"{examples(sorted(ids[file])[:2])} and {examples(sorted(ids[other])[:2])}."
            + (f" Trim to {lengths[0]} characters?" if lengths else ""),
            code="E-07",
            file=file,
            fix=None if lengths else "Write identifiers the same way in every table.",
            topic="overlap",
            values=tuple(map(str, lengths)),
        )
    for (a, b), n in shared.items():
        smaller = min(len(ids[a]), len(ids[b]))
        if n < MIN_OVERLAP * smaller and not {a, b} & set(apart):
            found.warn(
                f"{a} and {b} share only {n} of {count(smaller, 'id')}.", code="E-07", file=b
            )


def helpful_lengths(ids: set[str], others: set[str]) -> list[int]:
    """Return lengths to which identifiers can be cut so that two tables share most patients.

    Twelve characters (TCGA) are tried first, then the shorter identifiers' own length. Cutting
    must keep patients apart: the table with the shorter identifiers may lose none.
    """
    short, long = sorted((ids, others), key=lambda s: max(map(len, s), default=0))
    lengths = dict.fromkeys((TCGA_PATIENT, max(map(len, short), default=0)))
    helpful = []
    for n in lengths:
        cut, kept = {i[:n].rstrip() for i in long}, {i[:n].rstrip() for i in short}
        if (
            n >= MIN_LENGTH
            and len(kept) == len(short)
            and 2 * len(cut & kept) >= min(len(cut), len(kept))
        ):
            helpful.append(n)
    return helpful
