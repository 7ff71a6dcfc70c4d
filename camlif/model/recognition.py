"""Who was in the training cohort: digests of patients' values, and what an agreement is worth.

In go encoded patients; out comes, for each, whether it is new, a training patient, or one of whom
that cannot be told. Evidence is weighed as in forensic matching (Balding and Steele, Weight-of-
Evidence for Forensic DNA Profiles, 2015): what agrees counts by how rare it is among the training
patients, and no more than the agreements between different training patients allow. Nothing here
fails on a patient; digests that do not fit their columns are refused on loading.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import BoolArray
from camlif.data.preprocessing import RawInputs
from camlif.data.schema import FeatureSchema
from camlif.exceptions import ArtifactError
from camlif.model.digests import (
    ByteArray,
    Digests,
    cells_of,
    choose_blocks,
    digest_blocks,
    digest_clinical,
    digest_identifiers,
    values_of,
)
from camlif.wording import count

MAX_FITTED = 2000
"""Patients from whom blocks are chosen and chance agreements counted."""

FALSE_MATCH = 1e-4
"""Probability up to which a training patient may agree with a new one by chance."""
MISSED = 0.002
"""Share of patients who may agree with themselves in fewer blocks than are asked for."""
ODD = 0.003
"""Share of patients with another's values in one modality who are left to the clinical check."""
PAIRS = 4_000_000
"""Pairs of patients compared at once."""
NUDGE = 2e-6
"""Relative change that rounds a value on a half the other way."""


class Membership(StrEnum):
    """Whether a patient was in the training cohort."""

    NEW = "no"
    TRAINING = "yes"
    UNCLEAR = "cannot tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """Which patients were in the training cohort.

    Attributes
    ----------
    membership : ndarray of `Membership`, shape (n,)
    candidates : int, shape (n,)
        Training patients whom the patient may be.
    seen : bool, shape (n, e)
        Members to leave out: those that had a candidate in their training part. Where that is every
        member and the membership is unclear, those that had the fewest stay.
    held_out : bool, shape (n,)
        Whether no member that stays had a candidate in its training part.
    """

    membership: NDArray[np.object_]
    candidates: NDArray[np.int_]
    seen: BoolArray
    held_out: BoolArray


@dataclass(frozen=True, kw_only=True)
class TrainingDigests:
    """Digests by which training patients are recognised, and what agreement is worth.

    Attributes
    ----------
    salt : bytes
        Key of the digests, of this bundle alone.
    columns : mapping of modality to int32, shape (k, w)
        Columns of each block; -1 fills up.
    digests : Digests
        Of the n training patients.
    floors : mapping of modality to int
        Blocks that must agree.
    shared : mapping of modality to int
        Training patients, of `n_fitted`, with whom another one agrees.
    n_fitted : mapping of modality to int
        Training patients with the modality among whom ``shared`` was counted.
    """

    salt: bytes
    columns: Mapping[str, NDArray[np.int32]]
    digests: Digests
    floors: Mapping[str, int]
    shared: Mapping[str, int]
    n_fitted: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.digests)

    @property
    def keeps_tokens(self) -> bool:
        """Whether identifiers were digested too."""
        return bool(self.digests.tokens.any())

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is stored as arrays; see `from_stored`."""
        d = self.digests
        return {
            **{f"columns.{name}": columns for name, columns in self.columns.items()},
            **{f"blocks.{name}": blocks for name, blocks in d.blocks.items()},
            "clinical": d.clinical,
            "tokens": d.tokens.view(np.int64),
        }

    def to_json(self) -> dict[str, Any]:
        """Return what is stored as plain values; see `from_stored`."""
        counts = ("floors", "shared", "n_fitted")
        return {"salt": self.salt.hex(), **{name: dict(getattr(self, name)) for name in counts}}

    @classmethod
    def from_stored(cls, data: Mapping[str, Any], arrays: Mapping[str, Any]) -> TrainingDigests:
        """Build from `to_json` and `to_arrays`."""

        def under(prefix: str) -> dict[str, Any]:
            return {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}

        return cls(
            salt=bytes.fromhex(data["salt"]),
            columns=under("columns."),
            digests=Digests(
                blocks=under("blocks."),
                clinical=arrays["clinical"],
                tokens=arrays["tokens"].view(np.uint64),
            ),
            floors=data["floors"],
            shared=data["shared"],
            n_fitted=data["n_fitted"],
        )

    def check(self, schema: FeatureSchema, n: int) -> None:
        """Refuse digests that do not fit the columns or the number of patients."""
        for modality in schema.modalities:
            name = modality.name
            columns, blocks = self.columns[name], self.digests.blocks[name]
            if blocks.shape != (n, len(columns)) or not 1 <= self.floors[name] <= len(columns):
                raise ArtifactError(f"the digests of {name} do not fit its blocks or patients.")
            if columns.min() < -1 or columns.max() >= modality.n_features:
                raise ArtifactError(f"the digests of {name} name columns that it has not.")
            if not 0 <= self.shared[name] <= self.n_fitted[name]:
                raise ArtifactError(f"the digests of {name} are shared by too many patients.")
        if len(self.digests.clinical) != n or len(self.digests.tokens) != n:
            raise ArtifactError(f"there are not {n} digests of clinical inputs and identifiers.")

    def digest(
        self, raw: RawInputs, schema: FeatureSchema, patient_ids: NDArray[np.str_] | None = None
    ) -> Digests:
        """Digest patients as the training patients were; identifiers where those are kept.

        Parameters
        ----------
        raw : RawInputs
            The n patients, with the model's columns.
        schema : FeatureSchema
            Of the model.
        patient_ids : str, shape (n,), optional
            Used only by a model that keeps digests of identifiers.
        """
        tokens = np.zeros(len(raw), dtype=np.uint64)
        if self.keeps_tokens and patient_ids is not None:
            tokens = digest_identifiers(patient_ids, self.salt)
        return Digests(
            blocks={
                name: digest_blocks(values_of(raw, name), columns, self._key(name))
                * raw.presence[:, schema.names.index(name), None]
                for name, columns in self.columns.items()
            },
            clinical=digest_clinical(raw.clinical, schema, self._key("clinical inputs")),
            tokens=tokens,
        )

    def recognise(self, patients: Digests, seen: BoolArray) -> Recognised:
        """Find the training patients among others.

        Parameters
        ----------
        patients : Digests
            By `digest`.
        seen : bool, shape (n, e)
            Members that had each training patient in their training part.
        """
        step = max(1, PAIRS // max(len(self), 1))
        parts = [
            self._recognise(patients.take(slice(start, start + step)), seen)
            for start in range(0, max(len(patients), 1), step)
        ]
        return Recognised(
            membership=np.concatenate([p.membership for p in parts]),
            candidates=np.concatenate([p.candidates for p in parts]),
            seen=np.concatenate([p.seen for p in parts]),
            held_out=np.concatenate([p.held_out for p in parts]),
        )

    def _recognise(self, patients: Digests, seen: BoolArray) -> Recognised:
        shape = (len(patients), len(self))
        bits, agrees = np.zeros(shape), np.zeros(shape, dtype=bool)
        checked = _both_known(patients.clinical, self.digests.clinical)
        contradicts = checked & (patients.clinical[:, None] != self.digests.clinical)
        for name, blocks in patients.blocks.items():
            both = _both_known(blocks[:, 0], self.digests.blocks[name][:, 0])
            same = both & (agreeing(blocks, self.digests.blocks[name]) >= self.floors[name])
            bits[same] += self._evidence(name, blocks, same, checked[same])
            agrees |= same
            contradicts |= both & ~same
        strong = bits >= np.log2(len(self)) - np.log2(FALSE_MATCH)
        named = _both_known(patients.tokens, self.digests.tokens) & (
            patients.tokens[:, None] == self.digests.tokens
        )
        sure = (strong | named) & agrees & ~contradicts
        candidates = (agrees & ~contradicts) | strong | named
        by_name = (sure & named).any(axis=1)
        candidates[by_name] &= named[by_name]
        count = candidates.sum(axis=1)
        membership = np.full(len(patients), Membership.UNCLEAR, dtype=object)
        membership[count == 0] = Membership.NEW
        membership[(count == 1) & sure.any(axis=1)] = Membership.TRAINING
        saw = candidates.astype(np.float32) @ seen.astype(np.float32)  # candidates by member
        stuck = (membership == Membership.UNCLEAR) & (saw > 0).all(axis=1)
        keep = max(1, round(float((~seen).sum(axis=1).mean())))  # as many as a training patient has
        fewest = np.sort(saw, axis=1)[:, keep - 1]
        return Recognised(
            membership=membership,
            candidates=count,
            seen=saw > np.where(stuck, fewest, 0.0)[:, None],
            held_out=~stuck,
        )

    def _evidence(
        self, name: str, blocks: ByteArray, same: BoolArray, checked: BoolArray
    ) -> NDArray[np.float64]:
        """Bits that speak for each agreeing pair, shape (pairs,).

        A block counts by how many others share it. All blocks together count no more than the
        agreement of whole patients does: by how many training patients agree with this one, and by
        how often two different training patients agree.
        """
        patient, other = np.nonzero(same)
        table = self._bits[name]
        own, known = blocks[patient], self.digests.blocks[name][other]
        bits = np.zeros(len(patient))
        for block, worth in enumerate(table):
            equal = own[:, block] == known[:, block]
            bits += np.where(equal, worth[known[:, block]], 0.0)
        n = (self.digests.blocks[name][:, 0] != 0).sum()
        others = same.sum(axis=1)[patient] - 1
        bits = np.where(others > 0, np.minimum(bits, np.log2(n / np.maximum(others, 1))), bits)
        return np.minimum(bits, np.where(checked, self._limit(name, odd=ODD), self._limit(name)))

    def _limit(self, name: str, *, odd: float = 0.0) -> float:
        """Bits that agreement in a modality can be worth, given who agrees by chance."""
        n = self.n_fitted[name]
        shared = self.shared[name] - int(odd * n)
        return float(np.log2(n) + np.log2(n / shared)) if shared > 0 else np.inf

    @cached_property
    def _bits(self) -> dict[str, NDArray[np.float64]]:
        """Bits that each digest of each block is worth, shape (k, 256)."""
        return {
            name: _worth(blocks[blocks[:, 0] != 0]) for name, blocks in self.digests.blocks.items()
        }

    def _key(self, name: str) -> bytes:
        return hashlib.blake2b(name.encode(), key=self.salt, digest_size=32).digest()


def unclear_note(recognised: Recognised, row: int, members: int) -> str:
    """Say that a patient may be of the training cohort, and what its score then rests on.

    Parameters
    ----------
    recognised : Recognised
    row : int
    members : int
        Members that score the patient.
    """
    found = int(recognised.candidates[row])
    whom, saw_none = "a training patient", "did not see that one"
    if found > 1:
        whom, saw_none = f"{count(found, 'training patient')}", "saw none of them"
    models = "the one model" if members == 1 else f"the {count(members, 'model')}"
    rest = f"scored by {models} that {saw_none}"
    if not recognised.held_out[row]:
        rest = f"every model saw some, so scored by {models} that saw fewest, perhaps too surely"
    return (
        "cannot tell whether this patient was in the training cohort: its values are like those "
        f"of {whom} ({rest})"
    )


def agreeing(patients: ByteArray, others: ByteArray) -> ByteArray:
    """Count the blocks in which each of n patients agrees with each of m others, shape (n, m)."""
    count = np.zeros((len(patients), len(others)), dtype=np.uint8)
    for block in range(others.shape[1]):
        count += patients[:, block, None] == others[:, block]
    return count


def _both_known(patients: NDArray[Any], others: NDArray[Any]) -> BoolArray:
    return np.asarray((patients[:, None] != 0) & (others != 0))


def _worth(blocks: ByteArray) -> NDArray[np.float64]:
    """Log2 of n over the others that share a digest; a block's commonest digest is worth nothing.

    What is commonest everywhere, such as no mutation at all, is met again however rare it looks
    when its blocks are taken for independent.
    """
    n = len(blocks)
    table = np.zeros((blocks.shape[1], 256))
    for row, block in zip(table, blocks.T, strict=True):
        count = np.bincount(block, minlength=256)
        row[:] = np.log2(max(n, 1) / np.clip(count - 1, 1, None))
        row[count.argmax()] = 0.0
    return table


def fit_digests(
    raw: RawInputs,
    schema: FeatureSchema,
    *,
    salt: bytes,
    patient_ids: NDArray[np.str_] | None = None,
) -> TrainingDigests:
    """Digest the training patients, and count how they agree by chance.

    Parameters
    ----------
    raw : RawInputs
    schema : FeatureSchema
    salt : bytes
        At most 64.
    patient_ids : ndarray of str, shape (n,), optional
        Digested as well, where given.
    """
    columns = {}
    for i, name in enumerate(schema.names):
        rows = _spread(np.flatnonzero(raw.presence[:, i]))
        columns[name] = choose_blocks(cells_of(values_of(raw.take(rows), name)))
    n = len(raw)
    empty = Digests(
        blocks={name: np.zeros((n, len(c)), np.uint8) for name, c in columns.items()},
        clinical=np.zeros(n, np.uint8),
        tokens=np.zeros(n, np.uint64)
        if patient_ids is None
        else digest_identifiers(patient_ids, salt),
    )
    bare = TrainingDigests(
        salt=salt, columns=columns, digests=empty, floors={}, shared={}, n_fitted={}
    )
    digests = bare.digest(raw, schema, patient_ids)
    floors, shared, n_fitted = {}, {}, {}
    for i, name in enumerate(schema.names):
        rows = np.flatnonzero(raw.presence[:, i])
        sample = _spread(rows)
        blocks = digests.blocks[name]
        own = np.full(len(sample), blocks.shape[1])
        for change in (1 - NUDGE, 1 + NUDGE):
            nudged = values_of(raw.take(sample), name).astype(np.float64) * change
            again = digest_blocks(nudged, columns[name], bare._key(name))
            own = np.minimum(own, (again == blocks[sample]).sum(axis=1))
        most = _most_alike(blocks, rows, sample)
        floors[name] = _floor(own, most, blocks.shape[1])
        shared[name] = int((most >= floors[name]).sum())
        n_fitted[name] = len(sample)
    return replace(bare, digests=digests, floors=floors, shared=shared, n_fitted=n_fitted)


def _floor(own: NDArray[np.int_], most: NDArray[np.int_], n_blocks: int) -> int:
    """Blocks that must agree: at least half, few enough for a patient's own values to do so.

    Fewer than that where no more patients agree with another for it, so that a table may lose
    digits or have a value corrected.
    """
    half = -(-n_blocks // 2)
    if not len(own):
        return half
    same = int(np.quantile(own, MISSED))
    whole = (most >= n_blocks).mean()
    free = next(a for a in range(half, n_blocks + 1) if (most >= a).mean() <= whole + MISSED / 2)
    return max(min(same, free), half)


def _most_alike(
    blocks: ByteArray, rows: NDArray[np.int_], sample: NDArray[np.int_]
) -> NDArray[np.int_]:
    """Most blocks in which each sampled patient agrees with another one, shape (sample,)."""
    found = np.zeros(len(sample), dtype=int)
    for start in range(0, len(sample), 256):
        part = sample[start : start + 256]
        count = agreeing(blocks[part], blocks[rows])
        count[np.arange(len(part)), np.searchsorted(rows, part)] = 0
        found[start : start + 256] = count.max(axis=1, initial=0)
    return found


def _spread(rows: NDArray[np.int_]) -> NDArray[np.int_]:
    """At most `MAX_FITTED` of the rows, evenly."""
    if len(rows) <= MAX_FITTED:
        return rows
    chosen: NDArray[np.int_] = rows[np.linspace(0, len(rows) - 1, MAX_FITTED).astype(int)]
    return chosen
