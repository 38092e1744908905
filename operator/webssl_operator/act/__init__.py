"""Act: carry a plan out. First the children, then one status write, then events."""
