"""A real Audacity on a screen of its own, without sound, which takes commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from daw_bridge.daw.audacity.pipe import PATIENCE_S, ScriptPipe
from tests.daw.homes import User
from tests.daw.screens import photograph, process, screen
from tests.programs import lack, require
from tests.server import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE_AT_A_TIME = "/tmp/audacity.lock"  # as the name of the pipe is the same for all of one user

# Neither a greeting nor questions, and the pipe as if a person had enabled it.
_CONFIG = """PrefsVersion=1.1.1r1
[Version]
Major=3
Minor=2
Micro=4
[Locale]
Language=en
[GUI]
ShowSplashScreen=0
[Update]
DefaultUpdatesChecking=0
UpdateNoticeShown=1
[Directories]
TempDir={temporary}
[Module]
mod-script-pipe=1
[ModulePath]
mod-script-pipe={module}
[ModuleDateTime]
mod-script-pipe={modified}
"""


@dataclass(frozen=True)
class Audacity(User):
    """A user of Audacity."""

    @property
    def config(self) -> Path:
        return self.home / ".config" / "audacity"

    @property
    def data(self) -> Path:
        """Where users put plug-ins, in ``Plug-Ins``."""
        return self.home / ".local" / "share" / "audacity"

    @property
    def temporary(self) -> Path:
        """Where projects are that were not saved yet."""
        return self.folder / "temporary"

    @property
    def server(self) -> Path:
        """The file of the bridge's server, while it runs."""
        return self.state / "server"

    @contextmanager
    def open(self) -> Iterator[Window]:
        """Show Audacity with an empty project until the block ends."""
        with FileLock(ONE_AT_A_TIME), screen() as display, self._managed(display):
            if not (self.config / "pluginregistry.cfg").exists():
                with self._started(display):
                    pass  # to look at new plug-ins it starts a helper, which takes its pipe away
            with self._started(display) as running:
                yield Window(self, display, running)

    @contextmanager
    def _managed(self, display: str) -> Iterator[None]:
        """Run a window manager: without one, dialogs get no keys."""
        command = [require("openbox"), "--sm-disable"]
        with process(
            command, env=self.environment | {"DISPLAY": display}, stderr=subprocess.DEVNULL
        ):
            yield

    @contextmanager
    def _started(self, display: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run Audacity until the block ends; it is ready when the block begins."""
        self._configure()
        environment = self.environment | {"DISPLAY": display}
        with (self.folder / "audacity.out").open("a") as out:
            command = [require("audacity")]
            with process(command, env=environment, stdout=out, stderr=out) as running:
                wait_until(lambda: self._is_ready(display, running), lambda: not running.poll())
                yield running

    def _is_ready(self, display: str, running: subprocess.Popen[bytes]) -> bool:
        """Tell whether it waits for a person; what the pipe is told before would be lost."""
        projects = self.temporary.glob("*.aup3unsaved")
        return bool(find_windows(display, "^Audacity$") and any(projects) and _rests(running.pid))

    def _configure(self) -> None:
        """Forget what was not saved, which Audacity would ask about."""
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir()
        module = find_module()
        modified = datetime.fromtimestamp(int(module.stat().st_mtime)).isoformat()
        text = _CONFIG.format(temporary=self.temporary, module=module, modified=modified)
        (self.config / "audacity.cfg").write_text(text, "utf-8")


@dataclass(frozen=True)
class Window:
    """An Audacity with a project."""

    audacity: Audacity
    display: str
    process: subprocess.Popen[bytes]

    @contextmanager
    def connect(self) -> Iterator[ScriptPipe]:
        """Connect to its pipe, where it has room for one at a time."""
        with ScriptPipe() as pipe:
            yield pipe

    def do(self, command: str, *, patience_s: float = PATIENCE_S, **parameters: object) -> str:
        """Have one command done."""
        with self.connect() as pipe:
            return pipe.do(command, patience_s=patience_s, **parameters)

    def is_running(self) -> bool:
        return self.process.poll() is None

    def titles(self) -> list[str]:
        """Return the titles of the windows that are seen."""
        windows = find_windows(self.display, ".")
        return [_xdotool(self.display, "getwindowname", window) for window in windows]

    def press(self, *keys: str) -> None:
        """Press keys one after the other, as xdotool names them, for the window in front."""
        _xdotool(self.display, "key", "--delay", "50", *keys)

    def photograph(self, path: Path) -> None:
        photograph(self.display, path)


def make_audacity(folder: Path) -> Audacity:
    """Return an Audacity that was never used, but asks nothing when it starts."""
    for program in ("audacity", "openbox", "xdotool", "Xvfb"):
        require(program)
    audacity = Audacity(folder)
    for each in (audacity.config, audacity.data, audacity.bridge):
        each.mkdir(parents=True)
    return audacity


def find_module() -> Path:
    """Return the module that opens the pipe, which packages put beside Audacity."""
    prefix = Path(require("audacity")).resolve().parents[1]
    return next(iter(prefix.glob("lib*/**/mod-script-pipe.so")), None) or lack(
        "mod-script-pipe", "audacity"
    )


def find_windows(display: str, title: str) -> list[str]:
    """Return the windows on a screen whose title has a pattern."""
    return _xdotool(display, "search", "--onlyvisible", "--name", title).split()


def _xdotool(display: str, *arguments: str) -> str:
    run = subprocess.run(
        [require("xdotool"), *arguments],
        env=os.environ | {"DISPLAY": display},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout.strip()


def _rests(pid: int) -> bool:
    """Tell whether a process does nothing for a while."""
    stat = Path(f"/proc/{pid}/stat")
    looks = set()
    for _ in range(8):
        state, *counts = stat.read_text("utf-8").rpartition(")")[2].split()
        looks.add((state, *counts[10:12]))  # time spent in the program, and in the system
        time.sleep(0.04)
    return len(looks) == 1 and next(iter(looks))[0] == "S"
