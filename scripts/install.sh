#!/usr/bin/env bash
# Makes .venv with the package in it; "install.sh dev" adds what the tests need. Run again after adding source files.
set -euo pipefail
cd "$(dirname "$0")/.."

with_tests=${1:-}
packages=()
need() { # need COMMAND-THAT-SUCCEEDS DEBIAN-PACKAGE
    eval "$1" >/dev/null 2>&1 || packages+=("$2")
}

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))' || {
    echo "install.sh: expected Python 3.10 to 3.12, found $("$python" --version); name another one with PYTHON=..." >&2
    exit 1
}

# pyliblzfse, which viser needs, has no wheel; open3d and the stock export command need libusb
need 'command -v cc' gcc
need 'echo "#include <Python.h>" | cc -E -I"$("$python" -c "import sysconfig; print(sysconfig.get_path(\"include\"))")" -' python3-dev
need 'ldconfig -p | grep libusb-1.0.so.0' libusb-1.0-0
need '"$python" -c "import ensurepip"' python3-venv
if [ "$with_tests" = dev ]; then
    need 'command -v chromium || command -v google-chrome' chromium
fi

if [ ${#packages[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing system packages: ${packages[*]}"
        apt-get update -qq >/dev/null
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${packages[@]}" >/dev/null
    else
        echo "System packages are missing. As root, run: apt-get install ${packages[*]}" >&2
        exit 1
    fi
fi

[ -d .venv ] || "$python" -m venv .venv
echo "Installing Python packages into .venv (torch alone is some gigabytes)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --config-settings editable_mode=strict \
    -e ".${with_tests:+[$with_tests]}"
# the host's own render command looks for a program named ffmpeg
command -v ffmpeg >/dev/null || ln -sf "$(.venv/bin/python -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')" .venv/bin/ffmpeg
