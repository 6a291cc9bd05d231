"""What was seen, in sentences made from the numbers."""

from __future__ import annotations

from s3nn.report import units
from s3nn.report.interval import paired_difference
from s3nn.report.schema import Result, Row
from s3nn.report.scores import score_of
from s3nn.report.table import energy_share, leading_row, price_lists, reference_row


def title(result: Result) -> str:
    """What the page is about, in a few words."""
    return f"{result.recipe} on {result.data.name}"


def summary(result: Result) -> list[str]:
    """The first paragraph: one sentence each on the score, energy, spikes, rivals and failures."""
    row = leading_row(result)
    if row is None:
        return [f"No row of {title(result)} gave a number.", *_failures(result)]
    return [
        _score(result, row),
        *_seen(row),
        *_energy(result, row),
        *_spikes(row),
        *_rival(result, row),
        *_extremes(result),
        *_failures(result),
    ]


def seeds_text(result: Result, row: Row) -> str:
    """How many seeds are behind the numbers of ``row``, in words.

    A single seed is said to be one, because there is no interval then.
    """
    many = len(row.score.per_seed)
    failed = sum(failure.row == row.name for failure in result.failures)
    if failed:
        return f"{many} of {many + failed} seeds"
    return f"{many} seeds" if many != 1 else "one seed, so without an interval"


def _score(result: Result, row: Row) -> str:
    images = result.data.splits.get("test")
    where = f"On {images:,} test images of {result.data.name}" if images else "On the test images"
    score = score_of(result)
    said = f"{where}, {row.name} reaches {score.text(row.score)} ({seeds_text(result, row)})"
    twin = reference_row(result)
    if twin is None or twin is row:
        return f"{said}."
    difference = paired_difference(result, row, twin)
    points = abs(score.factor * difference.mean)
    side = "under" if difference.mean < 0 else "over"
    said = f"{said}, {points:.2f} {score.difference} {side} its full-precision twin {twin.name}"
    if difference.ci95 is None:
        return f"{said}."
    half = score.factor * difference.ci95
    interval = f"{score.signed(difference.mean)} ± {half:.2f}"
    if abs(difference.mean) <= difference.ci95:
        seeds = len(difference.per_seed)
        return f"{said}; paired by seed, {interval}: {seeds} seeds cannot tell it from zero."
    return f"{said} (paired by seed, {interval})."


def _seen(row: Row) -> list[str]:
    """Of images: how much nearer to the true ones they are than what the network was shown."""
    if row.images is None or row.images.shown_psnr_db is None:
        return []
    before, ssim = row.images.shown_psnr_db, row.images.ssim.mean
    gain = row.images.psnr_db.mean - before
    return [
        f"It is shown images of {before:.2f} dB and gains {gain:.2f} dB; their SSIM is {ssim:.3f}."
    ]


def _energy(result: Result, row: Row) -> list[str]:
    names = price_lists(result)
    shares = [(name, energy_share(result, row, name)) for name in names]
    known = [(name, share) for name, share in shares if share is not None]
    if known:
        (first, share), *others = known
        said = f"It takes {units.percent_text(share)} of that twin's energy by the {first} prices"
        listed = [f"{units.percent_text(share)} by {name}" for name, share in others]
        return [f"{said} ({', '.join(listed)})." if listed else f"{said}."]
    if not names or names[0] not in row.energy_pj:
        return []
    energy = units.energy_text(row.energy_pj[names[0]])
    return [f"An inference takes {energy} by the {names[0]} prices."]


def _spikes(row: Row) -> list[str]:
    if row.firing_rate is None:
        return []
    steps = "In its single time step" if row.steps == 1 else f"In each of {row.steps} time steps"
    return [
        f"{steps} {units.percent_text(row.firing_rate)} of its neurons fire: "
        f"{units.count_text(row.spikes_per_inference)} spikes, "
        f"{units.count_text(row.acs)} accumulates and "
        f"{units.count_text(row.macs)} multiply-accumulates per inference."
    ]


def _rival(result: Result, row: Row) -> list[str]:
    """The first rival under its first price list: who costs less, and where they would be even."""
    for rival in row.rivals[:1]:
        name = next(iter(rival.energy_pj))
        theirs, ours = rival.energy_pj[name], rival.own_energy_pj[name]
        verdict = "costs less" if theirs < ours else "costs more"
        said = (
            f"Its honest rival ({rival.name}) {verdict} than it does with as many bits, by the "
            f"{name} prices ({units.energy_text(theirs)} against {units.energy_text(ours)})"
        )
        even = rival.break_even_firing_rate[name]
        said += f"; the break-even firing rate is {units.percent_text(even)}"
        return [f"{said}."]
    return []


def _extremes(result: Result) -> list[str]:
    name = next(iter(price_lists(result)), None)
    priced = [row for row in result.rows if name in row.energy_pj]
    if name is None or len(result.rows) < 3 or not priced:
        return []
    score, best = score_of(result), max(result.rows, key=lambda row: row.score.mean)
    cheapest = min(priced, key=lambda row: row.energy_pj[name])
    return [
        f"Of the {len(result.rows)} rows {best.name} is the {score.best} "
        f"({score.text(best.score)}) and {cheapest.name} takes the least energy "
        f"({units.energy_text(cheapest.energy_pj[name])})."
    ]


def _failures(result: Result) -> list[str]:
    many = len(result.failures)
    if not many:
        return []
    if many == 1:
        return ["One run failed and stands in no number; it is listed under failures."]
    return [f"{many} runs failed and stand in no number; they are listed under failures."]
