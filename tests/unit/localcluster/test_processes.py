"""Long-lived programs: started once, known for certain, gone for certain."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from webssl_localcluster.errors import ClusterError
from webssl_localcluster.processes import Processes, Program, start_time

SLEEP = Program("sleep", ["sleep", "600"])


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    found = Processes(tmp_path)
    yield found
    for name in found.names():
        found.kill(name)


def test_a_program_that_runs_as_described_is_left_alone(processes: Processes) -> None:
    assert processes.ensure(SLEEP)
    pid = processes.pid("sleep")
    assert not processes.ensure(SLEEP)
    assert processes.pid("sleep") == pid


def test_a_program_that_has_died_is_started_again(processes: Processes) -> None:
    processes.ensure(SLEEP)
    first = processes.pid("sleep")
    processes.kill("sleep")
    assert processes.pid("sleep") is None
    processes.ensure(SLEEP)
    assert processes.pid("sleep") not in {None, first}


def test_other_arguments_or_another_configuration_call_for_a_restart(
    processes: Processes, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text("one")
    program = replace(SLEEP, configs=[config])
    processes.ensure(program)
    config.write_text("two")
    assert processes.ensure(program)
    assert processes.ensure(replace(program, argv=["sleep", "601"]))


def test_a_pid_that_now_belongs_to_another_process_is_not_taken_for_ours(processes: Processes) -> None:
    processes.ensure(SLEEP)
    pid = processes.pid("sleep")
    file = processes.folder / "sleep.json"
    record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, "started": "1"}))
    assert processes.pid("sleep") is None
    file.write_text(json.dumps(record))
    assert processes.pid("sleep") == pid


def test_a_program_that_ignores_the_request_to_end_is_killed_with_its_children(processes: Processes) -> None:
    script = "trap '' TERM; sleep 600 & echo $!; while true; do sleep 1; done"
    processes.ensure(Program("stubborn", ["sh", "-c", script]))
    log = processes.log("stubborn")
    processes.wait("stubborn", lambda: log.read_text().strip().isdigit(), 60, "none")
    processes.stop("stubborn", grace=0.2)
    assert processes.names() == []
    # The signal is sent to both at once, and each dies when it is next scheduled.
    deadline = time.monotonic() + 60
    while start_time(int(log.read_text())) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_program_that_ends_before_it_is_ready_is_reported_with_the_end_of_its_log(
    processes: Processes,
) -> None:
    processes.ensure(Program("short", ["sh", "-c", "echo the reason; exit 1"]))
    with pytest.raises(ClusterError, match="the reason"):
        processes.wait("short", lambda: False, 60, "the mend")
