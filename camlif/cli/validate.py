"""The command ``validate``: whether a model holds for patients it was not made of.

A cohort folder and a model go in; a folder with the report as HTML, PDF and JSON comes out. Raises
what `camlif.cli.commands` turns into one line and exit status 2.
"""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from camlif.cli import console
from camlif.cli.reading import RepairOption, keep_problems, read_cohort, suitability, tell_problems
from camlif.files import place_folder
from camlif.wording import count

NAME = "validation"


class Setting(StrEnum):
    """Where the patients are from."""

    ELSEWHERE = "elsewhere"
    LATER = "later"
    UNKNOWN = "unknown"


def validate(
    data: console.DataArgument,
    model: Annotated[Path, typer.Option("--model", help="Model folder.")],
    out: Annotated[Path, typer.Option(help="Folder for the report as HTML, PDF and JSON.")],
    setting: Annotated[
        Setting,
        typer.Option(
            help="Where the patients are from: another hospital, the training one later, not told. "
            "Only the first is called external."
        ),
    ] = Setting.UNKNOWN,
    training: Annotated[
        str | None,
        typer.Option(help="Training cohort, to say whether new patients can be told from it."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of resamples.")] = 0,
    device: console.DeviceOption = "auto",
    manifest: console.ManifestOption = None,
    repair: RepairOption = None,
    force: console.ForceOption = False,
    as_json: console.JsonOption = False,
) -> None:
    """Report on new patients whether risks rank and probabilities hold.

    Patients of the training cohort are recognised and left out. Exit 0 whatever is found.
    """
    from camlif.model.bundle import load_bundle
    from camlif.transport.report import to_html, to_json, to_pdf
    from camlif.transport.validation import validate as validate_bundle

    console.require_placeable(out, force=force)
    bundle = load_bundle(model, device=device)
    checked = read_cohort(
        data, manifest, repair=repair or (), look=suitability(model), quiet=as_json
    )
    trained = None if training is None else read_cohort(training, quiet=as_json).cohort
    if not as_json:
        tell_problems(checked)
    with console.progress_bar("validating", quiet=as_json):
        found = validate_bundle(
            bundle, checked.cohort, training=trained, setting=setting.value, seed=seed
        )
        today = dt.datetime.now(dt.UTC).date()
        text = to_json(found)
        with place_folder(out) as folder:
            (folder / f"{NAME}.html").write_text(to_html(found, today), encoding="utf-8")
            (folder / f"{NAME}.pdf").write_bytes(to_pdf(found, today))
            (folder / f"{NAME}.json").write_text(text, encoding="utf-8")
    if as_json:
        console.output.print_json(text)
        return
    keep_problems(checked, beside=out)
    flow = found.flow
    console.say(
        f"{out}: {found.title.lower()} on {count(flow.n_used, 'patient')}, "
        f"{count(flow.n_events, 'event')}; left out {flow.n_training:,} of the training cohort, "
        f"{flow.n_unclear:,} who may be, "
        f"{flow.n_unscored:,} without a score, {flow.n_without_outcome:,} without an outcome"
    )
    for claim in found.claims:
        console.say(f"{claim.verdict}: {claim.sentence}")
