"""Wake-ups: which run has to be looked at next, never the same one twice at a time."""
