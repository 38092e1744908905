"""The language of `spec.data.filter.where`: conditions on the columns of a table, parsed without evaluating anything.

    where      = and ("or" and)*
    and        = not ("and" not)*
    not        = "not" not | "(" where ")" | test
    test       = COLUMN                                    a column of true and false
               | COLUMN ("=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">=") value
               | COLUMN ["not"] "in" "(" value ("," value)* ")"
               | COLUMN ["not"] "between" value "and" value
               | COLUMN "is" ["not"] "null"
    value      = NUMBER | "'text'" | '"text"' | "true" | "false" | bare word (a text)

Words of the language may be written in either case. A column whose name is no plain word stands in backquotes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Value = bool | int | float | str
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
      | (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
      | (?P<quoted>`[^`]+`)
      | (?P<word>[^\W\d][\w./-]*)
      | (?P<sign><=|>=|==|!=|<>|[=<>(),])
    )""",
    re.VERBOSE,
)
_COMPARE = {"=": "==", "==": "==", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_RESERVED = {"and", "or", "not", "in", "is", "null", "between", "true", "false"}
_MOST_CHARACTERS = 4096
_DEEPEST = 32


class PredicateError(ValueError):
    """The text is no condition; the message shows where."""


@dataclass(frozen=True)
class Compare:
    """`column sign value`; sign is one of == != < <= > >=."""

    column: str
    sign: str
    value: Value


@dataclass(frozen=True)
class OneOf:
    """`column in (values)`."""

    column: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class IsNull:
    """`column is null`."""

    column: str


@dataclass(frozen=True)
class IsTrue:
    """A column of true and false, by itself."""

    column: str


@dataclass(frozen=True)
class Not:
    """The opposite of `inner`."""

    inner: Predicate


@dataclass(frozen=True)
class Both:
    """`left and right`."""

    left: Predicate
    right: Predicate


@dataclass(frozen=True)
class Either:
    """`left or right`."""

    left: Predicate
    right: Predicate


Predicate = Compare | OneOf | IsNull | IsTrue | Not | Both | Either


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int

    @property
    def word(self) -> str:
        """The word in lower case, "" for anything else."""
        return self.text.lower() if self.kind == "word" else ""


def parse_predicate(text: str) -> Predicate:
    """The condition a text stands for.

    Raises:
        PredicateError: it is none; the message names the place and what was expected.
    """
    if len(text) > _MOST_CHARACTERS:
        raise PredicateError(
            f"{len(text)} characters are more than {_MOST_CHARACTERS}; put a column into the table"
        )
    parser = _Parser(text, _tokens(text))
    found = parser.either(0)
    parser.expect_end()
    return found


def columns_of(predicate: Predicate) -> list[str]:
    """Names of all columns, in order, without repeats."""
    match predicate:
        case Not(inner):
            return columns_of(inner)
        case Both(left, right) | Either(left, right):
            return list(dict.fromkeys([*columns_of(left), *columns_of(right)]))
        case _:
            return [predicate.column]


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise PredicateError(
                f"{text[at : at + 12].strip()!r} at character {at + 1} is not understood in {text!r}"
            )
        kind = found.lastgroup
        tokens.append(_Token(kind, found.group(kind), found.start(kind)))
        at = found.end()
    return tokens


@dataclass
class _Parser:
    text: str
    tokens: list[_Token]
    at: int = 0

    def either(self, depth: int) -> Predicate:
        found = self.both(depth)
        while self._take("or"):
            found = Either(found, self.both(depth))
        return found

    def both(self, depth: int) -> Predicate:
        found = self.negated(depth)
        while self._take("and"):
            found = Both(found, self.negated(depth))
        return found

    def negated(self, depth: int) -> Predicate:
        if depth > _DEEPEST:
            raise self._wrong(f"at most {_DEEPEST} levels of not and parentheses")
        if self._take("not"):
            return Not(self.negated(depth + 1))
        if self._take("("):
            found = self.either(depth + 1)
            self._need(")")
            return found
        return self._test()

    def expect_end(self) -> None:
        if self.at < len(self.tokens):
            raise self._wrong("and, or, or the end")

    def _test(self) -> Predicate:
        column = self._column()
        if self._take("is"):
            negated = self._take("not")
            self._need("null")
            return Not(IsNull(column)) if negated else IsNull(column)
        token = self._peek()
        if token is not None and token.text in _COMPARE:
            self.at += 1
            return Compare(column, _COMPARE[token.text], self._value())
        negated = self._take("not")
        found: Predicate
        if self._take("in"):
            found = OneOf(column, self._values())
        elif self._take("between"):
            low = self._value()
            self._need("and")
            found = Both(Compare(column, ">=", low), Compare(column, "<=", self._value()))
        elif negated:
            raise self._wrong("in or between")
        else:
            return IsTrue(column)
        return Not(found) if negated else found

    def _column(self) -> str:
        token = self._peek()
        if token is not None and token.kind == "quoted":
            self.at += 1
            return token.text[1:-1]
        if token is None or token.kind != "word" or token.word in _RESERVED:
            raise self._wrong("the name of a column")
        self.at += 1
        return token.text

    def _values(self) -> tuple[Value, ...]:
        self._need("(")
        values = [self._value()]
        while self._take(","):
            values.append(self._value())
        self._need(")")
        return tuple(values)

    def _value(self) -> Value:
        token = self._peek()
        if token is None or token.kind in {"sign", "quoted"} or token.word in _RESERVED - {"true", "false"}:
            raise self._wrong("a number, a text or true or false")
        self.at += 1
        if token.kind == "number":
            plain = token.text.lstrip("+-").isdigit()
            return int(token.text) if plain else float(token.text)
        if token.kind == "text":
            quote = token.text[0]
            return token.text[1:-1].replace(quote * 2, quote)
        return token.word == "true" if token.word in {"true", "false"} else token.text

    def _peek(self) -> _Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def _take(self, text: str) -> bool:
        token = self._peek()
        found = token is not None and text in {token.word, token.text if token.kind == "sign" else ""}
        self.at += found
        return found

    def _need(self, text: str) -> None:
        if not self._take(text):
            raise self._wrong(repr(text))

    def _wrong(self, wanted: str) -> PredicateError:
        token = self._peek()
        place = "at the end" if token is None else f"at character {token.at + 1}, before {token.text!r},"
        return PredicateError(f"{place} of {self.text!r} there should be {wanted}")
