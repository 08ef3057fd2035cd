"""`mumu recognize`: who did what from when to when in a video, a folder of pictures, a bag, or before a camera."""
