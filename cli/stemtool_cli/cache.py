"""``stemtool cache``."""

from __future__ import annotations

import click

from stemtool_cli.streams import show


@click.group()
def cache() -> None:
    """Show and clear the stems that are kept, so that turning one knob does not separate again.

    \b
    Examples:
      stemtool cache show
      stemtool cache clear
    """


@cache.command("show")
def show_cache() -> None:
    """Show where the cache is and what it holds, the stems that were used last first."""
    from datetime import datetime

    from daw_bridge.jobs.cache import DEFAULT_LIMIT_BYTES, StemCache

    stems = StemCache()
    held = 0
    for path in stems.entries():
        entry = path.stat()
        held += entry.st_size
        used = datetime.fromtimestamp(entry.st_mtime).astimezone()
        show(f"{path.stem[:12]}  {entry.st_size / 1e6:8.1f} MB  {used:%Y-%m-%d %H:%M}")
    show(f"{stems.folder}: {held / 1e6:.1f} MB of {DEFAULT_LIMIT_BYTES / 1e6:.0f} MB")


@cache.command("clear")
def clear_cache() -> None:
    """Remove all that the cache holds."""
    from daw_bridge.jobs.cache import StemCache

    StemCache().clear()
