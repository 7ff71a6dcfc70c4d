"""Which of a model's columns a cohort has, and the cohort in the model's column order.

A cohort and a model's schema go in; out come the share of columns found, the cohort in the model's
order, and what a user should know before scoring. Raises `SchemaError` where a modality has some of
the model's columns but not all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from camlif.data.cohort import Cohort
from camlif.data.reading.problems import Problem, examples
from camlif.data.schema import FeatureSchema
from camlif.exceptions import SchemaError
from camlif.model.training_range import MAX_SHARE_OUTSIDE, TrainingRange


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalityMatch:
    """How many of a model's columns of one modality a cohort has.

    ``source`` is the cohort's modality that holds them, None where there is none.
    """

    modality: str
    source: str | None
    n_expected: int
    missing: tuple[str, ...]
    extra: tuple[str, ...]

    @property
    def n_found(self) -> int:
        """Columns found."""
        return self.n_expected - len(self.missing)

    @property
    def share(self) -> float:
        """Share of the model's columns found."""
        return self.n_found / self.n_expected

    @property
    def complete(self) -> bool:
        """Whether every column is there."""
        return not self.missing


@dataclass(frozen=True, slots=True)
class MatchReport:
    """Match of a cohort's columns with a model's, by modality, and clinical columns missing."""

    modalities: tuple[ModalityMatch, ...]
    clinical_missing: tuple[str, ...]

    @property
    def share(self) -> float:
        """Share of all the model's feature columns found."""
        found = sum(m.n_found for m in self.modalities)
        return found / sum(m.n_expected for m in self.modalities)

    @property
    def usable(self) -> bool:
        """Whether at least one modality is complete and none is there in part."""
        return any(m.complete for m in self.modalities) and all(
            m.complete or m.n_found == 0 for m in self.modalities
        )


def match_schema(expected: FeatureSchema, found: FeatureSchema) -> MatchReport:
    """Compare column names; a modality under another name is found by its columns."""
    matches = []
    for modality in expected.modalities:
        wanted = set(modality.columns)
        overlap = {m.name: len(wanted & set(m.columns)) for m in found.modalities}
        best = max(overlap, key=lambda name: (overlap[name], name == modality.name), default=None)
        if best is None or not overlap[best]:
            matches.append(_absent(modality.name, modality.columns))
            continue
        there = found[best].columns
        present = set(there)
        matches.append(
            ModalityMatch(
                modality=modality.name,
                source=best,
                n_expected=modality.n_features,
                missing=tuple(c for c in modality.columns if c not in present),
                extra=tuple(c for c in there if c not in wanted),
            )
        )
    return MatchReport(
        tuple(matches), tuple(c.name for c in expected.clinical if not _has_clinical(found, c.name))
    )


def _absent(name: str, columns: tuple[str, ...]) -> ModalityMatch:
    return ModalityMatch(
        modality=name, source=None, n_expected=len(columns), missing=columns, extra=()
    )


def _has_clinical(schema: FeatureSchema, name: str) -> bool:
    return any(c.name == name for c in schema.clinical)


def align(cohort: Cohort, expected: FeatureSchema, *, missing: tuple[str, ...] = ()) -> Cohort:
    """Return the cohort in a model's columns and order, found by name.

    Parameters
    ----------
    cohort : Cohort
    expected : FeatureSchema
    missing : tuple of str
        Modalities that the user declares missing, whatever columns are there.

    Raises
    ------
    SchemaError
        If a modality has some of the model's columns but not all; the error names them. If a
        modality in ``missing`` is none of the model's.
    """
    for name in missing:
        expected[name]  # a misspelt name would otherwise be scored with
    report = match_schema(expected, cohort.schema)
    tables, bags, specs, presence = {}, {}, [], []
    for match in report.modalities:
        if match.source is None or match.modality in missing:
            continue
        if match.missing:
            shown = ", ".join(match.missing[:5]) + (" ..." if len(match.missing) > 5 else "")
            raise SchemaError(
                f"{len(match.missing)} of {match.n_expected} features the model needs are absent.",
                file=match.source,
                column=shown,
                fix=f"Rename the columns, or mark {match.modality} as missing.",
                code="E-13",
            )
        spec = expected[match.modality]
        position = {c: i for i, c in enumerate(cohort.schema[match.source].columns)}
        order = [position[c] for c in spec.columns]
        if spec.bag:
            bags[spec.name] = tuple(bag[:, order] for bag in cohort.bags[match.source])
        else:
            tables[spec.name] = np.ascontiguousarray(cohort.tables[match.source][:, order])
        specs.append(spec)
        presence.append(cohort.presence[:, cohort.schema.names.index(match.source)])
    return Cohort(
        info=cohort.info,
        schema=FeatureSchema(tuple(specs), expected.clinical),
        patient_ids=cohort.patient_ids,
        tables=tables,
        bags=bags,
        presence=np.stack(presence, axis=1) if presence else np.zeros((len(cohort), 0), dtype=bool),
        clinical=cohort.clinical,
        duration=cohort.duration,
        event=cohort.event,
        entry=cohort.entry,
    )


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
    problems = [_absent_problem(m, names) for m in used if not m.complete]
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


def _absent_problem(match: ModalityMatch, files: Mapping[str, str]) -> Problem:
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
    share = known.share_outside(match.modality, aligned.rows(match.modality))
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
