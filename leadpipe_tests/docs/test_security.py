"""docs/security.md: each attack of its table is a test that there really is."""

import re

from leadpipe_tests.docs.markdown import ROOT, sections, table_rows

_PAGE = ROOT / "docs" / "security.md"


def test_each_attack_is_a_test():
    """Every row names one or more, and each of them is found among the tests."""
    rows = table_rows(sections(_PAGE, level=2)["The attacks"])
    text = "".join(path.read_text() for path in (ROOT / "leadpipe_tests").rglob("test_*.py"))
    there = set(re.findall(r"^def (test_\w+)\(", text, flags=re.MULTILINE))
    named = {row[0]: re.findall(r"test_\w+", row[-1]) for row in rows}
    assert len(named) == len(rows) > 30
    assert [attack for attack, tests in named.items() if not tests] == []
    assert sorted({name for tests in named.values() for name in tests} - there) == []


def test_each_test_of_an_attack_is_told():
    """What the attacks' folder tries with a proxy, a flood or a login is in the table, too."""
    told = set(re.findall(r"test_\w+", _PAGE.read_text()))
    folder = ROOT / "leadpipe_tests" / "security"
    for name in ("test_commanding_dagster", "test_dagster_behind_the_login"):
        tests = re.findall(r"^def (test_\w+)\(", (folder / f"{name}.py").read_text(), re.MULTILINE)
        assert [test for test in tests if test not in told] == []
