"""Where the time of a stemtool command goes, stage by stage.

python -m benchmarks.profile [SONG] [COMMAND] [-m MODEL OPTIONS...]

Without a song it takes three minutes of those of the tests, and without a command ``separate``;
options are stemtool's. Of each stage it prints how long any thread was in it, which may be at the
same time as another, and what it took of the processor. What threads of the runtime's own take is
left over.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from benchmarks.cost import measure
from benchmarks.separate import make_song

SECONDS = 180


def main() -> None:
    """Run the command and print its stages."""
    words = sys.argv[1:]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        is_given = bool(words) and Path(words[0]).is_file()
        song = Path(words.pop(0)) if is_given else make_song(None, SECONDS, folder)
        command = words.pop(0) if words and not words[0].startswith("-") else "separate"
        output = folder if command == "separate" else folder / f"{command}.wav"
        report = folder / "stages.json"
        stemtool = [sys.executable, "-m", "benchmarks.staged_stemtool"]
        cost = measure([*stemtool, report, command, song, "-o", output, "--quiet", *words])
        stages: dict[str, tuple[float, float]] = json.loads(report.read_text())
    print(f"{'':24}{'wall':>8}{'processor':>12}")
    for name, (wall_s, cpu_s) in stages.items():
        print(f"{name:24}{wall_s:6.2f} s{cpu_s:10.2f} s")
    left_s = cost.cpu_s - sum(cpu_s for _, cpu_s in stages.values())
    print(f"{'left over':32}{left_s:10.2f} s")
    print(
        f"{'the whole process':24}{cost.wall_s:6.2f} s{cost.cpu_s:10.2f} s"
        f" ({cost.user_s:.2f} user, {cost.sys_s:.2f} sys), {cost.peak_mb:.0f} MB"
    )


if __name__ == "__main__":
    main()
