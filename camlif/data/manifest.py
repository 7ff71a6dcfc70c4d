"""``cohort.toml``: what a cohort folder says of itself. Every entry is optional.

The file's text goes in; a frozen `Manifest` comes out, and goes back with changes. Raises
`SchemaError` with the entry that is unknown or of another type.

Example
-------
::

    title = "Synthetic glioma"
    badge = "synthetic"

    [endpoint]
    name = "overall survival"

    [clinical]
    duration = "follow_up_days"
    duration_unit = "days"
    inputs = ["age", "sex"]
    subtype = "subtype"

    [modalities.pathology]
    file = "pathology.csv"
    groups = { tumour = ["tumour_*"], stroma = ["stroma_*"] }

    [units]
    age = "years"

    [names]
    "gene_*" = "Gene *"
    pT_code = { name = "pT stage", worse = "higher", levels = { 1 = "pT1", 2 = "pT2" } }
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from camlif.data.schema import CohortInfo, ColumnWords, Endpoint, Worse
from camlif.exceptions import SchemaError

MANIFEST = "cohort.toml"
DurationUnit = Literal["days", "weeks", "months", "years"]
AgeUnit = Literal["days", "weeks", "months", "years"]
Encoding = Literal[
    "utf-8",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "cp1250",
    "cp1251",
    "cp1252",
    "cp1253",
    "cp1254",
    "latin-1",
    "mac_roman",
    "shift_jis",
    "gb18030",
    "euc_kr",
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EndpointSection(_Section):
    """What the event is, in words (see `Endpoint`)."""

    name: str = "overall survival"
    event_noun: str = "death"
    event_free: str = "alive"


class ClinicalSection(_Section):
    """The clinical table. An empty text says that there is no such file or column.

    Attributes
    ----------
    file : str or None
    id : str or None
        Column of patient identifiers in this table, before the manifest's own ``id``.
    duration, event : str or None
        Columns of follow-up and event status.
    duration_else : str or None
        Time to the last contact, where ``duration`` is the time of patients with the event alone.
    start : str or None
        Date from which the follow-up runs, where ``duration`` and ``duration_else`` are dates.
    date_order : {"dmy", "mdy"} or None
        Whether 03/04/2015 is in April or in March.
    duration_unit : {"days", "weeks", "months", "years"} or None
    entry : str or None
        Column of the times from which patients were under observation (delayed entry), in the unit
        that its name tells, else that of the follow-up.
    event_values : tuple of str
        Cells that mean that the event was observed; all others mean that it was not. ``*`` is any
        text, so that blank cells mean that it was not.
    inputs : tuple of str or None
        Columns offered as model inputs; None takes every suitable one.
    exclude : tuple of str
        Columns never offered as inputs.
    include : tuple of str
        Columns that are inputs although their name or values speak of the outcome.
    subtype, grade : str or None
    age, sex : str or None
        Columns that models read as ``age`` and ``sex``.
    age_unit : {"days", "weeks", "months", "years"} or None
        What ages are given in; models read years.
    centre : str or None
        Column of the hospital or site, which no model reads.
    negative_durations : {"error", "drop"}
        ``drop`` keeps such patients without outcome.
    zero_durations : {"keep", "drop"}
    late_entries : {"error", "drop"}
        Patients whose entry is not before the end of their follow-up.
    missing : mapping of column to cells
        Cells that mean "missing", beside the usual ones; ``*`` in a column matches any text.
    rename : mapping of column to name
        What columns are called instead, before anything else here looks at them.
    levels : mapping of column to mapping of cell to level
        What the codes of a category stand for: ``sex = { 1 = "male", 2 = "female" }``.
    """

    file: str | None = None
    id: str | None = None
    duration: str | None = None
    duration_else: str | None = None
    start: str | None = None
    date_order: Literal["dmy", "mdy"] | None = None
    duration_unit: DurationUnit | None = None
    event: str | None = None
    entry: str | None = None
    event_values: tuple[str, ...] = ()
    inputs: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    subtype: str | None = None
    grade: str | None = None
    age: str | None = None
    age_unit: AgeUnit | None = None
    sex: str | None = None
    centre: str | None = None
    negative_durations: Literal["error", "drop"] = "error"
    zero_durations: Literal["keep", "drop"] = "keep"
    late_entries: Literal["error", "drop"] = "error"
    missing: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    rename: dict[str, str] = Field(default_factory=dict)
    levels: dict[str, dict[str, str]] = Field(default_factory=dict)


class ModalitySection(_Section):
    """One modality.

    Attributes
    ----------
    file : str or None
        Its table; None stands for the file of the modality's name.
    id : str or None
        Column of patient identifiers in this table, before the manifest's own ``id``.
    type : {"table", "bag"}
        A bag has one row per instance (region, patch), several per patient.
    max_instances : int or None
    groups : mapping of group name to column names, where ``*`` matches any text
        Columns that no group takes form the group ``other``.
    exclude : tuple of str
        Columns left out, ``*`` as above.
    include : tuple of str
        Columns that are features although their name or values speak of the outcome.
    keep : mapping of column to cells
        Only rows with one of the cells are read: one label of several masks a patient.
    missing : mapping of column to cells
        Cells that mean "missing", beside the usual ones; columns may hold ``*``.
    rename : mapping of column to name
        What columns are called instead, before anything else here looks at them.
    """

    file: str | None = None
    id: str | None = None
    type: Literal["table", "bag"] = "table"
    max_instances: int | None = Field(default=None, ge=1)
    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    keep: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    missing: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    rename: dict[str, str] = Field(default_factory=dict)


class NameEntry(_Section):
    """What people call a column, a feature group or a modality: see `ColumnWords`.

    A text alone is the name.
    """

    name: str = Field(min_length=1)
    unit: str = ""
    levels: dict[str, str] = Field(default_factory=dict)
    worse: Worse = ""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def words(self) -> ColumnWords:
        """The entry as the library carries it."""
        return ColumnWords(self.name, self.unit, self.levels, self.worse)

    @classmethod
    def of(cls, words: ColumnWords) -> NameEntry:
        """Return the entry that says these words."""
        return cls(name=words.name, unit=words.unit, levels=dict(words.levels), worse=words.worse)


def _check_pattern(name: str) -> str:
    if name.count("*") > 1:
        raise ValueError("a name may hold one * only, which matches any text")
    return name


class Manifest(_Section):
    """The whole file.

    Attributes
    ----------
    id : str or None
        Column of patient identifiers, the same in every table.
    id_length : int or None
        Identifiers are cut to so many characters: 12 makes TCGA patients of samples.
    token_key : str or None
        Identifiers are replaced by keyed hashes of this key. Whoever has the key can tell which
        token an identifier gets, so it is as private as the tables.
    ids : {"exact", "alike", "within"} or None
        Whether identifiers that differ in case, signs, zeros or Unicode alone are one patient's;
        ``within`` also those of the clinical table with something before or behind: ``P1_CT``.
    samples : {"primary", "tumour", "all"}
        Which samples of TCGA barcodes are read: primary tumours, all tumours, or all tissue.
    duplicates : {"error", "first", "mean", "largest"}
        What to do with a patient who has several different rows in a table. ``largest`` keeps the
        row of the largest mask and needs a volume or voxel count of PyRadiomics.
    ignore : tuple of str
        Files not read.
    parts : mapping of name to files
        Tables that are one: with rows of other patients, or other columns of the same ones.
    drop : tuple of str
        Columns removed from every table before anything else looks at them; ``*`` matches any text.
    sheets : mapping of file to sheet
        Which sheet of a workbook is the table.
    encodings : mapping of file to encoding
        Of text files, by Python's names; else UTF-8, UTF-16 by its mark, or cp1252.
    decimal : mapping of file to {",", "."}
        The decimal mark of a table whose numbers leave it open; the other mark parts thousands.
    patients_in : mapping of file to {"rows", "columns"}
        Where the patients of a table are; else its headers and first column tell.
    names : mapping of column, feature group or modality to NameEntry
        What people call them; one ``*`` matches any text, and stands for it in the name.
    modalities : mapping of name to ModalitySection
        Names and order; without it every other table of the folder is a modality.
    """

    title: str | None = None
    badge: Literal["synthetic", "public", "uploaded"] = "uploaded"
    profile: str = "generic"
    source: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()
    oracle_c_index: float | None = Field(default=None, ge=0, le=1)
    id: str | None = None
    id_length: int | None = Field(default=None, ge=1)
    token_key: str | None = Field(default=None, min_length=16)
    ids: Literal["exact", "alike", "within"] | None = None
    samples: Literal["primary", "tumour", "all"] = "primary"
    duplicates: Literal["error", "first", "mean", "largest"] = "error"
    ignore: tuple[str, ...] = ()
    parts: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    drop: tuple[str, ...] = ()
    sheets: dict[str, str] = Field(default_factory=dict)
    encodings: dict[str, Encoding] = Field(default_factory=dict)
    decimal: dict[str, Literal[",", "."]] = Field(default_factory=dict)
    patients_in: dict[str, Literal["rows", "columns"]] = Field(default_factory=dict)
    endpoint: EndpointSection = EndpointSection()
    clinical: ClinicalSection = ClinicalSection()
    modalities: dict[str, ModalitySection] = Field(default_factory=dict)
    units: dict[str, str] = Field(default_factory=dict)
    names: dict[Annotated[str, AfterValidator(_check_pattern)], NameEntry] = Field(
        default_factory=dict
    )

    def info(self, title: str, subtype: str | None, grade: str | None) -> CohortInfo:
        """Return the cohort's description; ``title`` serves where the manifest has none.

        Parameters
        ----------
        title : str
            Title of a cohort whose manifest has none, such as its folder's name.
        subtype, grade : str or None
            Clinical columns that hold the subtype and the grade; None where the cohort has none.
        """
        return CohortInfo(
            title=self.title or title,
            badge=self.badge,
            profile=self.profile,
            endpoint=Endpoint(
                name=self.endpoint.name,
                event_noun=self.endpoint.event_noun,
                event_free=self.endpoint.event_free,
            ),
            subtype_column=subtype,
            grade_column=grade,
            units=dict(self.units),
            names={name: entry.words for name, entry in self.names.items()},
            source=self.source,
            licence=self.licence,
            notes=self.notes,
            oracle_c_index=self.oracle_c_index,
        )

    def to_toml(self) -> str:
        """Return the text of a ``cohort.toml`` with every entry that differs from its default."""
        return _toml(self.model_dump(mode="json", exclude_defaults=True, exclude_none=True))


def read_manifest(source: Path | bytes | str) -> Manifest:
    """Read a manifest from a file, or from its content.

    Raises
    ------
    SchemaError
        If it is no TOML, or has unknown or unsuitable entries; the message names each.
    """
    try:
        text = source.read_text("utf-8") if isinstance(source, Path) else source
        text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        return Manifest.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SchemaError(f"The manifest is no valid TOML: {error}.", file=MANIFEST) from error
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()
        )
        raise SchemaError(
            f"The manifest has entries we can't use: {wrong}.", file=MANIFEST
        ) from error


def _toml(data: dict[str, Any], path: tuple[str, ...] = ()) -> str:
    """Write nested dictionaries of texts, numbers and lists as TOML."""
    plain = {k: v for k, v in data.items() if not isinstance(v, dict)}
    tables = {k: v for k, v in data.items() if isinstance(v, dict)}
    lines = [f"{_key(k)} = {_value(v)}" for k, v in plain.items()]
    if path and (lines or not tables):
        lines.insert(0, f"[{'.'.join(map(_key, path))}]")
    blocks = ["\n".join(lines)] if lines else []
    blocks += [_toml(v, (*path, k)) for k, v in tables.items()]
    return "\n\n".join(block.strip("\n") for block in blocks) + "\n"


def _key(key: str) -> str:
    plain = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if plain else _value(key)


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_value(v) for v in value)}]"
    # JSON and TOML agree on numbers, true and false; on texts once nothing but controls is escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of a manifest gets another value.

    Attributes
    ----------
    path : tuple of str
        Sections and entry: ``("clinical", "duration_unit")``.
    value : object
        Text, number, list or dictionary of these; None takes the entry out.
    add : bool
        Whether a list is lengthened by the new members of ``value`` instead of replaced.
    """

    path: tuple[str, ...]
    value: Any
    add: bool = False


def apply_changes(manifest: Manifest, changes: Iterable[Change]) -> Manifest:
    """Return the manifest with the changes made, in their order.

    Raises
    ------
    SchemaError
        If the result is no valid manifest.
    """
    data = manifest.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    for change in changes:
        section = data
        for name in change.path[:-1]:
            section = section.setdefault(name, {})
        key = change.path[-1]
        if change.value is None:
            section.pop(key, None)
        elif change.add:
            section[key] = list(dict.fromkeys([*section.get(key, ()), *change.value]))
        else:
            section[key] = change.value
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise SchemaError(
            f"The entry {'.'.join(map(str, first['loc']))} can't be set: {first['msg']}.",
            file=MANIFEST,
        ) from error
