"""The one table of a comparison: its columns, and each cell's text for every medium."""

from __future__ import annotations

from dataclasses import dataclass

from s3nn.report import units
from s3nn.report.schema import Result, Row
from s3nn.report.scores import score_of


@dataclass(frozen=True)
class Column:
    """A heading, what it means, and a text and small print for each row."""

    title: str
    meaning: str
    cells: tuple[str, ...]
    notes: tuple[str, ...] = ()
    numeric: bool = True

    def note(self, i: int) -> str:
        return self.notes[i] if self.notes else ""


def reference_row(result: Result) -> Row | None:
    """The full-precision twin that the others are held against: ReLUs, one step, real weights."""
    single = [row for row in result.rows if row.neuron.startswith("relu") and row.steps == 1]
    return next((row for row in single if row.synapse.startswith("real")), None)


def leading_row(result: Result) -> Row | None:
    """The row the report speaks of first: single-step, real weights, a spiking neuron."""
    spiking = [row for row in result.rows if row.spikes]
    single = [row for row in spiking if row.steps == 1]
    real = [row for row in single if row.synapse.startswith("real")]
    return next(iter([*real, *single, *spiking, *result.rows]), None)


def energy_share(result: Result, row: Row, price_list: str) -> float | None:
    """Energy of ``row`` as a fraction of the full-precision twin's; none for the twin itself."""
    twin = reference_row(result)
    if twin is None or row is twin or not twin.energy_pj.get(price_list):
        return None
    mine = row.energy_pj.get(price_list)
    return None if mine is None else mine / twin.energy_pj[price_list]


def columns(result: Result) -> list[Column]:
    """Every column of the table, one cell a row."""
    return [*outcome_columns(result), *cost_columns(result)]


def outcome_columns(result: Result) -> list[Column]:
    """How well each row does, the energy it takes, and what it is."""
    rows, score = result.rows, score_of(result)
    return [
        Column("row", "the name of the network", tuple(r.name for r in rows), numeric=False),
        Column(
            f"test {score.name}",
            "mean over seeds ± half width of its 95 % interval",
            tuple(score.text(r.score) for r in rows),
        ),
        *_image_columns(result),
        Column(
            "firing rate",
            "spikes per neuron and step",
            tuple(units.percent_text(r.firing_rate) for r in rows),
        ),
        *[_energy_column(result, name) for name in price_lists(result)],
        Column("steps", "time steps per inference", tuple(str(r.steps) for r in rows)),
        Column("neuron", "what fires", tuple(r.neuron for r in rows), numeric=False),
        Column("synapse", "how weights are kept", tuple(r.synapse for r in rows), numeric=False),
    ]


def cost_columns(result: Result) -> list[Column]:
    """What each row computes per inference, stores, and takes to train."""
    rows = result.rows
    return [
        Column(
            "spikes",
            "spikes per inference",
            tuple(units.count_text(r.spikes_per_inference if r.spikes else None) for r in rows),
        ),
        Column("MACs", "multiply-accumulates", tuple(units.count_text(r.macs) for r in rows)),
        Column(
            "ACs",
            "accumulates, one a spike and target",
            tuple(units.count_text(r.acs) for r in rows),
        ),
        Column("adds", "other additions", tuple(units.count_text(r.adds) for r in rows)),
        Column(
            "neuron updates",
            "evaluations of a neuron",
            tuple(units.count_text(r.neuron_updates) for r in rows),
        ),
        Column("parameters", "trained", tuple(units.count_text(r.parameters) for r in rows)),
        Column(
            "weights",
            "size of all weights",
            tuple(units.bytes_text(r.weight_bits / 8) for r in rows),
            tuple(bits_note(r) for r in rows),
        ),
        Column(
            "training",
            "time per epoch",
            tuple(units.seconds_text(r.train_s_per_epoch) for r in rows),
        ),
        Column(
            "peak memory",
            "while training",
            tuple(units.bytes_text(r.peak_mem_bytes) for r in rows),
        ),
    ]


def price_lists(result: Result) -> list[str]:
    """The price lists that at least one row was priced with, in the file's order."""
    return [name for name in result.price_lists if any(name in r.energy_pj for r in result.rows)]


def bits_note(row: Row) -> str:
    """How many bits a parameter has on average."""
    return f"{row.weight_bits / row.parameters:.3g} bit" if row.parameters else ""


def _image_columns(result: Result) -> list[Column]:
    """What else is known of rows that answer with images."""
    images = [row.images for row in result.rows]
    if not any(images):
        return []
    texts = [units.NONE if i is None else units.measure_text(i.ssim, 1, "", 3) for i in images]
    return [Column("SSIM", "structural similarity to the true images", tuple(texts))]


def _energy_column(result: Result, name: str) -> Column:
    shares = [energy_share(result, row, name) for row in result.rows]
    return Column(
        f"energy, {name}",
        result.price_lists[name].summary,
        tuple(units.energy_text(row.energy_pj.get(name)) for row in result.rows),
        tuple("" if share is None else units.percent_text(share) for share in shares),
    )
