"""What the command line can do: one command a function of its remaining words."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

Command = Callable[[list[str]], None]


def _lazy(module: str, function: str) -> Command:
    def command(words: list[str]) -> None:
        getattr(import_module(f"s3nn.commands.{module}"), function)(words)

    return command


COMMANDS: dict[str, Command] = {
    "train": _lazy("training", "train"),
    "compare": _lazy("training", "compare"),
    "convert": _lazy("converting", "convert_run"),
    "compile": _lazy("compiling", "compile_run"),
    "export": _lazy("exporting", "export"),
    "import": _lazy("exporting", "import_file"),
    "conformance": _lazy("exporting", "conformance"),
    "bench": _lazy("benching", "bench"),
    "deploy": _lazy("deploying", "deploy"),
    "eval": _lazy("using", "evaluate"),
    "predict": _lazy("using", "predict"),
    "denoise": _lazy("denoising", "denoise"),
    "energy": _lazy("accounting", "energy"),
    "lint": _lazy("accounting", "lint"),
    "report": _lazy("accounting", "report"),
    "pack": _lazy("packing", "pack"),
    "load": _lazy("packing", "load"),
    "shard": _lazy("sharding", "shard"),
    "list": _lazy("listing", "list_parts"),
}
