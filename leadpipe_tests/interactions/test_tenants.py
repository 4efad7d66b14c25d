"""Tenants' names, files and the list of them."""

import pytest

from leadpipe.errors import ConfigurationError
from leadpipe.interactions.tenants import leads_path, read_tenants


@pytest.mark.parametrize(
    "name", ["..", ".", "", "a/b", "../a", "/etc", "a\\b", "a\0b", "a\n", "-a", "ü", "~", "a" * 101]
)
def test_a_name_never_leaves_the_folder(name, tmp_path):
    """What could be more than the name of a folder is refused."""
    with pytest.raises(ConfigurationError, match="is refused"):
        leads_path(f"{tmp_path}/<tenant>/leads.json", name)


def test_the_path_is_the_pattern_with_the_name(tmp_path):
    """Every <tenant> of the pattern becomes the name."""
    assert leads_path("a/<tenant>/b/<tenant>.json", "t-1.x").as_posix() == "a/t-1.x/b/t-1.x.json"
    (tmp_path / "t").mkdir()
    assert leads_path(f"{tmp_path}/<tenant>/leads.json", "t") == tmp_path / "t" / "leads.json"


@pytest.mark.parametrize("pattern", ["data/leads.json", "data/<tenant>/../leads.json", ""])
def test_a_pattern_without_a_tenant_is_refused(pattern):
    """All tenants would share one file, or leave their folder."""
    with pytest.raises(ConfigurationError, match="LEADPIPE_LEADS_FILE"):
        leads_path(pattern, "t")


def test_a_folder_that_is_a_link_is_refused(tmp_path):
    """A tenant's folder that leads to another's would change the other's file."""
    (tmp_path / "real").mkdir()
    (tmp_path / "t").symlink_to(tmp_path / "real")
    with pytest.raises(ConfigurationError, match="leads elsewhere by a symbolic link"):
        leads_path(f"{tmp_path}/<tenant>/leads.json", "t")
    (tmp_path / "root").symlink_to(tmp_path)
    assert leads_path(f"{tmp_path}/root/<tenant>/leads.json", "real").parent.exists()


def test_the_list_of_tenants(tmp_path):
    """One partition a tenant and program, sorted; no file, no partitions."""
    file = tmp_path / "tenants.toml"
    assert read_tenants(file) == []
    file.write_text(
        '[tenants.b]\nprograms = ["y", "x", "x"]\n[tenants."a.1"]\nprograms = ["z z"]\n'
    )
    assert read_tenants(file) == ["a.1/z z", "b/x", "b/y"]


@pytest.mark.parametrize(
    "text",
    ["[tenants", "[tenants.a]\nprogram = []", "[tenants.'../a']\nprograms = ['x']", "x = 1"]
    + [f"[tenants.a]\nprograms = ['{program}']" for program in ("", "a/b", " a", "a...b")],
)
def test_a_list_that_cannot_be_used_is_named(text, tmp_path):
    """The message names the file."""
    file = tmp_path / "tenants.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"tenants\.toml: "):
        read_tenants(file)
