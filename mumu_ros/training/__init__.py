"""Offline training: clips from datasets, windows from clips, a model folder from windows. Never imports rclpy."""
