"""Bundle folders on disk: every array in one safetensors file, everything else as JSON.

A bundle goes in, a folder comes out, and the other way round. Raises `ArtifactError` with the file
that is missing, damaged or of another model.

A folder is written whole, in the place of an older one. The schema is written twice, in
``config.json`` and in the weights' header: a column renamed, removed or moved in one of them is
named on loading, before a number is computed from the wrong column. ``config.json`` also holds the
digests of weights and card, so that files of two models are never taken for one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from camlif.config import HORIZONS, RunConfig
from camlif.data.preprocessing import CLINICAL, FittedColumns, clinical_names
from camlif.data.schema import CohortInfo, ColumnWords, Endpoint, FeatureSchema
from camlif.exceptions import ArtifactError, CamlifError, SchemaError
from camlif.files import place_folder, standing
from camlif.model.card import Card, render_markdown
from camlif.model.follow_up_unit import FollowUpFacts
from camlif.model.input_worth import InputWorth
from camlif.model.member_spread import MemberSpread
from camlif.model.modality_sets import SubsetValidation, ValidatedSet
from camlif.model.recognition import TrainingDigests
from camlif.model.reference import Reference
from camlif.model.seal import (
    CARD,
    CARD_TEXT,
    CONFIG,
    FILES,
    WEIGHTS,
    check_seal,
    write_seal,
)
from camlif.model.stored_values import read_stored
from camlif.model.subgroups import SubgroupValidation
from camlif.model.suitability import Expected
from camlif.model.training_range import RANGE_ARRAYS, TrainingRange
from camlif.networks.registry import build_architecture
from camlif.statistics import Calibration, KaplanMeierCurve, SurvivalBound
from camlif.statistics.strata import Strata
from camlif.training.ensemble import Ensemble

FORMAT = 3
FINITE = ("member.", "columns.", "offset", "reference.", "calibration.", *RANGE_ARRAYS)
"""Arrays in which a value that is not finite is damage; others use NaN for "unknown"."""

TYPES = {
    **dict.fromkeys(("offset", "columns.", "range."), torch.float32),
    **dict.fromkeys(("distance.", "reach.", "calibration.", "reference.sorted_z"), torch.float64),
}
"""Types of arrays that are kept as they are read; of the others that in which they are saved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleParts:
    """What a bundle folder holds.

    Attributes
    ----------
    name : str
    info : CohortInfo
        Of the training cohort.
    config : RunConfig
    ensemble : Ensemble
    reference : Reference
    card : Card
    """

    name: str
    info: CohortInfo
    config: RunConfig
    ensemble: Ensemble
    reference: Reference
    card: Card

    @property
    def schema(self) -> FeatureSchema:
        """Columns that the model reads."""
        return self.ensemble.schema

    @property
    def expected(self) -> Expected:
        """What the model expects of tables."""
        return Expected(
            schema=self.schema,
            training_range=self.reference.training_range,
            inputs=self.reference.inputs,
            follow_up=self.reference.follow_up,
        )

    @property
    def n_members(self) -> int:
        """Number of members."""
        return len(self.ensemble)


Parts = TypeVar("Parts", bound=BundleParts)


def _tensors(bundle: BundleParts) -> dict[str, Tensor]:
    ensemble, reference = bundle.ensemble, bundle.reference
    stored = getattr(torch, bundle.config.training.stored_precision)
    tensors = {f"member.{k}": p.to(stored) for k, p in ensemble.parameters.items()}
    tensors["offset"] = ensemble.offset
    for name, columns in ensemble.columns.items():
        tensors |= {f"columns.{name}.{key}": values for key, values in columns.items()}
    arrays = {
        **reference.training_range.to_arrays(),
        "reference.sorted_z": reference.sorted_z,
        "reference.seen": reference.seen.astype(np.uint8),
        **{f"digests.{k}": v for k, v in reference.digests.to_arrays().items()},
    }
    for place, found in enumerate(reference.sets):
        if found.calibration is not None:
            own = found.calibration.to_arrays()
            arrays |= {f"calibration.{place}.{k}": v for k, v in own.items()}
    for stratum, curve in reference.curves.items():
        arrays |= {f"curve.{stratum}.{k}": v for k, v in curve.to_arrays().items()}
    tensors |= {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in arrays.items()}
    return {k: t.detach().cpu().contiguous().clone() for k, t in sorted(tensors.items())}


def _config(bundle: BundleParts) -> dict[str, Any]:
    reference = bundle.reference
    return {
        "format": FORMAT,
        "name": bundle.name,
        "info": asdict(bundle.info),
        "schema": bundle.schema.to_json(),
        "config": bundle.config.to_json(),
        "members": bundle.n_members,
        "reference": {
            "mean": reference.mean,
            "sd": reference.sd,
            "spread": asdict(reference.spread),
            "strata": reference.strata.to_json(),
            "bound": asdict(reference.bound),
            "sets": [asdict(found.validation) for found in reference.sets],
            "inputs": [asdict(worth) for worth in reference.inputs],
            "follow_up": asdict(reference.follow_up),
            "subgroups": [asdict(found) for found in reference.subgroups],
            "digests": reference.digests.to_json(),
        },
    }


def digest(bundle: BundleParts) -> str:
    """SHA-256 over every stored array and the configuration."""
    sha = hashlib.sha256(json.dumps(_config(bundle), sort_keys=True).encode())
    for name, tensor in _tensors(bundle).items():
        sha.update(name.encode())
        sha.update(tensor.numpy().tobytes())
    return sha.hexdigest()


def save(bundle: BundleParts, path: Path) -> None:
    """Write a bundle folder; see `camlif.model.bundle.Bundle.save`."""
    try:
        with place_folder(path) as draft:
            _write(bundle, draft)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{path} cannot be written: {error}.") from error


def _write(bundle: BundleParts, path: Path) -> None:
    config = _config(bundle)
    save_file(_tensors(bundle), path / WEIGHTS, metadata={"schema": json.dumps(config["schema"])})
    (path / CARD).write_text(bundle.card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (path / CARD_TEXT).write_text(render_markdown(bundle.card), encoding="utf-8")
    (path / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    write_seal(path, FILES)


def load(path: Path, kind: type[Parts]) -> Parts:
    """Read and check a bundle folder as ``kind``; see `camlif.model.bundle.load_bundle`."""
    home = standing(path)
    for name in (WEIGHTS, CONFIG, CARD):
        if not (home / name).is_file():
            raise ArtifactError(f"{path.name}: no file {name}. A model folder needs it.")
    check_seal(home, path.name)
    config = _read_config(path)
    tensors, header = _read_tensors(path)
    try:
        _require_same_schema(json.loads(header), config["schema"], path)
        card = read_card(path)
        schema = FeatureSchema.from_json(config["schema"])
        run = RunConfig.from_json(config["config"])
        ensemble = _ensemble(dict(tensors), schema, run, config["members"], path)
        bundle = kind(
            name=read_stored(str, [config["name"]])[0],
            info=_info(config["info"]),
            config=run,
            ensemble=ensemble,
            reference=_reference(tensors, config["reference"], schema),
            card=card,
        )
        _require_own_arrays(tensors, bundle, path)
        return bundle
    except ArtifactError:
        raise
    except CamlifError as error:
        raise ArtifactError(f"{path.name}: not a valid model folder. {error}") from error
    except (LookupError, AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise ArtifactError(f"{path.name}: not a valid model folder ({error!r}).") from error


def read_schema(path: Path) -> FeatureSchema:
    """Read the columns of a model folder without its weights; ArtifactError if it is damaged."""
    try:
        return FeatureSchema.from_json(_read_config(path)["schema"])
    except (LookupError, AttributeError, TypeError, SchemaError) as error:
        raise ArtifactError(f"{path.name}/{CONFIG}: no valid schema ({error!r}).") from error


def read_expected(path: Path) -> Expected:
    """Read what a model folder expects of tables, without its networks.

    Raises
    ------
    ArtifactError
        If the folder is damaged.
    """
    schema = read_schema(path)
    try:
        with safe_open(standing(path) / WEIGHTS, framework="np") as file:
            names = [name for name in file.keys() if name.startswith(RANGE_ARRAYS)]  # noqa: SIM118
            arrays = {name: file.get_tensor(name) for name in names}
        return Expected(
            schema=schema,
            training_range=TrainingRange.from_arrays(arrays, schema),
            **_trained_on(_read_config(path)["reference"]),
        )
    except (SafetensorError, OSError) as error:
        raise ArtifactError(f"{path.name}/{WEIGHTS}: damaged ({error}).") from error
    except (LookupError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path.name}: not a valid model folder ({error!r}).") from error


def read_card(path: Path) -> Card:
    """Read the card of a model folder; ArtifactError if it is damaged."""
    try:
        return Card.model_validate(_read_json(path / CARD))
    except ValueError as error:
        raise ArtifactError(f"{path.name}/{CARD}: not a valid card ({error}).") from error


def _read_config(path: Path) -> dict[str, Any]:
    config = _read_json(path / CONFIG)
    if config.get("format") != FORMAT:
        raise ArtifactError(
            f"{path.name}/{CONFIG}: format {config.get('format')}, not {FORMAT}: another version "
            "wrote it. Train the model again."
        )
    return config


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads((standing(path.parent) / path.name).read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtifactError(f"{path.parent.name}/{path.name} cannot be read.") from error
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path.parent.name}/{path.name}: no valid JSON ({error}).") from error
    if not isinstance(data, dict):
        raise ArtifactError(f"{path.parent.name}/{path.name}: not a JSON object.")
    return data


def _read_tensors(path: Path) -> tuple[dict[str, Tensor], str]:
    try:
        with safe_open(standing(path) / WEIGHTS, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ArtifactError(f"{path.name}/{WEIGHTS}: damaged ({error}).") from error
    for name, tensor in tensors.items():
        if name.startswith(FINITE) and not torch.isfinite(tensor).all():
            raise ArtifactError(f"{path.name}/{WEIGHTS}: {name} holds values that are not finite.")
    if "schema" not in metadata:
        raise ArtifactError(f"{path.name}/{WEIGHTS}: no schema in its header.")
    return tensors, metadata["schema"]


def _require_same_schema(trained: Any, stated: Any, path: Path) -> None:
    """Name the first difference between the columns trained on and those in the configuration."""
    if trained == stated:
        return
    where = f"{path.name}/{CONFIG}"
    before, after = _flat_columns(trained), _flat_columns(stated)
    missing = [c for c in before if c not in set(after)]
    added = [c for c in after if c not in set(before)]
    if missing and added:
        raise ArtifactError(f"{where}: column {missing[0]} was renamed or replaced by {added[0]}.")
    if missing:
        raise ArtifactError(f"{where}: column {missing[0]} is missing.")
    if added:
        raise ArtifactError(f"{where}: column {added[0]} is not one the model was trained on.")
    moved = next((a for b, a in zip(before, after, strict=True) if a != b), None)
    raise ArtifactError(
        f"{where}: column {moved} is not where the model was trained to read it."
        if moved
        else f"{where}: groups or clinical levels differ from the trained model's."
    )


def _require_own_arrays(tensors: dict[str, Tensor], bundle: BundleParts, path: Path) -> None:
    """Require exactly the arrays that the bundle would be saved as, of the same types."""
    own = _tensors(bundle)
    for name, tensor in tensors.items():
        if name not in own:
            raise ArtifactError(f"{path.name}/{WEIGHTS}: unknown array {name}.")
        expected = next((d for start, d in TYPES.items() if name.startswith(start)), None)
        expected = own[name].dtype if expected is None else expected
        if tensor.dtype != expected:
            raise ArtifactError(
                f"{path.name}/{WEIGHTS}: {name} has type {tensor.dtype}, not {expected}."
            )


def _flat_columns(schema: Any) -> list[str]:
    names = [
        f"{m['name']}/{column}"
        for m in schema["modalities"]
        for group in m["groups"]
        for column in group["columns"]
    ]
    return names + [f"clinical/{c['name']}" for c in schema["clinical"]]


def _info(data: dict[str, Any]) -> CohortInfo:
    return CohortInfo(
        **{
            **data,
            "endpoint": Endpoint(**data["endpoint"]),
            "notes": tuple(data["notes"]),
            "names": {k: ColumnWords(**v) for k, v in data.get("names", {}).items()},
        }
    )


def _ensemble(
    tensors: dict[str, Tensor], schema: FeatureSchema, run: RunConfig, members: int, path: Path
) -> Ensemble:
    """Rebuild the stack, requiring exactly the tensors and shapes of the architecture."""
    n_clinical = len(clinical_names(schema))
    expected = build_architecture(schema, n_clinical, run.network).state_dict()
    parameters = {}
    for name, like in expected.items():
        tensor = tensors.pop(f"member.{name}", None)
        if tensor is None or tensor.shape != (members, *like.shape):
            raise ArtifactError(f"{path.name}/{WEIGHTS}: {name} is absent or has a wrong shape.")
        parameters[name] = tensor.to(like.dtype)
    extra = [name for name in tensors if name.startswith("member.")]
    if extra:
        raise ArtifactError(f"{path.name}/{WEIGHTS}: unknown weights {extra[0]}.")
    widths = {m.name: m.n_features for m in schema.modalities} | {CLINICAL: n_clinical}
    columns = {}
    for name, width in widths.items():
        columns[name] = {key: tensors[f"columns.{name}.{key}"] for key in FittedColumns.FIELDS}
        if any(values.shape != (members, width) for values in columns[name].values()):
            raise ArtifactError(
                f"{path.name}/{WEIGHTS}: preprocessing of {name} has a wrong shape."
            )
        if not (columns[name]["scale"] > 0).all():
            raise ArtifactError(f"{path.name}/{WEIGHTS}: a scale of {name} is not above 0.")
    if tensors["offset"].shape != (members,):
        raise ArtifactError(f"{path.name}/{WEIGHTS}: offset has a wrong shape.")
    return Ensemble(
        schema=schema,
        config=run.network,
        parameters=parameters,
        columns=columns,
        offset=tensors["offset"],
    )


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Any]:
    return {k.removeprefix(prefix): t.numpy() for k, t in tensors.items() if k.startswith(prefix)}


def _reference(
    tensors: dict[str, Tensor], data: dict[str, Any], schema: FeatureSchema
) -> Reference:
    strata = Strata.from_json(data["strata"])
    mean, sd = read_stored(float, [data["mean"], data["sd"]])
    if sd <= 0:
        raise ValueError("sd of the reference must be above 0")
    sorted_z = tensors["reference.sorted_z"].numpy()
    if sorted_z.ndim != 1 or not len(sorted_z) or (np.diff(sorted_z) < 0).any():
        raise ValueError("risks of the reference do not ascend")
    sets = tuple(_validated(tensors, i, stored) for i, stored in enumerate(data["sets"]))
    if not sets or sets[-1].validation.modalities != schema.names:
        raise ValueError("the model was not validated with all its modalities")
    sets[-1].require_calibration()
    seen = tensors["reference.seen"].numpy()
    if seen.ndim != 2 or seen.shape[1] != len(tensors["offset"]) or not np.isin(seen, (0, 1)).all():
        raise ValueError("reference.seen does not say which member saw which patient")
    digests = TrainingDigests.from_stored(data["digests"], _under(tensors, "digests."))
    digests.check(schema, len(seen))
    return Reference(
        mean=mean,
        sd=sd,
        sorted_z=sorted_z,
        digests=digests,
        seen=seen.astype(bool),
        spread=read_stored(MemberSpread, [data["spread"]])[0],
        strata=strata,
        curves={
            s: KaplanMeierCurve.from_arrays(_under(tensors, f"curve.{s}.")) for s in strata.names
        },
        sets=sets,
        bound=read_stored(SurvivalBound, [data["bound"]])[0],
        training_range=TrainingRange.from_arrays(_under(tensors, ""), schema),
        subgroups=read_stored(SubgroupValidation, data["subgroups"]),
        **_trained_on(data),
    )


def _validated(tensors: dict[str, Tensor], place: int, data: dict[str, Any]) -> ValidatedSet:
    """Build the set of modalities stored at a place."""
    (validation,) = read_stored(SubsetValidation, [data])
    if tuple(gate.horizon for gate in validation.gates) != HORIZONS:
        raise ValueError(f"calibration gates are not those of {HORIZONS} months")
    arrays = _under(tensors, f"calibration.{place}.")
    return ValidatedSet(
        validation=validation, calibration=Calibration.from_arrays(arrays) if arrays else None
    )


def _trained_on(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what inputs are worth and how long patients were followed."""
    return {
        "inputs": read_stored(InputWorth, data["inputs"]),
        "follow_up": read_stored(FollowUpFacts, [data["follow_up"]])[0],
    }
