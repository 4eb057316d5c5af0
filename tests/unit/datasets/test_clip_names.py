"""Names of raw clips as data sets of video have them."""

from fractions import Fraction

import pytest

from bench.datasets.clip_names import read_name


@pytest.mark.parametrize(
    ("stem", "size", "fps", "kind"),
    [
        # UVG, HEVC classes, MCL-JCV and JVET name their files so
        ("Beauty_1920x1080_120fps_420_8bit_YUV", (1920, 1080), 120, "yuv420p"),
        ("BasketballPass_416x240_50", (416, 240), 50, None),
        ("videoSRC05_1920x1080_25", (1920, 1080), 25, None),
        ("Tango2_3840x2160_60fps_10bit_420", (3840, 2160), 60, "yuv420p10le"),
        ("CatRobot_3840x2160_60fps_10bit_420_jvet", (3840, 2160), 60, "yuv420p10le"),
        ("Traffic_2560x1600_30_crop", (2560, 1600), 30, None),
        ("ParkScene_1920x1080_24_10bit_444", (1920, 1080), 24, "yuv444p10le"),
        ("clip_64x48_29.97fps_yuv422p10le", (64, 48), Fraction(30000, 1001), "yuv422p10le"),
        ("a_176X144_15Hz_nv12", (176, 144), 15, "nv12"),
        ("x_64x64_400_8bit", (64, 64), None, "gray"),
        ("BQMall_832x480_60_420_12bits", (832, 480), 60, "yuv420p12le"),
        ("foreman_cif", None, None, None),
        ("take 1080p50", None, None, None),
        (
            "Rollercoaster_4096x2160_5994fps_10bit_420",
            (4096, 2160),
            Fraction(60000, 1001),
            "yuv420p10le",
        ),
        ("USTC_Dancing_1920x1080_30fps_8bit_P420", (1920, 1080), 30, "yuv420p"),
        ("a_64x48_25_yuv420p10", (64, 48), 25, "yuv420p10le"),
        ("a_64x48_30_444p10", (64, 48), 30, "yuv444p10le"),
        ("a_64x48_10b_422", (64, 48), None, "yuv422p10le"),
        ("CrowdRun_1920x1080p50", (1920, 1080), 50, None),
        ("a_64x48_2997_422", (64, 48), Fraction(30000, 1001), "yuv422p"),
        ("a_64x48_25_mono", (64, 48), 25, "gray"),
    ],
)
def test_what_names_say(
    stem: str, size: tuple[int, int] | None, fps: int | None, kind: str | None
) -> None:
    found = read_name(stem)
    assert (found.size, found.fps, found.said_format) == (size, fps, kind)


@pytest.mark.parametrize(
    ("stem", "name", "contradicts"),
    [
        ("a_8x8_10bit_420", "yuv420p", True),
        ("a_8x8_10bit_420", "yuv420p10le", False),
        ("a_8x8_10bit", "p010le", False),
        ("a_8x8_8bit", "p010le", True),
        ("a_8x8_420", "nv12", False),
        ("a_8x8_420", "yuv422p", True),
        ("a_8x8_nv12", "yuv420p", True),
        ("a_8x8_420_8bit", "yuvj420p", False),
        ("a_8x8_50", "yuv444p12le", False),
        ("a_8x8_nv21", "yuv420p", True),
        ("a_8x8_uyvy422", "yuv422p", True),
        ("a_8x8_yuv420p10be", "yuv420p10le", True),
        ("a_8x8_14bit_420", "yuv420p", True),
        ("a_8x8_50i_420", "yuv420p", True),
        ("a_8x8_60_8bit_rgb", "yuv420p", True),
        ("a_8x8_60_8bit_rgb", "rgb24", False),
    ],
)
def test_contradictions(stem: str, name: str, contradicts: bool) -> None:
    assert read_name(stem).contradicts(name) is contradicts
