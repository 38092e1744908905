"""Images that a data file names: single files, or members of tar shards."""

from webssl_eval.images.refs import ImageRef, ref_of
from webssl_eval.images.store import Located, locate, read_images

__all__ = ["ImageRef", "Located", "locate", "read_images", "ref_of"]
