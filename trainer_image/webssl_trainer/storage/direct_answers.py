"""What goes wrong with a request, in the terms that `classify` reads, and what obstore's errors mean in them."""

from __future__ import annotations

import re
from typing import Any

from webssl_trainer.storage.errors import WrongLengthError

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([^<]{1,100})</Code>")
_MESSAGE = re.compile(r"<Message>([^<\n]{1,200})")
_TIMEOUT = re.compile(r"kind: Timeout|TimedOut")
_LOST = re.compile(r"HttpError|Http\(")
_REASONS = re.compile(r'"([a-zA-Z][^"]{3,100})"|(?:InvalidCertificate|error)[:(]\s*(\w+)')
_OTHER_RANGE = re.compile(r"UnexpectedRange|NotPartial|NoContentRange|ParseContentRange|InvalidContentRange")
_ELSEWHERE = re.compile(r"BareRedirect")
_OTHER_REGION = {"AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"}


class AnswerError(OSError):
    """The server answered with an error.

    Attributes:
        response: status and code, laid out as botocore does.
    """

    def __init__(self, text: str, status: int, code: str) -> None:
        super().__init__(text)
        self.response: dict[str, Any] = {
            "ResponseMetadata": {"HTTPStatusCode": status},
            "Error": {"Code": code},
        }


class AnswerLostError(ConnectionError):
    """No answer, or a part of one."""


class AnswerTimeoutError(TimeoutError):
    """The server was silent for longer than the read timeout, or could not be connected to in time."""


class ElsewhereError(OSError):
    """The bucket is in another region than the one that was asked; a client that follows has to ask."""


def refused(status: int, text: str) -> AnswerError | ElsewhereError:
    """The error of an answer with that status, from the text of its body; nothing of the request is in it."""
    code, said = _CODE.search(text), _MESSAGE.search(text)
    words = [f"HTTP {status}", code[1] if code else "", said[1] if said else ""]
    if code and code[1] in _OTHER_REGION:
        return ElsewhereError(" ".join(word for word in words if word))
    return AnswerError(" ".join(word for word in words if word), status, code[1] if code else "")


def understood(error: BaseException) -> BaseException:
    """An error of obstore as one of the above; what is none of an HTTP request stays as it is."""
    whole = str(error)
    text, _, debug = whole.partition("\n\nDebug source")
    status = _STATUS.search(text)
    if _ELSEWHERE.search(debug):
        return ElsewhereError(text[:300])
    if status:
        return refused(int(status[1]), text)
    if _OTHER_RANGE.search(debug):
        return WrongLengthError(text[:300])
    if _TIMEOUT.search(debug):
        return AnswerTimeoutError(_in_short(text, debug))
    if _LOST.search(debug):
        return AnswerLostError(_in_short(text, debug))
    return error


def _in_short(text: str, debug: str) -> str:
    """What was done, and the reasons that only the long form has: a name that is unknown, a certificate, ..."""
    reasons = [text or name for text, name in _REASONS.findall(debug.partition("reqwest::Error")[2])]
    what = text.partition(": ")[2][:200]
    return f"{what} ({', '.join(reasons[:3])})" if reasons else what
