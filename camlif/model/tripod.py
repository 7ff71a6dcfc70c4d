"""TRIPOD+AI table of a bundle: what it answers of each item, and where the answer stands.

A bundle goes in; rows come out, as records, a table or Markdown. Nothing fails: an item without an
answer says so.

References
----------
Collins et al., TRIPOD+AI statement, BMJ 2024;385:e078378.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import pandas as pd
from pydantic import BaseModel, ConfigDict

from camlif.model.card import environment

if TYPE_CHECKING:
    from camlif.model.bundle import Bundle

COLUMNS = ("item", "section", "topic", "status", "answer", "found in")


class Status(StrEnum):
    """How far a bundle answers an item."""

    REPORTED = "reported"
    PARTIAL = "partial"
    NOT_REPORTED = "not reported"
    NOT_APPLICABLE = "not applicable"


class _Item(BaseModel):
    """An item of ``tripod.toml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: str
    section: str
    topic: str
    answer: str = ""
    sources: tuple[str, ...] = ()
    partial: bool = False
    not_applicable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TripodRow:
    """An item with its answer.

    Attributes
    ----------
    number, section, topic : str
    status : Status
    answer : str
        Empty where the bundle does not know.
    sources : tuple of str
        Attributes of the bundle that the answer reads, such as ``card.data.n_patients``.
    """

    number: str
    section: str
    topic: str
    status: Status
    answer: str
    sources: tuple[str, ...]


def tripod_rows(bundle: Bundle) -> tuple[TripodRow, ...]:
    """Answer every item from the bundle; no text of it is kept anywhere."""
    names = {
        "c": bundle.card,
        "i": bundle.info,
        "t": bundle.config.training,
        "n": bundle.config.network,
        "s": bundle.schema,
        "r": bundle.reference,
    }
    rendering = environment()
    rows = []
    for item in _items():
        answer = " ".join(rendering.from_string(item.answer).render(names).split())
        rows.append(
            TripodRow(
                number=item.number,
                section=item.section,
                topic=item.topic,
                status=_status(item, answer),
                answer=item.not_applicable or answer,
                sources=item.sources if answer else (),
            )
        )
    return tuple(rows)


def tripod_table(rows: Sequence[TripodRow]) -> pd.DataFrame:
    """Return the rows as text, columns `COLUMNS`."""
    cells = [
        (r.number, r.section, r.topic, r.status.value, r.answer, ", ".join(r.sources)) for r in rows
    ]
    return pd.DataFrame(cells, columns=list(COLUMNS))


def tripod_markdown(rows: Sequence[TripodRow]) -> str:
    """Return the rows as a section of the card."""
    lines = [
        "## TRIPOD+AI",
        "Answered from the bundle by machine; what it does not know is not reported.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|" + "---|" * len(COLUMNS),
    ]
    for _, row in tripod_table(rows).iterrows():
        lines.append(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |")
    return "\n".join(lines) + "\n"


@cache
def _items() -> tuple[_Item, ...]:
    text = (files("camlif.model") / "tripod.toml").read_text(encoding="utf-8")
    return tuple(_Item.model_validate(item) for item in tomllib.loads(text)["item"])


def _status(item: _Item, answer: str) -> Status:
    if item.not_applicable:
        return Status.NOT_APPLICABLE
    if not answer:
        return Status.NOT_REPORTED
    return Status.PARTIAL if item.partial else Status.REPORTED
