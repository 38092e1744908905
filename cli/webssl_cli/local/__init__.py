"""No-cluster mode: a run on this machine, its workers as processes of TorchX's local scheduler."""
