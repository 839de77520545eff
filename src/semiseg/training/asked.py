"""What a run was asked to be, which its folder keeps, against what is asked of it now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from semiseg.config import Run, combined, flat, make_run
from semiseg.errors import RunFolderError
from semiseg.run_folder import RunFolder

Layers = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""Nested settings such as `{"method": "cml", "data": {"labeled": 8}}`, or several, later ones winning."""


def as_list(layers: Layers) -> Sequence[Mapping[str, Any]]:
    """One layer is a list of one."""
    return [layers] if isinstance(layers, Mapping) else layers


def asked(layers: Layers) -> dict[str, Any]:
    """Every setting that the layers name, by dotted name, as JSON holds it; what they leave open is not in it."""
    values = make_run(*as_list(layers)).model_dump(mode="json", exclude_unset=True)
    if not any("method" in layer for layer in as_list(layers)):
        del values["method"]  # `make_run` names one where nobody does
    return dict(flat(values))


def asked_over(run: Run, layers: Layers) -> Run:
    """The run with the layers' settings; those of the method only where it is the same."""
    whole = run.model_dump()
    kept = whole if combined(whole, *as_list(layers))["method"] == run.method else {**whole, "settings": {}}
    return make_run(kept, *as_list(layers))


def settled(folder: RunFolder, layers: Layers) -> Run:
    """The run to go on with: the folder's own; once its weights are there, with the `inference` that is asked for now, which it then keeps.

    Raises:
        RunFolderError: the layers ask for anything else.
    """
    run = folder.run()
    now = run.model_copy(update={"inference": asked_over(run, layers).inference}) if folder.weights.is_file() else run
    refuse_other_settings(now, layers, folder)
    if now != run:
        later = {name: value for name, value in asked(layers).items() if name.startswith("inference.")}
        if plan := folder.read_json("plan.json"):
            folder.write_json("plan.json", {**plan, "asked": {**plan.get("asked", {}), **later}})
        folder.write_text("run.yaml", now.to_yaml())
    return now


def refuse_other_settings(run: Run, layers: Layers, folder: RunFolder) -> None:
    """Raises RunFolderError naming every setting of the layers that differs from the run's; what they leave open is the run's."""
    now = asked_over(run, layers)
    old, new = dict(flat(run.model_dump())), dict(flat(now.model_dump()))
    changed = [f"{name} ({old.get(name)} -> {new.get(name)})" for name in old | new if old.get(name) != new.get(name)]
    if now != run:
        raise RunFolderError(
            f"{folder.path}: a run is resumed with its own settings; asked to change {', '.join(changed)}. Start a new run for that."
        )


def refuse_another_request(folder: RunFolder, layers: Layers) -> None:
    """Raises RunFolderError where the layers would not have begun this run: a setting differs, or one that was asked for then is not now.

    The latter only if it makes a difference: the setting would have another value today, or a plan would choose it. Folders of versions
    that did not note what was asked for are held to the settings that are named now.
    """
    refuse_other_settings(folder.run(), layers, folder)
    plan = folder.read_json("plan.json") or {}
    now, planned = asked(layers), {choice["setting"] for choice in plan.get("choices", ())}
    otherwise = dict(flat(make_run(*as_list(layers)).model_dump(mode="json")))
    gone = {name: value for name, value in plan.get("asked", {}).items() if name not in now}
    missed = [
        f"{name} ({value} -> {'planned' if name in planned else otherwise.get(name)})"
        for name, value in gone.items()
        if name in planned or value != otherwise.get(name)
    ]
    if missed:
        raise RunFolderError(
            f"{folder.path}: was begun with settings that are not asked for any more: {', '.join(missed)}. Ask for them again, or start a "
            "new run in another folder."
        )
