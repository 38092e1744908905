"""Is this manifest right? The answer is the API server's: same types, same rules, plus the place in the file."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, TypeVar

import yaml

from webssl_cli.errors import CliError
from webssl_cli.manifest import lists
from webssl_cli.manifest.fields import description, likely, likely_kind
from webssl_cli.manifest.kinds import RUN, in_words_of, is_ours, known, listed
from webssl_cli.manifest.positions import Document, Path, Position, documents, dotted
from webssl_cli.manifest.recipes import filled, lacking
from webssl_cli.manifest.values import shown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
    from webssl_api import WebSSLRun
    from webssl_api.base import ApiModel

    Object = TypeVar("Object", bound=ApiModel)

_FIELD = re.compile(r"\b(?:spec|metadata)(?:\.[A-Za-z][A-Za-z0-9]*)*")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        position: where in the file.
        text: names the field, the value and the mend.
        place: which item of a List is meant; empty for a whole document.
    """

    position: Position
    text: str
    place: str = ""


@dataclass(frozen=True)
class Checked:
    """A document of one of the kinds: the object, or what is wrong with it.

    Attributes:
        kind: name of its kind, "" when that is unknown.
        found: the object; None when anything is wrong.
    """

    kind: str
    name: str
    found: ApiModel | None
    faults: list[Fault]

    @property
    def run(self) -> WebSSLRun | None:
        """The object, if it is a run."""
        from webssl_api import WebSSLRun

        return self.found if isinstance(self.found, WebSSLRun) else None


def read(file: FilePath) -> list[Document]:
    """The YAML documents of a file, items of Lists as documents of their own.

    Raises:
        CliError: there is no such file, or it is no YAML.
    """
    try:
        return [inner for document in documents(file.read_text()) for inner in lists.opened(document)]
    except FileNotFoundError as error:
        raise CliError(f"{file}: no such file", "name an existing manifest") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{file}: cannot be read ({error})", "name a readable text file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark is not None else str(file)
        problem = getattr(error, "problem", None) or str(error)
        raise CliError(
            f"{place}: not valid YAML ({problem})", "correct the indentation, quoting or anchors there"
        ) from error


def is_a(kind: str, document: Document) -> bool:
    """Whether the document says that it is of this kind, or may be one that forgot to."""
    content = document.content
    return not isinstance(content, dict) or content.get("kind", kind) == kind


def is_run(document: Document) -> bool:
    """Whether the document says that it is a WebSSLRun, or may be one that forgot to."""
    return is_a(RUN, document)


def concerns(document: Document) -> bool:
    """Whether `check` has anything to say on the document; it has nothing on those of other APIs, such as a Secret."""
    return is_ours(document.content) or bool(lists.faults(document))


def check(document: Document) -> Checked:
    """Hold one document, a run with its recipe filled in, against the types and rules of webssl_api."""
    checked = _checked(document)
    return replace(checked, faults=[replace(fault, place=document.place) for fault in checked.faults])


def _checked(document: Document) -> Checked:
    content = document.content
    if not isinstance(content, dict):
        fault = Fault(document.find(()), "the manifest is not a mapping: begin with apiVersion, kind")
        return Checked("", "", None, [fault])
    metadata = content.get("metadata")
    name = str(metadata.get("name", "")) if isinstance(metadata, dict) else ""
    if of_list := lists.faults(document):
        return Checked("", name, None, [Fault(document.find(path), text) for path, text in of_list])
    kind = content["kind"] if "kind" in content else likely_kind(content)
    if not isinstance(kind, str) or kind not in known():
        text = f"kind {shown(kind)} is unknown: write {listed('or')}"
        return Checked("", name, None, [Fault(document.find(("kind",)), text)])
    # Absent is not null for the API server either: it drops nulls of fields that may be absent.
    missing = [
        Fault(document.find(()), f"{field} is missing: add `{field}: {value}`")
        for field, value in (("apiVersion", "webssl.dev/v1alpha1"), ("kind", kind))
        if field not in content
    ]
    found, faults = _of_run(document) if kind == RUN else _of_kind(kind, document)
    faults = missing + faults
    return Checked(kind, name, None if faults else found, faults)


def _of_run(document: Document) -> tuple[ApiModel | None, list[Fault]]:
    from webssl_api.recipe import RecipeError

    try:
        document = filled(document)
    except RecipeError as error:
        return None, [Fault(document.find(("spec", "recipe")), f"spec.{error}")]
    missing = [Fault(document.find(("spec", "recipe")), text) for text in lacking(document)]
    found, faults = _of_kind(RUN, document)
    return found, missing + faults


def _of_kind(kind: str, document: Document) -> tuple[ApiModel | None, list[Fault]]:
    from pydantic import ValidationError

    text = json.dumps(document.content, default=str)
    try:
        found = known()[kind].model.model_validate_json(text, strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        return None, [_fault(kind, document, item) for item in error.errors()]
    return found, []


def valid(document: Document) -> WebSSLRun:
    """The run of a document that came from no file. Raises CliError naming every fault."""
    checked = check(document)
    run = checked.run
    if run is None:
        raise CliError("\n".join(fault.text for fault in checked.faults))
    return run


def one_run(file: FilePath) -> WebSSLRun:
    """The one WebSSLRun of a file. Raises CliError as `one_of` does."""
    from webssl_api import WebSSLRun

    return one_of(WebSSLRun, file)


def one_of(model: type[Object], file: FilePath) -> Object:
    """The one object of a kind in a file; objects of other kinds beside it are passed over.

    Args:
        model: the type of the kind's objects.

    Raises:
        CliError: there is none, more than one, or it is wrong; the message names every fault.
    """
    kind = next(name for name, kind in known().items() if kind.model is model)
    documents = read(file)
    named = [document for document in documents if is_a(kind, document)]
    if not named:
        # A kind that nobody knows may be this one, misspelled; a wrong List may hold one.
        wrong = [check(document) for document in documents if concerns(document)]
        _refuse(file, [fault for checked in wrong if checked.kind == "" for fault in checked.faults])
    if len(named) != 1:
        raise CliError(f"{file}: holds {len(named)} {kind}s", "name a file with exactly one")
    checked = check(named[0])
    _refuse(file, checked.faults)
    assert isinstance(checked.found, model)
    return checked.found


def _refuse(file: FilePath, faults: list[Fault]) -> None:
    if faults:
        raise CliError("\n".join(pointed(file, fault) for fault in faults))


def pointed(file: FilePath, fault: Fault) -> str:
    """One line for people and editors: file:line:column, the item of a List, then the fault."""
    item = f"{fault.place}: " if fault.place else ""
    return f"{file}:{fault.position.line}:{fault.position.column}: {item}{fault.text}"


def _fault(kind: str, document: Document, error: ErrorDetails) -> Fault:
    path: Path = error["loc"]
    field = dotted(path)
    if error["type"] == "value_error":
        # One of our own rules: its message is complete, and names the field that it blames.
        text = in_words_of(kind, error["msg"].removeprefix("Value error, "))
        return Fault(document.find(_blamed(text, path)), text)
    if error["type"] == "extra_forbidden":
        return Fault(document.find(path), f"{field} is not a field: {likely(path, kind)}")
    if error["type"] == "missing":
        return Fault(document.find(path[:-1]), f"{field} is missing: add it ({_described(path, kind)})")
    value = shown(error["input"])
    if path == ("apiVersion",):
        text = f"apiVersion {value} is unknown: write webssl.dev/v1alpha1, which has {listed('and')}"
        return Fault(document.find(path), text)
    return Fault(document.find(path), f"{field} {value} is not allowed: {_mend(error)}")


def _blamed(text: str, path: Path) -> Path:
    """The field that a rule's message begins with, below the object at `path` that broke the rule; else that object."""
    named = _FIELD.match(text)
    names = tuple(named.group(0).split(".")) if named else ()
    above = tuple(part for part in path if isinstance(part, str))
    return (*path, *names[len(above) :]) if names[: len(above)] == above else path


def _mend(error: ErrorDetails) -> str:
    message = error["msg"]
    if error["type"] == "string_pattern_mismatch":
        return f"write text of the form {error['ctx']['pattern']}"
    if message.startswith("Input should be "):
        wanted = message.removeprefix("Input should be ")
        return f"write {wanted}" if wanted.startswith(("a ", "an ")) else f"it must be {wanted}"
    return message[:1].lower() + message[1:]


def _described(path: Path, kind: str) -> str:
    return description(path, kind) or "it is required"
