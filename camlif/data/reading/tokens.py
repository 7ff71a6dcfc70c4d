"""Tokens in the place of patient identifiers: keyed hashes, the same for the same key.

A key and identifiers go in, the starts of HMAC-SHA256 digests come out. Nothing fails.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import replace

from camlif.data.reading.gathered import Reading
from camlif.wording import count, verb

TOKEN_DIGITS = 16
"""Hexadecimal digits: two of a million patients share a token once in 37 million cohorts."""


def new_key() -> str:
    """Return a random key of 128 bits."""
    return secrets.token_hex(16)


def token(key: str, patient: str) -> str:
    """Return the token of an identifier: the start of its HMAC-SHA256."""
    digest = hmac.new(key.encode(), patient.encode(), hashlib.sha256)
    return digest.hexdigest()[:TOKEN_DIGITS]


def replace_ids(reading: Reading, key: str) -> None:
    """Put tokens in the place of identifiers everywhere in what was read."""
    tokens = {patient: token(key, patient) for patient in reading.patients}
    if reading.clinical_table is not None:
        table = reading.clinical_table
        reading.clinical_table = replace(table, ids=[tokens[i] for i in table.ids])
    if reading.clinical is not None:
        frame = reading.clinical.frame.rename(index=tokens)
        reading.clinical = replace(reading.clinical, frame=frame)
    if reading.course is not None:
        named = reading.course["patient_id"].map(tokens)
        reading.course = reading.course.assign(patient_id=named)
    reading.tables = [replace(t, ids=[tokens[i] for i in t.ids]) for t in reading.tables]
    reading.modalities = [replace(m, ids=[tokens[i] for i in m.ids]) for m in reading.modalities]
    reading.found.note(
        f"{count(len(tokens), 'patient identifier')} "
        f"{verb(len(tokens), 'was', 'were')} replaced by tokens."
    )
