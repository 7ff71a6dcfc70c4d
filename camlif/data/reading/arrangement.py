"""Which table is the clinical one, what joins it, which are modalities, and which hold both.

In come tables by file, out comes an `Arrangement`. A table that tells time and status of one
endpoint is clinical, whatever its name, unless another one does and is called so. An outcome, or
age and sex, in a table of its own is joined to the clinical table by patient; a file that holds an
outcome and features is split by what its columns are. What cannot be told apart is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from camlif.data.manifest import ModalitySection
from camlif.data.products import product_of
from camlif.data.reading.gathered import Reading
from camlif.data.reading.identifiers import choose_ids
from camlif.data.reading.mapping import declared_id, id_name
from camlif.data.reading.names import is_gene_like, may_be_gene, promise
from camlif.data.reading.orientation import turned_table
from camlif.data.reading.outcomes import holds_pair
from camlif.data.reading.patients import FlowStep
from camlif.data.reading.pieces import join_pieces
from camlif.data.reading.problems import examples
from camlif.data.reading.roles import (
    CENTRE_NAMES,
    CLINICAL_WORDS,
    GRADE_NAMES,
    SEX_NAMES,
    SUBTYPE_NAMES,
    find_id,
    is_age,
    is_clinical_name,
    modality_name,
)
from camlif.data.reading.sources import with_patients_in_rows
from camlif.data.reading.specimens import Specimens, find_specimens, join_specimens, join_table
from camlif.data.reading.tables import INDEX_NAME, TextTable, table_stem
from camlif.data.reading.values import to_numbers
from camlif.data.reading.words import parts, plain
from camlif.wording import count

RESERVED = "clinical"
MAX_CLINICAL_COLUMNS = 100
"""A table with more columns is not the clinical one for its name's sake, nor offered as such."""

MIN_NAMED_ROWS = 2
"""So many clinical names in the first column, and none in the header: a table on its side."""

_CLINICAL_PARTS = frozenset(
    {
        *("stage", "grade", "kps", "karnofsky", "ecog", "smoking", "smoker", "pack", "bmi"),
        *("height", "weight", "race", "ethnicity", "treatment", "therapy", "chemotherapy", "chemo"),
        *("radiotherapy", "radiation", "surgery", "resection", "margin", "margins", "histology"),
        *("laterality", "side", "comorbidity", "charlson", "diabetes", "alcohol", "menopausal"),
        *(
            "menopause",
            "hpv",
            "metastasis",
            "metastases",
            "nodes",
            "lymph",
            "tnm",
            "pt",
            "pn",
            "pm",
        ),
        *("rx", "randomised", "randomized", "arm", "histologic", "tumorsite", "symptom"),
    }
)


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Tables by what they are read as.

    Attributes
    ----------
    clinical : TextTable or None
        With the columns of tables that were joined to it.
    modalities : mapping of name to (TextTable, ModalitySection)
        In order.
    """

    clinical: TextTable | None
    modalities: dict[str, tuple[TextTable, ModalitySection]]


def arrange(tables: list[TextTable], reading: Reading) -> Arrangement:
    """Decide what each table is; every question and change is added to the findings."""
    tables = join_pieces(_without_products(tables, reading), reading)
    specimens, rest = _without_specimens(tables, reading)
    rest = [_from_its_side(table, reading) for table in rest]
    every = [*rest, *(one.table for one in specimens)]
    reading.id_columns |= choose_ids(
        every, {t.file: declared_id(reading, t.file) for t in rest}, reading.found
    )
    clinical, rest = _clinical_and_rest(rest, reading)
    clinical = _with_specimens(clinical, specimens, reading)
    if clinical is not None:
        reading.set_role(clinical.file, "clinical")
    elif rest:
        offered = [t for t in rest if len(t.columns) <= MAX_CLINICAL_COLUMNS and _clinical_in(t)]
        reading.found.warn(
            "No clinical table found. You can still score cases; survival curves stay off.",
            code="E-08",
            fix="Add clinical.csv with patient_id, survival_months and event"
            + (", or choose the table." if offered else "."),
            topic="clinical",
            values=tuple(t.file for t in offered),
        )
    modalities = _modality_files(rest, reading)
    for name, (table, _) in modalities.items():
        reading.set_role(table.file, "modality", name)
    return Arrangement(clinical, modalities)


def _without_products(tables: list[TextTable], reading: Reading) -> list[TextTable]:
    """Leave out tables that this program wrote: a result beside the inputs is no input."""
    rest = []
    for table in tables:
        product = product_of(table.columns)
        if product is None:
            rest.append(table)
        else:
            reading.set_role(table.file, "predictions")
            reading.found.note(
                f"Holds {product}, a result and no input; left out.", file=table.file
            )
    return rest


def _without_specimens(
    tables: list[TextTable], reading: Reading
) -> tuple[list[Specimens], list[TextTable]]:
    """Part tables of specimens from the others, and turn these so that patients are in rows."""
    specimens, rest = [], []
    for table in tables:
        found = find_specimens(table, reading.manifest)
        if found is None:
            rest.append(table)
        else:
            specimens.append(found)
            reading.owners |= found.owners()
            reading.set_role(table.file, "clinical")
    turned = (with_patients_in_rows(table, reading) for table in rest)
    return specimens, [table for table in turned if table is not None]


def _with_specimens(
    clinical: TextTable | None, specimens: list[Specimens], reading: Reading
) -> TextTable | None:
    """Join what is known of specimens to the clinical table, or let the first serve as one."""
    for one in specimens:
        if clinical is not None:
            clinical = join_specimens(clinical, one, reading)
        elif reading.manifest.clinical.file is None:
            clinical = replace(one.table, table=one.table.table.drop_columns([one.specimen]))
        else:
            step = FlowStep(file=one.table.file, reason="no clinical table", n=len(one.table))
            reading.steps.append(step)
    return clinical


def _from_its_side(table: TextTable, reading: Reading) -> TextTable:
    """Turn a clinical table whose columns are patients: its first column names age, time ..."""
    declared = reading.manifest.patients_in.get(table.file)
    if (
        declared is not None
        or len(table.columns) < MIN_NAMED_ROWS
        or len(table) > len(table.columns) + MAX_CLINICAL_COLUMNS
    ):
        return table
    first = [cell or "" for cell in table.text(table.columns[0]).to_pylist()]
    if len(first) > MAX_CLINICAL_COLUMNS:
        return table
    if sum(map(_is_strong, first)) < MIN_NAMED_ROWS or any(map(_is_strong, table.columns[1:])):
        return table
    reading.found.warn(
        f"Patients are in columns (the first column is {table.columns[0]}, with "
        f"{examples(c for c in first if _is_strong(c))}); rows and columns were exchanged.",
        file=table.file,
        fix="Save the table with one row per patient to avoid this.",
        topic="turned",
    )
    turned = turned_table(table).table
    reading.files[table.file] = replace(
        reading.files[table.file],
        n_rows=len(turned),
        n_columns=len(turned.columns) - 1,
        turned=True,
    )
    return turned


def _clinical_and_rest(
    tables: list[TextTable], reading: Reading
) -> tuple[TextTable | None, list[TextTable]]:
    """Return the clinical table, with what joins it, and the tables of features."""
    section = reading.manifest.clinical
    if section.file == "":
        return None, tables
    primary = _primary(tables, reading) if section.file is None else _declared(tables, reading)
    if primary is None:
        return None, tables
    rest = [t for t in tables if t is not primary]
    claimed = _claimed(reading)
    extras = [t for t in rest if t.file not in claimed and _joins(t)]
    rest = [t for t in rest if t not in extras]
    if primary.file in claimed or _is_both(primary, rest, reading):
        primary, features = _parted(primary, reading)
        rest = [*rest, *([features] if features is not None else [])]
    for extra in extras:
        primary = join_table(primary, extra, reading, id_column=id_name(reading, extra.file))
        reading.set_role(extra.file, "clinical")
    if section.duration is None and not holds_pair(primary):
        primary, rest = _with_outcome_of(primary, rest, reading)
    return primary, rest


def _declared(tables: Sequence[TextTable], reading: Reading) -> TextTable | None:
    declared = reading.manifest.clinical.file or ""
    for table in tables:
        if table.file == declared:
            return table
    if declared not in reading.files:
        reading.found.error(
            "The manifest names a clinical table that is not there.",
            file=declared,
            fix="Add the file, or look by name instead.",
            topic="column",
        )
    return None


def _claimed(reading: Reading) -> set[str]:
    """Return the files that the manifest names as modalities."""
    return {s.file for s in reading.manifest.modalities.values() if s.file is not None}


def _primary(tables: Sequence[TextTable], reading: Reading) -> TextTable | None:
    """Return the clinical table by its name and what it holds."""
    claimed = _claimed(reading)
    free = [t for t in tables if t.file not in claimed]
    exact = [t for t in free if is_clinical_name(t.file)]
    called = [t for t in free if t not in exact and _is_called_clinical(t)]
    for named in (exact, called):
        told = [t for t in named if holds_pair(t)]
        if len(told) > 1 or (not told and len(named) > 1 and named is exact):
            _ask_which(told or named, reading, "clinical")
        if named:
            return (told or named)[0]
    told = [t for t in free if holds_pair(t)]
    alone = [t for t in told if not _feature_columns(t)]
    if len(told) > 1 and len(alone) != 1:
        _ask_which(told, reading, "outcome file")
    if told:
        return (alone or told)[0]
    return next((t for t in free if _joins(t)), None)


def _ask_which(those: Sequence[TextTable], reading: Reading, topic: str) -> None:
    reading.found.error(
        f"Several files may be the clinical table: {examples(t.file for t in those)}.",
        code="E-08",
        file=those[1].file,
        fix="Choose one, or keep one.",
        topic=topic,
        values=tuple(t.file for t in those),
    )


def _is_called_clinical(table: TextTable) -> bool:
    """Whether a name says clinical among other words, and some column, too."""
    words = set(parts(table_stem(table.file)))
    return bool(
        words & CLINICAL_WORDS
        and len(table.columns) <= MAX_CLINICAL_COLUMNS
        and any(map(_is_strong, table.columns))
    )


def _joins(table: TextTable) -> bool:
    """Whether a table belongs to the clinical one: by its name, or because it holds no feature."""
    if is_clinical_name(table.file) or _is_called_clinical(table):
        return True
    return _clinical_in(table) and not _feature_columns(table, strong=True)


def _is_strong(column: str) -> bool:
    """Whether a name alone says that a column is clinical, or of the outcome."""
    hint = promise(column)
    if hint is not None and hint.kind in ("outcome", "entry"):
        return True
    named = (*SEX_NAMES, *SUBTYPE_NAMES, *GRADE_NAMES, *CENTRE_NAMES)
    return is_age(column) or plain(column) in named


def _clinical_in(table: TextTable) -> bool:
    return any(map(_is_strong, table.columns))


def _feature_columns(table: TextTable, *, strong: bool = False) -> list[str]:
    """Return the columns that may be features: no clinical name, and numbers.

    ``strong`` counts every column that is not clinical beyond doubt.
    """
    among_genes = is_gene_like(table.columns)
    found = []
    for column in table.columns:
        gene = among_genes and may_be_gene(column)
        hint = None if gene else promise(column)
        if column == INDEX_NAME or (hint is not None and hint.kind != "row number"):
            continue
        if _is_strong(column) and not gene:
            continue
        if not strong:
            if set(parts(column)) & _CLINICAL_PARTS and not among_genes:
                continue
            numbers = to_numbers(table.table[column])
            if len(numbers.bad_rows) >= max(numbers.n_values, 1):
                continue
        elif find_id(table.columns) is None and column == table.columns[0]:
            continue  # its identifiers
        found.append(column)
    return found


def _is_both(table: TextTable, rest: Sequence[TextTable], reading: Reading) -> bool:
    """Whether a clinical table is the modality, too: not called clinical, or alone."""
    if not _feature_columns(table):
        return False
    if reading.manifest.clinical.file is not None or reading.manifest.modalities:
        return not rest and not reading.manifest.modalities
    called = is_clinical_name(table.file) or _is_called_clinical(table)
    return not called or not rest


def _parted(table: TextTable, reading: Reading) -> tuple[TextTable, TextTable | None]:
    """Return the clinical columns and the features of a table, each with its identifiers."""
    features = _feature_columns(table)
    id_column = _id_of(table, reading)
    if id_column in features:
        features.remove(id_column)
    clinical = [c for c in table.columns if c not in features]
    keep = [*([id_column] if id_column is not None else []), *features]
    name = f"{table.file}/{RESERVED}"
    reading.files[name] = replace(
        reading.files[table.file], name=name, n_columns=len(clinical) - 1, turned=False
    )
    reading.files[table.file] = replace(reading.files[table.file], n_columns=len(features))
    if table.file in reading.id_columns:
        reading.id_columns[name] = reading.id_columns[table.file]
    own = [c for c in clinical if c != id_column]
    reading.found.warn(
        f"{table.file} holds clinical columns ({examples(own)}) and "
        f"{count(len(features), 'feature')} ({examples(features)}); it was read as both.",
        file=table.file,
        fix="If it is the clinical table alone, say so.",
        topic="both",
        values=(table.file,),
    )
    return (
        replace(table, file=name, table=table.table.select(clinical)),
        replace(table, table=table.table.select(keep)),
    )


def _id_of(table: TextTable, reading: Reading) -> str | None:
    declared = id_name(reading, table.file)
    column = find_id(table.columns, declared)
    if column is not None or not table.columns:
        return column
    first = table.columns[0]
    return first if pa.types.is_string(table.table[first].type) else None


def _with_outcome_of(
    clinical: TextTable, rest: list[TextTable], reading: Reading
) -> tuple[TextTable, list[TextTable]]:
    """Join the outcome that stands in a table of features to a clinical table without any."""
    told = [t for t in rest if holds_pair(t)]
    if not told:
        return clinical, rest
    if len(told) > 1:
        _ask_which(told, reading, "outcome file")
    own, features = _parted(told[0], reading)
    rest = [features if t is told[0] and features is not None else t for t in rest]
    id_column = id_name(reading, told[0].file)
    reading.set_role(own.file, "clinical")
    return join_table(clinical, own, reading, id_column=id_column), rest


def _modality_files(
    tables: list[TextTable], reading: Reading
) -> dict[str, tuple[TextTable, ModalitySection]]:
    """Return table and manifest section of each modality, in order."""
    declared = reading.manifest.modalities
    if not declared:
        return _guessed_modalities(tables, reading)
    chosen: dict[str, tuple[TextTable, ModalitySection]] = {}
    taken: set[str] = set()
    for name, section in declared.items():
        fits = [
            t
            for t in tables
            if t.file not in taken
            and (t.file == section.file if section.file else modality_name(t.file) == name)
        ]
        if fits:
            chosen[name] = (fits[0], section)
            taken.add(fits[0].file)
        elif section.file not in reading.files:
            reading.found.error(
                f"The manifest names the modality {name}, but its table is not there.",
                file=section.file or f"{name}.csv",
                fix="Add the file, or correct the manifest.",
                topic="modality",
                values=(name,),
            )
    left = [t.file for t in tables if t.file not in taken]
    if left:
        reading.found.warn(
            f"Tables that the manifest does not name left out: {examples(left)}.",
            topic="unnamed",
            values=tuple(left),
        )
    return chosen


def _guessed_modalities(
    tables: list[TextTable], reading: Reading
) -> dict[str, tuple[TextTable, ModalitySection]]:
    chosen: dict[str, tuple[TextTable, ModalitySection]] = {}
    for table in sorted(tables, key=lambda t: t.file):
        name = modality_name(table.file)
        if name == RESERVED:  # the features of a file that holds all roles
            name = "features"
        if name in chosen:
            reading.found.error(
                f"Two tables are called {name}.",
                file=table.file,
                fix="Give every table a name of its own, or leave one out.",
                topic="file",
            )
            continue
        chosen[name] = (table, ModalitySection())
    return chosen
