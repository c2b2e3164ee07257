"""Nothing reaches out to a network unasked, and pages are served to this machine alone."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nerfstudio.scripts.viewer import run_viewer

_ASK = """
import sys

asked = []

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "urllib.Request"):
        asked.append((event, str(arguments[1:])))

sys.addaudithook(watch)
from nerfstudio.scripts import eval, train
from resfields_ns.commands import export, render

capture, folder = sys.argv[1:]
run = f"{folder}/capture/tnerf-resfields-small/run"

def command(entrypoint, *arguments):
    sys.argv = ["command", *arguments]
    entrypoint()

command(
    train.entrypoint, "tnerf-resfields-small", "--data", capture, "--output-dir", folder, "--timestamp", "run",
    "--experiment-name", "capture", "--max-num-iterations", "2", "--vis", "tensorboard",
    "--pipeline.model.hull-start-steps", "1", "--machine.device-type", "cpu",
    "--pipeline.chamfer-resolution", "8", "--pipeline.datamanager.train-num-rays-per-batch", "64",
    "--pipeline.model.sampler.num-samples", "8",
)
command(eval.entrypoint, "--load-config", f"{run}/config.yml", "--output-path", f"{folder}/metrics.json")
common = "--load-config", f"{run}/config.yml"
command(render.entrypoint, "freeze", *common, "--output-path", f"{folder}/a.mp4", "--seconds", "0.1", "--scale", "0.5")
command(export.entrypoint, *common, "--output-dir", f"{folder}/meshes", "--resolution", "16", "--frames", "0")
print("asked:", asked)
"""


def test_training_evaluating_rendering_and_exporting_need_no_network(demo_capture: Path, tmp_path: Path) -> None:
    """In a network namespace of their own, where the system permits one; weights of LPIPS are not stored there."""
    alone = ["unshare", "--map-root-user", "--net"]
    permitted = subprocess.run([*alone, "true"], capture_output=True, check=False).returncode == 0
    command = [*(alone if permitted else []), sys.executable, "-c", _ASK, str(demo_capture), str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TORCH_HOME": str(tmp_path / "torch")}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.rstrip().endswith("asked: []")
    assert "LPIPS is left out: it needs torchvision's AlexNet" in result.stdout
    assert not (tmp_path / "torch").exists() or not list((tmp_path / "torch").rglob("*.pth"))


@pytest.mark.parametrize(
    ("arguments", "host"),
    [([], "127.0.0.1"), (["--viewer.websocket-port", "7010"], "127.0.0.1")]
    + [([option, "0.0.0.0"], "0.0.0.0") for option in ("--viewer.websocket-host", "--viewer.websocket_host")],
)
def test_ns_viewer_serves_where_the_run_says(
    tiny_run: Path, arguments: list[str], host: str, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(run_viewer, "_start_viewer", lambda config, pipeline, step: shown.append(config.viewer))
    monkeypatch.setattr(sys, "argv", ["ns-viewer", "--load-config", str(tiny_run), *arguments])
    run_viewer.entrypoint()
    assert shown[0].websocket_host == host
    assert ("The viewer listens on 127.0.0.1, as the run's" in capsys.readouterr().out) == (host == "127.0.0.1")
