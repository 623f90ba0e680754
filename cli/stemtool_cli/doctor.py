"""``stemtool doctor``."""

from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING

import click

from stemtool_cli.streams import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daw_bridge.errors import ModelError, PresetError
    from daw_bridge.library.manifest import ModelManifest

_PACKAGES = (
    "daw-bridge", "numpy", "scipy", "soundfile", "av", "soxr", "onnx", "pedalboard", "mutagen",
    "python-osc",
)  # fmt: skip


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def doctor(*, as_json: bool) -> None:
    """Show what is installed, and what to do about anything missing.

    The report has versions, devices, folders, models and the server. The exit status is 0 where
    `stemtool separate` can run on the CPU or better.
    """
    report = {"Python": platform.python_version(), "System": platform.platform()}
    report |= {name: _package_version(name) for name in _PACKAGES}
    report |= _runtime() | _weights() | _presets() | _server()
    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    width = max(map(len, report))
    for name, value in report.items():
        show(f"{name:<{width}}  {value}")


def _package_version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "missing: pip install daw-bridge brings it"


def _runtime() -> dict[str, str]:
    from daw_bridge.separation.providers import PROVIDERS
    from daw_bridge.separation.runtime import choose_provider, find_obstacle, runtime_version
    from daw_bridge.system import usable_cpus

    report = {"ONNX Runtime": runtime_version(), "CPU threads": str(usable_cpus())}
    for provider in PROVIDERS:
        obstacle = find_obstacle(provider)
        report[f"Provider {provider.name}"] = f"not usable: {obstacle}" if obstacle else "usable"
    return report | {"Provider auto": f"takes {choose_provider('auto').name}"}


def _weights() -> dict[str, str]:
    from daw_bridge.library.models import load_manifests
    from daw_bridge.library.places import HOME_VARIABLE, cache_folder, data_folder

    broken: list[ModelError] = []
    models = {f"Model {each.name}": _state(each) for each in load_manifests(broken.append)}
    return {
        "Cache folder": f"{cache_folder()} ({HOME_VARIABLE} moves it)",
        "Models folder": str(data_folder() / "models"),
        **models,
        **_findings("Broken model", broken),
    }


def _state(manifest: ModelManifest) -> str:
    """Return whether a model can be used, and what to do where it cannot."""
    from daw_bridge.errors import ModelError
    from daw_bridge.library.places import replaces_shipped
    from daw_bridge.weights.installing import are_fetched, are_intact

    try:
        if are_intact(manifest):
            state = "weights are here and intact"
        elif are_fetched(manifest):
            state = f"weights are corrupt: run stemtool models pull {manifest.name}"
        else:
            state = f"not fetched yet: run stemtool models pull {manifest.name}"
    except ModelError as error:
        state = str(error)
    if replaces_shipped(manifest.name):
        state += "; it is yours, in place of the one that comes with daw-bridge"
    return state


def _presets() -> dict[str, str]:
    from daw_bridge.rendering.layout import load_layouts
    from daw_bridge.rendering.preset import load_presets

    broken: list[PresetError] = []
    load_presets(broken.append)
    load_layouts(broken.append)
    return _findings("Broken preset", broken)


def _findings(what: str, errors: Sequence[Exception]) -> dict[str, str]:
    """Return a line for each of the library that breaks its rules."""
    return {f"{what} {number}": str(error) for number, error in enumerate(errors, 1)}


def _server() -> dict[str, str]:
    from daw_bridge.errors import ConnectionLostError, ServerError
    from daw_bridge.library.places import state_folder
    from daw_bridge.osc.client import Client, find_port

    try:
        Client().close()
        server = f"answers on port {find_port()}"
    except ConnectionLostError:
        server = "none that answers; stemtool serve starts one, for DAWs"
    except ServerError as error:
        server = f"answers on port {find_port()}: {error}"
    daws = "`stemtool daw doctor` says what they have and lack"
    return {"State folder": str(state_folder()), "Server": server, "DAWs": daws}
