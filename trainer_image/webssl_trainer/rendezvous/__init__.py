"""Rendezvous of the elastic agents: who trains in the next round, with which ranks, over which store.

The state lives in one small document that is written by compare-and-swap (a Kubernetes ConfigMap, or a file), so no process
holds the rendezvous. `state` and `policy` decide and do no I/O; `backend` names what a document must be able to do.
"""
