"""Do tables suit a model? Columns absent and not used, and values on another scale, as problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import numpy as np

from camlif.data.cohort import Cohort, FloatArray
from camlif.data.problems import Problem, examples
from camlif.data.schema import FeatureSchema
from camlif.domain import MAX_SHARE_OUTSIDE, TrainingRange, mean_of_observed
from camlif.matching import ModalityMatch, align, match_schema

MAX_SHARE_OF_PATIENTS = 0.2
"""With more patients out of range than this, a modality seems to be on another scale."""

MAX_COMPARED = 2_000
"""Names are compared for likeness among no more columns than this."""

LIKENESS = 0.75


def check_suitability(
    cohort: Cohort,
    schema: FeatureSchema,
    known: TrainingRange,
    *,
    missing: Sequence[str] = (),
    files: Mapping[str, str] | None = None,
) -> tuple[Problem, ...]:
    """Return what a user of a model should know of the tables before they are scored.

    Parameters
    ----------
    cohort : Cohort
    schema : FeatureSchema
        Of the model.
    known : TrainingRange
        Of the model.
    missing : sequence of str
        Modalities of the model that are treated as missing.
    files : mapping of the cohort's modality to file name, optional
        For the problems' places.

    Returns
    -------
    tuple of Problem
        E-30 (error): nothing to score with. E-13 (error): columns of a modality are absent. E-16
        (warning): values lie outside the training range. E-14 (note): columns are not used.
    """
    names = dict(files or {})
    matches = match_schema(schema, cohort.schema).modalities
    used = [m for m in matches if m.source is not None and m.modality not in missing]
    if not used:
        return (_mismatch(schema, cohort.schema),)
    problems = [_absent(m, names) for m in used if not m.complete]
    complete = [m for m in used if m.complete]
    left_out = tuple(m.modality for m in matches if m not in complete)
    aligned = align(cohort, schema, missing=left_out)
    for match in complete:
        problems += _scale(match, aligned, known, names)
    problems += _not_used(matches, cohort.schema, names)
    return tuple(problems)


def _mismatch(expected: FeatureSchema, found: FeatureSchema) -> Problem:
    return Problem(
        severity="error",
        code="E-30",
        message=f"This model expects {examples(expected.names)}; the cohort has "
        f"{examples(found.names)}, and none of it can be used.",
        fix="Choose a model of the same columns, or train one on this cohort.",
    )


def _absent(match: ModalityMatch, files: Mapping[str, str]) -> Problem:
    alike = _alike(match)
    return Problem(
        severity="error",
        code="E-13",
        message=f"{len(match.missing)} of {match.n_expected} features the model needs are absent, "
        f"e.g. {examples(match.missing)}.",
        file=files.get(match.source or "", match.source),
        fix=(f"Perhaps {alike}. " if alike else "")
        + f"Rename the columns, or mark {match.modality} as missing.",
        topic="suitability",
    )


def _alike(match: ModalityMatch) -> str:
    """Say which unused columns look like absent ones: "MCH is mch"; never more than a hint."""
    lowered = {c.lower(): c for c in match.extra[:MAX_COMPARED]}
    pairs = []
    for wanted in match.missing[:3]:
        near = get_close_matches(wanted.lower(), lowered, n=1, cutoff=LIKENESS)
        pairs += [f"{lowered[name]} is {wanted}" for name in near]
    return ", ".join(pairs)


def _scale(
    match: ModalityMatch, aligned: Cohort, known: TrainingRange, files: Mapping[str, str]
) -> list[Problem]:
    values = _rows(aligned, match.modality)
    share = known.share_outside(match.modality, values)
    share = share[np.isfinite(share)]
    if not len(share) or (share > MAX_SHARE_OUTSIDE).mean() <= MAX_SHARE_OF_PATIENTS:
        return []
    return [
        Problem(
            severity="warning",
            code="E-16",
            message=f"{100 * share.mean():.0f}% of {match.modality} features fall outside the "
            f"training range, in {100 * (share > MAX_SHARE_OUTSIDE).mean():.0f}% of patients more "
            f"than {100 * MAX_SHARE_OUTSIDE:.0f}%.",
            file=files.get(match.source or "", match.source),
            fix="Check units and normalisation before trusting scores, or leave the table out.",
            topic="suitability",
        )
    ]


def _rows(cohort: Cohort, modality: str) -> FloatArray:
    """One row of values a patient; bags by their mean."""
    if modality in cohort.tables:
        return cohort.tables[modality]
    bags = [bag for bag in cohort.bags[modality] if len(bag)]
    width = cohort.schema[modality].n_features
    means = [mean_of_observed(bag) for bag in bags]
    return np.stack(means) if means else np.zeros((0, width), dtype=np.float32)


def _not_used(
    matches: Sequence[ModalityMatch], found: FeatureSchema, files: Mapping[str, str]
) -> list[Problem]:
    unused = {}
    for table in found.modalities:
        extra = [set(m.extra) for m in matches if m.source == table.name]
        unused[table.name] = [c for c in table.columns if all(c in others for others in extra)]
    return [
        Problem(
            severity="note",
            code="E-14",
            message=f"{len(columns)} {'column is' if len(columns) == 1 else 'columns are'} not "
            f"used by this model; ignored: {examples(columns)}.",
            file=files.get(name, name),
        )
        for name, columns in unused.items()
        if columns
    ]
