"""Texts of problems, by id. A text says what happened, where, and how to mend it.

An id or an error of the library goes in, a text comes out; the ids are those of the product's
table of messages. Raises KeyError for an unknown id.
"""

from __future__ import annotations

from camlif.exceptions import CamlifError, DataError
from camlif.wording import RESEARCH_USE

BANNER = RESEARCH_USE
GATE = (
    "Results describe groups of past patients, not one person's certain outcome.",
    "Models may be wrong, above all for patients unlike those they were trained on.",
    "What is opened, shown and exported may be noted in the audit trail of this computer.",
)

TEXTS = {
    "E-02": (
        "{file} is {size} MB; the limit is {limit} MB. Save as Parquet (about half the size) or "
        "put it into the import folder, or score with the command line."
    ),
    "E-08": "No follow-up time found. You can still score cases; survival curves stay off.",
    "E-18": (
        "The import folder isn't enabled here. Name one in CAMLIF_IMPORT and start the dashboard "
        "again."
    ),
    "E-31": (
        "This link points to a case that isn't in the loaded cohort. "
        "Load the cohort it came from or pick a case."
    ),
    "E-41": (
        "Run {run} stopped at step {step}. Your data are safe: the log says why, and it can be "
        "tried again."
    ),
    "E-42": (
        "This address belongs to tables that aren't loaded. Uploaded data are erased when a "
        "session ends, by inactivity or a reload. Load the same tables again, or pick a cohort."
    ),
    "E-50": "Something went wrong on our side (code {reference}). Other pages still work.",
}


def text(code: str, **fields: str) -> str:
    """Return a message's text with its fields filled in, led by its id."""
    return f"{code}: {TEXTS[code].format(**fields)}"


def describe(error: CamlifError) -> str:
    """Return one line for an error that the library raised on purpose."""
    if isinstance(error, DataError) and error.code:
        return f"{error.code}: {error}"
    return str(error)
