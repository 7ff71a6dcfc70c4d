"""Training: from a cohort with outcomes to a bundle, its held-out reference and its card.

Fails with the errors of the configuration, the splits and the engine; nothing is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np

from camlif.config import PRODUCT_PRESET, RunConfig
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import encode
from camlif.data.splits import make_splits
from camlif.model.bundle import Bundle
from camlif.model.card import build_card
from camlif.model.recognition import fit_digests
from camlif.model.recognition_rates import measure_recognition
from camlif.model.reference import fit_reference
from camlif.training.engine import resolve_modality_dropout, train_ensemble
from camlif.training.ensemble import choose_device
from camlif.training.loop import TrainingProgress

SALT_BYTES = 16


def train(
    cohort: Cohort,
    config: RunConfig | None = None,
    *,
    name: str = "model",
    device: str = "auto",
    progress: Callable[[TrainingProgress], None] | None = None,
    processes: int | None = None,
    keep_tokens: bool = False,
    keep: Path | None = None,
    reproduce: str = "camlif.train(cohort, config)",
) -> Bundle:
    """Train the ensemble by repeated cross-validation and fit all that scoring needs.

    Parameters
    ----------
    cohort : Cohort
        Patients without an outcome are left out and counted in the card. Clinical inputs are those
        of `Cohort.select`, else age and sex.
    config : RunConfig, optional
        Default: the preset ``robust``.
    name : str
        Name of the bundle.
    device : str
        ``auto`` takes CUDA, then MPS, then CPU.
    progress : callable, optional
        Called after each epoch.
    processes : int, optional
        Members are spread over so many; default: one a core. The weights are the same.
    keep_tokens : bool
        Also keep a keyed digest of every identifier, by which a training patient is recognised
        whatever its values. Whoever holds the bundle can try identifiers against them.
    keep : Path, optional
        Folder that keeps finished members, so that an interrupted training goes on where it
        stopped; see `camlif.training.engine.train_ensemble`.
    reproduce : str
        Command named in the card.

    Returns
    -------
    Bundle
        On the device it was trained on.

    Raises
    ------
    ConfigError, NoEventsError, SchemaError
        If the cohort cannot be trained on.
    """
    config = config or RunConfig.from_preset(PRODUCT_PRESET)
    known = cohort.with_chosen_inputs().take(cohort.with_outcome)
    training = config.training
    splits = make_splits(
        known.patient_ids,
        known.event if known.event is not None else np.zeros(0, dtype=bool),
        n_splits=training.splits,
        scheme=training.split_scheme,
        test_fraction=training.test_fraction,
        seed=training.seed,
    )
    raw = encode(known, known.schema)
    config = config.with_training(modality_dropout=resolve_modality_dropout(training, raw))
    result = train_ensemble(
        known,
        config,
        splits,
        device=choose_device(device),
        progress=progress,
        processes=processes or joblib.cpu_count(only_physical_cores=True),
        keep=keep,
    )
    digests = fit_digests(
        raw,
        known.schema,
        salt=_salt(known, config),
        patient_ids=known.patient_ids if keep_tokens else None,
    )
    reference = fit_reference(
        known, raw, result.ensemble, splits.test, config.training, digests=digests
    )
    card = build_card(
        name=name,
        cohort=known,
        n_without_outcome=len(cohort) - len(known),
        config=config,
        splits=splits,
        result=result,
        reference=reference,
        recognition=measure_recognition(digests, raw, known.schema, seed=training.seed),
        member_log_risk=result.ensemble.predict(raw).log_risk,
        presence=raw.presence,
        reproduce=reproduce,
    )
    return Bundle(
        name=name,
        info=cohort.info,
        config=config,
        ensemble=result.ensemble,
        reference=reference,
        card=card,
    )


def _salt(cohort: Cohort, config: RunConfig) -> bytes:
    """Key of the digests: differs between bundles, and is not to be guessed without the cohort."""
    text = f"{cohort.digest} {config.digest}"
    return hashlib.blake2b(text.encode(), digest_size=SALT_BYTES).digest()
