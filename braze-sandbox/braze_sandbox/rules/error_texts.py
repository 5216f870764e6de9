"""Error texts of refused objects: documented codes and recorded sentences."""

ALL_REFUSED = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."
"""The message for a /users/track request without any object that Braze accepts."""

_SENTENCES = {
    "BAD_EMAIL_SUBSCRIPTION_STATE": "'email_subscribe' must be 'subscribed', 'unsubscribed', or 'opted_in'",
    "BAD_PUSH_SUBSCRIPTION_STATE": "'push_subscribe' must be 'subscribed', 'unsubscribed', or 'opted_in'",
    "EMAIL_BAD_FORMAT": "The value provided for the 'email' field is not a valid email.",
}


def recorded_text(code: str) -> str:
    """Return the recorded sentence for a documented code, or the code if there is no recording."""
    return _SENTENCES.get(code, code)
