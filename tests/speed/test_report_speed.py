"""A report on a million records, in seconds of CPU and bytes of memory; run by `make speed`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from bench.records import COLUMNS
from tests.unit.report import samples

CODECS, POINTS, ITEMS = 20, 10, 5000
SECONDS, BYTES = 60.0, 2e9

_BUILD = """
import re, resource, sys
from pathlib import Path
import bench.report
bench.report.build(Path(sys.argv[1]))
used = resource.getrusage(resource.RUSAGE_SELF)
# ru_maxrss would count the process that started this one
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
print(used.ru_utime + used.ru_stime, int(peak[1]) * 1024)
"""


def _million(folder: Path) -> None:
    codec, point, item = (
        axis.ravel() for axis in np.indices((CODECS, POINTS, ITEMS), dtype=np.int64)
    )
    generator = np.random.default_rng(0)
    hard = generator.normal(0, 0.5, ITEMS)[item]
    bpp = 0.1 * 1.6**point * np.exp(hard) * (1 + 0.05 * codec)
    psnr = 27 + 1.8 * point - 2 * hard + generator.normal(0, 0.2, len(item))
    table = pd.DataFrame(
        {
            "suite": "made", "dataset": "made", "item": [f"picture{i:06d}.png" for i in item],
            "codec": [f"codec{c}" for c in codec], "point": [f"q={p}" for p in point],
            "status": "done", "width": 96, "height": 64, "frames": 1, "channels": 3,
            "bytes": np.round(bpp * 768).astype(int), "header_bytes": 20, "discarded_bytes": 0,
            "bpp": bpp, "mse": 255.0**2 / 10 ** (psnr / 10), "psnr_rgb": psnr,
            "ssim": 1 - 10 ** (-psnr / 25), "ms_ssim": 1 - 10 ** (-psnr / 20),
            "encode_seconds": 0.01, "decode_seconds": 0.01,
            "bitstream_sha256": [f"{i:064x}" for i in range(len(item))], "parallel": 2,
            "fingerprint": [f"{i:064x}" for i in range(len(item))],
        },
        columns=list(COLUMNS),
    )  # fmt: skip
    table.to_csv(folder / "records.csv", index=False)
    ladder = [f"q={p}" for p in range(POINTS)]
    infos = [samples.codec_info(f"codec{c}", ladder) for c in range(CODECS)]
    samples.run_info(infos, items=ITEMS, anchor="codec0").write(folder)


def test_a_million_records_within_60_s_and_2_gb(tmp_path: Path) -> None:
    _million(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, str(tmp_path)], check=True, capture_output=True, text=True
    )
    seconds, peak = map(float, done.stdout.split())
    print(f"\nreport on 1,000,000 records: {seconds:.1f} s of CPU, peak {peak / 1e9:.2f} GB")
    assert seconds < SECONDS
    assert peak < BYTES
