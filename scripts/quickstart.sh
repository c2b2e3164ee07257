#!/usr/bin/env bash
# Installs, makes a small dynamic capture, trains on it, evaluates, renders a video, exports meshes, writes a report.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/install.sh
export PATH="$PWD/.venv/bin:$PATH"
# nerfstudio warns of its use of torch before it has found any plugin that could keep it from that
export PYTHONWARNINGS=ignore::FutureWarning:nerfstudio.field_components.activations

out=${1:-outputs/quickstart}
if [ -e "$out" ]; then
    echo "quickstart.sh: $out is there already; remove it, or name another folder: bash scripts/quickstart.sh FOLDER" >&2
    exit 1
fi
rf-demo-data "$out/capture"
ns-train grid-resfields-small --data "$out/capture" --output-dir "$out" --experiment-name run --timestamp demo --vis tensorboard
run="$out/run/grid-resfields-small/demo/config.yml"
ns-eval --load-config "$run" --output-path "$out/metrics.json" --render-output-path "$out/pictures"
rf-render orbit --load-config "$run" --output-path "$out/orbit.mp4" --scale 2 --fps 12
rf-export --load-config "$run" --output-dir "$out/meshes" --resolution 96 --format glb --animated
rf-report "$(dirname "$run")" --output-path "$out/report.html"

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
  meshes    $out/meshes, of which animation.glb plays all
  report    $out/report.html, which holds all of these: open it in a browser
Look around in it:
  .venv/bin/ns-viewer --load-config $run
SUMMARY
