"""Skeletons of people: which joints a tracker gives, in which order, and how one layout becomes another."""

from mumu_ros.skeletons.layouts import LAYOUTS, Layout, LayoutError, convert, layout, mirror

__all__ = ["LAYOUTS", "Layout", "LayoutError", "convert", "layout", "mirror"]
