"""Builds the images with buildah, without a daemon and without a registry."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

from uv import find_uv_bin

from ..commands import run, stream
from ..node_config import PAUSE_IMAGE
from ..progress import Reporter, Step
from ..tools.install import Toolbox
from . import inputs, store

SUITE = "bookworm"
BASE_IMAGE = f"localhost/webssl/base:{SUITE}-1"
UV_IMAGE = "localhost/webssl/uv:1"
REPOSITORY = "localhost/webssl"
MOUNT = "/opt/build-settings"
# Another cluster, or another checkout, may be about to use what it has just built.
KEPT_BESIDES = 2
MEND = "all output is in the log; `webssl cluster images --rebuild` starts from nothing"


def settings_toml(env: Mapping[str, str]) -> str:
    """uv's settings for the builds: the package index that this machine names, if any."""
    lines: list[str] = []
    index = env.get("UV_DEFAULT_INDEX") or env.get("UV_INDEX_URL") or env.get("PIP_INDEX_URL")
    if index:
        lines += ["[[index]]", f"url = {json.dumps(index)}", "default = true"]
    return "\n".join(lines) + "\n"


class Builder:
    """Builds into a storage of its own.

    Args:
        folder: keeps storage and logs; on the same file system as the clusters' state, so that nodes take layers by
            hard links.
        base_image: a Python image that buildah can pull; None: one is made from Debian packages.
    """

    def __init__(
        self, folder: Path, tools: Toolbox, reporter: Reporter, base_image: str | None = None
    ) -> None:
        self.folder = folder
        self.storage = folder / "storage"
        self._tools = tools
        self._reporter = reporter
        self._base_image = base_image

    def images(self, root: Path, targets: Sequence[str] = inputs.TARGETS) -> dict[str, str]:
        """Builds what is missing or out of date; returns target -> image name, whose tag is a content digest.

        Raises:
            ClusterError: a build fails; the message names its log.
        """
        base = self._base_image or BASE_IMAGE
        wanted = {
            target: f"{REPOSITORY}/{target}:{inputs.digest(root, target, [base])}" for target in targets
        }
        with self._alone():
            self._basics()
            for target, name in wanted.items():
                if name not in store.names(self.storage):
                    with self._reporter.step(f"image {target}") as step:
                        self._build(root, target, name, base, step)
            self._prune(wanted)
        return wanted

    def pause(self) -> str:
        """Builds the image of every pod's first process, if it is missing; returns its name."""
        if PAUSE_IMAGE not in store.names(self.storage):
            with self._alone():
                self._pause()
        return PAUSE_IMAGE

    def basics(self) -> list[str]:
        """Builds the pause image and, unless another base is named, the base image; returns their names."""
        with self._alone():
            return self._basics()

    def _basics(self) -> list[str]:
        made = [self._pause()]
        if self._base_image is None:
            made.append(self._base())
        self._uv()
        return made

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One build at a time, whoever asks, and no mount left behind; clears what a killed build has left."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            flock(lock, LOCK_EX)
            # Nothing is mounted now, whatever a build that was killed has written down.
            shutil.rmtree(self.folder / "run", ignore_errors=True)
            if store.unfinished(self.storage):
                self._buildah("rm", "--all")
            yield

    def _pause(self) -> str:
        """The image of every pod's first process: a static process reaper and nothing else."""
        if PAUSE_IMAGE not in store.names(self.storage):
            with tempfile.TemporaryDirectory() as context:
                shutil.copy(self._tools.path("catatonit"), f"{context}/pause")
                Path(context, "Dockerfile").write_text(
                    'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause", "-P"]\n'
                )
                self._buildah("build", "--quiet", "--tag", PAUSE_IMAGE, context)
        return PAUSE_IMAGE

    def _base(self) -> str:
        """Debian with Python, made from packages: the base where no image registry is at hand."""
        if BASE_IMAGE not in store.names(self.storage):
            with self._reporter.step(f"base image from Debian {SUITE}") as step:
                self._bootstrap(step)
        return BASE_IMAGE

    def _bootstrap(self, step: Step) -> None:
        with tempfile.TemporaryDirectory(dir=self._made("tmp")) as context:
            tree = Path(context) / "tree"
            stream(
                [
                    self._tools.path("debootstrap"),
                    "--variant=minbase",
                    "--include=python3,ca-certificates",
                    SUITE,
                    tree,
                ],
                lambda line: step.advance(1, line),
                log=self.folder / "log" / "base.log",
                mend="is a Debian archive reached? or name a Python image: --base-image",
            )
            for leftover in (
                "var/cache/apt",
                "var/lib/apt/lists",
                "usr/share/doc",
                "usr/share/man",
                "var/log",
            ):
                shutil.rmtree(tree / leftover, ignore_errors=True)
            # These describe the building machine, not the image.
            for name in ("etc/resolv.conf", "etc/hostname"):
                (tree / name).unlink(missing_ok=True)
            step.detail("committing")
            Path(context, "Dockerfile").write_text(
                'FROM scratch\nCOPY tree /\nENV LANG=C.UTF-8\nCMD ["python3"]\n'
            )
            self._buildah("build", "--quiet", "--tag", BASE_IMAGE, context)

    def _uv(self) -> None:
        """An image that holds the uv of this machine, in the place where the public one has it."""
        if UV_IMAGE in store.names(self.storage):
            return
        with tempfile.TemporaryDirectory(dir=self._made("tmp")) as context:
            shutil.copy(find_uv_bin(), f"{context}/uv")
            Path(context, "Dockerfile").write_text("FROM scratch\nCOPY uv /uv\n")
            self._buildah("build", "--quiet", "--tag", UV_IMAGE, context)

    def _build(self, root: Path, target: str, name: str, base: str, step: Step) -> None:
        settings = self._made("settings")
        (settings / "uv.toml").write_text(settings_toml(os.environ))
        cache = Path(os.environ.get("UV_CACHE_DIR") or Path.home() / ".cache" / "uv")
        cache.mkdir(parents=True, exist_ok=True)
        mounts = ["--volume", f"{settings}:{MOUNT}:ro", "--volume", f"{cache}:{MOUNT}-cache"]
        arguments = [f"BASE_IMAGE={base}", f"UV_IMAGE={UV_IMAGE}", f"UV_CONFIG_FILE={MOUNT}/uv.toml"]
        arguments += [f"UV_CACHE_DIR={MOUNT}-cache", "COMPILER_PACKAGES="]  # its nodes have no GPU
        bundle = Path(os.environ.get("SSL_CERT_FILE") or "/etc/ssl/certs/ca-certificates.crt")
        if bundle.exists():
            shutil.copy(bundle, settings / "ca.crt")
            arguments.append(f"SSL_CERT_FILE={MOUNT}/ca.crt")

        def on_line(line: str) -> None:
            found = re.search(r"STEP (\d+)/(\d+): (.*)", line)
            if found:
                step.advance(1, found[3])

        words = [word for argument in arguments for word in ("--build-arg", argument)]
        stream(
            [
                *self._command("build"),
                "--layers",
                *mounts,
                *words,
                "--target",
                target,
                "--tag",
                name,
                "--file",
                root / "Dockerfile",
                root,
            ],
            on_line,
            env=self._environment(),
            log=self.folder / "log" / f"{target}.log",
            mend=MEND,
        )

    def _prune(self, current: Mapping[str, str]) -> None:
        """Forgets images of the same repositories that are out of date, and build steps that none is made of."""
        old = store.older(self.storage, set(current.values()), KEPT_BESIDES)
        if old:
            self._buildah("rmi", "--force", *old)
            while steps := store.stale_steps(self.storage):
                self._buildah("rmi", "--force", *steps)

    def remove(self) -> None:
        """Removes storage and logs."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _buildah(self, *words: str | Path) -> str:
        return run([*self._command(words[0]), *words[1:]], env=self._environment(), mend=MEND)

    def _command(self, verb: str | Path) -> list[str | Path]:
        # The storage library mounts its folder on itself and leaves it so. In a mount namespace of its own that
        # ends with the call; elsewhere it would stay, and keep nodes from making hard links meanwhile.
        alone: list[str | Path] = [self._tools.path("unshare"), "--mount", "--propagation=private"]
        return [
            *alone,
            self._tools.path("buildah"),
            "--root",
            self.storage,
            "--runroot",
            self.folder / "run",
            verb,
        ]

    def _environment(self) -> dict[str, str]:
        return {
            "STORAGE_DRIVER": "overlay",
            "BUILDAH_ISOLATION": "chroot",
            "BUILDAH_FORMAT": "oci",
            "TMPDIR": str(self._made("tmp")),
        }

    def _made(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder
