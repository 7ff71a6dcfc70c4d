"""Plain names of columns by the rules of the programs that make them.

A column's name goes in, `ColumnWords` come out: PyRadiomics (filter_class_Feature), IBSI's short
names, QuPath ("Nucleus: Area µm^2"), genes with an Entrez identifier or an assay, microarray
probes, staging, statistics over regions. Any other name is spelled out. Nothing fails.

References
----------
van Griethuysen et al. (2017), Cancer Research 77:e104 (PyRadiomics); Zwanenburg et al. (2020),
Radiology 295:328 (IBSI); Bankhead et al. (2017), Scientific Reports 7:16878 (QuPath).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache

from camlif.data.schema import ColumnWords

RADIOMIC_FAMILIES = {
    "shape": "shape",
    "shape2D": "shape in a slice",
    "firstorder": "intensity",
    "glcm": "co-occurrence texture",
    "glrlm": "run-length texture",
    "glszm": "size-zone texture",
    "gldm": "dependence texture",
    "ngtdm": "neighbourhood texture",
}
"""Classes of PyRadiomics."""
SHAPE_UNITS = {
    "Volume": "mm³",
    **dict.fromkeys(("Area", "Surface"), "mm²"),
    **dict.fromkeys(("Diameter", "AxisLength", "Perimeter"), "mm"),
}
"""Units of its shapes, by how their names end."""
IBSI_FAMILIES = {
    "morph": "shape",
    "loc": "local intensity",
    "stat": "intensity",
    "ih": "intensity histogram",
    "ivh": "intensity-volume histogram",
    "cm": "co-occurrence texture",
    "rlm": "run-length texture",
    "szm": "size-zone texture",
    "dzm": "distance-zone texture",
    "ngt": "neighbourhood texture",
    "ngl": "dependence texture",
}
"""Prefixes of IBSI's names."""
ASSAYS = {
    **dict.fromkeys(("rnaseq", "rna", "mrna", "expr", "expression", "gene"), "expression"),
    **dict.fromkeys(("cnv", "cna", "gistic"), "copy number"),
    **dict.fromkeys(("mut", "mutation"), "mutation"),
    **dict.fromkeys(("meth", "methylation"), "methylation"),
    **dict.fromkeys(("protein", "rppa"), "protein"),
}
ASSAY_LEVELS: Mapping[str, Mapping[str, str]] = {
    "mutation": {"0": "absent", "1": "present"},
    "copy number": {"-2": "deep loss", "-1": "loss", "0": "neutral", "1": "gain", "2": "high gain"},
}
STATISTICS = {
    **dict.fromkeys(("mean", "avg", "average"), "mean"),
    **dict.fromkeys(("sd", "std", "stddev", "stdDev"), "spread (SD)"),
    **dict.fromkeys(("var", "variance"), "variance"),
    "cv": "coefficient of variation",
    "median": "median",
    **dict.fromkeys(("min", "minimum"), "lowest"),
    **dict.fromkeys(("max", "maximum"), "highest"),
    "iqr": "interquartile range",
    "skewness": "skewness",
    "kurtosis": "kurtosis",
}
UNITS = {"mm2": "mm²", "mm3": "mm³", "cm2": "cm²", "cm3": "cm³", "um": "µm", "um2": "µm²"}
PLAIN_UNITS = {"mm", "cm", "ml", "kg", "months", "days", "weeks", "years", *UNITS}
ABBREVIATIONS = {
    word.casefold(): word
    for word in (
        *("AFP", "ALK", "BMI", "BRAF", "CA125", "CEA", "CNV", "CRP", "CT", "DNA", "ECOG", "EGFR"),
        *("ER", "FEV1", "GTV", "H&E", "HER2", "HPV", "ICD", "IDH", "IHC", "KPS", "LDH", "MCH"),
        *("MCHC", "MCV", "MGMT", "MHC1", "MPV", "MRI", "PD-L1", "PDW", "PET", "PR", "PSA", "RDW"),
        *("RNA", "SUV", "TNM", "UICC", "WBC", "WHO", "Ki-67", "mRNA", "miRNA"),
    )
} | {"ki67": "Ki-67", "pdl1": "PD-L1", "he": "H&E"}
_CAMEL = re.compile(
    r"(?<=[a-z])(?=[A-Z0-9])|(?<=[0-9])(?=[A-Z][a-z])|(?<=D)(?=[A-Z][a-z])|(?<=[A-Z])(?=[A-Z][a-z])"
)
_ASSAY = "|".join(ASSAYS)
_FAMILY = "|".join(RADIOMIC_FAMILIES)
_STATISTIC = "|".join(STATISTICS)


def spell_out(name: str) -> str:
    """Return a technical name as words: ``perineural_invasion`` as ``Perineural invasion``."""
    words = [_word(word) for word in re.split(r"[_\s]+|(?<!\d)\.|\.(?!\d)", name) if word]
    return _capitalised(" ".join(words)) or name


def _word(word: str) -> str:
    if re.fullmatch(r"cd\d+[a-z]?", word):
        return word.upper()
    return UNITS.get(word, ABBREVIATIONS.get(word.casefold(), word))


def _capitalised(text: str) -> str:
    """Begin with a capital, unless the first word has one of its own: ``mRNA``, ``pT stage``."""
    first = text.split(" ", 1)[0]
    return text if any(c.isupper() for c in first) else text[:1].upper() + text[1:]


def _camel(name: str) -> str:
    """Spell out ``Maximum3DDiameter`` as ``Maximum 3D diameter``."""
    words = _CAMEL.sub(" ", name).replace("_", " ").split()
    lower = [w.lower() if re.fullmatch("[A-Z][a-z]+", w) else w for w in words]
    text = re.sub(r"^(\d+) percentile", r"\1th percentile", " ".join(lower))
    return _capitalised(text)


def _radiomic(match: re.Match[str]) -> ColumnWords:
    measure, family = match["measure"], match["family"]
    where = [RADIOMIC_FAMILIES[family]]
    if match["filter"] != "original":
        where.append(re.sub(r"[-_]", " ", match["filter"]))
    if match["mask"]:
        where.append(spell_out(match["mask"]).lower())
    found = re.search(f"({'|'.join(SHAPE_UNITS)})$", re.sub("(Column|Row|Slice)$", "", measure))
    unit = SHAPE_UNITS[found[1]] if found and family.startswith("shape") else ""
    return ColumnWords(f"{_camel(measure)} ({', '.join(where)})", unit)


def _ibsi(match: re.Match[str]) -> ColumnWords:
    return ColumnWords(f"{spell_out(match['rest'])} ({IBSI_FAMILIES[match['family']]})")


def _qupath(match: re.Match[str]) -> ColumnWords:
    rest, unit = match["rest"].strip(), ""
    found = re.search(r"\s*\(?(?P<length>µm|um|px)(?:\^?(?P<power>[23²³]))?\)?", rest)
    if found:
        power = {"2": "²", "3": "³"}.get(found["power"] or "", found["power"] or "")
        unit = found["length"].replace("um", "µm") + power
        rest = rest[: found.start()] + rest[found.end() :]
    rest = re.sub(r"\bOD\b", "optical density", rest.replace(":", ","))
    return ColumnWords(f"{_capitalised(rest.strip())} ({match['part'].lower()})", unit)


def _assayed(match: re.Match[str]) -> ColumnWords:
    assay, gene = ASSAYS[match["assay"].lower()], match["gene"].partition("|")[0]
    named = spell_out(gene) if "_" in gene else gene
    if named.isdigit():
        named = f"Gene {named}"
    return ColumnWords(f"{named} {assay}", levels=ASSAY_LEVELS.get(assay, {}))


def _statistic(match: re.Match[str]) -> ColumnWords:
    quantile = re.fullmatch(r"[qp](\d+)", match["statistic"])
    said = f"{quantile[1]}th percentile" if quantile else STATISTICS[match["statistic"]]
    base = name_by_rule(match["base"])
    region = f", region {match['region']}" if match["region"] else ""
    return ColumnWords(f"{base.name}, {said}{region}", base.unit)


def _stage(match: re.Match[str]) -> ColumnWords:
    return ColumnWords(
        f"{(match['prefix'] or '').lower()}{match['letter'].upper()} stage", worse="higher"
    )


def _texture(match: re.Match[str]) -> ColumnWords:
    stain = ABBREVIATIONS.get(match["stain"], match["stain"].upper())
    return ColumnWords(f"{stain} deep texture {int(match['number'])}")


def _with_unit(match: re.Match[str]) -> ColumnWords:
    unit = match["unit"]
    return ColumnWords(spell_out(match["base"]), UNITS.get(unit, unit))


def _probe(match: re.Match[str]) -> ColumnWords:
    return ColumnWords(f"Gene probe {match['id']}")


RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], ColumnWords]], ...] = tuple(
    (re.compile(pattern), rule)
    for pattern, rule in (
        (
            rf"(?:(?P<mask>\w+?)_)?(?P<filter>original|wavelet-?[LH]+|log-sigma-[\w.-]+?|squareroot"
            rf"|square|logarithm|exponential|gradient|lbp-\w+?(?:-\w+?)?)_(?P<family>{_FAMILY})_"
            r"(?P<measure>\w+)",
            _radiomic,
        ),
        (rf"(?P<family>{'|'.join(IBSI_FAMILIES)})_(?P<rest>[a-z][a-z0-9_.]+)", _ibsi),
        (
            r"(?P<part>Nucleus/Cell|Nucleus|Cell|Cytoplasm|Membrane|ROI|Detection|Delaunay)"
            r"(?::\s*|\s+(?=area ratio))(?P<rest>.+)",
            _qupath,
        ),
        (r"X?(?P<id>\d{3,}(?:_[a-z]{1,2})?_at|ILMN_\d+|A_\d\d_P\d+)", _probe),
        (r"(?P<id>cg\d{8})", lambda m: ColumnWords(f"CpG site {m['id']}")),
        (r"(?P<id>ENSG\d{11})(?:\.\d+)?", lambda m: ColumnWords(f"Gene {m['id']}")),
        (r"hsa[-_](?P<kind>mir|miR|let)[-_](?P<id>\w[\w-]*)", lambda m: ColumnWords(_mirna(m))),
        (r"(?P<gene>[A-Z][\w.-]*)\s?(?:\|\d+|\(\d+\))", lambda m: ColumnWords(m["gene"])),
        (rf"(?P<gene>[A-Z0-9][\w.|-]*)_(?P<assay>{_ASSAY})", _assayed),
        (rf"(?P<assay>{_ASSAY})_(?P<gene>[\w.|-]+)", _assayed),
        (r"(?P<stain>[a-z0-9]+)_dtr_(?P<number>\d+)", _texture),
        (r"(?P<prefix>yp|[cp])?(?P<letter>[TNM])", _stage),
        (
            r"(?P<prefix>yp|[cpyCP])?_?(?P<letter>[TNMtnm])_?(?:stage|Stage|STAGE)(?:_ordinal)?"
            r"(?:_code)?",
            _stage,
        ),
        (
            rf"(?P<base>[A-Za-z]\w*)_(?P<statistic>{_STATISTIC}|[qp]\d\d)(?:_r(?P<region>\d+))?",
            _statistic,
        ),
        (rf"(?P<base>[A-Za-z]\w*?)(?:_in)?_(?P<unit>{'|'.join(sorted(PLAIN_UNITS))})", _with_unit),
    )
)


def _mirna(match: re.Match[str]) -> str:
    return f"{'let' if match['kind'] == 'let' else 'miR'}-{match['id']}"


@cache
def name_by_rule(column: str) -> ColumnWords:
    """Return what a column is called by the first rule that fits all of its name."""
    for pattern, rule in RULES:
        match = pattern.fullmatch(column)
        if match is not None:
            return rule(match)
    return ColumnWords(spell_out(column))
