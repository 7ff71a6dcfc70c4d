"""The table of scores as a file, written block by block: an interrupted run goes on.

A bundle, a cohort and a path go in; a CSV file and counts come out. The part of another model or
cohort is never continued. Raises the errors of `Bundle.score`, and `OSError` where the file cannot
be written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd

from camlif.config import HORIZONS
from camlif.data.cohort import Cohort
from camlif.files import flush, write_text
from camlif.model.bundle import Bundle
from camlif.model.outcome_check import contradicted_horizons, hide_contradicted, judge_table
from camlif.model.scoring import ScoreResult
from camlif.model.sentences import contradicted_words, hidden_sentence
from camlif.wording import to_csv


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What has been written of a score file.

    Attributes
    ----------
    key : str
        Digest of what determines the file's content; another's part is not continued.
    patients, scored, heldout, unclear : int
        Patients, those with a score, and of these the ones that were in the training cohort and
        those of whom that cannot be told.
    unlike : int
        Those with a score who are unlike the training data; see `ScoreResult.unlike`.
    device : str
        Where the last block was computed.
    size : int
        Bytes; what is in the file beyond them was cut off in the middle.
    contradicted : tuple of str
        Absolute risks that were left out since the cohort's own outcomes contradict them.
    """

    key: str
    patients: int = 0
    scored: int = 0
    heldout: int = 0
    unclear: int = 0
    unlike: int = 0
    device: str = ""
    size: int = 0
    contradicted: tuple[str, ...] = ()

    def plus(self, block: ScoreResult, size: int) -> Written:
        """Return the state with one more block of patients and the file's new size."""
        return replace(
            self,
            patients=self.patients + len(block),
            scored=self.scored + int(block.scored.sum()),
            heldout=self.heldout + int((block.is_training & block.scored).sum()),
            unclear=self.unclear + int((block.unclear & block.scored).sum()),
            unlike=self.unlike + int(block.unlike.sum()),
            device=block.device,
            size=size,
        )


def write_scores(
    bundle: Bundle,
    cohort: Cohort,
    out: Path,
    *,
    missing: tuple[str, ...] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Written:
    """Score a cohort into a CSV file that appears when it is whole.

    Blocks are kept in a hidden file beside ``out`` as they are scored. The same call after an
    interruption goes on with the first patient that is not there; the file is the same.

    Parameters
    ----------
    bundle, cohort, missing, progress
        As in `Bundle.score`, which names the errors.
    out : Path

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    part, state = (out.with_name(f".{out.name}.{kind}") for kind in ("part", "json"))
    key = [bundle.digest, cohort.digest, *missing]
    written = _read(state, hashlib.sha256("\0".join(key).encode()).hexdigest())
    if not part.exists() or part.stat().st_size < written.size:
        written = Written(key=written.key)
    blocks = bundle.score_blocks(cohort, missing=missing, embed=False, start=written.patients)
    for block in blocks:
        text = to_csv(block.table)
        with part.open("r+b" if written.size else "wb") as file:
            file.seek(written.size)
            file.truncate()
            file.write((text.partition("\n")[2] if written.size else text).encode())
            written = written.plus(block, file.tell())
        flush(part)  # before the state says that so much is there
        write_text(state, json.dumps(asdict(written)))
        if progress is not None:
            progress(written.patients, len(cohort))
    if cohort.has_outcome:
        written = replace(written, contradicted=_hide_contradicted(part, cohort))
    part.replace(out)
    flush(out.parent)
    state.unlink(missing_ok=True)
    return written


def _hide_contradicted(part: Path, cohort: Cohort) -> tuple[str, ...]:
    """Empty what the outcomes of new patients contradict, and say it."""
    text = pd.read_csv(part, dtype=str, keep_default_na=False)
    columns = ["log_risk", *(f"survival_{h}m" for h in HORIZONS)]
    numbers = {name: pd.to_numeric(text[name], errors="coerce") for name in columns}
    judged = judge_table(text.assign(**numbers), cohort)
    hidden = contradicted_horizons(judged)
    if hidden:
        # As they stand in the file, cells that would start a formula have their apostrophe.
        kept = hide_contradicted(text, judged, empty="")
        write_text(part, kept.to_csv(index=False, lineterminator="\n"))
    return tuple(hidden_sentence(h, contradicted_words(judged[h])) for h in hidden)


def _read(state: Path, key: str) -> Written:
    """Return what was written before under the same key; nothing where the state is damaged."""
    try:
        before = Written(**json.loads(state.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return Written(key=key)
    return before if before.key == key else Written(key=key)
