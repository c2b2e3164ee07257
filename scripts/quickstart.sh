#!/usr/bin/env bash
# Installs, makes a small dynamic capture, trains on it, evaluates, renders a video and exports meshes.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/install.sh
export PATH="$PWD/.venv/bin:$PATH"
export PYTHONWARNINGS=ignore::UserWarning,ignore::FutureWarning  # the host uses old interfaces of torch

out=${1:-outputs/quickstart}
if [ -e "$out" ]; then
    echo "quickstart.sh: $out is there already; remove it, or name another folder: bash scripts/quickstart.sh FOLDER" >&2
    exit 1
fi
rf-demo-data "$out/capture"
ns-train tnerf-resfields-small --data "$out/capture" --output-dir "$out" --experiment-name run --timestamp demo --vis tensorboard
run="$out/run/tnerf-resfields-small/demo/config.yml"
ns-eval --load-config "$run" --output-path "$out/metrics.json" --render-output-path "$out/pictures"
rf-render orbit --load-config "$run" --output-path "$out/orbit.mp4"
rf-export --load-config "$run" --output-dir "$out/meshes" --frames 0::5 --format glb

python - "$out/metrics.json" <<'PYTHON'
import json, sys
results = json.load(open(sys.argv[1]))["results"]
print("  ".join(f"{name} {value:.2f}" for name, value in results.items() if isinstance(value, float)))
PYTHON
cat <<SUMMARY
Done. What was made:
  capture   $out/capture
  run       $run
  metrics   $out/metrics.json, pictures of truth beside prediction in $out/pictures
  video     $out/orbit.mp4
  meshes    $out/meshes
Look at it in the browser:
  .venv/bin/ns-viewer --load-config $run --viewer.websocket-host 127.0.0.1
SUMMARY
