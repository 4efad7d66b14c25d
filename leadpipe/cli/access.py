"""`leadpipe access`: who may use the page and the Dagster UI, who is logged in, and what they did."""

import getpass
import sys
from datetime import UTC, datetime

import click

from leadpipe.cli.output import console, emit, format_options, notes
from leadpipe.errors import ConfigurationError
from leadpipe.settings import load_settings
from leadpipe.warehouse import Rows
from leadpipe.web.logins import Logins
from leadpipe.web.people import checked_name
from leadpipe.web.roles import ROLES

_role = click.Choice(list(ROLES))


@click.group(invoke_without_command=True)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
@format_options
@click.pass_context
def access(ctx: click.Context, *, limit: int, output: str | None) -> None:
    """Say who revealed personal data, retried, launched, logged in or guessed a password; the latest first.

    Further commands give people accounts and end what they may do.

    \b
    Examples:
      leadpipe access
      leadpipe access add anna --role worker
      leadpipe access sessions
    """
    if not ctx.invoked_subcommand:
        _show_acts(limit, None, output)


@access.command()
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--person", help="Only what this account did.")
@format_options
def acts(*, limit: int, person: str | None, output: str | None) -> None:
    """Say who did what, or what one person did, the latest first.

    \b
    Examples:
      leadpipe access acts
      leadpipe access acts --person anna --csv
    """
    _show_acts(limit, person.strip().lower() if person else None, output)


@access.command()
@click.argument("name")
@click.option("--role", required=True, type=_role, help="What the person may do.")
@click.option(
    "--sign-on",
    "is_signed_on",
    is_flag=True,
    help="For a single sign-on alone: without a password.",
)
def add(*, name: str, role: str, is_signed_on: bool) -> None:
    """Give somebody an account; asks for the password, or reads it from the first line of stdin.

    A viewer sees the pages, with personal data covered. A worker also works with leads: reveals personal
    data, decides about leads, retries deliveries. An operator also starts syncs, commands Dagster and gives
    roles.

    \b
    Examples:
      leadpipe access add anna --role worker
      leadpipe access add bob@example.org --role viewer --sign-on
    """
    name = checked_name(name)
    logins = _logins()
    if logins.people.find(name) is None:
        is_first = not logins.people.all()
        password = None if is_signed_on else _password(name)
    else:
        is_first, password = False, None  # which is refused, before anybody types a password
    logins.people.add(name, ROLES[role], password, now=datetime.now(UTC))
    _note(logins, f"gave {name} an account as {role}")
    console.print(f"{name} has an account as {role}")
    if is_first:
        notes.print("From now on the page and the Dagster UI want a login, also on this machine.")


@access.command("list")
@format_options
def list_people(*, output: str | None) -> None:
    """List the accounts with their roles.

    \b
    Example:
      leadpipe access list
    """
    rows = tuple(
        (
            one.name,
            str(one.role),
            "password" if one.has_password else "single sign-on",
            one.added_at,
        )
        for one in _logins().people.all()
    )
    emit(Rows(("name", "role", "logs_in_by", "added_at"), rows), output, title="Accounts")


@access.command("role")
@click.argument("name")
@click.argument("role", type=_role)
def set_role(*, name: str, role: str) -> None:
    """Give somebody another role, and end their sessions.

    \b
    Example:
      leadpipe access role anna operator
    """
    logins = _logins()
    ended = logins.people.set_role(name, ROLES[role])
    _note(logins, f"gave {checked_name(name)} the role {role}")
    console.print(f"{checked_name(name)} has the role {role}; {ended} sessions ended")


@access.command("password")
@click.argument("name")
def set_password(*, name: str) -> None:
    """Set somebody's password, asked for or read from the first line of stdin, and end their sessions.

    \b
    Example:
      leadpipe access password anna
    """
    logins = _logins()
    logins.people.known(name)
    ended = logins.people.set_password(name, _password(name))
    _note(logins, f"set the password of {checked_name(name)}")
    console.print(f"{checked_name(name)} has another password; {ended} sessions ended")


@access.command()
@click.argument("name")
def remove(*, name: str) -> None:
    """Remove somebody's account, and end their sessions; what they did stays in the acts.

    \b
    Example:
      leadpipe access remove anna
    """
    logins = _logins()
    ended = logins.people.remove(name)
    _note(logins, f"removed the account of {checked_name(name)}")
    console.print(f"{checked_name(name)} has no account any more; {ended} sessions ended")


@access.command()
@format_options
def sessions(*, output: str | None) -> None:
    """List the sessions that have not ended: whose, since when, from which address.

    \b
    Example:
      leadpipe access sessions
    """
    found = _logins().sessions(now=datetime.now(UTC))
    rows = tuple(
        (
            one.name,
            one.person or "admin token",
            str(one.role),
            one.address,
            one.started_at,
            one.ends_at,
        )
        for one in found
    )
    names = ("session", "person", "role", "address", "started_at", "ends_at")
    emit(Rows(names, rows), output, title="Sessions", drop=("role", "ends_at", "address"))


@access.command()
@click.argument("name", required=False)
def end(*, name: str | None) -> None:
    """End all sessions, those of an account, or one by its name: whose they are has to log in again.

    \b
    Examples:
      leadpipe access end
      leadpipe access end anna
    """
    logins = _logins()
    count = logins.end_all() if name is None else logins.end_named(name)
    if name is not None and not count:
        raise ConfigurationError(
            f"No session is called {name!a}, and no account of that name is logged in. `leadpipe access "
            "sessions` has those there are."
        )
    _note(logins, f"ended {'all sessions' if name is None else f'the sessions of {name}'}")
    console.print(f"{count} sessions ended")


def _show_acts(limit: int, person: str | None, output: str | None) -> None:
    found = _logins().acts(limit=limit, person=person)
    rows = tuple((act.done_at, act.who, act.what) for act in found)
    emit(Rows(("done_at", "who", "what"), rows), output, title="What people did")


def _password(name: str) -> str:
    """What is typed, twice, or the first line of stdin; never an argument, which others could read."""
    if sys.stdin.isatty():
        typed: str = click.prompt(
            f"Password of {name}", hide_input=True, confirmation_prompt=True, err=True
        )
        return typed
    return sys.stdin.readline().rstrip("\r\n")


def _note(logins: Logins, what: str) -> None:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "somebody"
    logins.note(f"{user} on the command line", what, now=datetime.now(UTC))


def _logins() -> Logins:
    return Logins(load_settings().data_dir / "logins.sqlite")


COMMANDS = (access,)
