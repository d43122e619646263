"""The runner of the benchmarks: which tables it finds, and what it writes."""

import pytest

from benchmarks import report
from benchmarks.__main__ import main


@pytest.fixture
def results(tmp_path, monkeypatch):
    path = tmp_path / "RESULTS.md"
    monkeypatch.setattr(report, "RESULTS", path)
    return path


def test_subjects_are_the_files_beside_the_runner():
    assert {"bus", "frontend"} <= set(report.SUBJECTS)
    assert not {"against", "report", "__main__", "__init__"} & set(report.SUBJECTS)


def test_every_subject_has_tables_with_titles():
    import benchmarks.frontend

    titles = [title for title, _ in report.tables(benchmarks.frontend)]
    assert titles[0].startswith("Mel in bulk")
    assert len(set(titles)) == len(titles) == 6


def test_a_table_is_markdown_with_short_numbers():
    rows = [
        {"path": "a b", "us": 1234.5678, "n": 3, "error_db": None},
        {"path": "c", "us": 0.0123456, "n": 40000, "error_db": 1.8e-5},
    ]
    assert report.markdown(rows).splitlines() == [
        "| path | us | n | error_db |",
        "| --- | ---: | ---: | ---: |",
        "| a b | 1235 | 3 |  |",
        "| c | 0.0123 | 40000 | 1.8e-05 |",
    ]


def test_measuring_one_subject_leaves_the_others_sections_as_they_are(results):
    report.write_section("frontend", "## frontend\n\nfirst")
    report.write_section("bus", "## bus\n\nkept")
    report.write_section("frontend", "## frontend\n\nsecond")
    text = results.read_text()
    assert text.startswith("# Measurements")
    assert text.index("kept") < text.index("second")
    assert "first" not in text
    assert text.count("<!-- bus -->") == 1
    assert [p.name for p in results.parent.iterdir()] == ["RESULTS.md"]


def test_a_run_that_fails_leaves_the_old_results(results, monkeypatch):
    report.write_section("frontend", "## frontend\n\nold")
    before = results.read_text()

    def broken():
        raise RuntimeError("measurement failed")

    monkeypatch.setattr(report, "tables", lambda module: [("a table", broken)])
    with pytest.raises(RuntimeError, match="measurement failed"):
        report.measure("frontend")
    assert results.read_text() == before


def test_the_conditions_name_machine_revision_and_versions():
    text = report.conditions()
    for part in ("revision ", " cores", "Python 3.", "numpy ", "numba "):
        assert part in text


def test_an_unknown_subject_is_refused(capsys):
    assert main(["frontends"]) == 2
    assert "no subject 'frontends': expected some of" in capsys.readouterr().out
