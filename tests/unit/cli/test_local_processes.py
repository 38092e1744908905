"""Processes of the no-cluster mode: real ones, through TorchX's local scheduler."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from torchx.specs import Role
from webssl_api import Phase, ResolvedRun, RunStatus, WebSSLRun
from webssl_cli.errors import CliError
from webssl_cli.local.folder import RunFolder
from webssl_cli.local.processes import Processes
from webssl_cli.local.training import Training

from tests.manifests.valid import valid_run

LONGEST = 60.0


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """TorchX takes over the signal handlers; the test run wants its own back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def python(code: str) -> Role:
    return Role(name="worker", image="none", entrypoint="python", args=["-c", code])


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < limit, "did not happen"
        time.sleep(0.05)


@pytest.mark.parametrize("code", [0, 1, 75, 78])
def test_the_exit_code_of_a_process_is_known(code: int, tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.start("a", python(f"import sys; sys.exit({code})"), {})
    until(lambda: processes.state("a", 0.0).exit_code is not None)
    assert processes.state("a", 0.0).exit_code == code


def test_a_process_that_was_killed_has_the_signal_as_its_code_and_can_be_started_again(
    tmp_path: Path,
) -> None:
    processes = Processes(tmp_path)
    processes.start("a", python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"), {})
    until(lambda: processes.state("a", 0.0).exit_code is not None)
    assert processes.state("a", 0.0).exit_code == -9
    processes.start("a", python("import time; time.sleep(600)"), {})
    assert processes.state("a", 0.0).exit_code is None
    processes.stop()


def test_processes_of_one_run_end_alone(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.start("a", python("import sys; sys.exit(1)"), {})
    processes.start("b", python("import time; time.sleep(600)"), {})
    until(lambda: processes.state("a", 0.0).exit_code == 1)
    assert processes.state("b", 0.0).exit_code is None
    processes.stop()


def test_the_last_lines_of_a_process_are_at_hand(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.start("a", python("import sys; print('first', file=sys.stderr); sys.exit('the cause')"), {})
    until(lambda: processes.state("a", 0.0).exit_code is not None)
    assert processes.last_lines("a", 1) == ["the cause"]


def test_the_environment_reaches_the_process(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.start("a", python("import os, sys; sys.exit(int(os.environ['CODE']))"), {"CODE": "7"})
    until(lambda: processes.state("a", 0.0).exit_code is not None)
    assert processes.state("a", 0.0).exit_code == 7


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    """Even when that one is killed and can do nothing any more."""
    mark = tmp_path / "pid"
    worker = (
        f"import os, time, pathlib; pathlib.Path({str(mark)!r}).write_text(str(os.getpid())); time.sleep(600)"
    )
    code = (
        "import time; from pathlib import Path; from torchx.specs import Role;"
        "from webssl_cli.local.processes import Processes;"
        f"p = Processes(Path({str(tmp_path)!r}));"
        f"p.start('a', Role(name='w', image='i', entrypoint='python', args=['-c', {worker!r}]), {{}});"
        "time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    until(lambda: mark.exists() and mark.read_text() != "")
    pid = int(mark.read_text())
    parent.kill()
    parent.wait()
    until(lambda: not is_running(pid))


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def trained(role: Role, folder: RunFolder, resolved: ResolvedRun) -> tuple[Training, list[RunStatus]]:
    shown: list[RunStatus] = []
    processes = Processes(folder.logs)
    training = Training(resolved, folder, processes, role, 2, cpus=2, show=shown.append)
    training.run()
    return training, shown


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def test_a_user_error_fails_the_run_with_the_last_lines_of_the_log(folder: RunFolder) -> None:
    resolved = folder.resolve(WebSSLRun.parse(valid_run()))
    role = python("import sys; print('spec.data.source: no such shard', file=sys.stderr); sys.exit(78)")
    training, shown = trained(role, folder, resolved)
    assert training.facts.phase is Phase.FAILED
    assert "spec.data.source: no such shard" in training.facts.message
    assert shown[0].phase is Phase.RUNNING


def test_a_worker_that_dies_once_is_started_again_and_the_run_completes(folder: RunFolder) -> None:
    resolved = folder.resolve(WebSSLRun.parse(valid_run()))
    mark = folder.path / "died"
    code = (
        "import os, pathlib, signal, time;"
        f"mark = pathlib.Path({str(mark)!r});"
        "first = os.environ['JOB_COMPLETION_INDEX'] == '0' and not mark.exists();"
        "first and mark.touch();"
        "first and os.kill(os.getpid(), signal.SIGKILL);"
        "mark.exists() or time.sleep(600);"
        "time.sleep(0 if os.environ['JOB_COMPLETION_INDEX'] == '0' else 3)"
    )
    training, _ = trained(python(code), folder, resolved)
    assert training.facts.phase is Phase.RUNNING
    assert [(record.pod, record.exit_code) for record in training.facts.failures] == [("small-0", -9)]


def test_the_uid_of_a_run_stays_when_it_goes_on(folder: RunFolder) -> None:
    run = WebSSLRun.parse(valid_run())
    assert folder.resolve(run).uid == folder.resolve(run).uid != ""


def test_a_folder_does_not_take_another_run(folder: RunFolder) -> None:
    folder.resolve(WebSSLRun.parse(valid_run()))
    other = valid_run()
    other["spec"]["data"]["seed"] = 5
    with pytest.raises(CliError, match=r"spec\.data\.seed differs from the run in"):
        folder.resolve(WebSSLRun.parse(other))


def test_two_runs_cannot_be_in_one_folder_at_a_time(folder: RunFolder) -> None:
    with folder.claimed(), pytest.raises(CliError, match="another `webssl run` is at work"), folder.claimed():
        pass
    with folder.claimed():
        assert os.path.exists(folder.path / "lock")
