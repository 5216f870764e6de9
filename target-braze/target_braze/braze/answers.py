"""Read an answer from Braze: success, errors, or a list of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from target_braze.braze.client import UnclearError

if TYPE_CHECKING:
    from target_braze.braze.client import Answer

# https://www.braze.com/docs/api/errors/; `queued` means that Braze accepted the request and will process it later.
_DONE: Final = frozenset({"success", "queued"})
_UNKNOWN: Final = "so it is unknown what Braze did. Check for a proxy, and that setting 'endpoint' names a Braze host"


def success(request: str, answer: Answer, success_key: str = "") -> dict[str, Any]:
    """Return the JSON object of an answer that reports success.

    Args:
        request: Method and path, for errors.
        answer: An answer with status 2xx.
        success_key: The key whose presence means success without a `message`, where the endpoint documents one.

    Raises:
        UnclearError: The answer does not report success. The error omits its content, which can be anything.
    """
    said = f"{request}: HTTP {answer.status}, but"
    try:
        document = answer.json()
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise UnclearError(f"{said} the answer is not a JSON object, {_UNKNOWN}", status=answer.status)
    message = document.get("message")
    said_so = isinstance(message, str) and message.strip().lower() in _DONE
    if not said_so and ("message" in document or success_key not in document):
        raise UnclearError(f"{said} the answer reports neither success nor queued, {_UNKNOWN}", status=answer.status)
    return document


def listed(request: str, key: str, answer: Answer) -> list[dict[str, Any]]:
    """Return the list of objects under a key of an answer.

    Raises:
        UnclearError: There is no such list.
    """
    found = success(request, answer, key).get(key)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise UnclearError(f"{request}: HTTP {answer.status}, but the answer lists no '{key}'", status=answer.status)
    return found


def entries(document: object, key: str = "errors") -> list[Any]:
    """Return the errors of an answer, which are usually a list and sometimes a single error."""
    errors = document.get(key) if isinstance(document, dict) else None
    return errors if isinstance(errors, list) else [errors] if errors else []
