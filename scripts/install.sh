#!/usr/bin/env bash
# Makes .venv with the package in it; "install.sh dev" adds what the tests need. Run again after adding source files.
#   PYTHON=python3.12              another interpreter than python3
#   CONSTRAINTS=constraints.txt    the versions that the tests passed with
set -euo pipefail
cd "$(dirname "$0")/.."

with_tests=${1:-}
python=${PYTHON:-python3}
stop() {
    echo "install.sh: $*" >&2
    exit 1
}

minor=$("$python" -c 'import sys; print(sys.version_info[1])') || stop "expected Python, found none as $python"
[ "$minor" -ge 10 ] || stop "expected Python 3.10 or newer, found 3.$minor; name another one with PYTHON=..."

echo "install.sh: puts nerfstudio, torch and what they need into $PWD/.venv: 7.5 GB, most of it torch with its CUDA libraries"
bring_python=
if [ ! -d .venv ] && [ "$minor" -gt 13 ]; then
    bring_python=yes
    echo "install.sh: Python 3.$minor is newer than 3.13, the newest that is supported: uv brings 3.12"
fi

packages=()
need() { # need COMMAND-THAT-SUCCEEDS DEBIAN-PACKAGE
    eval "$1" >/dev/null 2>&1 || packages+=("$2")
}
# pyliblzfse, which viser needs, has no wheel; nor have pymcubes and fpsample for Python 3.13
need 'command -v c++' g++
if [ -z "$bring_python" ]; then # an interpreter that uv brings has its headers with it
    need 'echo "#include <Python.h>" | cc -E -I"$("$python" -c "import sysconfig; print(sysconfig.get_path(\"include\"))")" -' python3-dev
fi
if [ -z "$bring_python" ] || ! command -v uv >/dev/null; then
    need '"$python" -c "import ensurepip"' python3-venv
fi
need 'ldconfig -p | grep libusb-1.0.so.0' libusb-1.0-0 # open3d and the stock export command
if [ "$with_tests" = dev ]; then
    need 'command -v chromium || command -v google-chrome' chromium
fi

if [ ${#packages[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "install.sh: installs system packages: ${packages[*]}"
        apt-get update -qq >/dev/null
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${packages[@]}" >/dev/null
    else
        stop "system packages are missing; as root, run: apt-get install ${packages[*]}"
    fi
fi

uv_venv() { # uv_venv FOLDER: .venv with an interpreter that uv downloads; where there is no uv, it comes into FOLDER
    if ! command -v uv; then
        "$python" -m venv "$1" && "$1/bin/python" -m pip install uv || return 1
        PATH="$1/bin:$PATH"
    fi
    uv venv --seed --python 3.12 .venv
}
if [ -n "$bring_python" ]; then
    aside=$(mktemp -d)
    uv_venv "$aside/uv" >"$aside/log" 2>&1 || stop "uv did not bring Python 3.12; is there a network? $(tail -n 1 "$aside/log")"
    rm -r "$aside"
elif [ ! -d .venv ]; then
    "$python" -m venv .venv
fi

pip() { .venv/bin/python -m pip --disable-pip-version-check "$@"; }
pip install ${CONSTRAINTS:+--constraint "$CONSTRAINTS"} --config-settings editable_mode=strict -e ".${with_tests:+[$with_tests]}"
# under Python 3.13 the host's nuscenes-devkit asks for opencv-python, which writes over the headless package it needs itself
if pip show --quiet opencv-python 2>/dev/null; then
    pip uninstall --quiet --yes opencv-python
    pip install --no-deps --force-reinstall "$(pip freeze | grep '^opencv-python-headless==')"
fi
# the host's own render command looks for a program named ffmpeg
command -v ffmpeg >/dev/null || ln -sf "$(.venv/bin/python -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')" .venv/bin/ffmpeg
