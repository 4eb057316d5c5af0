import csv
import math
from pathlib import Path

import pytest

from bench.errors import StoreError
from bench.provenance import CodecInfo, Verdict
from bench.records import COLUMNS, Record
from bench.store import FILE, Store


def record(codec: str = "a", point: str = "q=1", item: str = "i", **values: object) -> Record:
    fields: dict = {"status": "done", "fingerprint": "f", "bpp": 0.5, **values}
    return Record(suite="s", dataset="d", item=item, codec=codec, point=point, **fields)


def info(name: str, *ladder: str) -> CodecInfo:
    return CodecInfo(name, name, {}, ladder, True, False, {"lib": "1"})


def read_csv(store: Store, folder: Path) -> list[dict[str, str]]:
    store.export_csv(folder / "records.csv")
    with (folder / "records.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_record_is_there_once_whatever_is_added(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.add([record(bpp=1.0)])
        store.add([record(bpp=2.0)])
        assert [row["bpp"] for row in read_csv(store, tmp_path)] == ["2.0"]


def test_records_survive_reopening_and_fresh_discards_them(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.add([record()], [Verdict("fresh_decode", "a", "q=1", "i", True)])
    with Store(tmp_path) as store:
        assert store.done() == {("a", "q=1", "i"): "f"}
        assert store.verdicts() == (Verdict("fresh_decode", "a", "q=1", "i", True),)
    with Store(tmp_path, fresh=True) as store:
        assert store.done() == {}


def test_only_done_records_answer_a_task(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.add([record(status="failed"), record(item="j", status="skipped")])
        assert store.done() == {}


def test_csv_has_the_contract_columns_first_and_empty_where_nothing_applies(
    tmp_path: Path,
) -> None:
    contract = (
        "suite,dataset,item,codec,point,status,width,height,frames,channels,bytes,header_bytes,"
        "discarded_bytes,bpp,bpp_estimated,mse,psnr_rgb,psnr_y,psnr_yuv,ssim,ms_ssim,vmaf,"
        "encode_seconds,decode_seconds,bitstream_sha256,reason"
    ).split(",")
    assert list(COLUMNS[: len(contract)]) == contract
    with Store(tmp_path) as store:
        store.add([record(psnr_rgb=math.inf, lossless=True)])
        (row,) = read_csv(store, tmp_path)
    assert (row["psnr_rgb"], row["ssim"], row["lossless"]) == ("inf", "", "true")


def test_csv_is_in_the_order_of_codecs_ladder_and_items(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.set_items([("z", "1"), ("y", "2")])
        store.set_codecs([info("b", "q=9", "q=10"), info("a", "q=1")])
        for name, point in [("a", "q=1"), ("b", "q=10"), ("b", "q=9")]:
            store.add([record(name, point, item) for item in "yz"])
        found = [(r["codec"], r["point"], r["item"]) for r in read_csv(store, tmp_path)]
    assert found == [
        ("b", "q=9", "z"), ("b", "q=9", "y"), ("b", "q=10", "z"), ("b", "q=10", "y"),
        ("a", "q=1", "z"), ("a", "q=1", "y"),
    ]  # fmt: skip


def test_a_second_holder_of_the_folder_is_refused(tmp_path: Path) -> None:
    with Store(tmp_path), pytest.raises(StoreError, match="another run is writing here"):
        Store(tmp_path)
    Store(tmp_path).__exit__()


def test_a_folder_of_another_suite_is_refused_with_the_flag_to_use(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.claim(suite="kodak")
    with Store(tmp_path) as store, pytest.raises(StoreError, match=r"suite kodak, now x.*--fresh"):
        store.claim(suite="x")


def test_results_of_a_newer_format_are_refused(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.set_meta("format", "99")
    with pytest.raises(StoreError, match="format 99 is newer"):
        Store(tmp_path)


def test_a_changed_item_loses_its_records_and_no_other(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.set_items([("i", "1"), ("j", "1")])
        store.add([record(item="i"), record(item="j")])
        assert store.set_items([("i", "2"), ("j", "1")]) == 1
        assert list(store.done()) == [("a", "q=1", "j")]


def test_later_codecs_join_earlier_ones(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.set_codecs([info("a", "q=1")])
        store.set_codecs([info("b", "q=1"), info("a", "q=2")])
        assert [(c.id, c.ladder) for c in store.codecs()] == [
            ("a", ("q=2", "q=1")),
            ("b", ("q=1",)),
        ]


def test_a_damaged_store_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="damaged"):
        Store(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        Store(tmp_path / "file" / "out")
