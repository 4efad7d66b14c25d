"""`leadpipe completion`: what makes a shell complete commands and options."""

import click
from click.shell_completion import get_completion_class

_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, /, *, shell: str) -> None:
    """Print what a shell reads to complete commands, options and their values with the Tab key.

    It is for the shell's start-up file: `eval "$(leadpipe completion bash)"` in ~/.bashrc, the same with
    zsh in ~/.zshrc; for fish, `leadpipe completion fish` goes to
    ~/.config/fish/completions/leadpipe.fish.

    \b
    Examples:
      leadpipe completion bash
      leadpipe completion zsh
      leadpipe completion fish
    """
    kind = get_completion_class(shell)
    if kind is None:  # click has all three
        raise click.ClickException(f"{shell} cannot complete")
    command = context.find_root().command
    click.echo(kind(command, {}, "leadpipe", "_LEADPIPE_COMPLETE").source())


COMMANDS = (completion,)
