"""People with accounts on an application of a test, and how they log in."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import argon2
import pytest
from starlette.testclient import TestClient

from leadpipe.web import passwords
from leadpipe.web.logins import Logins
from leadpipe.web.roles import Role
from leadpipe_tests.clocks import NOW

PASSWORD = "a password of several words"
NAMES = {"vera": Role.VIEWER, "walt": Role.WORKER, "olga": Role.OPERATOR}


def logins_of(folder: Path) -> Logins:
    """The logins of the application in a test's folder."""
    return Logins(folder / "data" / "logins.sqlite")


def with_people(folder: Path) -> Logins:
    """One person of each role, with the same password."""
    logins = logins_of(folder)
    for name, role in NAMES.items():
        logins.people.add(name, role, PASSWORD, now=NOW)
    return logins


def csrf_of(page: Any) -> str:
    """The token of a page's forms."""
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


def log_in(client: Any, name: str, password: str = PASSWORD) -> Any:
    """Fill in the form with a name and a password; the answer."""
    data = {"csrf": csrf_of(client.get("/login")), "name": name, "password": password}
    return client.post("/login", data=data, follow_redirects=False)


def status_of(client: TestClient, path: str = "/admin/sync") -> int:
    """What somebody gets who asks for a page."""
    return client.get(path, follow_redirects=False).status_code


@pytest.fixture
def light_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Passwords hashed in a millisecond instead of a good part of a second."""
    light = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    passwords._nobodys.cache_clear()
    monkeypatch.setattr(passwords, "_HASHER", light)
    yield
    passwords._nobodys.cache_clear()
