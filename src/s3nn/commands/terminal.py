"""Where tables are printed, and how wide they may be."""

from collections.abc import Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

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


def print_table(console: Console, table: Table, spare: Sequence[str] = ()) -> None:
    """Print a table; where it is too wide, without as many of its ``spare`` columns as need be.

    A number that is cut off says nothing, so that those that say least go, the first one first.
    """
    gone, unbounded = [], console.options.update(max_width=10 * LOG_COLUMNS)
    for header in spare:
        if Measurement.get(console, unbounded, table).maximum <= console.width:
            break
        table.columns = [column for column in table.columns if column.header != header]
        gone.append(header.replace("\n", " "))
    console.print(table)
    if gone:
        console.print(f"left out, for a terminal of {console.width} columns: {', '.join(gone)}")
