# Puts a bash or zsh into the environment that `make setup` made:   . ./env.sh
# Afterwards `mumu`, `python -m mumu_ros.nodes.…` and, where ROS 2 is installed, `ros2 launch mumu_ros …` work.
if [ -n "${BASH_SOURCE:-}" ]; then mumu_self=${BASH_SOURCE[0]}; elif [ -n "${ZSH_VERSION:-}" ]; then mumu_self=${(%):-%x}; else mumu_self=./env.sh; fi
mumu_root=$(cd "$(dirname "$mumu_self")" && pwd)
if [ ! -f "$mumu_root/.venv/mumu-build" ]; then
    echo "Nothing is set up in $mumu_root yet: run 'make setup' there first." >&2
    return 1
fi
. "$mumu_root/scripts/find_ros.sh"
if [ -n "$MUMU_ROS_SETUP" ]; then
    . "$MUMU_ROS_SETUP"
    export AMENT_PREFIX_PATH="$mumu_root/.venv:$AMENT_PREFIX_PATH"
    export PYTHONPATH="$(echo "$mumu_root"/.venv/lib/python3*/site-packages):$PYTHONPATH"
else
    # The virtual environment is the ROS prefix. Setting LD_LIBRARY_PATH here spares every Python a restart.
    export ROS_DISTRO=$(cat "$mumu_root/.venv/mumu-ros" 2>/dev/null || echo jazzy) ROS_VERSION=2 ROS_PYTHON_VERSION=3
    export AMENT_PREFIX_PATH="$mumu_root/.venv" CMAKE_PREFIX_PATH="$mumu_root/.venv"
fi
case ":${LD_LIBRARY_PATH:-}:" in
    *":$mumu_root/.venv/lib:"*) ;;
    *) export LD_LIBRARY_PATH="$mumu_root/.venv/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" ;;
esac
. "$mumu_root/.venv/bin/activate"
# In this folder `python -m mumu_ros…` must find the built package, which has the messages, not the source folder.
export PYTHONSAFEPATH=1
# Room for camera images in shared memory, unless a profile is chosen already (docs/architecture.md, "Transport").
export FASTRTPS_DEFAULT_PROFILES_FILE="${FASTRTPS_DEFAULT_PROFILES_FILE:-$mumu_root/config/fastdds.xml}"
export FASTDDS_DEFAULT_PROFILES_FILE="${FASTDDS_DEFAULT_PROFILES_FILE:-$FASTRTPS_DEFAULT_PROFILES_FILE}"    # its name in Fast DDS 3
unset mumu_self mumu_root MUMU_ROS_SETUP
