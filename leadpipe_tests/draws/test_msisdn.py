"""MSISDNs: SQL and phonenumbers read the same spellings to the same number; masks hide the middle."""

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadpipe.delivery.lead import e164
from leadpipe.draws.msisdn import MASKED_SQL, masked, normal_msisdn, region_named
from leadpipe.errors import ConfigurationError
from leadpipe_tests.draws.builders import DAY_BEFORE, build, give_entries, recharge
from leadpipe_tests.events.builders import rows, take_in

_DIGITS = st.text("0123456789", min_size=7, max_size=11)
_STARTS = st.sampled_from(
    ["", "0", "234", "+234", "00", "009234", "+", "+1", "2340", "+2340", "23"]
)


def test_spellings_of_one_number_are_one_person(warehouse, tmp_path):
    """With country code or without, with blanks and hyphens, as a number that lost its zero."""
    spellings = [
        "+2348031234567", "2348031234567", "08031234567", "8031234567", "0803 123 4567",
        "+234 (803) 123-4567", "0803-123-4567", "tel:+2348031234567", "009 234 803 123 4567",
        "+234 0803 123 4567", "0803.123.4567", "+234.8031234567", "0803/123 4567",
    ]  # fmt: skip
    events = [recharge(one, 100) for one in spellings]
    events += [recharge("", 100, distinct_id="08031234567")]
    events[-1]["properties"] = {"msisdn": 8031234567, "amount": 100}
    events += [recharge("", 100, distinct_id="08031234567")]
    events[-1]["properties"] = {"amount": 100}
    take_in(warehouse, tmp_path, events)
    build(warehouse)
    assert rows(warehouse, "SELECT msisdn, points FROM draw_participants") == [
        ("2348031234567", len(spellings) + 2)
    ]


@settings(max_examples=8, deadline=None)
@given(spellings=st.lists(st.tuples(_STARTS, _DIGITS).map("".join), min_size=60, max_size=150))
def test_sql_reads_a_number_as_phonenumbers_does(tmp_path_factory, spellings):
    """For anything like a number: both give the same digits, or both say it is none."""
    import duckdb  # noqa: PLC0415

    region = region_named("NG")
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT text, $code || regexp_extract(text, $pattern, 1) "
            "FROM (SELECT unnest($texts::VARCHAR[]) AS text) WHERE regexp_full_match(text, $pattern)",
            {"code": region.country_code, "pattern": region.mobile_pattern, "texts": spellings},
        ).fetchall()
    assert [(text, normal_msisdn(text, region="NG")) for text, _ in found] == found


def test_the_common_shapes_never_reach_python():
    """What nearly all numbers look like matches the pattern made from the metadata, for each prefix."""
    import re  # noqa: PLC0415

    pattern = region_named("NG").mobile_pattern
    example = phonenumbers.example_number_for_type("NG", phonenumbers.PhoneNumberType.MOBILE)
    assert example is not None
    national = str(example.national_number)
    for start in ("", "0", "234", "+234"):
        assert re.fullmatch(pattern, start + national)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0803123456/7",
        "anonymous-1",
        "08031234567x",
        "user-08031234567",
        "0803",
        "+23480312345678",
        "1" * 41,
    ],
)
def test_what_is_no_number_is_none(text):
    """An identifier with digits in it is not taken for a phone number."""
    assert normal_msisdn(text, region="NG") is None


def test_numbers_of_other_countries_need_their_code():
    """With + and a country code a foreign number is itself; without, it is read as one of the region."""
    assert normal_msisdn("+233241234567", region="NG") == "233241234567"
    assert normal_msisdn("0241234567", region="GH") == "233241234567"
    with pytest.raises(ConfigurationError, match="LEADPIPE_PHONE_REGION='XX'"):
        region_named("XX")


@pytest.mark.parametrize(
    "number", ["2348031234567", "233241234567", "123456", "12345678", "123456789012345"]
)
def test_masks_are_the_same_in_sql(warehouse, number):
    """Six digits, stars, three digits; short numbers keep at least one star. SQL and Python agree."""
    assert masked("2348031234567") == "234803****567"
    give_entries(warehouse, {number: 1}, DAY_BEFORE)
    [(shown,)] = rows(warehouse, f"SELECT {MASKED_SQL} FROM draw_participants")
    assert shown == masked(number) != number
    assert "*" in shown


@pytest.mark.parametrize(
    ("spelling", "number"),
    [
        ("8031234567.0", "2348031234567"),
        ("2348031234567.0", "2348031234567"),
        ("08031234567.00", "2348031234567"),
        ("2.348031234567e12", "2348031234567"),
        ("8.031234567E+09", "2348031234567"),
        ("\u200b0803\u00a0123 4567\u202c", "2348031234567"),
        ("\ufeff+2348031234567", "2348031234567"),
        ("803123456.0", None),
        ("0803123456.0", None),
        ("080312345.00", None),
        ("2.34803123457e+12", None),
        ("2.34803E+12", None),
        ("803123456.7", None),
        ("80312345.67", None),
        ("0803.1234567", None),
        ("-8031234567", None),
    ],
)
def test_a_number_that_went_through_a_spreadsheet_is_right_or_refused(
    warehouse, tmp_path, spelling, number
):
    """Never somebody else's: by a draw's list, by a person's typing, and of a lead alike."""
    take_in(warehouse, tmp_path, [recharge(spelling, 500, distinct_id="d")])
    build(warehouse)
    assert rows(warehouse, "SELECT msisdn FROM draw_participants") == (
        [(number,)] if number else []
    )
    reasons = rows(warehouse, "SELECT reason FROM draw_rejections")
    decimal = "msisdn is a decimal number and no phone number (made by a spreadsheet?)"
    assert reasons == ([] if number else [(decimal,)])
    assert normal_msisdn(spelling, region="NG") == number
    if number or "E+" in spelling.upper():
        assert e164(spelling, "NG") == (number and f"+{number}")
