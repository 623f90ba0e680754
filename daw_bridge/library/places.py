"""Where models and presets live: the user's folder first, then those of the package.

    data folder   models/<name>/manifest.toml    models that a user brought
                  presets/effects/<name>.toml    presets that a user made
                  presets/layouts/<name>.toml    and loudspeaker layouts
    cache folder  weights/<name>-<version>/      weights, fetched and converted once
                  stems/<key>.wav                stems that were separated last
    state folder  jobs, transfers …              what a server remembers

These folders are the platform's own for each kind of data; ``DAW_BRIDGE_HOME`` puts them in one
place.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

import platformdirs

from daw_bridge.errors import ModelError, PresetError, suggestion

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HOME_VARIABLE = "DAW_BRIDGE_HOME"
DEFAULT_MODEL = "spleeter-2stems"
_APP_NAME = "daw-bridge"


def data_folder() -> Path:
    """Return the folder of what the user brought; it may not exist yet."""
    return _home() or platformdirs.user_data_path(_APP_NAME, appauthor=False)


def cache_folder() -> Path:
    """Return the folder of what can be fetched again; it may not exist yet."""
    return _home() or platformdirs.user_cache_path(_APP_NAME, appauthor=False)


def state_folder() -> Path:
    """Return the folder of what a server remembers; it may not exist yet."""
    home = _home()
    return home / "state" if home else platformdirs.user_state_path(_APP_NAME, appauthor=False)


def find_models() -> dict[str, Path]:
    """Return each known model's name with the path of its manifest, sorted by name."""
    manifests = {
        manifest.parent.name: manifest
        for folder in (_shipped_folder(), data_folder())
        for manifest in (folder / "models").glob("*/manifest.toml")
    }
    return dict(sorted(manifests.items()))


def find_model(name: str) -> Path:
    """Return the path of a model's manifest.

    Raises:
        ModelError: no model has this name.
    """
    models = find_models()
    if name not in models:
        raise ModelError(
            f"There is no model '{name}'{suggestion(name, models)};"
            f" `stemtool models list --available` shows the {len(models)} there are."
        )
    return models[name]


def find_presets() -> dict[str, Path]:
    """Return each known preset's name with its path, sorted by name."""
    return _find_tables("effects")


def find_preset(name: str) -> Path:
    """Return the path of a preset.

    Raises:
        PresetError: no preset has this name.
    """
    presets = find_presets()
    if name not in presets:
        raise PresetError(
            f"There is no preset '{name}'{suggestion(name, presets)};"
            f" `stemtool presets list` shows the {len(presets)} there are."
        )
    return presets[name]


def find_layouts() -> dict[str, Path]:
    """Return each known loudspeaker layout's name with its path, sorted by name."""
    return _find_tables("layouts")


def find_layout(name: str) -> Path:
    """Return the path of a loudspeaker layout.

    Raises:
        PresetError: no layout has this name.
    """
    layouts = find_layouts()
    if name not in layouts:
        raise PresetError(
            f"There is no layout '{name}'{suggestion(name, layouts)}; there are"
            f" {', '.join(layouts)}, and yours go into {data_folder() / 'presets' / 'layouts'}."
        )
    return layouts[name]


def read_summary(path: Path) -> str:
    """Return what a preset or layout is for, as it says; empty where it does not."""
    with suppress(OSError, ValueError):
        return str(tomllib.loads(path.read_text("utf-8")).get("summary", ""))
    return ""


def _find_tables(kind: str) -> dict[str, Path]:
    """Return the name and the path of each file of a kind of preset, sorted by name."""
    presets = {
        path.stem: path
        for folder in (_shipped_folder(), data_folder())
        for path in (folder / "presets" / kind).glob("*.toml")
    }
    return dict(sorted(presets.items()))


def _home() -> Path | None:
    home = os.environ.get(HOME_VARIABLE)
    return Path(home).expanduser() if home else None


def _shipped_folder() -> Path:
    """Return the wheel's own copy of the data folders, else the checkout's root."""
    package = Path(str(files("daw_bridge")))
    installed = package / "_library"
    return installed if installed.is_dir() else package.parent
