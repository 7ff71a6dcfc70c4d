"""Units in which clinics and laboratories give a quantity, and how large each makes its numbers.

In go two names of columns or none, out come the units that a name may be in. Units between which
only a table of normal values decides, such as percent and cells per litre, are not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from camlif.data.reading.ages import YEARS_PER_UNIT
from camlif.data.reading.roles import is_age
from camlif.data.reading.words import parts, without_brackets, without_entity


@dataclass(frozen=True, slots=True)
class Conversion:
    """From one unit of a quantity to another.

    Attributes
    ----------
    unit, other : str
    factor : float
        Of the numbers in ``unit``, to have them in ``other``.
    """

    unit: str
    other: str
    factor: float


_CELLS = {"10^9/L": 1.0, "cells/µL": 1000.0}
_GRAMS = {"g/dL": 1.0, "g/L": 10.0}
_LENGTH = {"mm": 1.0, "cm": 0.1, "µm": 1000.0}
_AGE: Mapping[str, float] = {unit: 1 / years for unit, years in YEARS_PER_UNIT.items()}

_QUANTITIES: tuple[tuple[str, Mapping[str, float]], ...] = (
    (
        "hemoglobin haemoglobin hamoglobin haemoglobine hemoglobine hemoglobina emoglobina hb hgb",
        {"g/dL": 1.0, "g/L": 10.0, "mmol/L": 0.6206},
    ),
    ("mchc", {"g/dL": 1.0, "g/L": 10.0, "mmol/L": 0.6206}),
    ("mch", {"pg": 1.0, "fmol": 0.06206}),
    ("hematocrit haematocrit hamatokrit hematocrito ematocrito hct", {"%": 1.0, "L/L": 0.01}),
    (
        "leukocytes leucocytes leukozyten wbc neutrophils neutrophil neutrophile granulocytes "
        "granulozyten lymphocytes lymphocyte lymphozyten monocytes monozyten eosinophils "
        "eosinophile basophils basophile platelets thrombocytes thrombozyten plt",
        _CELLS,
    ),
    ("creatinine kreatinin creatinina crea krea", {"mg/dL": 1.0, "µmol/L": 88.42}),
    ("glucose glukose glucosa glucosio", {"mg/dL": 18.016, "mmol/L": 1.0}),
    ("bilirubin bilirubine bilirubina", {"mg/dL": 1.0, "µmol/L": 17.10}),
    ("calcium kalzium calcio", {"mg/dL": 4.008, "mmol/L": 1.0}),
    ("urea harnstoff uree", {"mg/dL": 6.006, "mmol/L": 1.0}),
    ("bun", {"mg/dL": 2.801, "mmol/L": 1.0}),
    ("cholesterol cholesterin hdl ldl", {"mg/dL": 38.67, "mmol/L": 1.0}),
    ("triglycerides triglyzeride triglyceride", {"mg/dL": 88.57, "mmol/L": 1.0}),
    ("urate harnsaure", {"mg/dL": 1.0, "µmol/L": 59.48}),
    ("albumin albumine albumina", _GRAMS),
    ("protein eiweiss", _GRAMS),
    ("crp", {"mg/L": 1.0, "mg/dL": 0.1}),
    ("iron eisen ferro", {"µg/dL": 1.0, "µmol/L": 0.1791}),
    ("testosterone testosteron", {"ng/dL": 1.0, "nmol/L": 0.03467}),
    ("psa cea afp", {"ng/mL": 1.0, "ng/dL": 100.0}),
    ("ldh", {"U/L": 1.0, "µkat/L": 1 / 60}),
    ("weight gewicht poids peso", {"kg": 1.0, "lb": 2.2046, "g": 1000.0}),
    ("height grosse taille altura", {"cm": 1.0, "m": 0.01, "in": 1 / 2.54}),
    ("size diameter depth thickness length width durchmesser tiefe dicke laenge", _LENGTH),
)
"""Words of a name, and the size of the same value's number in each unit. Of the sizes only ratios
count. Molar masses: haemoglobin by its monomer of 16,114 g/mol, as laboratories report it."""

MAX_WORDS_OF_LENGTH = 4
"""``infiltration_depth_in_mm``; what is longer measures an image: ``cluster_size_mean_of_...``."""

_UNITS = {word: units for words, units in _QUANTITIES for word in words.split()}


def conversions(name: str) -> tuple[Conversion, ...]:
    """Return what a column may have to be converted by, as its name tells; empty where none does.

    Parameters
    ----------
    name : str
        Of a column, of which no word is of another quantity: ``Hb (g/dL)``, ``tumor_size_mm``.

    Examples
    --------
    >>> [(c.unit, c.other) for c in conversions("crp")]
    [('mg/L', 'mg/dL'), ('mg/dL', 'mg/L')]
    """
    units = _units_of(name)
    return tuple(
        Conversion(unit, other, units[other] / units[unit])
        for unit in units
        for other in units
        if unit != other
    )


def _units_of(name: str) -> Mapping[str, float]:
    if is_age(name):
        return _AGE
    words = parts(without_entity(without_brackets(name)))
    known = [_UNITS[word] for word in words if word in _UNITS]
    if len(known) != 1 or (known[0] is _LENGTH and len(words) > MAX_WORDS_OF_LENGTH):
        return {}
    return known[0]
