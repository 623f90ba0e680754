"""The public API, and how long it takes to get there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import daw_bridge


def test_all_is_what_the_api_is() -> None:
    assert daw_bridge.__all__ == [
        "Audio",
        "DawBridgeError",
        "SeparationOptions",
        "Separator",
        "Stems",
    ]
    for name in daw_bridge.__all__:
        assert getattr(daw_bridge, name).__name__ == name
    with pytest.raises(AttributeError):
        daw_bridge.nothing  # noqa: B018


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["separate", "--help"],
        ["remix", "--help"],
        ["presets", "--help"],
        ["upmix", "--help"],
        ["models", "--help"],
        ["--version"],
    ],
)
def test_help_loads_no_numerical_library(arguments: list[str]) -> None:
    script = (
        "import sys\n"
        "from stemtool_cli.main import stemtool\n"
        f"stemtool.main({arguments!r}, standalone_mode=False)\n"
        "heavy = {'numpy', 'scipy', 'onnxruntime', 'onnx', 'soundfile', 'av', 'rich', 'msgspec',"
        " 'pedalboard'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout


def test_the_wheel_carries_code_models_and_command(tmp_path: Path) -> None:
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(tmp_path), str(root)]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*command, "--target", str(installed), str(wheel)], check=True)
    script = (
        "import sys\n"
        f"sys.path.insert(0, {str(installed)!r})\n"
        "import daw_bridge, stemtool_cli\n"
        "from daw_bridge.library.models import load_manifests\n"
        "from daw_bridge.library.places import find_preset\n"
        "names = [manifest.name for manifest in load_manifests()]\n"
        "print(daw_bridge.__file__, stemtool_cli.__file__, ','.join(names),"
        " find_preset('karaoke'))"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True
    )
    package, command_package, models, preset = run.stdout.split()
    assert package.startswith(str(installed))
    assert command_package.startswith(str(installed))
    assert {"classic-4stems", "spleeter-2stems"} <= set(models.split(","))
    assert preset.startswith(str(installed))
