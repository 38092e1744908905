"""Reads of one S3 bucket through libcurl, which signs them, too (Signature Version 4, in the headers)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any
from urllib.parse import quote

import certifi
import pycurl

from webssl_trainer.errors import UserError
from webssl_trainer.storage.answers import Room
from webssl_trainer.storage.curl_loop import CurlLoop, curl_loop
from webssl_trainer.storage.curl_transfer import Answer, Transfer
from webssl_trainer.storage.direct_answers import (
    AnswerLostError,
    AnswerTimeoutError,
    ElsewhereError,
    refused,
)
from webssl_trainer.storage.errors import WrongLengthError
from webssl_trainer.storage.options import StorageOptions
from webssl_trainer.storage.protocol import Came
from webssl_trainer.storage.s3_keys import Keys

_IDLE = 30
_BUFFER = 256 << 10
_ERROR_TEXT = 64 << 10
"""More than an error's text needs: what is longer than the range and this is no answer to be read to its end."""
_TOO_LONG = {pycurl.E_FILESIZE_EXCEEDED, pycurl.E_WRITE_ERROR}
_MISTAKES = {
    pycurl.E_UNSUPPORTED_PROTOCOL, pycurl.E_URL_MALFORMAT, pycurl.E_NOT_BUILT_IN, pycurl.E_BAD_FUNCTION_ARGUMENT,
    pycurl.E_UNKNOWN_OPTION, pycurl.E_FAILED_INIT,
}  # fmt: skip
"""What no other try can mend: a wrong endpoint, or a libcurl that lacks something."""
_RANGE = re.compile(rb"(?i)\ncontent-range:\s*bytes (\d+)-")
_LENGTH = re.compile(rb"(?i)\ncontent-length:\s*(\d+)")


@dataclass(frozen=True)
class CurlClient:
    """Reads objects of a bucket. See `direct_clients.DirectClient`.

    Attributes:
        base: URL of the bucket, without a slash at its end.
        region: that requests are signed for.
        keys: that they are signed with; None leaves them unsigned.
        options: timeouts, number of connections.
        trusted: file of the authorities that may have signed a server's certificate; None for the usual ones.
    """

    base: str
    region: str
    keys: Keys | None
    options: StorageOptions
    trusted: str | None = None

    def loop(self) -> CurlLoop:
        return curl_loop()

    def range(self, key: str, start: int, end: int, room: Room = None) -> Transfer:
        return self._begin(key, partial(_ask_range, start, end), partial(_of_range, start), room)

    def whole(self, key: str) -> Transfer:
        return self._begin(key, _ask_nothing_more, _body)

    def size(self, key: str) -> Transfer:
        return self._begin(key, _ask_head, _length)

    def understood(self, error: BaseException) -> BaseException:
        return error

    def _begin(
        self, key: str, ask: Callable[[Any], None], finish: Callable[[Answer], Any], room: Room = None
    ) -> Transfer:
        def prepare(curl: Any) -> None:
            curl.setopt(pycurl.URL, f"{self.base}/{_spelled(key)}")
            self._set_connection(curl)
            if self.keys is not None:
                self._sign(curl, self.keys)
            ask(curl)

        return curl_loop().request(prepare, finish, self.options.read_timeout, room)

    def _set_connection(self, curl: Any) -> None:
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, max(1, round(self.options.connect_timeout * 1e3)))
        curl.setopt(pycurl.MAXAGE_CONN, _IDLE)
        curl.setopt(pycurl.BUFFERSIZE, _BUFFER)
        curl.setopt(pycurl.TCP_KEEPALIVE, 1)
        if self.base.startswith("https:"):
            curl.setopt(pycurl.CAINFO, self.trusted or os.environ.get("SSL_CERT_FILE") or certifi.where())

    def _sign(self, curl: Any, keys: Keys) -> None:
        curl.setopt(pycurl.AWS_SIGV4, f"aws:amz:{self.region}:s3")
        curl.setopt(pycurl.USERNAME, keys.access)
        curl.setopt(pycurl.PASSWORD, keys.secret)
        if keys.token:
            curl.setopt(pycurl.HTTPHEADER, [f"x-amz-security-token: {keys.token}"])


@lru_cache(4096)
def _spelled(key: str) -> str:
    return quote(key, safe="/~")


def _ask_range(start: int, end: int, curl: Any) -> None:
    curl.setopt(pycurl.RANGE, f"{start}-{end - 1}")
    curl.setopt(pycurl.MAXFILESIZE_LARGE, end - start + _ERROR_TEXT)


def _ask_nothing_more(_curl: Any) -> None:
    return


def _ask_head(curl: Any) -> None:
    curl.setopt(pycurl.NOBODY, 1)


def _of_range(start: int, answer: Answer) -> Came:
    body = _body(answer)
    found = _RANGE.search(answer.head)
    if answer.status != 206 or (found and int(found[1]) != start):
        raise WrongLengthError(f"HTTP {answer.status} is no answer to a range that begins at {start}")
    return body


def _length(answer: Answer) -> int:
    _body(answer)
    found = _LENGTH.findall(answer.head)
    if not found:
        raise AnswerLostError("the answer tells no length")
    return int(found[-1])


def _body(answer: Answer) -> Came:
    """The body of an answer that came whole and is none of an error.

    Raises:
        AnswerError, AnswerLostError, AnswerTimeoutError, ElsewhereError, WrongLengthError, UserError: what it is instead.
    """
    if answer.status >= 400 and not answer.code:
        raise refused(answer.status, bytes(answer.body).decode("utf-8", "replace"))
    if 300 <= answer.status < 400:
        raise ElsewhereError(f"HTTP {answer.status}")
    if answer.code == pycurl.E_OPERATION_TIMEDOUT:
        raise AnswerTimeoutError(answer.trouble)
    if answer.code in _TOO_LONG:
        raise WrongLengthError(f"HTTP {answer.status} with more bytes than were asked for")
    if answer.code in _MISTAKES:
        raise UserError(f"{answer.trouble}; check the endpoint (spec.data.storage.endpoint)")
    if answer.code or not 200 <= answer.status < 300:
        raise AnswerLostError(answer.trouble or f"HTTP {answer.status}")
    return answer.body
