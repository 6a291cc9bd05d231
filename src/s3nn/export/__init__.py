"""Ways out of the library: formats that other people's tools read, each made from the graph.

One format a file.  A format that others can be read from has a reader beside its writer.
"""

from s3nn.export.base import Exporter, Pixels, Written
from s3nn.registry import FORMATS

__all__ = ["FORMATS", "Exporter", "Pixels", "Written", "make_exporter"]


def make_exporter(name: str, **options: str) -> Exporter:
    """The exporter of the format ``name``; ``s3nn list formats`` says what there is.

    >>> make_exporter("onnx_integer").suffix
    '.onnx'
    """
    found: Exporter = FORMATS.build(name, **options)
    return found
