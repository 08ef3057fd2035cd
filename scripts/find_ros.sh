# Sourced by setup.sh and env.sh. Sets MUMU_ROS_SETUP to the setup.sh of a ROS 2 installation, or to nothing if there
# is none. An installation that is sourced already ($ROS_DISTRO) is taken first, then the newest that is known to work.
MUMU_ROS_SETUP=
for mumu_distro in ${ROS_DISTRO:-} jazzy kilted lyrical rolling humble; do
    if [ -z "$MUMU_ROS_SETUP" ] && [ -f "/opt/ros/$mumu_distro/setup.sh" ]; then
        MUMU_ROS_SETUP="/opt/ros/$mumu_distro/setup.sh"
    fi
done
unset mumu_distro
