"""A CSV that went through a spreadsheet is taken for what it is."""

import pytest

from leadpipe.delivery.lead import normal_phone
from leadpipe.delivery.spreadsheets import read_partner_csv
from leadpipe.errors import ConfigurationError

PHONE = "+12015550121"


@pytest.mark.parametrize(
    "data",
    [
        b"phone,email\n+12015550121,a@b.co\n",
        b"\xef\xbb\xbfphone;email\r\n12015550121;a@b.co\r\n",
        b"sep=;\nPhone Number;E-Mail\n2015550121;a@b.co\n",
        "phone\temail\n'+12015550121\ta@b.co\n".encode("utf-16"),
        b'"PHONE","Email"\n"=""+12015550121""","a@b.co"\n',
        b"Name,Mobile,Email\nJos\xe9,(201) 555-0121,a@b.co\n",
        b"phone,email\n1.2015550121E+10,a@b.co\n",
        b"phone;email\n1,2015550121E+10;a@b.co\n",
        b"phone,email\n12015550121.0,a@b.co\n",
        "\u202aphone\u202c,email\n\u202a+1 201 555 0121\u202c\u00a0, a@b.co\n".encode(),
        b"phone,email,created_at\n+12015550121,a@b.co,27.11.2026 10:00\n\n,,\n",
    ],
)
def test_what_a_spreadsheet_changes_without_losing_it_is_read(tmp_path, data):
    """Semicolons, marks, encodings, quotes, apostrophes, lost plus signs, whole numbers as powers."""
    (tmp_path / "partner.csv").write_bytes(data)
    file = read_partner_csv(tmp_path / "partner.csv")
    [lead] = file.leads
    assert normal_phone(lead.values["phone"], "US") == PHONE
    assert (lead.values["email"], file.shortened, file.nameless) == ("a@b.co", 0, 0)


def test_a_shortened_number_is_nobodys(tmp_path):
    """Rows that have nothing else are counted; a file of them alone is refused."""
    path = tmp_path / "partner.csv"
    path.write_text("phone,email\n1.20156E+10,\n1.20156E+10,a@b.co\n#######,\n+12015550121,\n")
    file = read_partner_csv(path)
    assert (len(file.leads), file.shortened, file.nameless) == (4, 3, 2)
    path.write_text("full_name,phone\nAnn Example,1.20156E+10\n")
    with pytest.raises(ConfigurationError, match="it went through a spreadsheet"):
        read_partner_csv(path)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "no column to compare by"),
        (b"colour,size\nred,1\n", "no column to compare by"),
        (b"phone,email\n", "has no leads below its header"),
        (b"phone,email,name\n,,x\n", "its columns to compare by are empty"),
        (b"phone\n" + b"1" * 200_000, "cannot be read"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path, data, problem):
    """With the reason."""
    (tmp_path / "partner.csv").write_bytes(data)
    with pytest.raises(ConfigurationError, match=problem):
        read_partner_csv(tmp_path / "partner.csv")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_partner_csv(tmp_path)


def test_a_header_in_the_partners_own_names_is_known(tmp_path):
    """Those of NPA_FIELDS."""
    (tmp_path / "partner.csv").write_text("contact.phone,ref\n+12015550121,k\n")
    fields = {"phone": "contact.phone", "external_id": "ref"}
    [lead] = read_partner_csv(tmp_path / "partner.csv", fields=fields).leads
    assert (lead.key, lead.values) == ("k", {"phone": PHONE})
