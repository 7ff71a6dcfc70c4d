"""One-click cohorts."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from camlif.data import samples
from camlif.data.samples import SAMPLES, load_sample
from camlif.data.simulator import simulate, write_simulated
from camlif.exceptions import ConfigError, MissingPackageError

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("key", ["glioma", "luad"])
def test_synthetic_samples_say_so_and_state_their_ceiling(key: str) -> None:
    cohort = load_sample(key)

    assert cohort.info.badge == SAMPLES[key].badge == "synthetic"
    assert cohort.info.title == SAMPLES[key].title
    assert "Synthetic" in SAMPLES[key].title
    assert cohort.info.oracle_c_index is not None
    assert len(cohort) == samples.SAMPLE_PATIENTS


def test_a_sample_without_its_folder_is_simulated_to_the_same_cohort(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shipped = load_sample("glioma")
    monkeypatch.setattr(samples, "SAMPLE_FOLDER", tmp_path)

    assert load_sample("glioma").digest == shipped.digest


@pytest.mark.parametrize("key", ["glioma", "luad"])
def test_shipped_samples_are_what_their_command_writes(key: str, tmp_path: Path) -> None:
    shipped = ROOT / "sample_data" / key
    made = simulate(key, n_patients=samples.SAMPLE_PATIENTS, seed=samples.SAMPLE_SEED)

    written = write_simulated(made, tmp_path)

    assert made.command in (shipped / "README.md").read_text()
    for name in ("clinical.csv", "cohort.toml", "oracle.json", "README.md"):
        assert (written / name).read_text() == (shipped / name).read_text()


def test_shipped_samples_are_small() -> None:
    files = [f for f in (ROOT / "sample_data").rglob("*") if f.is_file()]

    assert sum(f.stat().st_size for f in files) < 6e6


def test_transbig_says_that_scikit_survival_is_missing_and_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sksurv.datasets", None)
    with pytest.raises(MissingPackageError, match="pip install scikit-survival"):
        load_sample("transbig")


def test_transbig_has_its_published_numbers_and_never_speaks_of_death() -> None:
    pytest.importorskip("sksurv")
    cohort = load_sample("transbig")

    assert len(cohort) == 198
    assert {m.name: m.n_features for m in cohort.schema.modalities} == {
        "pathology": 3,
        "genomics": 76,
    }
    assert cohort.event is not None
    assert cohort.duration is not None
    assert int(cohort.event.sum()) == 51
    assert np.median(cohort.duration) < 400  # months, not days
    words = cohort.info.endpoint
    assert words.name == words.event_noun == "distant metastasis"
    assert "alive" not in words.event_free
    assert "metastasis, not death" in SAMPLES["transbig"].description


def test_an_unknown_sample_is_refused() -> None:
    with pytest.raises(ConfigError, match="glioma, luad, transbig"):
        load_sample("melanoma")
