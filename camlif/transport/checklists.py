"""What TRIPOD+AI and PROBAST+AI ask of an evaluation, answered from facts.

A validation goes in, rows come out. An item that the data do not answer is "unknown"; how a risk of
bias is judged is left to the reader.

References
----------
Collins et al., TRIPOD+AI, BMJ 2024;385:e078378. Moons et al., PROBAST+AI, BMJ 2025;388:e082505.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from camlif.model.card import environment
from camlif.statistics.gate import MIN_EVENTS, MIN_PATIENTS
from camlif.wording import count, listed, period

if TYPE_CHECKING:
    from camlif.transport.validation import Validation

Checklist = Literal["tripod", "probast"]
UNKNOWN = "unknown"


class _Item(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    number: str
    topic: str
    answer: str = ""
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An item of a checklist and what the validation says of it; `UNKNOWN` where nothing.

    Attributes
    ----------
    number, topic, answer : str
    partial : bool
        The data answer a part of what is asked.
    """

    number: str
    topic: str
    answer: str
    partial: bool


def answers(checklist: Checklist, found: Validation) -> tuple[Answer, ...]:
    """Answer every item of a checklist.

    Parameters
    ----------
    checklist : {"tripod", "probast"}
    found : Validation
    """
    names = {
        "v": found,
        "f": found.flow,
        "horizons": listed([period(h.gate.horizon) for h in found.horizons]),
        "kinds": listed(list(dict.fromkeys(group.kind.lower() for group in found.groups))),
        "count": count,
        "min_patients": MIN_PATIENTS,
        "min_events": MIN_EVENTS,
    }
    rendering = environment()
    rows = []
    for item in _items()[checklist]:
        answer = " ".join(rendering.from_string(item.answer).render(names).split())
        rows.append(Answer(item.number, item.topic, answer or UNKNOWN, item.partial))
    return tuple(rows)


@cache
def _items() -> dict[str, tuple[_Item, ...]]:
    text = (files("camlif.transport") / "checklists.toml").read_text(encoding="utf-8")
    found = tomllib.loads(text)
    return {name: tuple(map(_Item.model_validate, items)) for name, items in found.items()}
