"""What the end-to-end tests stand on: a cluster with the chart installed, images in a bucket, and runs to disturb."""

from tests.e2e.lab.lab import Lab, LabTimeoutError
from tests.e2e.lab.witness import Witness

__all__ = ["Lab", "LabTimeoutError", "Witness"]
