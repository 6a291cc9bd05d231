"""Where tables are printed."""

from rich.console import Console

# The width of a table that goes to a file or a pipe.
LOG_COLUMNS = 110


def make_console() -> Console:
    """A console as wide as the terminal, or wide enough for our tables where there is none.

    Texts are shown as they are: a folder may be called "runs[/b]".
    """
    console = Console(markup=False)
    if not console.is_terminal:
        console.width = LOG_COLUMNS
    return console
