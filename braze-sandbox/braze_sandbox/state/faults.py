"""Faults on demand: rules that match requests and make them fail."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args

from braze_sandbox.state.limits import Headers, ResetForm, reset_headers
from braze_sandbox.wire.answer import Answer, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from braze_sandbox.wire.answer import Json

Kind = Literal[
    "status",
    "refuse_if",
    "latency",
    "drop_before",
    "drop_during",
    "drop_after",
    "partial_errors",
    "refuse_named",
    "garbage",
    "headers",
    "export_fails",
    "export_truncated",
    "export_bad_line",
    "export_appboy_id",
]

MESSAGES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Access Denied",
    404: "Not Found",
    413: "Request Entity Too Large",
    429: "Rate Limited",
}


@dataclass(slots=True, kw_only=True)
class Fault:
    """A fault rule. If several match a request, the oldest wins; `latency` rules add to it."""

    do: Kind
    path: str = "*"
    method: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    contains: str = ""
    """Match only bodies that contain this text; `refuse_if` refuses them with a 400 without a reason."""
    times: int | None = None
    """How often the rule applies; None: always."""
    after: int = 0
    """How many matching requests to let through first."""
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    latency_ms: float = 0
    errors: list[dict[str, Any]] = field(default_factory=list)
    """For `partial_errors`, `refuse_named`: what to refuse, by `input_array`, `index` or `contains`, and `type`."""
    reset: ResetForm = "epoch"
    """For status 429: which of the three header forms gives the retry time."""
    reset_in: float = 1.0
    """For status 429: retry delay in seconds."""
    hits: int = 0

    def __post_init__(self) -> None:
        self._check_types()
        if self.do not in get_args(Kind):
            raise ValueError(f"do is {self.do!r}, not one of {', '.join(get_args(Kind))}")
        if self.reset not in get_args(ResetForm):
            raise ValueError(f"reset is {self.reset!r}, not one of {', '.join(get_args(ResetForm))}")
        if self.do == "refuse_if" and not self.contains:
            raise ValueError("refuse_if needs the text that a body contains")
        if self.do in ("status", "refuse_if") and not self.status:
            self.status = 500 if self.do == "status" else 400
        if self.times is not None and self.times < 1:
            raise ValueError("times is less than 1")

    def _check_types(self) -> None:
        """Reject values that would otherwise fail only when a request matches."""
        for name, (is_right, what) in _TYPES.items():
            if not is_right(getattr(self, name)):
                raise ValueError(f"{name} must be {what}")
        errors: list[Any] = self.errors
        for error in errors:
            if not isinstance(error, dict) or not isinstance(error.get("input_array"), str):
                raise ValueError("errors must be objects with an input_array")
            if not (_is_count(error.get("index")) or isinstance(error.get("contains"), str)):
                raise ValueError("errors must have an index or the text that an object contains")
            if not isinstance(error.get("type", ""), str):
                raise ValueError("the type of an error must be a string")

    def matches(self, method: str, path: str, query: Mapping[str, str], raw: bytes) -> bool:
        """Return whether the rule applies to this request, even if used up."""
        return (
            (self.method is None or self.method.upper() == method)
            and fnmatchcase(path, self.path)
            and all(query.get(name) == str(value) for name, value in self.query.items())
            and (not self.contains or any(form in raw for form in _forms(self.contains)))
        )

    @property
    def spent(self) -> bool:
        """Return whether the rule has been applied its maximum number of times."""
        return self.times is not None and self.hits >= self.after + self.times

    def rejects(self, body: Json) -> dict[tuple[str, int], str]:
        """Return the objects of a decoded body to refuse, by input array and index."""
        refused: dict[tuple[str, int], str] = {}
        for error in self.errors:
            array, why = error["input_array"], error.get("type", "rejected by a fault rule")
            if "index" in error:
                refused[array, int(error["index"])] = why
                continue
            objects = body.get(array) if isinstance(body, dict) else None
            for index, obj in enumerate(objects if isinstance(objects, list) else ()):
                if any(form in encode(obj) for form in _forms(error["contains"])):
                    refused[array, index] = why
        return refused

    @property
    def given_headers(self) -> Headers:
        """Return the rule's headers in the form in which they are sent."""
        return tuple((name.lower().encode(), str(value).encode()) for name, value in self.headers.items())

    def answer(self) -> Answer:
        """Return the response of a `status` or `garbage` rule."""
        given = self.given_headers
        if self.do == "garbage":
            text = "<html><body>upstream says hello</body></html>" if self.body is None else self.body
            if not any(name == b"content-type" for name, _ in given):
                given += ((b"content-type", b"text/html"),)
            return Answer(text.encode() if isinstance(text, str) else encode(text), self.status or 200, given)
        if self.status == 429 and not given:  # noqa: PLR2004 - a status code
            given = reset_headers(self.reset, 1, 0, self.reset_in)
        if isinstance(self.body, str):
            return Answer(self.body.encode(), self.status, given)
        body = {"message": MESSAGES.get(self.status, "Internal Server Error")} if self.body is None else self.body
        return Answer(encode(body), self.status, given)

    @classmethod
    def parse(cls, rule: Json) -> Fault:
        """Return a rule from JSON; raise ValueError with the reason if it is invalid."""
        if not isinstance(rule, dict):
            raise ValueError("a rule must be an object")
        known = {item.name for item in fields(cls)} - {"hits"}
        if unknown := sorted(set(rule) - known):
            raise ValueError(f"unknown: {', '.join(unknown)}; a rule has {', '.join(sorted(known))}")
        if "do" not in rule:
            raise ValueError("do is missing")
        return cls(**{name: value for name, value in rule.items() if value is not None or name == "body"})


def _is_text(value: Json) -> bool:
    # A lone surrogate cannot be encoded.
    return isinstance(value, str) and bool(encode(value))


def _is_count(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_time(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _LONGEST


def _is_query(value: Json) -> bool:
    return isinstance(value, dict) and not any(isinstance(one, (dict, list)) for one in value.values())


def _are_headers(value: Json) -> bool:
    return isinstance(value, dict) and all(
        _NAME.fullmatch(name) and _VALUE.fullmatch(str(text)) for name, text in value.items()
    )


_LONGEST = 1e9
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"(?:[!-~][ -~]*(?<! ))?")
_TYPES: dict[str, tuple[Callable[[Any], object], str]] = {
    "do": (_is_text, "a string"),
    "path": (_is_text, "a string"),
    "method": (lambda value: value is None or _is_text(value), "a string"),
    "query": (_is_query, "an object of names and values"),
    "contains": (_is_text, "a string"),
    "times": (lambda value: value is None or _is_count(value), "a whole number"),
    "after": (_is_count, "a whole number"),
    "status": (lambda value: value in (0, *range(200, 600)) and _is_count(value), "a status from 200 to 599"),
    "headers": (_are_headers, "an object of header names and values"),
    "body": (lambda value: bool(encode(value)), "JSON"),
    "latency_ms": (_is_time, "a number of milliseconds"),
    "errors": (lambda value: isinstance(value, list), "an array"),
    "reset": (_is_text, "a string"),
    "reset_in": (_is_time, "a number of seconds"),
}


@lru_cache
def _forms(text: str) -> tuple[bytes, ...]:
    """Return the ways in which JSON may encode a text."""
    return tuple({json.dumps(text, ensure_ascii=ascii_only)[1:-1].encode() for ascii_only in (True, False)})


class Faults:
    """The active rules."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []

    def add(self, rule: Mapping[str, Any]) -> Fault:
        """Add a rule."""
        fault = Fault.parse(json.loads(json.dumps(rule)))
        self.rules.append(fault)
        return fault

    def clear(self) -> None:
        """Remove all rules."""
        self.rules.clear()

    def match(self, method: str, path: str, query: Mapping[str, str], raw: bytes) -> tuple[Fault | None, float]:
        """Return the fault for a request, if any, and its delay in milliseconds."""
        taken: Fault | None = None
        latency = 0.0
        for fault in self.rules:
            if (taken and fault.do != "latency") or fault.spent or not fault.matches(method, path, query, raw):
                continue
            fault.hits += 1
            if fault.hits <= fault.after:
                continue
            latency += fault.latency_ms
            if fault.do != "latency":
                taken = fault
        return taken, latency
