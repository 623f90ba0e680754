"""A server that starts with the user's session, kept by what the system has for that.

Linux has systemd, macOS launchd, Windows its task scheduler; each reads a file of its own, and is
then told of it by a command.
"""

from __future__ import annotations

import os
import plistlib
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from daw_bridge.daw.shipping import stemtool
from daw_bridge.errors import DawError, OutputError
from daw_bridge.files.atomic import write_whole
from daw_bridge.library.places import HOME_VARIABLE, state_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TITLE = "A server that is always there"
LOG = "serve.log"
"""In the state folder: what a server says that no terminal shows."""
_UNIT = "stemtool.service"
_LABEL = "org.daw-bridge.stemtool"
_SECONDS_TO_ANSWER = 60


@dataclass(frozen=True)
class Keeper:
    """What starts programs for a user on one of Python's platforms.

    Attributes:
        title: its name.
        file: what it reads, in the user's home folder or the state folder.
        describe: gives the content of that.
        start: commands that make it read the file and start the server; ``{file}`` stands for it.
        stop: commands that end the server and make it forget.
    """

    title: str
    file: Callable[[], Path]
    describe: Callable[[], bytes]
    start: Sequence[Sequence[str]]
    stop: Sequence[Sequence[str]]

    def run(self, commands: Sequence[Sequence[str]]) -> None:
        """Run commands, one after the other.

        Raises:
            DawError: it is not there, or one of them failed.
        """
        for words in commands:
            filled = [word.format(file=self.file()) for word in words]
            try:
                subprocess.run(  # noqa: S603 - the system's own, no shell
                    filled, check=True, capture_output=True, text=True, timeout=_SECONDS_TO_ANSWER
                )
            except FileNotFoundError:
                raise DawError(f"{self.title} is missing: there is no {words[0]}.") from None
            except subprocess.SubprocessError as error:
                reason = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[0]
                raise DawError(f"{self.title} does not start it: {reason.rstrip('.')}.") from None


def install_service() -> Path:
    """Have the system start a server now and whenever the user's session starts.

    Returns:
        The file that says so.

    Raises:
        DawError: the system has nothing that does, or will not.
        OutputError: the file cannot be written.
    """
    keeper = find_keeper()
    file = keeper.file()
    try:
        for folder in (file.parent, state_folder()):
            folder.mkdir(parents=True, exist_ok=True)
        write_whole(file, keeper.describe())
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {error.strerror}.") from None
    try:
        keeper.run(keeper.start)
    except DawError:
        file.unlink(missing_ok=True)
        raise
    return file


def uninstall_service() -> Path:
    """Take back what ``install_service`` did; the server ends.

    Raises:
        DawError: the system has nothing that starts servers.
        OutputError: the file cannot be removed.
    """
    keeper = find_keeper()
    with suppress(DawError):  # it knows nothing of the server any more
        keeper.run(keeper.stop)
    try:
        keeper.file().unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{keeper.file()} cannot be removed: {error.strerror}.") from None
    return keeper.file()


def is_installed() -> bool:
    """Return whether the system is to start a server."""
    return sys.platform in KEEPERS and find_keeper().file().exists()


def is_current() -> bool:
    """Return whether it starts the server as it would if it were installed now."""
    return find_keeper().file().read_bytes() == find_keeper().describe()


def find_keeper() -> Keeper:
    """Return what starts programs on this system.

    Raises:
        DawError: nothing that we know.
    """
    if sys.platform not in KEEPERS:
        raise DawError(f"Nothing is known that would start a server on {sys.platform} by itself.")
    return KEEPERS[sys.platform]


def _words() -> list[str]:
    return [str(stemtool()), "serve", "--state", str(state_folder().absolute())]


def _describe_unit() -> bytes:
    """Return a unit of systemd (systemd.service(5)); a server that fetches its model takes long."""
    environment = ""
    if home := os.environ.get(HOME_VARIABLE):
        environment = f"Environment={_quoted(f'{HOME_VARIABLE}={home}')}\n"
    return f"""\
[Unit]
Description=Server that separates music for DAWs (stemtool)
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={" ".join(map(_quoted, _words())).replace("$", "$$")}
{environment}Restart=on-failure
RestartSec=60
TimeoutStartSec=infinity

[Install]
WantedBy=default.target
""".encode()


def _quoted(word: str) -> str:
    """Return a word as units have it: % starts what systemd fills in."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _describe_agent() -> bytes:
    """Return an agent of launchd (launchd.plist(5))."""
    log = str(state_folder().absolute() / LOG)
    agent = {
        "Label": _LABEL,
        "ProgramArguments": _words(),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 60,
        "StandardErrorPath": log,
    }
    if home := os.environ.get(HOME_VARIABLE):
        agent["EnvironmentVariables"] = {HOME_VARIABLE: home}
    return plistlib.dumps(agent)


def _describe_task() -> bytes:
    """Return a task of Windows' scheduler, which reads UTF-16 only."""
    program, *arguments = _words()
    return f"""\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <Triggers><LogonTrigger><UserId>{escape(_user())}</UserId></LogonTrigger></Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{escape(_user())}</UserId>
      <LogonType>InteractiveToken</LogonType>
    </Principal>
  </Principals>
  <Settings>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{escape(program)}</Command>
      <Arguments>{escape(subprocess.list2cmdline(arguments))}</Arguments>
    </Exec>
  </Actions>
</Task>
""".encode("utf-16")


def _user() -> str:
    """Return the user as Windows names one, the domain before."""
    return "\\".join(os.environ.get(name, "") for name in ("USERDOMAIN", "USERNAME"))


def _unit_file() -> Path:
    settings = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(settings).expanduser() / "systemd" / "user" / _UNIT


KEEPERS: dict[str, Keeper] = {
    "linux": Keeper(
        "systemd",
        _unit_file,
        _describe_unit,
        (
            ("systemctl", "--user", "daemon-reload"),
            ("systemctl", "--user", "enable", _UNIT),
            ("systemctl", "--user", "--no-block", "restart", _UNIT),
        ),
        (("systemctl", "--user", "disable", "--now", _UNIT),),
    ),
    "darwin": Keeper(
        "launchd",
        lambda: Path("~/Library/LaunchAgents").expanduser() / f"{_LABEL}.plist",
        _describe_agent,
        (("launchctl", "unload", "{file}"), ("launchctl", "load", "-w", "{file}")),
        (("launchctl", "unload", "-w", "{file}"),),
    ),
    "win32": Keeper(
        "The task scheduler",
        lambda: state_folder() / "task.xml",
        _describe_task,
        (
            ("schtasks", "/Create", "/F", "/TN", _LABEL, "/XML", "{file}"),
            ("schtasks", "/Run", "/TN", _LABEL),
        ),
        (
            ("schtasks", "/End", "/TN", _LABEL),
            ("schtasks", "/Delete", "/F", "/TN", _LABEL),
        ),
    ),
}
"""What starts programs on each of Python's platforms."""
