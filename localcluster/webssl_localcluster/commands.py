"""Runs other programs and turns their failure into an error that shows the end of their output."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .errors import ClusterError

TAIL_LINES = 15


def run(
    argv: Sequence[str | Path],
    *,
    mend: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | bytes | None = None,
    timeout: float | None = None,
) -> str:
    """Runs ``argv`` and returns its standard output.

    Args:
        env: variables added to (not instead of) those of this process.
        timeout: seconds.

    Raises:
        ClusterError: the program is missing, fails or takes too long; the message has the last lines it wrote.
    """
    words = [str(word) for word in argv]
    data = stdin.encode() if isinstance(stdin, str) else stdin
    try:
        done = subprocess.run(
            words,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            input=data if data is not None else b"",
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise ClusterError(f"{words[0]}: not found", mend) from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{' '.join(words[:4])}: no end after {timeout} s", mend) from error
    if done.returncode != 0:
        raise ClusterError(
            f"{' '.join(words[:6])}: exit {done.returncode}\n{tail((done.stderr or done.stdout).decode(errors='replace'))}",
            mend,
        )
    return done.stdout.decode(errors="replace")


def stream(
    argv: Sequence[str | Path],
    on_line: Callable[[str], None],
    *,
    mend: str,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Runs ``argv``, hands each line of its output to ``on_line`` and keeps all of it in ``log``.

    Raises:
        ClusterError: the program is missing or fails.
    """
    words = [str(word) for word in argv]
    log.parent.mkdir(parents=True, exist_ok=True)
    last: list[str] = []
    with log.open("w") as out:
        try:
            process = subprocess.Popen(
                words,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise ClusterError(f"{words[0]}: not found", mend) from error
        assert process.stdout is not None
        try:
            for line in process.stdout:
                out.write(line)
                last = [*last[-(TAIL_LINES - 1) :], line.rstrip()]
                on_line(line.rstrip())
            code = process.wait()
        except BaseException:
            # The program may have started others (a build does), and none may outlive this call.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    if code != 0:
        text = "\n".join(f"    {line}" for line in last)
        raise ClusterError(f"{' '.join(words[:6])}: exit {code}; all output in {log}\n{text}", mend)


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """The last ``lines`` lines, indented for an error message."""
    return "\n".join(f"    {line}" for line in text.strip().splitlines()[-lines:])
