"""`bench doctor` speaks of one codec, and examines codecs that are programs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.cards import load_registry
from bench.cli import main
from bench.doctor.ladder import ladder_faults
from tests.system.doctor.test_examine import CARD


def test_every_point_is_tried_and_commands_get_a_hint(tmp_path: Path) -> None:
    script = tmp_path / "half.py"
    script.write_text(
        "import sys, shutil\nif sys.argv[1] == '9': sys.exit('unknown format')\n"
        "shutil.copyfile(sys.argv[2], sys.argv[3])\n"
    )
    (tmp_path / "half.toml").write_text(
        'title = "Half"\nadapter = "bench.codecs.command:CommandCodec"\nmedia = ["image"]\n'
        f'[settings]\nencode = "{sys.executable} {script} {{q}} {{input}} {{bitstream}}"\n'
        f'decode = "{sys.executable} {script} 0 {{bitstream}} {{output}}"\n[ladder]\nq = [1, 9]\n'
    )
    card = load_registry([tmp_path]).codec("half")
    (found,) = ladder_faults(card, device="cpu")
    assert found.name == "q=9 fails" and "unknown format" in found.evidence
    assert "set input to another of png, ppm, y4m" in found.cure


def test_doctor_speaks_of_that_codec_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--codec", "jpeg:quality=30+60"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and "2 points on a photograph" in lines[1]


def test_the_command_examines_the_users_card_and_exits_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mistaken.toml").write_text(CARD.format(title=""))
    words = ["doctor", "--cards", str(tmp_path), "--codec"]
    assert main([*words, "mistaken:mistake=truncate-rgb"]) == 1
    printed = capsys.readouterr().out
    assert "✗ codec mistaken:mistake=truncate-rgb at mode=only: truncation instead" in printed
    assert "bits per pixel" not in printed and "libx264" not in printed
    assert main([*words, "mistaken"]) == 0
    assert "no mistake found" in capsys.readouterr().out
