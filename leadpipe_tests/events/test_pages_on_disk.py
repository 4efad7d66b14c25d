"""Page files: a row a line, whatever the rows are, and every other byte as it came."""

import json

import msgspec

from leadpipe.events.extraction import _write_page

_GOOD = (
    b'["u","lead",null,null,"d",null,"{\\"a\\":\\"\xc3\xa9 \\\\ud83d\\\\ude00 \\\\\\\\ud83d\\"}"]'
)


def test_odd_rows_are_mended_and_their_neighbours_untouched(tmp_path):
    """Half emoji, bytes that are no UTF-8, and line breaks, each in a crowd of good rows."""
    odd = {
        99: (
            rb'["u","lead",null,null,"\\ud83d",null,"{\"a\":\"\\ud83d\"}"]',
            ["u", "lead", None, None, r"\ud83d", None, '{"a":"\ufffd"}'],
        ),
        100: (
            rb'["u","lead",null,null,"d",null,"{\"a\":\"\\UD83D \\uDC00\"}"]',
            ["u", "lead", None, None, "d", None, '{"a":"\\UD83D \ufffd"}'],
        ),
        150: (b'["u\xff"]', ["u\ufffd"]),
        200: (b'[\n "u",\n "\\\\ud83d"\n]', ["u", "\ufffd"]),
        201: (rb'["\\ud83d", 17]', [r"\ud83d", 17]),
    }
    rows = [odd[number][0] if number in odd else _GOOD for number in range(250)]
    _write_page(tmp_path / "page", [msgspec.Raw(row) for row in rows])
    lines = (tmp_path / "page").read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert [json.loads(lines[number]) for number in odd] == [mended for _, mended in odd.values()]
    assert {line for number, line in enumerate(lines) if number not in odd} == {_GOOD}
    assert len(lines) == 250
