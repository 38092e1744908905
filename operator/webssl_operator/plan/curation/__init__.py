"""The plan of a pass over a data set that scores every image."""
