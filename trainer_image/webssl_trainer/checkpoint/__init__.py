"""Checkpoints on object storage: attempts and fencing, sharded asynchronous saves, discovery, retention, the step log.

The protocol is described in docs/design/0003-checkpoints.md. `layout`, `lineage` and `retention` decide and do no I/O.
"""
