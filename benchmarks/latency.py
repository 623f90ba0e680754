"""A warm server against a command started for each request: from a 10 s selection to its stems.

python -m benchmarks.latency [SONG] [--seconds 10] [--rounds 5] [--workspace FOLDER]

The selection lies in a song of three minutes. For Spleeter it is ``spleeter separate`` with
``--offset`` and ``--duration``, as a DAW script would start it. Spleeter is installed as
benchmarks.separate says.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cost import measure
from benchmarks.separate import SAMPLE_RATE_HZ, make_song, parse_arguments
from tests.golden.spleeter_environment import make_reference
from tests.server import Server

if TYPE_CHECKING:
    from daw_bridge.osc.client import Client

OFFSET_S = 60


def main() -> None:
    """Run the benchmark."""
    arguments = parse_arguments(__doc__, seconds=10, rounds=5)
    python = make_reference(arguments.workspace)
    reference = {"MODEL_PATH": str(arguments.workspace / "models"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    spleeter: list[str | Path] = [python.with_name("spleeter"), "separate", "-p"]
    spleeter += ["spleeter:2stems", "-s", str(OFFSET_S), "-d", str(arguments.seconds), "-o"]
    theirs, ours = [], []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        song = make_song(arguments.song, 180, folder)
        with Server(folder, folder / "state") as server, server.client() as client:
            for number in range(arguments.rounds):
                theirs.append(measure([*spleeter, folder / "theirs", song], reference).wall_s)
                ours.append(time_request(client, song, folder / str(number), arguments.seconds))
    ratios = [their / our for their, our in zip(theirs, ours, strict=True)]
    print(
        f"spleeter separate, started each time  {statistics.median(theirs):6.2f} s\n"
        f"stemtool serve, warm                  {statistics.median(ours):6.2f} s\n"
        f"times faster: {statistics.median(ratios):.0f} (worst round {min(ratios):.0f})"
    )


def time_request(client: Client, song: Path, folder: Path, seconds: float) -> float:
    """Return the seconds from a request to its last stem on the disk."""
    began = time.perf_counter()
    client.separate(
        [song],
        folder,
        start=OFFSET_S * SAMPLE_RATE_HZ,
        length=round(seconds * SAMPLE_RATE_HZ),
    )
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
