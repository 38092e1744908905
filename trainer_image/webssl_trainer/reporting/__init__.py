"""Rank 0's reports to whoever watches the run: a ConfigMap in a cluster, a file without one."""

from webssl_trainer.reporting.reporter import BackgroundReporter, Reporter
from webssl_trainer.reporting.sinks import ConfigMapSink, FileSink, Sink, SinkUnavailableError, sink_at

__all__ = [
    "BackgroundReporter",
    "ConfigMapSink",
    "FileSink",
    "Reporter",
    "Sink",
    "SinkUnavailableError",
    "sink_at",
]
