"""Published models that are not here yet: ``catalogue.toml`` in the folders of models.

Each entry is what ``stemtool models import`` would be told, under a name. The user's catalogue
comes before the package's, and a model that is here before both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from daw_bridge.errors import ManifestError
from daw_bridge.files.flaws import to_struct
from daw_bridge.files.tables import Table, open_toml
from daw_bridge.library.manifest import PublishedModel
from daw_bridge.library.places import find_catalogues, find_models, load_all, warn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_MAX_MODELS = 1000


class Catalogue(Table, frozen=True):
    """What one ``catalogue.toml`` says."""

    models: Annotated[tuple[PublishedModel, ...], msgspec.Meta(max_length=_MAX_MODELS)]

    def check(self) -> None:
        """Raise :class:`ValueError` unless each model has a name of its own and fits together."""
        names = set()
        for model in self.models:
            if model.name in names:
                raise ValueError(f"two models are called '{model.name}'")
            names.add(model.name)
            model.check_entry()


def load_catalogue(tell: Callable[[ManifestError], None] = warn) -> dict[str, PublishedModel]:
    """Return every published model by its name, sorted, whether it is here or not.

    Args:
        tell: is told why a catalogue is left out; by default the log is.
    """
    catalogues = load_all(find_catalogues(), read_catalogue, ManifestError, tell)
    found = {model.name: model for each in catalogues for model in each.models}
    return dict(sorted(found.items()))


def load_published(tell: Callable[[ManifestError], None] = warn) -> list[PublishedModel]:
    """Return the published models that are not here, sorted by name; ``tell`` is as above."""
    here = find_models()
    return [model for name, model in load_catalogue(tell).items() if name not in here]


def read_catalogue(path: Path) -> Catalogue:
    """Parse and validate one catalogue.

    Raises:
        ManifestError: the file is no TOML; a key is unknown, missing or of the wrong kind; or two
            models share a name.
    """
    with open_toml(path, ManifestError) as tables:
        catalogue: Catalogue = to_struct(tables, Catalogue)
        catalogue.check()
    return catalogue
