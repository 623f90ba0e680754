"""``stemtool daw separate audacity``: the tracks that are selected in the running Audacity."""

from __future__ import annotations

import secrets
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from daw_bridge.errors import ServerError
from daw_bridge.library.places import state_folder
from daw_bridge.osc.client import Client
from daw_bridge.osc.settings import read_server_file
from stemtool_cli.options import show_progress
from stemtool_cli.remote import called_off_if_interrupted
from stemtool_cli.serve import start_on_demand
from stemtool_cli.streams import complain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from daw_bridge.osc.settings import Whereabouts

_SECONDS_TO_END = 10.0
_SECONDS_BETWEEN_LOOKS = 0.1


@dataclass(frozen=True)
class _ByServer:
    """Has files separated by the server of this machine.

    Attributes:
        server: where it is.
        model: what makes the stems; empty: the server's choice.
        options: what else is said of the job.
    """

    server: Whereabouts
    model: str
    options: Mapping[str, str]

    def __call__(self, source: Path, folder: Path, label: str) -> dict[str, Path]:
        """Return the files of the stems, of 32-bit floats: they add up to what Audacity plays."""
        job = f"audacity-{secrets.token_hex(8)}"
        with (
            self._connect() as client,
            self._ended_if_interrupted(job),
            called_off_if_interrupted(job, self._connect),
            show_progress(label, quiet=False) as progress,
        ):
            return client.run(
                "separate",
                [source],
                folder,
                model=self.model,
                options={"bits": "32f", "label": label, **self.options},
                job=job,
                progress=progress and (lambda fraction: progress(round(100 * fraction), 100)),
                warn=complain,
            )

    @contextmanager
    def _ended_if_interrupted(self, job: str) -> Iterator[None]:
        """Wait for the end of a job that was called off, which needs its files until then."""
        try:
            yield
        except (KeyboardInterrupt, SystemExit):
            deadline = time.monotonic() + _SECONDS_TO_END
            with self._connect() as client:
                while time.monotonic() < deadline and any(
                    each.job == job and each.state in {"queued", "running"}
                    for each in client.jobs()
                ):
                    time.sleep(_SECONDS_BETWEEN_LOOKS)
            raise

    def _connect(self) -> Client:
        return Client(self.server.host, self.server.port, name="audacity")


def separate_in_audacity(model: str, options: Mapping[str, str], *, keep_source: bool) -> list[str]:
    """Separate what is selected in Audacity; return the names of the stems' tracks.

    Args:
        model: what makes the stems; empty: the server's choice.
        options: what else is said to the server, such as stems.
        keep_source: leave what was separated sounding.

    Raises:
        DawBridgeError: there is no Audacity, nothing is selected, or it cannot be separated.
    """
    from daw_bridge.daw.audacity.pipe import ScriptPipe
    from daw_bridge.daw.audacity.separation import separate_selection

    with ScriptPipe() as pipe:
        separate = _ByServer(start_on_demand(), model, options)
        with _exchange() as folder:
            return separate_selection(pipe, separate, folder, keep_source=keep_source)


@contextmanager
def _exchange() -> Iterator[Path]:
    """Make a folder that the server may use, for as long as it is needed."""
    inbox = read_server_file(state_folder()).get("inbox")
    if not inbox:
        raise ServerError("The server that runs is too old for this: end it, and try again.")
    with tempfile.TemporaryDirectory(prefix="audacity-", dir=inbox) as folder:
        yield Path(folder)
