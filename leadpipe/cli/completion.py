"""`leadpipe completion`: what makes a shell complete commands and options."""

import click
from click.shell_completion import get_completion_class

_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, /, *, shell: str) -> None:
    """Print what a shell reads to complete commands, options and their values with the Tab key.

    The line for its start-up file: bash has ~/.bashrc, zsh ~/.zshrc, fish
    ~/.config/fish/completions/leadpipe.fish.

    \b
    Examples:
      eval "$(leadpipe completion bash)"     in ~/.bashrc
      eval "$(leadpipe completion zsh)"      in ~/.zshrc
      leadpipe completion fish > ~/.config/fish/completions/leadpipe.fish
    """
    kind = get_completion_class(shell)
    if kind is None:  # click has all three
        raise click.ClickException(f"{shell} cannot complete")
    command = context.find_root().command
    click.echo(kind(command, {}, "leadpipe", "_LEADPIPE_COMPLETE").source())


COMMANDS = (completion,)
