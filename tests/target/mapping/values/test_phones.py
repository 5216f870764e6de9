"""Phone numbers: sent as the number that they are, or reported, and never as another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from target_braze.mapping.values import phones

from tests.target.support.singer import NUMBER, TEXT, Stream, sent, the

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Profile, Sandbox

    from tests.target.support.singer import Run

WRITTEN = {
    "+44 (0)20 7946 0958": "+442079460958",
    "+44 020 7946 0958": "+442079460958",
    "+1 (202) 555-0123": "+12025550123",
    "+1.2025550123": "+12025550123",
    "+33.1.23.45.00.00": "+33123450000",
    "+39 (0)6 1234 5678": "+390612345678",
    "+49 30/1234567": "+49301234567",
    "+54 9 11 1234 5678": "+5491112345678",
    "+800 1234 5678": "+80012345678",
}
WRONG = [
    "+12025550123.0",
    "+1202555012",
    "+999123456789",
    "+1 202 555 0123 ext. 4",
    "+1-800-FLOWERS",
    "12025550123.0",
    "030 1234567",
]


@pytest.mark.parametrize(("written", "number"), WRITTEN.items())
def test_a_number_is_the_same_as_identifier_and_as_field(
    run_target: Callable[..., Run], sandbox: Sandbox, written: str, number: str
) -> None:
    run_target(
        Stream("people", {"phone": TEXT, "plan": TEXT}, [{"phone": written, "plan": "gold"}]),
        Stream("customers", {"external_id": TEXT, "phone": TEXT}, [{"external_id": "c-1", "phone": written}]),
    )
    assert {one["phone"] for one in sent(sandbox)} == {number}
    assert not sandbox.violations


@pytest.mark.parametrize("written", WRONG)
@pytest.mark.parametrize("external_id", [None, "c-1"])
def test_what_is_no_number_or_would_become_another_is_reported(
    run_target: Callable[..., Run], sandbox: Sandbox, written: str, external_id: str | None
) -> None:
    columns = {"phone": TEXT, "plan": TEXT, **({"external_id": TEXT} if external_id else {})}
    record = {"phone": written, "plan": "gold", **({"external_id": external_id} if external_id else {})}
    run = run_target(Stream("people", columns, [record]), expect=1)
    assert "column 'phone': expected a phone number" in run.errors[0]
    assert not sandbox.requests


def test_a_number_without_its_country_is_left_to_braze_and_reported(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    records = [{"external_id": f"c-{n}", "phone": f"030 12345{n}"} for n in range(3)]
    run = run_target(Stream("customers", {"external_id": TEXT, "phone": TEXT}, records))
    assert the(sandbox.profile("c-1")).phone == "030 123451"
    assert any("column 'phone' holds phone numbers without a country code" in one for one in run.warnings)
    assert "123451" not in run.stderr


def test_a_number_that_some_tool_made_a_fraction_keeps_its_digits(load: Callable[..., Profile]) -> None:
    assert load({"phone": NUMBER}, {"phone": 2025550123.0}).phone == "+12025550123"


COUNTRIES = st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE))


@given(code=COUNTRIES, digits=st.text("0123456789", min_size=4, max_size=13), spaced=st.booleans())
@example(code=44, digits="02079460958", spaced=False)
@example(code=52, digits="15512345678", spaced=False)
@example(code=54, digits="1123456789", spaced=True)
def test_a_number_is_what_libphonenumber_reads_or_reported(code: int, digits: str, *, spaced: bool) -> None:
    written = f"+{code} {digits}" if spaced else f"+{code}{digits}"
    try:
        number = phones.e164(written)
    except ValueError:
        return
    parsed = phonenumbers.parse(written)
    assert number == phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    assert phonenumbers.is_possible_number_with_reason(parsed) == phonenumbers.ValidationResult.IS_POSSIBLE
    assert number == f"+{code}{digits}" or phonenumbers.is_valid_number(parsed)


@given(code=COUNTRIES, kind=st.sampled_from(["MOBILE", "FIXED_LINE"]), form=st.sampled_from(["E164", "INTERNATIONAL"]))
def test_each_country_s_own_examples_are_taken_however_they_are_written(code: int, kind: str, form: str) -> None:
    region = phonenumbers.region_code_for_country_code(code)
    example_number = phonenumbers.example_number_for_type(region, getattr(phonenumbers.PhoneNumberType, kind))
    if example_number is None:
        return
    written = phonenumbers.format_number(example_number, getattr(phonenumbers.PhoneNumberFormat, form))
    expected = phonenumbers.format_number(example_number, phonenumbers.PhoneNumberFormat.E164)
    assert phones.e164(written) == expected
