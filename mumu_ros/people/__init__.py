"""People in view of a camera."""

from mumu_ros.people.person import Person, PositionSource

__all__ = ["Person", "PositionSource"]
