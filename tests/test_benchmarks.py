"""The runner of the paper's tables: expansion, strict overrides, records, engines, pages."""

import json
import os
import re
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import figures, gpu, report, run, step_ratio, time_to_quality
from benchmarks.measure import method_config, row_config, row_settings
from benchmarks.overrides import flatten, override
from benchmarks.paper import BASELINES
from benchmarks.records import RESULTS, read_records, write_record
from benchmarks.table import Column, Row, Table
from benchmarks.tables import all_tables, find_table
from resfields_ns.engines.cluster import ClusterConfig, run_on_cluster
from resfields_ns.engines.local import run_locally, visible_gpus
from resfields_ns.host.stops import Stopped, ended_by_sigterm
from tests.cases import over
from tests.tiny_tables import TABLES

TINY = TABLES[0]
_MADE = {"row": "row", "seed": 0, "config": {}, "commit": None}


@over("table", all_tables())
def test_every_row_is_another_run_of_a_registered_method(table: Table) -> None:
    runs = [json.dumps([row.method, row.data, row_settings(row)], sort_keys=True) for row in table.runs]
    assert len(set(runs)) == len(runs)


def test_expansion_is_the_same_every_time(tmp_path: Path) -> None:
    first, again = (run.missing_runs(list(TINY.rows), (0, 1), tmp_path / "tiny.jsonl") for _ in range(2))
    assert list(first) == list(again)
    assert list(first) == ["tnerf_1-2_seed0", "tnerf_1-2_seed1", "tnerf_no-capture_seed0", "tnerf_no-capture_seed1"]


def test_rows_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="expected rows of different names, got tnerf_1-2 twice"):
        replace(TINY, rows=(TINY.rows[0], TINY.rows[0]))


def test_what_fits_no_column_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 2 labels, got 1"):
        replace(TINY, rows=(Row(("TNeRF",), "tnerf-resfields"),))
    with pytest.raises(ValueError, match=r"expected the paper's figures under \['PSNR', 's/step'\], got \['SSIM'\]"):
        replace(TINY, rows=(Row(("a", "b"), "tnerf-resfields", paper={"SSIM": 1.0}),))


def test_names_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="table: expected one of .*family.*, got famly"):
        find_table("famly")
    with pytest.raises(ValueError, match="table tiny: expected a row among tnerf_1-2, tnerf_no-capture, got siren"):
        find_table("tests.tiny_tables:tiny").run_row("siren")
    with pytest.raises(ValueError, match="method: expected one of .*tnerf-resfields.*, got tnerf"):
        method_config("tnerf")


def test_overrides_change_what_they_name_and_nothing_else() -> None:
    base = method_config("tnerf-resfields")
    changes = {"pipeline.model.field.rank": 5, "optimizers.field.optimizer.lr": 1e-3, "max_num_iterations": 7}
    before = flatten(base)
    assert flatten(override(base, changes)) == before | changes
    assert flatten(base) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pipeline.model.field.rnk": 5}, r"^pipeline.model.field.rnk: expected one of .*rank"),
        ({"optimizers.feild.optimizer.lr": 1e-3}, "^optimizers.feild: expected one of background, .*field"),
        ({"pipeline.model.field.rank": "5"}, "^pipeline.model.field.rank: expected .*int.*, got '5'"),
        ({"pipeline.model.field.rank.x": 5}, "^pipeline.model.field.rank: expected a config, found 10"),
        (
            {"pipeline.model.field": 1, "pipeline.model.field.rank": 5},
            "^pipeline.model.field: expected a value or changes below it, got both",
        ),
    ],
)
def test_overrides_are_strict(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        override(method_config("tnerf-resfields"), changes)


def test_a_record_is_written_once_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "results" / "table.jsonl"
    write_record(path, _MADE | {"figure": 1})
    with pytest.raises(ValueError, match=r"table.jsonl: expected no record of row, seed 0, found one$"):
        write_record(path, _MADE | {"figure": 2})
    with pytest.raises(ValueError):
        write_record(path, _MADE | {"seed": 1, "figure": float("nan")})
    assert list(path.parent.iterdir()) == [path]
    assert read_records(path) == {("row", 0): _MADE | {"figure": 1}}
    path.write_text(2 * path.read_text())
    with pytest.raises(ValueError, match=r"table.jsonl: expected one record of row, seed 0, found two$"):
        read_records(path)


def test_records_of_runs_that_end_together_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    script = (
        "import sys; from pathlib import Path; from benchmarks.records import write_record\n"
        "for seed in range(10): write_record(Path(sys.argv[1]), "
        "{'row': sys.argv[2], 'seed': seed, 'config': {}, 'commit': None})"
    )
    commands = {name: [sys.executable, "-c", script, str(path), name] for name in ("a", "b", "c")}
    assert run_locally(commands, tmp_path / "logs", jobs=3, threads=1, gpus=[]) == []
    assert read_records(path).keys() == {(name, seed) for name in commands for seed in range(10)}


@pytest.mark.parametrize("missing", ["row", "seed", "config", "commit"])
def test_a_record_that_does_not_say_what_it_is_of_is_refused(missing: str, tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    record = {name: value for name, value in _MADE.items() if name != missing} | {"figure": 1}
    message = f"^{re.escape(str(path))}: expected a record with row, seed, config, commit, found no {missing}$"
    with pytest.raises(ValueError, match=message):
        write_record(path, record)
    assert not path.exists()
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match=message):
        read_records(path)


def test_the_records_say_what_they_are_of() -> None:
    records = [record for path in sorted(RESULTS.iterdir()) for record in read_records(path).values()]
    assert len(records) > 160
    for record in records:
        assert record["config"] and re.fullmatch("[0-9a-f]{40}", record["commit"]), record["row"]


def _write_settings(path: Path) -> None:
    row = TINY.rows[0]
    write_record(path, _MADE | {"row": row.name, "config": row_settings(row)})


def test_only_what_is_missing_runs(tmp_path: Path) -> None:
    path = tmp_path / "tiny.jsonl"
    _write_settings(path)
    assert list(run.missing_runs(list(TINY.rows), (0,), path)) == ["tnerf_no-capture_seed0"]


def test_a_record_of_other_settings_is_refused(tmp_path: Path) -> None:
    path, row = tmp_path / "tiny.jsonl", TINY.rows[0]
    _write_settings(path)
    changed = replace(row, overrides={**row.overrides, "pipeline.model.field.rank": 5})
    with pytest.raises(ValueError, match="seed0: expected pipeline.model.field.rank 5, found 10; the table or"):
        run.missing_runs([changed], (0,), path)


@over("table", {name: table for name, table in all_tables().items() if table.records(RESULTS).exists()})
def test_the_records_are_of_their_rows(table: Table) -> None:
    path = table.records(RESULTS)
    run.missing_runs(table.runs, (0, 1, 2), path)
    assert {name for name, _ in read_records(path)} <= {row.name for row in table.runs}


def test_a_table_runs_and_a_failing_run_stops_no_other(
    demo_capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def start(*only: str) -> None:
        outputs = tmp_path / "outputs"
        run.main("tests.tiny_tables:tiny", demo_capture, only, jobs=2, output_dir=outputs, results=tmp_path)

    with pytest.raises(SystemExit, match="1 of 2 runs failed: tnerf_no-capture_seed0"):
        start()
    (record,) = read_records(tmp_path / "tiny.jsonl").values()
    assert record["config"] == row_settings(TINY.rows[0]) and record["seed"] == 0
    assert {"steps", "parameters", "versions", "hardware"} < record["facts"].keys()
    assert (record["facts"]["hardware"]["gpu"] is None) != torch.cuda.is_available()
    assert {"commit", "dirty", "seconds_per_step", "peak_memory_gb"} < record.keys()
    first, last = record["curve"]
    assert (first["step"], last["step"]) == (1, 3) and record["results"] == last
    assert 0.0 < first["processor_s"] < last["processor_s"] and 0.0 < first["wall_s"] < last["wall_s"]
    assert re.search("tnerf_no-capture_seed0: failed, see .*nowhere: expected the folder of", capsys.readouterr().out)
    start("tnerf_1-2")
    printed = capsys.readouterr().out
    assert "tiny: 0 of 1 runs are missing" in printed
    assert f"| TNeRF | 1, 2 | 1 | {record['results']['psnr']:.2f} |" in printed


def test_the_clocks_stand_still_while_somebody_looks() -> None:
    clocks = time_to_quality.Clocks()
    shown = clocks.read()
    begin = time.process_time()
    while time.process_time() < begin + 0.2:
        pass
    clocks.set_back(shown)
    for name, seconds in clocks.read().items():
        assert shown[name] <= seconds < shown[name] + 0.1


def test_steps_of_rows_are_timed_in_turn(
    demo_capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = TINY.rows[0].name
    step_ratio.main("tests.tiny_tables:tiny", (row, row), demo_capture, rounds=1, output_dir=tmp_path)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(row)]
    ratios = [float(line.split()[-1]) for line in lines]
    assert ratios[0] == 1.0 and ratios[1] > 0.0


def test_jobs_take_the_gpus_in_turn(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; Path(sys.argv[1]).write_text(os.environ['CUDA_VISIBLE_DEVICES'])"
    )
    files = [tmp_path / str(index) for index in range(4)]
    commands = {file.name: [sys.executable, "-c", script, str(file)] for file in files}
    failed = run_locally(commands, tmp_path / "logs", jobs=None, threads=1, gpus=["3", "5"])
    assert failed == []
    assert {file.read_text() for file in files} == {"3", "5"}


def test_where_the_engine_is_stopped_so_is_what_runs(tmp_path: Path) -> None:
    """And nothing else is started."""
    script = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
    files = [tmp_path / "first", tmp_path / "second"]
    commands = {file.name: [sys.executable, "-c", script, str(file)] for file in files}

    def stop() -> None:
        while not files[0].exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    with pytest.raises(Stopped), ended_by_sigterm():
        run_locally(commands, tmp_path / "logs", jobs=1, threads=1, gpus=[])
    assert not files[1].exists()


def test_visible_gpus_are_named_as_cuda_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    assert visible_gpus() == ["4", "6"]


def test_submitit_missing_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ValueError, match=r"found none: pip install 'resfields-ns\[cluster\]'"):
        run_on_cluster({}, tmp_path, None, 1, ClusterConfig())


def test_submitit_runs_commands_and_reports_those_that_fail(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    commands = {"good": [sys.executable, "-c", ""], "bad": [sys.executable, "-c", "raise SystemExit(3)"]}
    assert run_on_cluster(commands, tmp_path, None, 1, ClusterConfig(gpus=0)) == ["bad"]


def test_a_job_that_has_to_end_lets_its_command_save(tmp_path: Path) -> None:
    """A command is not killed by the warning that submitit has Slurm send to all processes of a job."""
    pytest.importorskip("submitit")
    script = (
        "import os, pathlib, signal, sys, time\n"
        "def save(*_):\n    pathlib.Path(sys.argv[2]).touch()\n    sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "os.kill(os.getpid(), signal.SIGUSR2)\n"
        "pathlib.Path(sys.argv[1]).touch()\n"
        "time.sleep(600)"
    )
    begun, saved = tmp_path / "begun", tmp_path / "saved"

    def stop() -> None:
        while not begun.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    with pytest.raises(Stopped), ended_by_sigterm():
        run_on_cluster(
            {"run": [sys.executable, "-c", script, str(begun), str(saved)]}, tmp_path, None, 1, ClusterConfig(gpus=0)
        )
    for _ in range(1000):
        if saved.exists():
            return
        time.sleep(0.01)
    raise AssertionError("nothing was saved")


def test_a_page_is_written_from_records() -> None:
    paper = {"tnerf": 26.18, "dnerf": 23.36}
    ours = tuple(Row((name,), f"{name}-resfields", paper={"PSNR": value}) for name, value in paper.items())
    rows = (*ours, Row(("NeuS2",), paper={"PSNR": 21.73}))
    table = Table("t", "Title", "Text.", ("method",), (Column("PSNR", "results.psnr"),), rows, notes="Notes.")
    hardware = {"cpu": "Processor", "cores": 2, "threads": 1, "gpu": None}
    records = {
        (name, seed): _MADE | {"results": {"psnr": psnr}, "facts": {"hardware": hardware}}
        for name, seed, psnr in (("tnerf", 0, 20.0), ("tnerf", 1, 21.0), ("dnerf", 0, 19.0))
    }
    page = report.page(table, records)
    assert "| tnerf | 2 | 20.50 | 26.18 |" in page and "| dnerf | 1 | 19.00 | 23.36 |" in page
    assert "| NeuS2 | not run |  | 21.73 |" in page
    assert "best in the paper tnerf, here tnerf; of 1 pairs of rows 1 stand in the paper's order." in page
    assert page.startswith("# Title\n\n2 of 3 rows, 1 to 2 seeds.\n\nText.")
    assert page.endswith("Notes.\n") and "Processor, 2 cores" in page
    assert table.runs == list(ours)


def test_what_a_gpu_does_can_be_tried_in_small_and_a_failed_stage_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "method_names", lambda _: ["tnerf-resfields", "hexplane-resfields"])
    monkeypatch.setattr(gpu, "ROOT", tmp_path)  # has no tests that need a GPU
    monkeypatch.setattr(gpu.Bench, "limits", lambda _: map(int, ["none"]))
    with pytest.raises(SystemExit, match="1"):
        gpu.main(tmp_path / "gpu.jsonl", dry_run=True)
    lines = [json.loads(line) for line in (tmp_path / "gpu.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in lines if "stage" in line] == ["limits"]
    assert {line["method"] for line in lines if "ms_per_step" in line} >= {"tnerf-resfields", "hexplane-resfields"}
    assert sum("psnr" in line for line in lines) >= 3 and any("checks" in line for line in lines)


def test_the_pages_in_docs_are_those_of_the_records() -> None:
    """A page is stale where this fails: `python -m benchmarks.report`."""
    pages = report.pages()
    assert {path.name for path in report.PAGES.iterdir()} == pages.keys()
    for name, text in pages.items():
        assert (report.PAGES / name).read_text(encoding="utf8") == text, f"{name}: python -m benchmarks.report"


def test_the_index_leaves_out_no_table_of_the_paper() -> None:
    index = report.pages()["index.md"]
    numbers = [f"Table {number}" for number in range(1, 8)] + [f"Table A.{number}" for number in range(1, 10)]
    figures = [f"Figure {number}" for number in (1, 2, 3, 4, 5, "A.1", "A.2")]
    for name in numbers + figures:
        assert f"\n| {name} |" in index
    assert "| NeuS2 |" in index and "| Tensor4D |" in index
    assert {table.of for table in all_tables().values()} == {*numbers, ""}
    for _, _, _, place in BASELINES:
        assert place is None or any(re.search(place[1], row.name) for row in find_table(place[0]).rows), place


def test_figures_are_drawn_from_records(tmp_path: Path) -> None:
    for name in ("layers", "methods", "sooner", "scaling"):
        figures.main(name, folder=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"layers.png", "methods.png", "sooner.png", "scaling.png"}
    for name in figures.DRAWN:
        assert (figures.FIGURES / f"{name}.png").exists() and f"figures/{name}.png" in report.pages()["index.md"]
    with pytest.raises(
        ValueError, match=r"^figure: expected one of layers, methods, curves, base, sooner, scaling, long, got bars$"
    ):
        figures.main("bars", folder=tmp_path)
    with pytest.raises(ValueError, match=r"^--data: expected what base is run on, found none$"):
        figures.main("base", folder=tmp_path)
    with pytest.raises(ValueError, match=r"--output-dir: expected a run of tnerf-resfields_plain in .*, found none"):
        figures.main("long", output_dir=tmp_path, folder=tmp_path)


def test_a_row_gets_its_own_config() -> None:
    base = method_config("tnerf-resfields")
    config = row_config(TINY.rows[0])
    assert config.max_num_iterations == 3 and base.max_num_iterations == 400_000
