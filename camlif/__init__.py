"""Trained ensembles of CA-MLIF for multimodal tumour prognosis.

The names below are imported when first used, so that ``import camlif`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from camlif.config import NetworkConfig, RunConfig, TrainConfig
    from camlif.data.cohort import Cohort
    from camlif.data.reading.readers import check_folder, load_cohort
    from camlif.data.samples import load_sample
    from camlif.exceptions import CamlifError
    from camlif.model.bundle import Bundle, load_bundle
    from camlif.model.evaluation import evaluate
    from camlif.model.fit import train

__all__ = [
    "Bundle",
    "CamlifError",
    "Cohort",
    "NetworkConfig",
    "RunConfig",
    "TrainConfig",
    "check_folder",
    "evaluate",
    "load_bundle",
    "load_cohort",
    "load_sample",
    "train",
]

_HOMES = {
    "Bundle": "model.bundle",
    "CamlifError": "exceptions",
    "Cohort": "data.cohort",
    "NetworkConfig": "config",
    "RunConfig": "config",
    "TrainConfig": "config",
    "check_folder": "data.reading.readers",
    "evaluate": "model.evaluation",
    "load_bundle": "model.bundle",
    "load_cohort": "data.reading.readers",
    "load_sample": "data.samples",
    "train": "model.fit",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
