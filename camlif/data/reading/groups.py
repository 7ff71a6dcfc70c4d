"""Feature groups of a table: from the manifest, else from column names, else a single group.

Column names go in; groups with their columns come out. Raises `SchemaError` where the manifest's
groups overlap or name no column. A group is what one tokeniser network reads, so there should be
few, and each should mean something.
"""

from __future__ import annotations

import fnmatch
import glob
import itertools
import re
from collections.abc import Callable, Mapping, Sequence

from camlif.data.schema import GroupSpec
from camlif.exceptions import SchemaError

MIN_GROUPS = 2
MAX_GROUPS = 12
MIN_COLUMNS = 2
OTHER = "other"

_RADIOMICS = re.compile(
    r"^(?P<lead>.*?)(?P<image>original|exponential|gradient|lbp-\dD\w*|logarithm|square(?:root)?|"
    r"log-sigma-[\w.-]*?|wavelet[-.]?\w*)_(?P<family>shape2D|shape|firstorder|glcm|gldm|glrlm|"
    r"glszm|ngtdm)_",
    re.IGNORECASE,
)
_SUFFIX = re.compile(r"^.+_(rnaseq|rna|mrna|cnv|cna|mut|meth|mirna|prot)$", re.IGNORECASE)
_PREFIX = re.compile(r"^([^_.]+)[_.]")
_WORD_END = re.compile(r"(?<=[_.-])")
_WORD_START = re.compile(r"(?=[_.-])")
Label = Callable[[str], str | None]


def feature_groups(
    modality: str,
    columns: Sequence[str],
    declared: Mapping[str, Sequence[str]] | None = None,
) -> tuple[GroupSpec, ...]:
    """Return the groups of a table's columns, in the order of their first column.

    Parameters
    ----------
    modality : str
        Name of a single group.
    columns : sequence of str
        In file order, which holds within each group.
    declared : mapping of group name to column names or patterns, optional
        ``*`` matches any text. What no group takes forms the group ``other``.

    Raises
    ------
    SchemaError
        If a declared column does not exist or two groups claim it.
    """
    if declared:
        return _declared(modality, columns, declared)
    for label in (_radiomics_family, _image_type, _suffix, _prefix):
        groups = _labelled(columns, label)
        if groups:
            return groups
    return (GroupSpec(modality, tuple(columns)),)


def group_patterns(
    groups: Sequence[GroupSpec], declared: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """Say the columns of each group as a manifest would, in as few words as will do.

    Parameters
    ----------
    groups : sequence of GroupSpec
        Of one table, from `feature_groups`.
    declared : mapping of group name to column names or patterns
        What the manifest says; its words are kept.

    Returns
    -------
    mapping of group name to column names or patterns
        Empty for the group that holds what no other takes. Declaring the others gives the same
        groups again.
    """
    columns = [column for group in groups for column in group.columns]
    found: dict[str, tuple[str, ...]] = {}
    for group in groups:
        if group.name in declared:
            found[group.name] = tuple(declared[group.name])
        elif declared:
            found[group.name] = ()
        else:
            found[group.name] = _pattern(group.columns, columns)
    return found


def groups_text(groups: Mapping[str, Sequence[str]]) -> str:
    """Write groups for people, one ``name = columns`` a line; those without columns are left out.

    A comma within a column's name becomes ``?``, which stands for any character.
    """
    lines = [
        f"{name} = {', '.join(p.replace(',', '?') for p in patterns)}"
        for name, patterns in groups.items()
        if patterns
    ]
    return "\n".join(lines)


def parse_groups(text: str) -> dict[str, tuple[str, ...]]:
    """Read what `groups_text` writes; lines of the same name are one group.

    Raises
    ------
    SchemaError
        If a line has no name or no column.
    """
    groups: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, _, listed = (part.strip() for part in line.partition("="))
        patterns = tuple(p for part in listed.split(",") if (p := part.strip()))
        if not name or not patterns:
            raise SchemaError(
                f"Line {number} of the feature groups names no group or no column.",
                fix="Write it as: texture = glcm_*, glrlm_*",
            )
        groups[name] = groups.get(name, ()) + patterns
    return groups


def _pattern(members: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """One pattern that takes the members and no other column, else their names."""
    if len(members) == 1:
        return tuple(members)
    words = [_WORD_END.split(name) for name in members]
    ends = [_WORD_START.split(name)[::-1] for name in members]
    lead, tail = _shared_start(words), _shared_start(ends)[::-1]
    inner = [word for word in words[0] if all(word in others for others in words)]
    candidates = [
        [""],
        [*lead, ""],
        ["", *tail],
        *([*lead, "", word, ""] for word in inner),
    ]
    for candidate in candidates:
        pattern = "".join(glob.escape(word) or "*" for word in candidate)
        if fnmatch.filter(columns, pattern) == list(members):
            return (pattern,)
    return tuple(members)


def _shared_start(names: Sequence[Sequence[str]]) -> list[str]:
    """Words with which all names begin."""
    together = itertools.takewhile(lambda words: len(set(words)) == 1, zip(*names, strict=False))
    return [words[0] for words in together]


def _labelled(columns: Sequence[str], label: Label) -> tuple[GroupSpec, ...] | None:
    """Group by label if that gives few groups, each of several columns, over all columns."""
    groups: dict[str, list[str]] = {}
    for column in columns:
        name = label(column)
        if name is None:
            return None
        groups.setdefault(name, []).append(column)
    small = any(len(members) < MIN_COLUMNS for members in groups.values())
    # A single mutation column beside hundreds of others is a group by its meaning.
    small = small and label is not _suffix
    if not MIN_GROUPS <= len(groups) <= MAX_GROUPS or small:
        return None
    return tuple(GroupSpec(name, tuple(members)) for name, members in groups.items())


def _radiomics_family(column: str) -> str | None:
    """``original_glcm_Contrast`` gives ``glcm``; wavelets and filters keep their image type.

    What precedes the image type (a lesion, a mask) stays in front.
    """
    match = _RADIOMICS.match(column)
    if match is None:
        return None
    image = re.split(r"[-.]", match["image"].lower())[0]
    family = match["family"].lower()
    return match["lead"].lower() + (family if image == "original" else f"{image}_{family}")


def _image_type(column: str) -> str | None:
    """As `_radiomics_family`, but one group per filter: for tables with many filters."""
    match = _RADIOMICS.match(column)
    if match is None:
        return None
    image = re.split(r"[-.]", match["image"].lower())[0]
    return match["lead"].lower() + (match["family"].lower() if image == "original" else image)


def _suffix(column: str) -> str | None:
    match = _SUFFIX.match(column)
    return match[1].lower() if match else None


def _prefix(column: str) -> str | None:
    match = _PREFIX.match(column)
    return match[1].lower() if match else None


def _declared(
    modality: str, columns: Sequence[str], declared: Mapping[str, Sequence[str]]
) -> tuple[GroupSpec, ...]:
    known = set(columns)
    owner: dict[str, str] = {}
    for group, patterns in declared.items():
        for pattern in patterns:
            hits = [pattern] if pattern in known else fnmatch.filter(columns, pattern)
            if not hits:
                raise SchemaError(
                    f"Group {group} of {modality} names a column that is not there.",
                    column=pattern,
                    fix="Correct the feature groups.",
                )
            for column in hits:
                if owner.setdefault(column, group) != group:
                    raise SchemaError(
                        f"Groups {owner[column]} and {group} of {modality} share a column.",
                        column=column,
                        fix="Correct the feature groups.",
                    )
    groups = {group: [c for c in columns if owner.get(c) == group] for group in declared}
    rest = [c for c in columns if c not in owner]
    if rest:
        groups.setdefault(OTHER, []).extend(rest)
    return tuple(GroupSpec(name, tuple(members)) for name, members in groups.items())
