"""Builds a program from a Go module, with the module proxy settings of this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from ..commands import run, stream
from ..errors import ClusterError
from ..progress import Step
from .table import GO_AT_LEAST, GoModule, Tool

NETWORK_MEND = "check that the Go module proxy is reached (`go env GOPROXY`), or put the program on PATH"


def new_enough(version_line: str) -> bool:
    """Whether ``go version`` output names a toolchain that builds everything in the table."""
    found = re.search(r"go(\d+)\.(\d+)", version_line)
    return found is not None and (int(found[1]), int(found[2])) >= GO_AT_LEAST


def staging_replacements(go_mod: dict[str, object], version: str) -> dict[str, str]:
    """Versions for the modules that ``go_mod`` (``go mod edit -json``) replaces by folders of its own tree.

    Kubernetes 1.x.y publishes each staging folder as the module version 0.x.y.
    """
    published = "v0." + version.split(".", 1)[1]
    replacements = go_mod.get("Replace") or []
    assert isinstance(replacements, list)
    return {
        entry["Old"]["Path"]: published
        for entry in replacements
        if str(entry["New"]["Path"]).startswith("./staging/")
    }


def render_go_mod(module: str, version: str, replaced: dict[str, str]) -> str:
    """The go.mod of the throw-away module that the program is built in."""
    lines = ["module webssl.dev/tools/build", "", "go 1.25.0", "", f"require {module} v{version}"]
    if replaced:
        lines += [
            "",
            "replace (",
            *(f"\t{path} => {path} {to}" for path, to in sorted(replaced.items())),
            ")",
        ]
    return "\n".join(lines) + "\n"


class GoBuilder:
    """Builds tools one after another; the Go build cache is shared between them.

    Args:
        go: the toolchain's ``go``.
        work: a folder for generated modules and logs.
    """

    def __init__(self, go: Path, work: Path) -> None:
        self._go = go
        self._work = work

    def build(self, tool: Tool, source: GoModule, folder: Path, step: Step) -> Path:
        """Builds ``tool`` into ``folder``.

        Raises:
            ClusterError: the module cannot be fetched or does not compile; the message names the log.
        """
        module = self._module(tool, source, step)
        target = folder / tool.name
        env = self._env()
        step.detail("counting packages")
        packages = run(
            self._nice("list", "-mod=mod", "-deps", source.package), cwd=module, env=env, mend=NETWORK_MEND
        )
        step.total(len(packages.splitlines()) + 1)
        stream(
            self._nice(
                "build",
                "-mod=mod",
                "-v",
                "-trimpath",
                "-ldflags",
                source.ldflags,
                "-o",
                target,
                source.package,
            ),
            lambda line: step.advance(1, line),
            cwd=module,
            env=env,
            log=self._work / "log" / f"{tool.name}.log",
            mend=NETWORK_MEND,
        )
        if source.beside:
            shutil.copytree(
                Path(self._listed(source.module, module)) / source.beside,
                folder / Path(source.beside).name,
                copy_function=shutil.copyfile,  # the module cache is read-only
            )
        return target

    def _listed(self, module: str, where: Path) -> str:
        """The folder in which Go keeps a module."""
        listed = self._nice("list", "-mod=mod", "-m", "-f", "{{.Dir}}", module)
        return run(listed, cwd=where, env=self._env(), mend=NETWORK_MEND).strip()

    def _module(self, tool: Tool, source: GoModule, step: Step) -> Path:
        folder = self._work / "go" / f"{source.module.replace('/', '_')}-{tool.version}"
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "go.mod").exists():
            return folder
        step.detail(f"fetching {source.module} v{tool.version}")
        text = run(
            self._nice("mod", "download", "-json", f"{source.module}@v{tool.version}"),
            cwd=folder,
            env={**self._env(), "GOFLAGS": "-mod=mod"},
            mend=NETWORK_MEND,
        )
        replaced: dict[str, str] = {}
        if source.staged:
            go_mod = json.loads(
                run([self._go, "mod", "edit", "-json", json.loads(text)["GoMod"]], mend=NETWORK_MEND)
            )
            replaced = staging_replacements(go_mod, tool.version)
            if not replaced:
                raise ClusterError(
                    f"{source.module} v{tool.version}: its go.mod replaces no staging module",
                    "the table of tools is wrong for this version: set staged=False",
                )
        (folder / "go.mod").write_text(render_go_mod(source.module, tool.version, replaced))
        return folder

    def _nice(self, *words: str | Path) -> list[str]:
        nice = shutil.which("nice")
        prefix = [nice, "-n", "10"] if nice else []
        return [*prefix, str(self._go), *(str(word) for word in words)]

    def _env(self) -> dict[str, str]:
        env = {"CGO_ENABLED": "0", "GOWORK": "off"}
        if "HOME" not in os.environ:
            env["HOME"] = str(self._work)
        return env
