"""One suite's questions over several pods: parts on storage, and the pod that finds all of them merges."""
