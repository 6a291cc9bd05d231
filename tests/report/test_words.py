"""Sentences say what the numbers say."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

from rich.console import Console

from s3nn.report.console import console_table
from s3nn.report.interval import measure
from s3nn.report.schema import Failure, Result
from s3nn.report.table import reference_row
from s3nn.report.text import comparison, markdown
from s3nn.report.words import summary


def test_the_first_sentence_holds_the_row_against_its_twin(result: Result) -> None:
    first, second, *_ = summary(result)
    assert first.startswith("On 10,000 test images of digits, s3nn reaches 97.")
    assert "points under its full-precision twin relu (paired by seed" in first
    relu, s3nn, *_ = result.rows
    share = s3nn.energy_pj["45nm float32"] / relu.energy_pj["45nm float32"]
    assert f"{100 * share:.1f} % of that twin's energy by the 45nm float32 prices" in second


def test_a_difference_within_the_noise_is_said_to_be(result: Result) -> None:
    relu, s3nn, *_ = result.rows
    noisy = replace(s3nn, accuracy=measure([0.95, 0.99, 0.97]))
    assert "3 seeds cannot tell it from zero" in summary(replace(result, rows=(relu, noisy)))[0]


def test_a_result_without_rows_or_twin_still_has_words(result: Result) -> None:
    alone = summary(replace(result, rows=result.rows[1:2]))
    assert "twin" not in " ".join(alone)
    energy_uj = result.rows[1].energy_pj["45nm float32"] / 1e6
    assert f"An inference takes {energy_uj:.1f} µJ by the 45nm float32 prices." in alone
    failed = replace(result, rows=(), failures=(Failure("s3nn", 0, "x"),))
    assert "gave a number" in summary(failed)[0]
    assert "One run failed" in summary(failed)[1]


def test_markdown_has_the_table_the_claims_and_the_command(result: Result) -> None:
    text = markdown(result)
    assert comparison(result) in text
    assert "| s3nn fires below 10 % | 0.121 | 0.1 | **no** |" in text
    assert "```sh\ns3nn compare digits_cnn --seeds 3\n```" in text
    assert "memory 32.0 GiB" in text
    widths = {line.count(" | ") for line in comparison(result).splitlines()}
    assert len(widths) == 1


def test_console_table_fits_100_columns(result: Result) -> None:
    out = StringIO()
    failed = replace(result, failures=(Failure("lif-t4", 2, "diverged"),))
    Console(file=out, width=100).print(console_table(failed))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 100
    assert "…" not in out.getvalue()
    assert any("s3nn-int4" in line and "290 KiB" in line for line in lines)
    assert any("lif-t4" in line and "failed" in line for line in lines)


def test_seeds_that_failed_are_in_no_number_and_in_no_pair(result: Result) -> None:
    relu, s3nn = result.rows[:2]
    relu = replace(relu, accuracy=measure([0.95, 0.9, 0.8]), seeds=(0, 1, 2))
    s3nn = replace(s3nn, accuracy=measure([0.9]), seeds=(0,))
    failed = tuple(Failure("s3nn", seed, "diverged") for seed in (1, 2))
    said = summary(replace(result, rows=(relu, s3nn), failures=failed))[0]
    assert said.endswith(
        "reaches 90.00 % (1 of 3 seeds), 5.00 points under its full-precision twin relu."
    )


def test_folders_of_one_seed_each_are_said_to_be(result: Result) -> None:
    rows = [
        replace(result.rows[1], name=f"s3nn ({seed})", accuracy=measure([0.9]), seeds=(seed,))
        for seed in (0, 1, 2)
    ]
    said = summary(replace(result, rows=tuple(rows)))[0]
    assert said.endswith("s3nn (0) reaches 90.00 % (one seed, so without an interval).")


def test_only_relus_of_one_step_are_a_full_precision_twin(result: Result) -> None:
    relu, s3nn = result.rows[:2]
    timing = replace(relu, name="timing-t5", neuron="timing", steps=5)
    assert reference_row(replace(result, rows=(timing, s3nn))) is None
    assert reference_row(replace(result, rows=(timing, s3nn, relu))) is relu
