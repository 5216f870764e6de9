"""Error texts of refused objects: the codes of the documentation, and the recorded sentences."""

ALL_REFUSED = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."
"""The message of a request to /users/track that holds no object Braze accepts."""

_SENTENCES = {
    "BAD_EMAIL_SUBSCRIPTION_STATE": "'email_subscribe' must be 'subscribed', 'unsubscribed', or 'opted_in'",
    "BAD_PUSH_SUBSCRIPTION_STATE": "'push_subscribe' must be 'subscribed', 'unsubscribed', or 'opted_in'",
    "EMAIL_BAD_FORMAT": "The value provided for the 'email' field is not a valid email.",
}


def recorded_text(code: str) -> str:
    """Return the sentence that was recorded for a documented code, or the code where no recording has one."""
    return _SENTENCES.get(code, code)
