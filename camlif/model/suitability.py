"""Whether tables suit a model: what a user should know of them before they are scored.

A cohort and what a model expects go in; problems come out and nothing fails: columns absent or
under other names, levels never seen in training, columns and follow-up in another unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from camlif.data.cohort import Cohort
from camlif.data.levels import match_levels
from camlif.data.preprocessing import CLINICAL, read_input
from camlif.data.reading.problems import Problem, examples
from camlif.data.schema import ClinicalColumn, FeatureSchema
from camlif.model.column_shift import sample_step
from camlif.model.follow_up_unit import FollowUpFacts, unit_warning
from camlif.model.input_worth import InputWorth, ranks_without, worth_of
from camlif.model.inputs import cell_text
from camlif.model.matching import MatchReport, TableMatch, align, match_columns
from camlif.model.renames import Rename, propose_features, propose_inputs
from camlif.model.scale_check import ScaleCheck
from camlif.model.training_range import TrainingRange
from camlif.wording import count, listed, verb, with_interval

MIN_RENAMED = 0.5
"""Of an absent modality's columns that another table must seem to have under other names."""
UNUSED = "E-14"
"""Code of the notes on columns that a model does not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a model expects of tables.

    Attributes
    ----------
    schema : FeatureSchema
    training_range : TrainingRange
    inputs : tuple of InputWorth
    follow_up : FollowUpFacts
        As in `camlif.model.reference.Reference`.
    """

    schema: FeatureSchema
    training_range: TrainingRange
    inputs: tuple[InputWorth, ...]
    follow_up: FollowUpFacts


def check_suitability(
    cohort: Cohort,
    expected: Expected,
    *,
    missing: Sequence[str] = (),
    files: Mapping[str, str] | None = None,
) -> tuple[Problem, ...]:
    """Return what a user of a model should know of the tables before they are scored.

    Parameters
    ----------
    cohort : Cohort
    expected : Expected
        By the model.
    missing : sequence of str
        Modalities of the model that are treated as missing.
    files : mapping of the cohort's modality to file name, optional
        For the problems' places; the clinical table's under `CLINICAL`.

    Returns
    -------
    tuple of Problem
        E-30 (error): nothing to score with. E-13 (error): columns of a modality are absent, or
        clinical inputs without which nobody is scored; (warning): other clinical inputs, or a
        modality, are absent. E-15 (warning): cells that it cannot read, or does not know. E-16
        (warning): values in another unit or out of range. E-09 (warning): follow-up in another
        unit. E-14 (note): columns are not used.
    """
    places = {CLINICAL: "clinical"} | dict(files or {})
    schema = expected.schema
    report = match_columns(schema, cohort.schema, cohort.clinical.columns)
    used = [m for m in report.modalities if m.source is not None and m.modality not in missing]
    problems = _renamed_tables(report, cohort, missing, places)
    if not used:
        return (_mismatch(schema, cohort.schema), *problems)
    problems += [_absent_columns(m, places) for m in used if not m.complete]
    complete = [m for m in used if m.complete]
    left_out = tuple(m.modality for m in report.modalities if m not in complete)
    aligned = align(cohort, schema, missing=left_out)
    scale = ScaleCheck(aligned, schema, expected.training_range)
    for match in complete:
        problems += scale.table(match.modality, places.get(match.source or "", match.source))
    problems += _absent_inputs(report.inputs, cohort, expected, places[CLINICAL])
    for column in schema.clinical:
        problems += _values(column, cohort.clinical, places[CLINICAL])
    problems += scale.inputs(places[CLINICAL])
    problems += _follow_up(cohort, expected.follow_up, places[CLINICAL])
    problems += _not_used(report.modalities, cohort.schema, places)
    return tuple(problems)


def table_notes(
    cohort: Cohort, expected: Expected, *, missing: Sequence[str] = ()
) -> dict[str, str]:
    """Return what the score of every patient must say of a whole table, by modality.

    Parameters
    ----------
    cohort : Cohort
        Whose modalities are complete or absent.
    expected : Expected
        By the model.
    missing : sequence of str
        Modalities that are treated as missing.

    Returns
    -------
    dict of modality to sentence
        Which columns are in another unit; of the clinical inputs under `CLINICAL`.
    """
    step = sample_step(len(cohort))
    # A sample first: a large cohort is not held a second time in the model's order.
    sample = cohort.take(np.arange(0, len(cohort), step))
    aligned = align(sample, expected.schema, missing=tuple(missing))
    return ScaleCheck(aligned, expected.schema, expected.training_range).notes()


def _mismatch(expected: FeatureSchema, found: FeatureSchema) -> Problem:
    return Problem(
        severity="error",
        code="E-30",
        message=f"This model expects {examples(expected.names)}; the cohort has "
        f"{examples(found.names)}, and none of it can be used.",
        fix="Choose a model of the same columns, or train one on this cohort.",
    )


def _absent_columns(match: TableMatch, files: Mapping[str, str]) -> Problem:
    if match.rivals:
        return Problem(
            severity="error",
            code="E-13",
            message=f"{listed(match.rivals)} both have the columns of {match.modality}.",
            fix=f"Call the one that is meant {match.modality}, or mark it as missing.",
        )
    renames = propose_features(match.missing, match.extra)
    return Problem(
        severity="error",
        code="E-13",
        message=f"{len(match.missing)} of {count(match.n_expected, 'feature')} the model "
        "needs are absent, "
        f"e.g. {examples(match.missing)}.",
        file=files.get(match.source or "", match.source),
        fix=f"{_perhaps(renames)}Rename the columns, or mark {match.modality} as missing.",
        topic="suitability",
        columns=tuple(rename.column for rename in renames),
        values=tuple(rename.name for rename in renames),
    )


def _perhaps(renames: Sequence[Rename]) -> str:
    """Say which columns may be which: ``Perhaps mch is MCH. ``; a hint until it is accepted."""
    pairs = examples(f"{rename.column} is {rename.name}" for rename in renames)
    return f"Perhaps {pairs}. " if renames else ""


def _renamed_tables(
    report: MatchReport, cohort: Cohort, missing: Sequence[str], files: Mapping[str, str]
) -> list[Problem]:
    """Say which tables may hold a modality of which not one column was found."""
    read = {match.source for match in report.modalities}
    free = [table for table in cohort.schema.modalities if table.name not in read]
    problems = []
    for match in report.modalities:
        if match.source is not None or match.modality in missing:
            continue
        proposals = {t.name: propose_features(match.missing, t.columns) for t in free}
        best = max(proposals, key=lambda name: len(proposals[name]), default=None)
        if best is None or len(proposals[best]) < MIN_RENAMED * match.n_expected:
            continue
        free = [table for table in free if table.name != best]
        problems.append(
            Problem(
                severity="warning",
                code="E-13",
                message=f"No column has the name of one of {match.modality}, which is treated as "
                "missing.",
                file=files.get(best, best),
                fix=_perhaps(proposals[best]).strip(),
                topic="suitability",
                columns=tuple(rename.column for rename in proposals[best]),
                values=tuple(rename.name for rename in proposals[best]),
            )
        )
    return problems


def _absent_inputs(
    match: TableMatch | None, cohort: Cohort, expected: Expected, file: str
) -> list[Problem]:
    """Say which clinical inputs are absent, what they were worth, and what may be them."""
    if match is None or match.complete:
        return []
    renames = propose_inputs(
        match.missing,
        cohort.clinical,
        expected.schema,
        expected.training_range.levels.get(CLINICAL),
    )
    worth = worth_of(match.missing, expected.inputs)
    scored = ranks_without(match.missing, expected.inputs)
    return [
        Problem(
            severity="warning" if scored else "error",
            code="E-13",
            message=f"{len(match.missing)} of {count(match.n_expected, 'clinical input')} of the "
            f"model {verb(len(match.missing), 'is', 'are')} absent: {listed(match.missing)}. "
            f"{_worth_words(worth, scored=scored)}",
            file=file,
            fix=f"{_perhaps(renames)}Rename the columns, or give what is missing.",
            topic="inputs",
            columns=tuple(rename.column for rename in renames),
            values=tuple(rename.name for rename in renames),
        )
    ]


def _worth_words(worth: InputWorth | None, *, scored: bool) -> str:
    """Say what a score without some clinical inputs is worth."""
    if worth is None and scored:
        return "Patients are scored without them, with wider intervals."
    if worth is None:
        return "What a score without them is worth was not measured, so none is scored."
    c_index = with_interval(worth.c_index, worth.low, worth.high)
    measured = f"(held-out C-index {c_index} against {worth.c_index_with:.2f} with them)"
    if not worth.valid:
        return f"Without them the model does not rank patients {measured}, so none is scored."
    return f"Patients are scored without them {measured}, with wider intervals."


def _values(column: ClinicalColumn, clinical: pd.DataFrame, file: str) -> list[Problem]:
    """Say which cells of a clinical input the model does not know, or reads as another word."""
    if column.name not in clinical:
        return []
    given = clinical[column.name]
    lost = given.notna() & read_input(clinical, column).isna()
    cells = pd.Series([cell_text(cell) for cell in given[lost]], dtype=object)
    unknown = tuple(cells.value_counts(sort=True).index)
    problems = []
    if unknown and column.kind == "numeric":
        problems.append(
            Problem(
                severity="warning",
                code="E-15",
                message=f"{column.name} holds texts where the model reads numbers "
                f"({examples(unknown)}): treated as missing in {count(len(cells), 'patient')}.",
                file=file,
                column=column.name,
                fix="Give numbers.",
            )
        )
    elif unknown:
        problems.append(
            Problem(
                severity="warning",
                code="E-15",
                message=f"{column.name} holds {examples(unknown)}, which the model does not know "
                f"(it knows {examples(column.levels)}): treated as missing in "
                f"{count(len(cells), 'patient')}.",
                file=file,
                column=column.name,
                fix="Say what they stand for, if it is one of these.",
                topic="level",
                columns=(column.name,),
                values=unknown,
                choices=column.levels,
            )
        )
    if column.kind == "category":
        words = sorted({cell_text(cell) for cell in given.dropna()})
        same = {w: level for w, level in match_levels(words, column.levels).items() if level}
        other = [f"{word} as {level}" for word, level in same.items() if word != level]
        if other:
            # Beside H, M may be a woman: mujer.
            letters = tuple(w for w in same if len(w) == 1 and w not in column.levels)
            doubtful = letters if any(len(cell) == 1 for cell in unknown) else ()
            problems.append(
                Problem(
                    severity="warning" if doubtful else "note",
                    message=f"{column.name} is read as the model's words: {examples(other)}.",
                    file=file,
                    column=column.name,
                    fix="Say if a letter stands for another." if doubtful else None,
                    topic="level" if doubtful else "",
                    columns=(column.name,) if doubtful else (),
                    values=doubtful,
                    choices=column.levels if doubtful else (),
                )
            )
    return problems


def _follow_up(cohort: Cohort, known: FollowUpFacts, file: str) -> list[Problem]:
    if not cohort.has_outcome:
        return []
    found = FollowUpFacts.of(cohort.follow_up(cohort.with_outcome))
    warning = unit_warning(found, known)
    if warning is None:
        return []
    return [
        Problem(
            severity="warning",
            code="E-09",
            message=warning,
            file=file,
            fix="Check the unit of the follow-up. Scores do not use it; curves, calibration and "
            "every comparison with the outcome do.",
            topic="unit",
            values=("days", "months", "years"),
        )
    ]


def _not_used(
    matches: Sequence[TableMatch], found: FeatureSchema, files: Mapping[str, str]
) -> list[Problem]:
    unused = {}
    for table in found.modalities:
        extra = [set(m.extra) for m in matches if m.source == table.name]
        unused[table.name] = [c for c in table.columns if all(c in others for others in extra)]
    return [
        Problem(
            severity="note",
            code=UNUSED,
            message=f"{count(len(columns), 'column is', 'columns are')} not "
            f"used by this model; ignored: {examples(columns)}.",
            file=files.get(name, name),
        )
        for name, columns in unused.items()
        if columns
    ]
