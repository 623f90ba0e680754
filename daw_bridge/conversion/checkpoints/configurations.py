"""The configurations that networks were trained by: YAML or JSON files of plain values."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import yaml

from daw_bridge.errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path

_MAX_BYTES = 1 << 20
_TAIL_BYTES = 10_000 << 10
"""Of a checkpoint: what Ultimate Vocal Remover knows it by."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml tells no types
    """Reads plain values, the tuples that Python writes among them; nothing stands for another."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse aliases, by which a small file may stand for a huge value."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(None, None, "an alias stands for another value", mark)
        return super().compose_node(parent, index)


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _Loader.construct_yaml_seq)


def read_configuration(path: Path) -> dict[str, Any]:
    """Return the table that a YAML or JSON file holds; lists stand for tuples.

    Raises:
        OptionError: it cannot be read, or holds no table of plain values.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise OptionError(f"{path} is no configuration: it has more than {_MAX_BYTES} bytes.")
        is_json = path.suffix == ".json"  # which may be indented by tabs, unlike YAML
        told = json.loads(content) if is_json else yaml.load(content, _Loader)  # noqa: S506 - safe
    except OSError as error:
        raise OptionError(f"{path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = getattr(error, "problem", None) or error
        raise OptionError(f"{path} is no YAML or JSON of plain values: {reason}.") from error
    if not isinstance(told, dict) or not all(isinstance(key, str) for key in told):
        raise OptionError(f"{path} is no configuration: it holds no table of named values.")
    return told


def read_configuration_of(checkpoint: Path, path: Path) -> dict[str, Any]:
    """Return what a file tells of one checkpoint.

    Ultimate Vocal Remover has tables of all its models, by the MD5 of each file's last 10 MB.

    Raises:
        OptionError: it cannot be read, holds no table of plain values, or one of other checkpoints.
    """
    told = read_configuration(path)
    if not told or not all(re.fullmatch("[0-9a-f]{32}", key) for key in told):
        return told
    key = _tail_md5(checkpoint)
    settings = told.get(key)
    if not isinstance(settings, dict):
        raise OptionError(f"{path} says nothing of {checkpoint}, whose last 10 MB have MD5 {key}.")
    return settings


def _tail_md5(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return hashlib.md5(file.read(), usedforsecurity=False).hexdigest()
