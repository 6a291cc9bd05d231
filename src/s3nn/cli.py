"""The command line: find the command, read its flags, turn errors into exit codes.

Nothing here imports torch before a command needs it: ``s3nn --help`` and ``s3nn list`` are quick.
"""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Sequence

from s3nn.errors import UsageError, sentence, unknown_name

USAGE = """\
s3nn: spiking neural networks that run in one time step

  s3nn train RECIPE            train one network and measure it
  s3nn compare RECIPE          train it beside its full-precision, binary and multi-step twins
  s3nn convert RUN             a trained ReLU run as spikes over many steps, without training
  s3nn compile RUN             a trained run as C, with what integers do to it
  s3nn export RUN              a file for other tools: NIR or ONNX
  s3nn import FILE.nir         a run folder from another tool's single-step network
  s3nn conformance RUN         do other tools compute what the run computes, spike by spike
  s3nn bench RUN               its latency, beside the runtimes that run its ReLU twin
  s3nn deploy RUN              its weights on analog chips, and trained with them in the loop
  s3nn eval RUN                accuracy (or PSNR) of a trained run on its test split
  s3nn predict RUN IMAGE...    classes of images
  s3nn denoise RUN IMAGE       a picture without its noise
  s3nn energy RUN              operations and energy, layer by layer, under each price list
  s3nn lint RUN                every edge that stops being binary, and what it costs
  s3nn report RUN...           the page of one run or several
  s3nn pack RUN --out PACK     one folder or zip to share: weights, model card, golden vectors
  s3nn load PACK               check such a pack, and unpack it
  s3nn shard FOLDER OUT        images as archives that training streams from disk
  s3nn list [KIND]             what there is: recipes, models, neurons, surrogates, synapses, ...

RECIPE is a name from `s3nn list recipes`, or a run.json to replay.  RUN is a folder that train or
compare wrote.  `s3nn COMMAND --help` lists a command's flags; --debug shows tracebacks;
--models FILE.py adds networks of your own to the models, for any command.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 1 for a failure, 2 for a mistake in the request."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks a sign gets a question mark.
            stream.reconfigure(errors="replace")
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        words = _own_models(words)
        return _dispatch(words)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    except KeyboardInterrupt:
        print("s3nn: interrupted; the same command goes on from the last epoch", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 1
    except Exception as error:
        said = sentence(error)
        if said is None:
            raise
        if debug:
            traceback.print_exc()
        print(f"s3nn: {said}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


def _own_models(words: list[str]) -> list[str]:
    """Add the models of every ``--models FILE``; the words without it."""
    rest: list[str] = []
    given = iter(words)
    for word in given:
        flag, equals, file = word.partition("=")
        if flag != "--models":
            rest.append(word)
            continue
        file = file if equals else next(given, "")
        if not file:
            raise UsageError("--models needs a Python file with networks of your own")
        from s3nn.own import add_models

        add_models(file)
    return rest


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
        return 0
    if words[0] == "--version":
        from importlib.metadata import version

        print(f"s3nn {version('s3nn')}")
        return 0
    from s3nn import commands

    command, *rest = words
    if command not in commands.COMMANDS:
        raise unknown_name("command", command, commands.COMMANDS)
    commands.COMMANDS[command](rest)
    return 0
