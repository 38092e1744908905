"""Is this manifest right? The answer is the API server's: same types, same rules, plus the place in the file."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

import yaml

from webssl_cli.errors import CliError
from webssl_cli.manifest.positions import Document, Path, Position, documents, dotted
from webssl_cli.manifest.recipes import filled, lacking

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
    from webssl_api import WebSSLRun

_FIELD = re.compile(r"\b(?:spec|metadata)(?:\.[A-Za-z][A-Za-z0-9]*)*")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        position: where in the file.
        text: names the field, the value and the mend.
    """

    position: Position
    text: str


@dataclass(frozen=True)
class Checked:
    """A document of kind WebSSLRun: the run, or what is wrong with it."""

    name: str
    run: WebSSLRun | None
    faults: list[Fault]


def read(file: FilePath) -> list[Document]:
    """The YAML documents of a file.

    Raises:
        CliError: there is no such file, or it is no YAML.
    """
    try:
        return documents(file.read_text())
    except FileNotFoundError as error:
        raise CliError(f"{file}: no such file", "name an existing manifest") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{file}: cannot be read ({error})", "name a readable text file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark is not None else str(file)
        problem = getattr(error, "problem", None) or str(error)
        raise CliError(
            f"{place}: not valid YAML ({problem})", "correct the indentation or quoting there"
        ) from error


def is_run(document: Document) -> bool:
    """Whether the document says that it is a WebSSLRun, or may be one that forgot to."""
    content = document.content
    return not isinstance(content, dict) or content.get("kind", "WebSSLRun") == "WebSSLRun"


def check(document: Document) -> Checked:
    """Hold one document, with its recipe filled in, against the types and rules of webssl_api."""
    from pydantic import ValidationError
    from webssl_api import WebSSLRun
    from webssl_api.recipe import RecipeError

    unknown: list[Fault] = []
    try:
        document = filled(document)
    except RecipeError as error:
        unknown = [Fault(document.find(("spec", "recipe")), f"spec.{error}")]
    content = document.content
    if not isinstance(content, dict):
        return Checked(
            "", None, [Fault(document.find(()), "the manifest is not a mapping: begin with apiVersion, kind")]
        )
    metadata = content.get("metadata")
    name = str(metadata.get("name", "")) if isinstance(metadata, dict) else ""
    # Absent is not null for the API server either: it drops nulls of fields that may be absent.
    missing = [
        Fault(document.find(()), f"{field} is missing: add `{field}: {value}`")
        for field, value in (("apiVersion", "webssl.dev/v1alpha1"), ("kind", "WebSSLRun"))
        if field not in content
    ]
    if unknown:
        return Checked(name, None, missing + unknown)
    missing += [Fault(document.find(("spec", "recipe")), text) for text in lacking(document)]
    try:
        run = WebSSLRun.model_validate_json(
            json.dumps(content, default=str), strict=True, by_alias=True, by_name=False
        )
    except ValidationError as error:
        return Checked(name, None, missing + [_fault(document, item) for item in error.errors()])
    return Checked(name, None if missing else run, missing)


def valid(document: Document) -> WebSSLRun:
    """The run of a document that came from no file. Raises CliError naming every fault."""
    checked = check(document)
    if checked.run is None:
        raise CliError("\n".join(fault.text for fault in checked.faults))
    return checked.run


def one_run(file: FilePath) -> WebSSLRun:
    """The one WebSSLRun of a file.

    Raises:
        CliError: there is none, more than one, or it is wrong; the message names every fault.
    """
    runs = [check(document) for document in read(file) if is_run(document)]
    if len(runs) != 1:
        raise CliError(f"{file}: holds {len(runs)} WebSSLRuns", "name a file with exactly one")
    faults, run = runs[0].faults, runs[0].run
    if run is None:
        raise CliError("\n".join(pointed(file, fault) for fault in faults))
    return run


def pointed(file: FilePath, fault: Fault) -> str:
    """One line for people and editors: file:line:column, then the fault."""
    return f"{file}:{fault.position.line}:{fault.position.column}: {fault.text}"


def _fault(document: Document, error: ErrorDetails) -> Fault:
    from webssl_cli.manifest.fields import likely

    path: Path = error["loc"]
    field = dotted(path)
    if error["type"] == "value_error":
        # One of our own rules: its message is complete, and names the field that it blames.
        text = error["msg"].removeprefix("Value error, ")
        named = _FIELD.match(text)
        blamed: Path = tuple(named.group(0).split(".")) if named else path
        return Fault(document.find(blamed if len(blamed) > len(path) else path), text)
    if error["type"] == "extra_forbidden":
        return Fault(document.find(path), f"{field} is not a field: {likely(path)}")
    if error["type"] == "missing":
        return Fault(document.find(path[:-1]), f"{field} is missing: add it ({_described(path)})")
    value = json.dumps(error["input"], default=str)
    shown = value if len(value) <= 60 else value[:57] + "..."
    return Fault(document.find(path), f"{field} {shown} is not allowed: {_mend(error)}")


def _mend(error: ErrorDetails) -> str:
    message = error["msg"]
    if error["type"] == "string_pattern_mismatch":
        return f"write text of the form {error['ctx']['pattern']}"
    if message.startswith("Input should be "):
        wanted = message.removeprefix("Input should be ")
        return f"write {wanted}" if wanted.startswith(("a ", "an ")) else f"it must be {wanted}"
    return message[:1].lower() + message[1:]


def _described(path: Path) -> str:
    from webssl_cli.manifest.fields import description

    return description(path) or "it is required"
