"""Reference implementations of metrics, each of one 8-bit RGB picture against another.

None is part of the project: what is not installed says how to get it. Decides nothing.
"""

from __future__ import annotations

import io
import re
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import numpy as np
from numpy.typing import NDArray

from bench.errors import Unavailable
from bench.metrics.packages import ALEXNET, VGG16

Picture = NDArray[np.uint8]
Floats = NDArray[np.float64]
_LIBJXL = "apt-get install libjxl-devtools of Debian 13 or later"


def _require(module: str, cure: str) -> None:
    if find_spec(module) is None:
        raise Unavailable(f"package {module} is not installed; {cure}")


@dataclass(frozen=True, slots=True)
class Reference:
    """One implementation of a metric: ``compute(reference, decoded)``. ``ready`` gives its name
    with the version and raises Unavailable, with the cure, where it is not here."""

    metric: str
    ready: Callable[[], str]
    compute: Callable[[Picture, Picture], float]


def _package(module: str, name: str, what: str) -> Callable[[], str]:
    def ready() -> str:
        _require(module, f"pip install {name}")
        return f"{what}, {name} {metadata.version(name)}"

    return ready


def _luma(picture: Picture) -> Floats:
    """ITU-R BT.601 luma, unrounded."""
    return np.asarray(picture @ np.array([0.299, 0.587, 0.114]), np.float64)


def _ssim(one: Picture, other: Picture) -> float:
    from skimage import metrics

    structural_similarity: Callable[..., float] = metrics.structural_similarity
    return float(
        structural_similarity(one, other, gaussian_weights=True, sigma=1.5, data_range=255,
                              use_sample_covariance=False, channel_axis=2)
    )  # fmt: skip


def _ms_ssim(one: Picture, other: Picture) -> float:
    import pytorch_msssim

    from bench.metrics.packages import as_tensor

    pair = (as_tensor(one, "cpu"), as_tensor(other, "cpu"))
    return float(pytorch_msssim.ms_ssim(*pair, data_range=255))


def _files(call: Callable[[list[str]], str], one: Picture, other: Picture) -> str:
    """What a command says of two PNG files."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("reference.png", "decoded.png")]
        for path, picture in zip(paths, (one, other), strict=True):
            Image.fromarray(picture).save(path)
        return call(paths)


def _said(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return done.stdout + done.stderr


def _libjxl_ready() -> str:
    tool = which("ssimulacra2")
    if tool is None:
        raise Unavailable(f"no ssimulacra2 on PATH; {_LIBJXL}")
    return f"libjxl's own tool, {_libjxl_version(tool)}"


@cache
def _libjxl_version(tool: str) -> str:
    """ssimulacra2 says no version; benchmark_xl, which comes with it, does."""
    beside = Path(tool).with_name("benchmark_xl")
    found = re.search(r"v(\d[\d.]*)", _said([str(beside), "--help"])) if beside.exists() else None
    return f"libjxl {found.group(1)}" if found else "libjxl of unknown version"


def _ssimulacra2(one: Picture, other: Picture) -> float:
    return float(_files(lambda paths: _said(["ssimulacra2", *paths]), one, other))


def _ssimulacra2_package(one: Picture, other: Picture) -> float:
    from ssimulacra2 import compute_ssimulacra2

    return float(_files(lambda paths: str(compute_ssimulacra2(*paths)), one, other))


def _vmaf_ready() -> str:
    from bench.codecs.support.ffmpeg_binary import find_ffmpeg

    first = _said([find_ffmpeg(), "-version"]).splitlines()[0]
    return f"ffmpeg on two files, its own colour conversion, {first.partition(' Copyright')[0]}"


def _filter(score: str, pattern: str) -> Callable[[Picture, Picture], float]:
    """What a filter of ffmpeg, of ``[d]`` and ``[r]``, says of the decoded picture."""

    def compute(one: Picture, other: Picture) -> float:
        from bench.codecs.support.ffmpeg_binary import find_ffmpeg

        convert = "scale=out_color_matrix=bt709:out_range=limited:flags=accurate_rnd,format=yuv420p"
        graph = f"[0]{convert}[r];[1]{convert}[d];{score}"

        def call(paths: list[str]) -> str:
            inputs = [word for path in paths for word in ("-i", path)]
            return _said([find_ffmpeg(), "-nostdin", *inputs, "-lavfi", graph, "-f", "null", "-"])

        found = re.search(pattern, _files(call, one, other))
        if found is None:
            raise Unavailable(f"ffmpeg cannot compute {score}; unset BENCH_FFMPEG")
        return float(found.group(1))

    return compute


def _vmaf(model: str) -> Callable[[Picture, Picture], float]:
    return _filter(f"[d][r]libvmaf=model=version={model}", r"VMAF score: ([0-9.]+)")


def _psnr_hvs_m(one: Picture, other: Picture) -> float:
    """PSNR-HVS-M of Y', Cb and Cr BT.709 limited range, their errors weighted as libvmaf does."""
    with redirect_stdout(io.StringIO()):  # importing it says that there are backends
        import psnr_hvsm

    from bench.metrics.limited_range import converter
    from bench.signals import image

    pairs = zip(
        *(converter(image(picture).layout, "444")(picture) for picture in (one, other)), strict=True
    )
    values = [
        psnr_hvsm.psnr_hvs_hvsm(*(plane.astype(np.float64) / 255 for plane in pair))[1]
        for pair in pairs
    ]
    errors = [10 ** (-float(value) / 10) for value in values]
    return float(-10 * np.log10(np.dot((0.8, 0.1, 0.1), errors)))


def _ciede2000(one: Picture, other: Picture) -> float:
    """libvmaf's scale and weights on ΔE₀₀ of sRGB, without its rounded planes."""
    from skimage import color

    difference: Callable[..., Floats] = color.deltaE_ciede2000
    found = difference(color.rgb2lab(one), color.rgb2lab(other), kL=0.65, kC=1, kH=4)
    return float(45 - 20 * np.log10(found.mean()))


def _vif(one: Picture, other: Picture) -> float:
    import sewar

    return float(sewar.vifp(_luma(one), _luma(other)))


def _haarpsi_ready() -> str:
    _require("haarPsi", "put the authors' haarPsi.py (github.com/rgcda/haarpsi) on PYTHONPATH")
    return "the authors' haarPsi.py"


def _haarpsi(one: Picture, other: Picture) -> float:
    import haarPsi

    return float(haarPsi.haar_psi(one, other)[0])


def _lpips_ready(network: str) -> Callable[[], str]:
    def ready() -> str:
        (ALEXNET if network == "alex" else VGG16).check()
        return _package("lpips", "lpips", "the authors' package")()

    return ready


def _lpips(network: str) -> Callable[[Picture, Picture], float]:
    def compute(one: Picture, other: Picture) -> float:
        from bench.metrics.packages import as_tensor

        pair = [as_tensor(picture, "cpu") / 127.5 - 1 for picture in (one, other)]
        return float(_lpips_model(network)(*pair))

    return compute


@cache
def _lpips_model(network: str) -> Callable[..., float]:
    import lpips

    model: Callable[..., float] = lpips.LPIPS(net=network, verbose=False)
    return model


def _dists_ready() -> str:
    VGG16.check()
    return _package("DISTS_pytorch", "DISTS-pytorch", "the authors' package")()


def _dists(one: Picture, other: Picture) -> float:
    from bench.metrics.packages import as_tensor

    return float(_dists_model()(*(as_tensor(picture, "cpu") / 255 for picture in (one, other))))


@cache
def _dists_model() -> Callable[..., float]:
    import DISTS_pytorch

    model: Callable[..., float] = DISTS_pytorch.DISTS()
    return model


REFERENCES = (
    Reference("ssim", _package("skimage", "scikit-image", "structural_similarity"), _ssim),
    Reference("ms_ssim", _package("pytorch_msssim", "pytorch-msssim", "ms_ssim"), _ms_ssim),
    Reference("vmaf", _vmaf_ready, _vmaf("vmaf_v0.6.1")),
    Reference("vmaf_neg", _vmaf_ready, _vmaf("vmaf_v0.6.1neg")),
    Reference("vmaf_v1", _vmaf_ready, _vmaf("vmaf_v1.0.16_3d0h")),
    Reference("vmaf_4k", _vmaf_ready, _vmaf("vmaf_4k_v0.6.1")),
    Reference("xpsnr", _vmaf_ready, _filter("[r][d]xpsnr", r"XPSNR  y: ([0-9.]+)")),
    Reference(
        "psnr_hvs",
        _package("psnr_hvsm", "psnr-hvsm", "PSNR-HVS-M of its authors, another masking"),
        _psnr_hvs_m,
    ),
    Reference("ciede2000", _package("skimage", "scikit-image", "ΔE₀₀"), _ciede2000),
    Reference("ssimulacra2", _libjxl_ready, _ssimulacra2),
    Reference(
        "ssimulacra2", _package("ssimulacra2", "ssimulacra2", "the package"), _ssimulacra2_package
    ),
    Reference("vif", _package("sewar", "sewar", "vifp of luma"), _vif),
    Reference("haarpsi", _haarpsi_ready, _haarpsi),
    Reference("lpips_alex", _lpips_ready("alex"), _lpips("alex")),
    Reference("lpips_vgg", _lpips_ready("vgg"), _lpips("vgg")),
    Reference("dists", _dists_ready, _dists),
)
THEMSELVES = {
    "butteraugli": "is the tool butteraugli_main itself",
    "cvvdp": "is the authors' package itself",
}
"""Metrics that call their reference implementation: there is nothing else to compare with."""
