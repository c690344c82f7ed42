"""scripts/: the tools that judge the others, since a wrong judgement would go unnoticed."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "scripts"))

import check_layers  # noqa: E402
import check_readme  # noqa: E402
import count_results  # noqa: E402


def counted(tmp_path, text, result="OK"):
    log = tmp_path / "testlog.json"
    log.write_text(json.dumps({"name": "t", "result": result, "stdout": text}) + "\n")
    count = count_results.count_meson(log)
    return count.passed, len(count.failures), count.skipped


def test_tap_cases_are_counted_one_by_one(tmp_path):
    text = "1..4\nok 1 - a\nnot ok 2 - b\n# why\nnot ok 3 # SKIP c\nok 4 # SKIP d\n# ok - t\n"
    assert counted(tmp_path, text, "FAIL") == (1, 1, 2)


def test_program_that_dies_fails_for_each_case_it_did_not_reach(tmp_path):
    assert counted(tmp_path, "1..3\nok 1 - a\n", "FAIL") == (1, 2, 0)


def test_program_that_fails_after_its_last_case_is_a_failure(tmp_path):
    assert counted(tmp_path, "1..1\nok 1 - a\n", "TIMEOUT") == (1, 1, 0)


def test_program_without_cases_counts_by_its_exit_status(tmp_path):
    assert counted(tmp_path, "") == (1, 0, 0)
    assert counted(tmp_path, "", "FAIL") == (0, 1, 0)


def test_missing_result_file_is_a_failure(tmp_path):
    for kind in ("junit", "meson"):
        done = subprocess.run([sys.executable, ROOT / "scripts/count_results.py", kind,
                               tmp_path / "none"], capture_output=True, text=True, timeout=60)
        assert done.stdout.startswith("0 1 0\n")


def test_junit_errors_failures_and_skips_are_told_apart(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text('<testsuites><testsuite><testcase classname="c" name="a"/>'
                      '<testcase classname="c" name="b"><failure>>   assert a\nE   a is 1'
                      '</failure></testcase>'
                      '<testcase classname="c" name="d"><error/></testcase>'
                      '<testcase classname="c" name="e"><skipped/></testcase>'
                      '</testsuite></testsuites>')
    count = count_results.count_junit(report)
    assert (count.passed, count.failures, count.skipped) == (1, ["c::b\n    E   a is 1", "c::d"], 1)


def layer_offences(tmp_path, name, text):
    path = tmp_path / "proxy" / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return list(check_layers.offences(tmp_path / "proxy", path))


def test_include_along_the_arrows_is_no_offence(tmp_path):
    assert layer_offences(tmp_path, "http/run.c", '#include "pool/pool.h"\n') == []


def test_include_against_the_arrows_is_an_offence(tmp_path):
    assert len(layer_offences(tmp_path, "base/a.c", ' #  include "http/run.h"\n')) == 1


def test_library_outside_its_wrapper_is_an_offence(tmp_path):
    assert len(layer_offences(tmp_path, "http/init.c", "#include <archive.h>\n")) == 1


def test_library_inside_its_wrapper_is_no_offence(tmp_path):
    assert layer_offences(tmp_path, "action/unpack.c", "#include <archive.h>\n") == []


def written(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return list(check_layers.circle_offences(root))


def test_files_that_include_one_another_in_a_circle_are_an_offence(tmp_path):
    found = written(tmp_path, {
        "proxy/http/a.h": "", "proxy/http/a.c": '#include "http/a.h"\n#include "http/b.h"\n',
        "proxy/http/b.h": '#include "http/c.h"\n', "proxy/http/c.h": "",
        "proxy/http/c.c": '#include "http/c.h"\n#include "http/a.h"\n'})
    assert len(found) == 1 and "http/a, http/b, http/c" in found[0]


def test_a_file_and_its_own_header_are_no_circle(tmp_path):
    assert written(tmp_path, {"proxy/http/a.h": "", "proxy/http/b.h": "",
                              "proxy/http/a.c": '#include "http/a.h"\n#include "http/b.h"\n'}) == []


def test_python_modules_that_import_one_another_are_an_offence(tmp_path):
    found = written(tmp_path, {"runtime/python/a.py": "def f():\n    import b\n",
                               "runtime/python/b.py": "from a import f\n"})
    assert len(found) == 1 and "a, b" in found[0]


def test_path_and_link_that_lead_nowhere_are_found_in_a_page():
    page = check_readme.ROOT / "README.md"
    assert len(list(check_readme.missing_paths(page, "see `bin/init.sh` and bin/none.sh"))) == 1
    assert len(list(check_readme.wrong_links(page, "[x](no/where.md) [y](README.md)"))) == 1


# ---- coverage.py ----

def covered(tmp_path, n_run, reason):
    """What is judged of a file of ten lines, all of main(), of which n_run were run."""
    lines = "".join(f"DA:{line},{int(line < 50 + n_run)}\n" for line in range(50, 60))
    (tmp_path / "lcov").write_text(f"SF:{ROOT}/proxy/main.c\nFN:50,main\n{lines}end_of_record\n")
    (tmp_path / "reasons").write_text(f"# file, function, lines, reason\n{reason}\n")
    return subprocess.run([sys.executable, ROOT / "scripts/coverage.py", tmp_path / "lcov", tmp_path / "reasons",
                           "90"], capture_output=True, text=True)


@pytest.mark.parametrize("n_run,reason,passes", [
    (9, "", True),
    (8, "", False),
    (8, "proxy/main.c main 2 out of memory", True),
    (7, "proxy/main.c main 2 one more is missed", False),
    (8, "proxy/log.c main 2 of another file", False),
    (9, "proxy/main.c gone 2 a function that is no more", False),
])
def test_lines_that_no_test_runs_need_a_reason(tmp_path, n_run, reason, passes):
    judged = covered(tmp_path, n_run, reason)
    assert f"1 files, {n_run} of 10 lines" in judged.stdout, judged.stderr
    assert (judged.returncode == 0) == passes
