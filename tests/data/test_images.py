import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from s3nn.data import check_images, read_image
from s3nn.errors import DataError


def save(path: Path, pixels: np.ndarray, mode: str | None = None) -> Path:
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)
    return path


@pytest.fixture
def colour(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)


def test_pixels_are_read_as_they_are(tmp_path: Path, colour: np.ndarray) -> None:
    rgb = read_image(save(tmp_path / "a.png", colour), (3, 6, 5))
    assert rgb.dtype == torch.uint8
    np.testing.assert_array_equal(rgb.numpy(), colour.transpose(2, 0, 1))
    grey = read_image(save(tmp_path / "b.png", colour[..., 0]), (1, 6, 5))
    np.testing.assert_array_equal(grey.numpy(), colour[None, ..., 0])
    opaque = read_image(save(tmp_path / "c.png", colour, "RGBA"), (3, 6, 5))
    assert torch.equal(opaque, rgb)


def test_what_does_not_fit_says_so_and_resize_converts(tmp_path: Path) -> None:
    path = save(tmp_path / "cat.png", np.full((32, 32, 3), 90, np.uint8))
    says = r"^cat\.png is 32x32 RGB, the network takes 28x28 grey: pass --resize$"
    with pytest.raises(DataError, match=says):
        read_image(path, (1, 28, 28))
    assert torch.equal(
        read_image(path, (1, 28, 28), resize=True), torch.full((1, 28, 28), 90, dtype=torch.uint8)
    )


def test_sizes_are_said_width_first(tmp_path: Path, colour: np.ndarray) -> None:
    path = save(tmp_path / "a.png", colour)
    with pytest.raises(DataError, match="is 5x6 RGB, the network takes 6x5 RGB"):
        read_image(path, (3, 5, 6))


def test_files_that_cannot_be_used_are_named(tmp_path: Path, colour: np.ndarray) -> None:
    text = tmp_path / "text.png"
    text.write_text("not an image")
    cut = save(tmp_path / "cut.png", np.zeros((64, 64), np.uint8))
    cut.write_bytes(cut.read_bytes()[:60])
    clear = save(tmp_path / "clear.png", np.dstack([colour, np.zeros((6, 5), np.uint8)]))
    deep = save(tmp_path / "deep.png", np.zeros((6, 5), np.uint16))
    for path, says in (
        (text, "cannot read"),
        (cut, "cannot read"),
        (tmp_path / "none.png", "cannot read"),
        (clear, "transparent in places"),
        (deep, "colour mode I;16: save it as 8-bit"),
    ):
        with pytest.raises(DataError, match=rf"{path.name}.*{says}|{says}.*{path.name}"):
            read_image(path, (1, 28, 28), resize=True)


def test_a_network_that_takes_no_pictures_is_said() -> None:
    with pytest.raises(DataError, match="the network takes 5 channels"):
        read_image("cat.png", (5, 28, 28))


GOOD = torch.zeros(2, 3, 8, 6)


def test_good_images_pass() -> None:
    for x in (GOOD, GOOD.byte(), GOOD.half(), GOOD.to(memory_format=torch.channels_last)):
        check_images(x, (3, 8, 6))


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (GOOD[0], r"add a batch axis, x\[None\]"),
        (GOOD.permute(0, 2, 3, 1), r"x\.permute\(0, 3, 1, 2\)"),
        (GOOD[:, :1], r"shape \(2, 1, 8, 6\), expected \(N, 3, 8, 6\)"),
        (GOOD[0, 0], r"shape \(8, 6\), expected"),
        (GOOD[:0], "no images"),
        (GOOD.long(), "torch.int64"),
        (GOOD / 0, "not finite"),
    ],
)
def test_bad_images_are_named(x: torch.Tensor, says: str) -> None:
    with pytest.raises(DataError, match=says):
        check_images(x, (3, 8, 6))


def deep_png(path: Path) -> Path:
    """An RGB PNG of 16 bits a colour, which Pillow writes none of."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    pixels = zlib.compress((b"\0" + b"\x12\x34" * 12) * 4)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def test_what_pillow_would_cut_short_is_refused(tmp_path: Path) -> None:
    grey = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    grey.save(tmp_path / "key.png", transparency=5)
    frames = [Image.new("L", (8, 8), value) for value in (0, 200)]
    for name in ("two.gif", "two.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    (tmp_path / "deep.ppm").write_bytes(b"P6 2 2 65535\n" + b"\x12\x34" * 12)
    for path, says in (
        (deep_png(tmp_path / "deep.png"), "has 16 bits a colour"),
        (tmp_path / "deep.ppm", "has 16 bits a colour"),
        (tmp_path / "key.png", "is transparent in places"),
        (tmp_path / "two.gif", "has 2 frames"),
        (tmp_path / "two.tif", "has 2 frames"),
    ):
        with pytest.raises(DataError, match=f"{path.name} {says}"):
            read_image(path, (1, 8, 8), resize=True)
    grey.save(tmp_path / "unused.png", transparency=200)
    assert read_image(tmp_path / "unused.png", (1, 8, 8)).shape == (1, 8, 8)
