"""Convert phone numbers to E.164 with Google's libphonenumber, ported in the package `phonenumbers`."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

_E164: Final = re.compile(r"\+[1-9]\d{6,14}\Z", re.ASCII)
# Numbers as people write them. Text with letters may have an extension, or not be a number at all.
_WRITTEN: Final = re.compile(r"\+?[\d\s().\-/\u2010-\u2015\u2212]{5,40}\Z")
# The end of a number that some tool has read as a float.
_FRACTION: Final = re.compile(r"(\+?\d+\.0+|.*\.0)\Z")
_LONGEST_CODE: Final = 3
_AMERICAN: Final = 10  # digits


def e164(text: str) -> str | None:
    """Return the phone number in E.164 form, or None if it has no country code.

    Raises:
        ValueError: There is no such number, or Braze would turn it into another one.
    """
    if _E164.match(text) and (usual := _usual(text)) is not None and usual.match(text):
        return text
    if not _WRITTEN.match(text) or _FRACTION.match(text):
        raise ValueError("expected a phone number, preferably in the form +12025550123")
    if not text.startswith("+"):
        _check_american(text)
        return None
    return _parsed(text)


def _parsed(text: str) -> str:
    import phonenumbers  # noqa: PLC0415 - most streams have no phone numbers, and it takes 40 ms

    wrong = ValueError("expected a phone number with its country code, such as +12025550123")
    try:
        parsed = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        raise wrong from None
    number = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    as_written = "+" + "".join(str(int(letter)) for letter in text if letter.isdecimal())
    possible = phonenumbers.is_possible_number_with_reason(parsed) == phonenumbers.ValidationResult.IS_POSSIBLE
    # Digits such as the zero in +44 (0)20 ... are dropped only if that makes a number in use. Leave all other cases
    # to Braze: libphonenumber learns of new numbers later than their owners do.
    if not _E164.match(number) or not possible or (number != as_written and not phonenumbers.is_valid_number(parsed)):
        raise wrong
    return number


def _check_american(text: str) -> None:
    """Check a ten-digit number: Braze reads it as American, even if it belongs to another country.

    Raises:
        ValueError: The text has ten digits, and no such American number is in use.
    """
    import phonenumbers  # noqa: PLC0415 - as above

    if sum(letter.isdecimal() for letter in text) == _AMERICAN and not phonenumbers.is_valid_number(
        phonenumbers.parse(text, "US")
    ):
        raise ValueError(
            "expected a phone number with its country code, such as +12025550123: Braze reads ten digits as an "
            "American number, and this is not one"
        )


def _usual(number: str) -> re.Pattern[str] | None:
    """Return the pattern of numbers from this number's country that `_parsed` would return unchanged.

    Matching takes a tenth of the time of parsing, and most sources write E.164.
    """
    for length in range(1, _LONGEST_CODE + 1):
        if (found := _pattern(number[1 : 1 + length])) is not None:
            return found
    return None


@cache
def _pattern(code: str) -> re.Pattern[str] | None:
    from phonenumbers import PhoneMetadata  # noqa: PLC0415 - as above
    from phonenumbers.phonenumberutil import region_code_for_country_code  # noqa: PLC0415

    region = region_code_for_country_code(int(code))
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(int(code), region)
    if metadata is None or (numbers := metadata.general_desc) is None:
        return None
    # A prefix for domestic calls needs parsing: it may or may not belong to the number.
    prefix = metadata.national_prefix_for_parsing
    inside = f"(?!{prefix})" if prefix else ""
    lengths = "|".join(rf"\d{{{length}}}" for length in numbers.possible_length)
    pattern = numbers.national_number_pattern
    return re.compile(rf"\+{code}{inside}(?=(?:{lengths})\Z)(?:{pattern})\Z", re.ASCII)
