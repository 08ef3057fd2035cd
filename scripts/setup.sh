#!/usr/bin/env bash
# Makes everything that mumu_ros needs, inside this folder: .venv holds the Python packages, ROS 2 itself where none is
# installed, and our package with its messages, which colcon builds into it. Run again, it only does what has changed.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
venv=$root/.venv
say() { printf '\033[1m[setup]\033[0m %s\n' "$*"; }

. scripts/find_ros.sh
if [ -n "$MUMU_ROS_SETUP" ]; then
    say "ROS 2: the installation of $MUMU_ROS_SETUP"
    set +u; . "$MUMU_ROS_SETUP"; set -u
    python=/usr/bin/python3
    venv_options=--system-site-packages
    requirements=(base train people vision openvino onnx lerobot test)  # rerun asks for NumPy 2
    constraints=(-c requirements/with-ros-installed.txt)
else
    distro=${ROS:-$(cat "$venv/mumu-ros" 2>/dev/null || echo jazzy)}
    [ -f "requirements/ros-$distro.txt" ] || { say "ROS=$distro: there are wheels of $(ls requirements | sed -n 's/^ros-\(.*\).txt/\1/p' | xargs)"; exit 1; }
    say "ROS 2: none under /opt/ros, so $distro comes from pip wheels"
    python=${PYTHON:-python3}
    venv_options=
    requirements=("ros-$distro" base train people vision openvino onnx lerobot rerun test)
    constraints=()
    "$python" - <<'PY'
import platform, sys
if not (3, 10) <= sys.version_info[:2] <= (3, 13) or platform.machine() != "x86_64" or sys.platform != "linux":
    sys.exit(f"[setup] The ROS 2 wheels are for Linux x86-64 and Python 3.10 to 3.13; this is {sys.platform} "
             f"{platform.machine()}, Python {platform.python_version()}. Install ROS 2 Jazzy, or run: PYTHON=python3.12 make setup")
PY
    for tool in cmake c++; do
        command -v $tool >/dev/null || { say "$tool is missing: install a C++ compiler and CMake (apt install build-essential cmake)"; exit 1; }
    done
fi

# Sums the files that a step depends on; a step is done again when its sum differs from the one it left.
sum_of() { cat "$@" | sha256sum | cut -d' ' -f1; }

files=("${requirements[@]/#/requirements/}"); files=("${files[@]/%/.txt}")
wanted="$(sum_of scripts/setup.sh "${files[@]}" "${constraints[@]:1}") $MUMU_ROS_SETUP $("$python" -c 'import sys; print(sys.version)')"
if [ "$(cat "$venv/mumu-setup" 2>/dev/null || true)" = "$wanted" ]; then
    say "Python packages: there already (.venv)"
else
    say "Python packages: installing ${files[*]} into .venv (a minute or two)"
    [ -x "$venv/bin/python" ] || "$python" -m venv $venv_options "$venv"
    if [ -z "$MUMU_ROS_SETUP" ] && [ "$(cat "$venv/mumu-ros" 2>/dev/null || echo jazzy)" != "$distro" ]; then
        # Wheels of two distributions have files in common, and CMake remembers where it found them.
        "$venv/bin/python" -m pip freeze | sed -n 's/^\(ros-[^=]*\)==.*/\1/p' | xargs --no-run-if-empty "$venv/bin/python" -m pip uninstall --quiet -y
        rm -rf build "$venv/mumu-build"
    fi
    pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile "${constraints[@]}")
    if ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
        say "torch: none found, installing 2.13.0 (for a CUDA build of your choice, install it into .venv first)"
        "${pip[@]}" torch==2.13.0
    fi
    arguments=()
    for file in "${files[@]}"; do arguments+=(-r "$file"); done
    "${pip[@]}" "${arguments[@]}"
    # pip would compile in one process; a few files of packages are no Python of this version.
    "$venv/bin/python" -m compileall -qq -j 0 "$venv/lib" || true
    if [ -z "$MUMU_ROS_SETUP" ]; then
        # The wheels' exported targets name include folders of the machine that built them.
        include=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
        numpy=$("$venv/bin/python" -c 'import numpy; print(numpy.get_include())')
        { grep -rlE --include='*.cmake' '/opt/python/cp3' "$venv/share" || true; } | xargs --no-run-if-empty sed -Ei \
            -e "s#/opt/python/cp3[0-9]+-cp3[0-9]+/lib/python3\.[0-9]+/site-packages/numpy/(_core|core)/include#$numpy#g" \
            -e "s#/opt/python/cp3[0-9]+-cp3[0-9]+/include/python3\.[0-9]+#$include#g"
    fi
    [ -n "$MUMU_ROS_SETUP" ] || echo "$distro" > "$venv/mumu-ros"
    echo "$wanted" > "$venv/mumu-setup"
fi

export VIRTUAL_ENV=$venv PATH="$venv/bin:$PATH"
if [ -z "$MUMU_ROS_SETUP" ]; then
    export AMENT_PREFIX_PATH=$venv CMAKE_PREFIX_PATH=$venv LD_LIBRARY_PATH="$venv/lib:${LD_LIBRARY_PATH:-}"
fi
# colcon links to the sources, so it has to run again only when an interface, the build file or the list of files changes.
wanted="$(sum_of CMakeLists.txt package.xml action/*.action msg/*.msg srv/*.srv) $(find mumu_ros scripts launch config models -name __pycache__ -prune -o -type f -print | sort | sha256sum)"
if [ "$(cat "$venv/mumu-build" 2>/dev/null || true)" = "$wanted" ]; then
    say "Package: built already"
else
    say "Package: building messages and nodes with colcon (half a minute)"
    command -v colcon >/dev/null || "$venv/bin/python" -m pip install --quiet colcon-common-extensions
    # Links to modules that have been renamed or deleted since.
    find "$venv/lib/"python3*/site-packages/mumu_ros "$venv/share/mumu_ros" -xtype l -delete 2>/dev/null || true
    # The virtual environment is the install space, too: CMake refuses exported paths inside the source tree otherwise.
    if ! colcon --log-base build/log build --base-paths . --packages-select mumu_ros --build-base build \
            --install-base .venv --merge-install --symlink-install --cmake-args -DBUILD_TESTING=OFF \
            -DPython3_EXECUTABLE="$venv/bin/python" -DPython3_FIND_VIRTUALENV=ONLY > "$venv/mumu-build.log" 2>&1; then
        cat "$venv/mumu-build.log"; say "colcon failed; its output is above and in .venv/mumu-build.log"; exit 1
    fi
    echo "$wanted" > "$venv/mumu-build"
fi
# The pose network's weights, kept in the user's cache folder; without them everything but the people front end works.
mumu weights > /dev/null || say "no pose network: people are not found in pictures until \`mumu weights\` succeeds"
say "Ready. '. ./env.sh' puts a shell into this environment."
