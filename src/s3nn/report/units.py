"""Numbers as text: three or four digits that matter and the unit that suits them."""

from __future__ import annotations

import re

from s3nn.report.schema import Measure, Scalar

NONE = "–"
MINUS = "\N{MINUS SIGN}"


def energy_text(energy_pj: float | None) -> str:
    """Picojoules with the prefix that leaves one to three digits before the point.

    >>> energy_text(4.6), energy_text(61_230), energy_text(2.5e9), energy_text(None)
    ('4.60 pJ', '61.2 nJ', '2.50 mJ', '–')
    """
    if energy_pj is None:
        return NONE
    return _scaled(energy_pj, 1000.0, ("pJ", "nJ", "µJ", "mJ", "J"))


def count_text(count: float | None) -> str:
    """A count with k, M or G; below a thousand as it is.

    >>> count_text(0), count_text(12), count_text(3.25), count_text(61_230), count_text(2.5e6)
    ('0', '12', '3.25', '61.2 k', '2.50 M')
    """
    if count is None:
        return NONE
    if float(count).is_integer() and abs(count) < 1000:
        return str(int(count))
    return _scaled(count, 1000.0, ("", "k", "M", "G", "T")).strip()


def bytes_text(size_bytes: float) -> str:
    """Bytes in powers of 1024.

    >>> bytes_text(512), bytes_text(1536), bytes_text(3 << 30)
    ('512 B', '1.50 KiB', '3.00 GiB')
    """
    if size_bytes < 1000:
        return f"{size_bytes:.0f} B"
    return _scaled(size_bytes, 1024.0, ("B", "KiB", "MiB", "GiB", "TiB"))


def seconds_text(seconds: float) -> str:
    """Seconds, milliseconds or minutes.

    >>> seconds_text(0.0123), seconds_text(4.21), seconds_text(252)
    ('12.3 ms', '4.21 s', '4.20 min')
    """
    if seconds < 1:
        return f"{_three(seconds * 1000)} ms"
    return f"{_three(seconds)} s" if seconds < 120 else f"{_three(seconds / 60)} min"


def percent_text(fraction: float | None) -> str:
    """A fraction of 1 as a percentage, with a digit more where it is small.

    >>> percent_text(0.9712), percent_text(0.0612), percent_text(0.00042), percent_text(1.0)
    ('97.1 %', '6.1 %', '0.04 %', '100 %')
    """
    if fraction is None:
        return NONE
    percent = fraction * 100
    digits = 0 if percent == 100 else 1 if abs(percent) >= 1 or percent == 0 else 2
    return f"{percent:.{digits}f} %"


def accuracy_text(accuracy: Measure) -> str:
    """A mean accuracy in percent and, with several seeds, the half width of its interval.

    >>> accuracy_text(Measure(0.9712, 0.0041, (0.97, 0.9724)))
    '97.12 ± 0.41 %'
    """
    return measure_text(accuracy, 100, "%")


def measure_text(measured: Measure, factor: float, unit: str, digits: int = 2) -> str:
    """A mean times ``factor`` in its unit and, with several seeds, its interval's half width."""
    around = "" if measured.ci95 is None else f" ± {factor * measured.ci95:.{digits}f}"
    return f"{factor * measured.mean:.{digits}f}{around}{unit and f' {unit}'}"


def signed_points(fraction: float) -> str:
    """A difference of two accuracies in percentage points, with its sign.

    >>> signed_points(-0.0062), signed_points(0.01)
    ('−0.62', '+1.00')
    """
    return f"{MINUS if fraction < 0 else '+'}{abs(100 * fraction):.2f}"


def scalar_text(value: Scalar) -> str:
    """A plain value of the file: floats to four digits, the rest as it is.

    >>> scalar_text(0.123456), scalar_text(True), scalar_text(None), scalar_text("a")
    ('0.1235', 'yes', '–', 'a')
    """
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def tied(text: str) -> str:
    """The text with its numbers and their units kept on one line.

    >>> tied("about 97.1 ± 0.4 % of 12 nJ").count("\N{NO-BREAK SPACE}")
    4
    """
    return re.sub(
        r"(?<=\d) (?=±|%|[pnµm]?J\b|[kMG]\b|points\b)|(?<=±) ", "\N{NO-BREAK SPACE}", text
    )


def host_texts(host: dict[str, Scalar]) -> list[tuple[str, str]]:
    """The machine, a name and a text for each fact; a key that ends in _bytes loses it.

    >>> host_texts({"cores": 4, "memory_bytes": 2 << 30, "gpu": None})
    [('cores', '4'), ('memory', '2.00 GiB'), ('gpu', 'none')]
    """
    found = []
    for key, value in host.items():
        if key.endswith("_bytes") and isinstance(value, int):
            found.append((key.removesuffix("_bytes"), bytes_text(value)))
        else:
            found.append((key, "none" if value is None else scalar_text(value)))
    return found


def _scaled(value: float, base: float, prefixes: tuple[str, ...]) -> str:
    power = 0
    while abs(value) >= 999.5 and power < len(prefixes) - 1:
        value, power = value / base, power + 1
    return f"{_three(value)} {prefixes[power]}"


def _three(value: float) -> str:
    """Three significant digits; two below a tenth."""
    size = abs(value)
    if size == 0:
        return "0"
    if size < 0.1:
        return f"{value:.2g}"
    return f"{value:.{0 if size >= 99.95 else 1 if size >= 9.995 else 2}f}"
