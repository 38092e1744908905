"""`python -m webssl_operator`: run the operator. Settings come from the environment; see settings.py."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

import uvloop

from webssl_operator import logs
from webssl_operator.app import main
from webssl_operator.settings import Settings, from_environment


def parse(arguments: list[str], settings: Settings) -> Settings:
    """Flags win over the environment."""
    parser = argparse.ArgumentParser(prog="webssl_operator", description="The operator of WebSSLRuns.")
    parser.add_argument("--namespace", action="append", help="look after this namespace only; repeatable")
    parser.add_argument("--metrics-port", type=int, help="port of /metrics; 0 for none")
    parser.add_argument("--health-port", type=int, help="port of /healthz and /readyz; 0 for none")
    parser.add_argument("--log-level", help="debug, info, warning or error")
    parser.add_argument("--no-leader-election", action="store_true", help="lead at once, without a Lease")
    given = parser.parse_args(arguments)
    changes = {
        "namespaces": tuple(given.namespace) if given.namespace else None,
        "metrics_port": given.metrics_port,
        "health_port": given.health_port,
        "log_level": given.log_level,
        "leader_election": False if given.no_leader_election else None,
    }
    return replace(settings, **{name: value for name, value in changes.items() if value is not None})


def run() -> int:
    """Entry point; returns the exit code."""
    try:
        settings = parse(sys.argv[1:], from_environment())
        logs.set_up(settings.log_level)
    except ValueError as error:
        sys.stderr.write(f"webssl_operator: {error}\n")
        return 2
    return uvloop.run(main(settings))


if __name__ == "__main__":
    sys.exit(run())
