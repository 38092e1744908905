"""Linear segmentation of frozen patch features."""
