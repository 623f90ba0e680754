"""Where models and presets live: the user's folder first, then those of the package.

    data folder   models/<name>/manifest.toml    models that a user brought
                  models/catalogue.toml          models that can be had, of the user's own choice
                  presets/effects/<name>.toml    presets that a user made
                  presets/layouts/<name>.toml    and loudspeaker layouts
    cache folder  weights/<name>-<version>/      weights, fetched and converted once
                  prepared/<key>/                the same, optimised for this machine
                  inspected/<key>                networks of users that are harmless to run
                  stems/<key>.wav                stems that were separated last
    state folder  jobs, transfers …              what a server remembers

These folders are the platform's own for each kind of data; ``DAW_BRIDGE_HOME`` puts them in one
place.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import platformdirs

from daw_bridge.errors import ModelError, PresetError, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from daw_bridge.errors import DawBridgeError

_Kind = TypeVar("_Kind")
_Error = TypeVar("_Error", bound=Exception)

HOME_VARIABLE = "DAW_BRIDGE_HOME"
DEFAULT_MODEL = "spleeter-2stems"
_APP_NAME = "daw-bridge"
_MAX_SUMMARY = 500

_log = logging.getLogger(__name__)


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


class Shelf(NamedTuple):
    """One kind of what the library has.

    Attributes:
        kind: what one is called.
        folder: where they lie, in the package's and in the user's folder.
        error: what is raised where there is none of a name.
        inside: the file that is found, where each is a folder; empty: each is a TOML file.
        command: what lists them; empty: they are few enough to be named.
    """

    kind: str
    folder: str
    error: type[DawBridgeError]
    inside: str = ""
    command: str = ""

    def find_all(self) -> dict[str, Path]:
        """Return the name and the path of each, sorted by name."""
        found = {
            path.parent.name if self.inside else path.stem: path
            for root in (_shipped_folder(), data_folder())
            for path in (root / self.folder).glob(f"*/{self.inside}" if self.inside else "*.toml")
        }
        return dict(sorted(found.items()))

    def find(self, name: str, others: Iterable[str] = ()) -> Path:
        """Return the path of the one with a name; ``others`` are those that could be had.

        Raises:
            ModelError: no model has this name.
            PresetError: no preset or layout has.
        """
        found = self.find_all()
        if name not in found:
            known = sorted({*found, *others})
            listed = f"`{self.command}` shows the {len(known)} there are"
            if not self.command:
                own = data_folder() / self.folder
                listed = f"there are {', '.join(found)}, and yours go into {own}"
            hint = suggestion(name, known)
            raise self.error(f"There is no {self.kind} '{name}'{hint}; {listed}.")
        return found[name]


_MODELS = Shelf("model", "models", ModelError, "manifest.toml", "stemtool models list --available")
_PRESETS = Shelf("preset", "presets/effects", PresetError, command="stemtool presets list")
_LAYOUTS = Shelf("layout", "presets/layouts", PresetError)

find_models, find_model = _MODELS.find_all, _MODELS.find
find_presets, find_preset = _PRESETS.find_all, _PRESETS.find
find_layouts, find_layout = _LAYOUTS.find_all, _LAYOUTS.find


def find_catalogues() -> dict[str, Path]:
    """Return the catalogues of models that can be had, the user's last, by their folders."""
    files = (root / "models" / "catalogue.toml" for root in (_shipped_folder(), data_folder()))
    return {str(file.parent): file for file in files if file.is_file()}


def replaces_shipped(model: str) -> bool:
    """Return whether a model of the user's is found in the place of one of the package."""
    own, shipped = (root / "models" / model for root in (data_folder(), _shipped_folder()))
    return own != shipped and all((each / "manifest.toml").is_file() for each in (own, shipped))


def read_summary(path: Path) -> str:
    """Return what a preset or layout is for, as it says; empty where it does not."""
    from daw_bridge.files.tables import open_toml  # Only here: --help does without msgspec.

    with suppress(PresetError), open_toml(path, PresetError) as tables:
        return str(tables.get("summary", ""))[:_MAX_SUMMARY]
    return ""


def warn(error: Exception) -> None:
    """Write in the log why one of the library is left out."""
    _log.warning("It is left out: %s", error)


def load_all(
    found: Mapping[str, Path],
    read: Callable[[Path], _Kind],
    kind: type[_Error],
    tell: Callable[[_Error], None],
) -> Iterator[_Kind]:
    """Yield what can be read of the library: what breaks its rules spoils nothing else.

    Args:
        found: the file of each.
        read: reads one.
        kind: what it raises.
        tell: is told what was raised.
    """
    for path in found.values():
        try:
            yield read(path)
        except kind as error:
            tell(error)


def _home() -> Path | None:
    home = os.environ.get(HOME_VARIABLE)
    return Path(home).expanduser() if home else None


def _shipped_folder() -> Path:
    """Return the wheel's own copy of the data folders, else the checkout's root."""
    package = Path(str(files("daw_bridge")))
    installed = package / "_library"
    return installed if installed.is_dir() else package.parent
