"""The same numbers wherever cells run; a cluster of two workers stands for a large one."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from camlif.exceptions import ConfigError
from camlif.study import Study
from camlif.study.run import Where, run_study
from tests.study.tiny import TINY, tiny_cohort

# Clusters leave sockets and log handlers to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="dask is not installed"
)
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="ray is not installed"
)


@pytest.fixture(autouse=True)
def _workers_find_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")]))


def _require_same(found: Study, expected: Study) -> None:
    assert found.complete
    assert found.failed.empty
    pd.testing.assert_frame_equal(found.risks, expected.risks, check_exact=True)
    pd.testing.assert_frame_equal(
        found.results.drop(columns="seconds"),
        expected.results.drop(columns="seconds"),
        check_exact=True,
    )


def test_two_processes_give_the_numbers_of_one(tiny: Study, tmp_path: Path) -> None:
    found = run_study(tiny_cohort(), TINY, tmp_path, where=Where(jobs=2, device="cpu"))
    _require_same(found, tiny)


@pytest.mark.slow
@needs_dask
def test_a_dask_cluster_gives_the_numbers_of_one_process(tiny: Study, tmp_path: Path) -> None:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as cluster:
        where = Where(backend="dask", address=cluster.scheduler_address, device="cpu")
        found = run_study(tiny_cohort(), TINY, tmp_path, where=where)
    _require_same(found, tiny)


@pytest.mark.slow
@needs_ray
def test_a_ray_cluster_gives_the_numbers_of_one_process(tiny: Study, tmp_path: Path) -> None:
    where = Where(backend="ray", jobs=2, device="cpu")
    found = run_study(tiny_cohort(), TINY, tmp_path, where=where)
    _require_same(found, tiny)


@needs_dask
def test_a_dask_scheduler_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dask

    where = Where(backend="dask", address="tcp://127.0.0.1:9")
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(ConfigError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"),
    ):
        run_study(tiny_cohort(), replace(TINY, methods=("km",)), tmp_path, where=where)


@pytest.mark.parametrize(("backend", "module"), [("dask", "distributed"), ("ray", "ray")])
def test_a_backend_that_is_not_installed_says_how_to_get_it(
    backend: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(ConfigError, match=r"not installed: pip install 'camlif\[cluster\]'"):
        run_study(
            tiny_cohort(),
            replace(TINY, methods=("km",)),
            tmp_path,
            where=Where(backend=backend),  # type: ignore[arg-type]  # a literal
        )
