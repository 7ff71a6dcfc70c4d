"""Blocks of a page: what is said, in reading order, for `template/report.typ` to set.

They go to the template as JSON. ``kind`` is what it tells them apart by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from dashboard.figures.palette import LIGHT


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph, or a heading where ``style`` is ``h1`` or ``h2``; ``lead`` is set bold."""

    words: str
    style: Literal["h1", "h2", "label", "body", "small"] = "body"
    lead: str = ""
    color: str = LIGHT.text
    kind: str = field(default="text", init=False)


@dataclass(frozen=True, slots=True)
class Item:
    """A line of a list; ``lead`` is set bold."""

    words: str
    lead: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list."""

    items: tuple[Item, ...]
    small: bool = True
    kind: str = field(default="list", init=False)


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a row of headings; ``cases`` if each row leads to the page of its case."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    shares: tuple[float, ...]
    cases: bool = False
    kind: str = field(default="table", init=False)


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of a table of contributions: name, a second text under it, and the log risk."""

    name: str
    detail: str
    value: float
    number: str
    tone: str


@dataclass(frozen=True, slots=True)
class Bars:
    """A table of contributions; ``share`` of the width is for the names."""

    head: tuple[str, str]
    rows: tuple[Bar, ...]
    share: float
    kind: str = field(default="bars", init=False)


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing; ``alt`` says in words what it shows, ``beside`` stands to its right."""

    kind: Literal["icons", "strip", "curves", "course"]
    data: Mapping[str, Any]
    alt: str
    beside: tuple[Text, ...] = ()


Block = Sequence[Text | Listing | Table | Bars | Figure]


@dataclass(frozen=True, slots=True)
class Row:
    """Blocks side by side, with their shares of the width."""

    blocks: tuple[Block, ...]
    shares: tuple[float, ...] = (1.0,)
