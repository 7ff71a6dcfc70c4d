"""Explanations on disk: equal to the byte, of their key alone, never a damaged one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from camlif.explain.results import FeatureAttribution, ModalityAttribution, PlayerContributions
from dashboard.store import kept_explanations
from dashboard.store.kept_explanations import KeptExplanations, digest_of

KEY, OTHER = digest_of("a"), digest_of("b")
ODD = np.array([[0.1 + 0.2, np.nan, -0.0], [1 / 3, np.inf, 5e-324]])
FEATURES = FeatureAttribution(
    method="ig",
    baseline="median",
    level="feature",
    steps=64,
    players=("ct", "größe"),
    contributions=(
        PlayerContributions(columns=("a", "b", "c"), groups=("x",) * 3, values=ODD, raw=ODD + 1),
        PlayerContributions(columns=("d",), groups=("y",), values=ODD[:, :1], raw=ODD[:, 1:2]),
    ),
    base_value=np.array([0.1, 0.2]),
    log_risk=np.array([0.3, np.nan]),
    reasons=(None, "no modality is given"),
    seconds=0.1 + 0.7,
    seed=0,
)
MODALITIES = ModalityAttribution(
    players=("ct",),
    baseline="mean",
    values=ODD[:, :1],
    base_value=np.array([0.1, 0.2]),
    log_risk=np.array([0.3, 0.4]),
    reasons=(None, None),
    seconds=1e-9,
)


def bytes_of(found: object) -> list[object]:
    """Everything that an explanation holds, arrays as bytes with their type and shape."""
    values = [getattr(found, name) for name in found.__slots__]  # type: ignore[attr-defined]
    return [part for value in values for part in _flat(value)]


def _flat(value: object) -> list[object]:
    if isinstance(value, np.ndarray):
        return [value.dtype, value.shape, value.tobytes()]
    if isinstance(value, PlayerContributions):
        return bytes_of(value)
    if isinstance(value, tuple) and value and isinstance(value[0], PlayerContributions):
        return [part for player in value for part in bytes_of(player)]
    return [value]


@pytest.fixture
def kept(tmp_path: Path) -> KeptExplanations:
    return KeptExplanations(tmp_path / "explained")


@pytest.mark.parametrize("found", [FEATURES, MODALITIES], ids=["features", "modalities"])
def test_what_is_kept_is_what_was_computed_to_the_byte(
    kept: KeptExplanations, found: FeatureAttribution | ModalityAttribution
) -> None:
    kept.write(KEY, found)
    again = kept.read(KEY)
    assert type(again) is type(found)
    assert bytes_of(again) == bytes_of(found)


def test_a_file_of_another_key_is_not_used(kept: KeptExplanations) -> None:
    kept.write(KEY, FEATURES)
    assert kept.read(OTHER) is None
    (kept.folder / f"{KEY}.npz").rename(kept.folder / f"{OTHER}.npz")
    assert kept.read(OTHER) is None


@pytest.mark.parametrize("of", ["cut", "empty", "flipped", "text", "pickle"])
def test_a_damaged_file_counts_as_none(kept: KeptExplanations, of: str) -> None:
    kept.write(KEY, FEATURES)
    file = kept.folder / f"{KEY}.npz"
    whole = file.read_bytes()
    middle = len(whole) // 2
    if of == "pickle":
        np.savez(file, head=np.array([FEATURES], dtype=object))
    else:
        file.write_bytes(
            {
                "cut": whole[:middle],
                "empty": b"",
                "flipped": whole[:300] + bytes(b ^ 255 for b in whole[300:340]) + whole[340:],
                "text": b"no archive",
            }[of]
        )
    assert kept.read(KEY) is None
    kept.write(KEY, FEATURES)
    assert bytes_of(kept.read(KEY)) == bytes_of(FEATURES)


def test_a_record_of_another_make_counts_as_none(
    kept: KeptExplanations, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.write(KEY, MODALITIES)
    monkeypatch.setitem(kept_explanations._RECORDS, "ModalityAttribution", FeatureAttribution)
    assert kept.read(KEY) is None


def test_the_oldest_go_where_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_explanations, "SWEPT_AFTER", 1)
    kept = KeptExplanations(tmp_path)
    assert not kept.has(KEY)
    kept.write(KEY, FEATURES)
    assert kept.has(KEY)
    size = (tmp_path / f"{KEY}.npz").stat().st_size
    kept = replace(kept, most_bytes=int(2.5 * size))
    for name in "bcd":
        kept.write(digest_of(name), FEATURES)
    left = [kept.read(digest_of(name)) is not None for name in "abcd"]
    assert left == [False, False, True, True]


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "explained").write_text("a file")
    kept = KeptExplanations(tmp_path / "explained")
    kept.write(KEY, FEATURES)
    assert kept.read(KEY) is None


def test_everything_that_decides_a_number_is_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len({digest_of("c", (1,)), digest_of("c", (2,)), digest_of("d", (1,))}) == 3
    before = digest_of("c")
    monkeypatch.setattr(kept_explanations, "_code", lambda: "another version")
    assert digest_of("c") != before
