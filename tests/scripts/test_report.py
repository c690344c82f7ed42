"""bench.sh --report, --compare and --budget: whole or not at all, and right where one can look."""

import copy
import dataclasses
import json
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests/bench"))
pytest.importorskip("matplotlib")

import bench  # noqa: E402 - behind the path that leads to it
import budget  # noqa: E402
import language_table  # noqa: E402
import page  # noqa: E402
import part_calls  # noqa: E402
import part_languages  # noqa: E402
import part_launcher  # noqa: E402
import part_open  # noqa: E402
import part_peers  # noqa: E402
import part_pool  # noqa: E402
import plots  # noqa: E402
import report  # noqa: E402
import sections  # noqa: E402
from contestants import ALL, C_ACTION, CEILING, PYTHON_ACTION, START_ALONE  # noqa: E402
from servers import Trouble  # noqa: E402

KEYS = ["oldway", "throughput", "latency-low", "latency-high", "rates", "cold", "payload",
        "pool-computes", "pool-waits", "memory", "calls", "calls-one", "languages"]
CHROMIUM = shutil.which("chromium")
CHROMIUM_S = 120  # it takes two; the bound is for a busy machine
QUANTILES = ("0", "50", "90", "99", "99.9", "99.99", "100")


def load(value):
    return SimpleNamespace(per_second=value, p50_us=10, p99_us=20, cpu_us=3, command="wrk",
                           server="a server")


def jmeter_figures():
    for number, label in enumerate(("a process for each request", "resident, C",
                                    "resident, Python")):
        row = {"label": label, "samples": 200, "average": 90.5 / (number + 1), "median": 80,
               "p90": 95, "p95": 97, "p99": 120, "min": 1, "max": 130, "errors": 0,
               "per_second": 900.0, "threads": 10, "loops": 20}
        yield report.of_samples([row["average"]], part="JMeter, 10 threads x 20 requests",
                                unit="ms", name=f"average: {label}", command="jmeter -n", more=row)


def load_figures():
    for number, kind in enumerate(ALL):
        for n in bench.CONNECTIONS:
            loads = [load(1000.0 * n * (round_ + 10) / (number + 1)) for round_ in range(9)]
            yield bench.throughput_figure(kind, n, loads, [one.per_second * (number + 1)
                                                           for one in loads])
        for label, size in bench.SIZES.items():
            yield report.of_samples([size / 1e5 + number], part="Echo of one body, 1 connection",
                                    unit="ms", name=f"{label}: {kind}", command="wrk",
                                    more={"kind": kind, "bytes": size})
        for rate in (500, 10_000, 20_000):
            told = {"due": 2000, "unanswered": 0, "late_mean_us": 1,
                    "latency_us": {percent: 100.0 * (number + 1) * (at + 1)
                                   for at, percent in enumerate(QUANTILES)}}
            yield part_open.open_figure(kind, rate, [told], ["openload"], load(1))


def other_figures():
    for kind in (C_ACTION, PYTHON_ACTION):
        for step in (*sections.STEPS, "/init alone, proxy idle", "exec to first answer"):
            yield report.of_samples([3.5] * 5, part="Cold start", name=f"{kind}: {step}", unit="ms",
                                    share=1.75, command="whiskloop",
                                    more={"kind": kind, "step": step})
    for kind, step in ((CEILING, "exec to listening"), (START_ALONE, "until it reads")):
        yield report.of_samples([2.0] * 5, part="Cold start", name=f"{kind}: {step}", unit="ms",
                                command="a floor", more={"kind": kind, "step": step})
    for action in part_pool.ACTIONS:
        for processors in (1, 2):
            for workers in part_pool.WORKERS:
                yield part_pool.pool_figure(action, workers, processors,
                                            [load(900.0 * workers * processors)])
    for kind in (CEILING, C_ACTION, PYTHON_ACTION):
        yield report.of_samples(
            [98.0], part="Memory over time", name=f"the most: {kind}", unit="MB", command="wrk",
            more={"kind": kind, "series": [[at / 20, 4.5 + at, 3.0] for at in range(1, 90)],
                  "marks": [[0, "at rest"], [1, "small, 100 connections"]]})
    for n in (100, 1000):
        for pair in ("two processes, one byte", "C to C", "C to Python", "Python to Python"):
            for pipe, pinned in (("anonymous", False), ("named", False), ("anonymous", True)):
                if pipe == "named" and n > 100:  # the longest are of anonymous pipes alone
                    continue
                yield report.of_samples(
                    [5.0 + n / 1000], part="One call through the pipes, without HTTP", unit="us",
                    name=f"{n} {pair} {pipe} {pinned}", command="bench_calls",
                    more={"pair": pair, "pipe": pipe, "n": n, "one_processor": pinned})
    for at, name in enumerate(("native", "lua", "python")):
        for what, unit in ((part_languages.RATE, "/s"), (part_languages.INIT, "ms")):
            yield part_languages.figure(name, what, unit, [1000.0 / (at + 1) + n for n in range(5)],
                                        "wrk", p50_us=10, p99_us=20)
    yield report.of_samples([16000.0], part="Instructions per activation, user space", unit="",
                            name="1 at a time: C action", command="valgrind")


@pytest.fixture
def document(tmp_path):
    """What bench.py writes, of a run that was never made."""
    figures = [*jmeter_figures(), *load_figures(), *other_figures()]
    head = {"machine": {**report.machine(), "load_after": (0, 0, 0)}, "versions": {"git": "abc"},
            "settings": {}, "quick": True, "pinned": False, "parts": [], "seconds": 1}
    report.write_json(tmp_path / "bench.json", head, figures, [])
    return json.loads((tmp_path / "bench.json").read_text())


def tool(name, *arguments):
    return subprocess.run([sys.executable, ROOT / "tests/bench" / name, *map(str, arguments)],
                          capture_output=True, text=True, timeout=120)


def written(tmp_path, document, name="given.json"):
    path = tmp_path / name
    path.write_text(json.dumps(document))
    return path


def made(tmp_path, document):
    done = tool("page.py", written(tmp_path, document), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    return tmp_path / "out/index.html"


def test_every_figure_is_there_with_its_table_and_its_command(tmp_path, document):
    text = made(tmp_path, document).read_text()
    assert re.findall(r'<section id="([^"]+)">', text) == KEYS
    for part in re.findall(r'<section id=.*?</section>', text, re.DOTALL):
        assert part.count("<svg ") == 1 and part.count("<table>") == 1 and "<code>" in part
    assert "90.5" in text


def test_each_row_of_a_table_has_a_cell_below_each_head(document):
    every = sections.sections(sections.Run(document))
    for section in every:
        assert {len(row) for row in section.rows} == {len(section.head)}, section.key
    (calls,) = [section for section in every if section.key == "calls"]
    assert ["C to C, named", "5.10", ""] in calls.rows


def test_a_cold_start_stands_beside_the_least_that_it_could_take(document):
    run = sections.Run(document)
    section = sections.cold(run)
    assert [CEILING, "2.00", "", "", "", ""] in section.rows
    assert [START_ALONE, "", "", "", "", "2.00"] in section.rows
    assert "1.75 times as long as libh2o alone" in section.sentence


def test_a_report_of_a_run_without_that_least_is_silent_about_it(tmp_path, document):
    document["figures"] = [one for one in document["figures"] if one["command"] != "a floor"]
    text = made(tmp_path, document).read_text()
    assert "From exec to the first answer" in text and "1.75 times" not in text


def test_a_run_in_which_an_action_soon_stopped_following_still_makes_a_report(tmp_path, document):
    document["figures"] = [
        one for one in document["figures"]
        if one["more"].get("kind") != PYTHON_ACTION or one["more"].get("rate", 0) < 10_000]
    text = made(tmp_path, document).read_text()
    assert text.count("<h2>Latency at 500 activations per second</h2>") == 2


def test_the_page_needs_nothing_beside_it(tmp_path, document):
    text = made(tmp_path, document).read_text()
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', text)
    assert "url(http" not in text and "@import" not in text


def test_no_color_is_left_that_only_one_theme_can_read(tmp_path, document):
    text = made(tmp_path, document).read_text()
    for picture in re.findall(r"<svg .*?</svg>", text, re.DOTALL):
        assert not re.findall(r"(?:fill|stroke): ?#[0-9a-f]+", picture)


PROBE = """<body><script>
const words = [];
const frame = document.createElement("iframe");
frame.style = "width:360px;height:640px;border:0";
frame.src = "PAGE";
frame.onload = () => {
    const inner = frame.contentDocument, root = inner.documentElement, view = frame.contentWindow;
    const paper = () => view.getComputedStyle(inner.querySelector("section")).backgroundColor;
    words.push("wide=" + (root.scrollWidth > 360));
    for (const picture of inner.querySelectorAll("figure svg")) {
        const box = picture.getBoundingClientRect();
        words.push("picture=" + (box.width > 250 && box.width <= 360 && box.height > 100));
    }
    const button = inner.getElementById("theme");
    for (let i = 0; i < 3; i++) {
        button.click();
        words.push(button.textContent + "=" + paper());
    }
    document.body.textContent = words.join(" ");
};
document.body.append(frame);
</script></body>"""


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: setup.sh --report")
def test_a_browser_opens_it_on_a_phone_in_both_themes_without_a_script_error(tmp_path, document):
    probe = tmp_path / "probe.html"
    probe.write_text(PROBE.replace("PAGE", made(tmp_path, document).as_uri()))
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--allow-file-access-from-files", "--enable-logging=stderr", "--virtual-time-budget=5000",
         f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", probe.as_uri()],
        capture_output=True, text=True, timeout=CHROMIUM_S)
    words = re.search(r"<body>(.*?)</body>", done.stdout, re.DOTALL)
    assert words is not None, done.stderr[-2000:]
    facts = re.sub(r", ", ",", words[1]).split()
    assert facts[0] == "wide=false"
    assert facts[1:1 + len(KEYS)] == ["picture=true"] * len(KEYS)
    colors = dict(fact.split("=") for fact in facts[1 + len(KEYS):])
    assert colors["light"] == "rgb(255,255,255)" and colors["dark"] == "rgb(21,27,35)"
    assert "CONSOLE" not in done.stderr, done.stderr


def whole(document):
    return json.dumps(document)


@pytest.mark.parametrize("change, why", [
    (lambda document: whole(document)[:-200], "is not whole"),
    (lambda document: "", "is not whole"),
    (lambda document: whole({**document, "format": 99}), "another version"),
    (lambda document: whole({**document, "troubles": ["open: the server died"]}),
     "went wrong: open: the server died"),
    (lambda document: whole({**document, "figures": [
        one for one in document["figures"] if not one["part"].startswith("Pool")]}),
     "a part is missing"),
    (lambda document: whole({**document, "figures": [
        one for one in document["figures"] if not one["part"].startswith("JMeter")]}), "JMeter"),
])
def test_of_half_a_run_there_is_no_report_and_the_old_one_stays(tmp_path, document, change, why):
    (tmp_path / "given.json").write_text(change(document))
    out = tmp_path / "out"
    out.mkdir()
    (out / "index.html").write_text("the old one")
    done = tool("page.py", tmp_path / "given.json", "--out", out, "--keep", tmp_path / "docs")
    assert done.returncode == 1
    assert why in done.stderr
    assert [path.read_text() for path in out.iterdir()] == ["the old one"]
    assert not (tmp_path / "docs").exists()


def test_what_is_kept_names_only_files_that_are_kept(tmp_path, document):
    (tmp_path / "README.md").write_text(
        f"before\n{page.README_START}\nold\n{page.README_END}\nbehind\n")
    done = tool("page.py", written(tmp_path, document), "--keep", tmp_path / "docs")
    assert done.returncode == 0, done.stderr
    readme = (tmp_path / "README.md").read_text()
    assert readme.startswith("before\n") and readme.endswith("\nbehind\n") and "old\n" not in readme
    assert "| a process for each request | 200 | 90.5 |" in readme
    kept = (tmp_path / "docs/benchmarks.md").read_text()
    for text, base in ((readme, tmp_path), (kept, tmp_path / "docs")):
        links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "tests/" not in link]
        assert links
        for link in links:
            assert (base / link).exists(), link
    assert sorted(path.stem for path in (tmp_path / "docs/benchmarks").iterdir()) == sorted(KEYS)


def test_what_is_kept_is_small_and_can_be_compared_with(tmp_path, document):
    run = written(tmp_path, document)
    assert tool("page.py", run, "--keep", tmp_path / "docs").returncode == 0
    kept = tmp_path / "docs/benchmarks.json"
    lines = kept.read_text().splitlines()
    assert len(lines) == len(json.loads(kept.read_text())["figures"]) + 2
    done = tool("compare.py", kept, run)
    assert done.returncode == 0, done.stderr
    assert "\n0 of " in done.stdout


def test_a_picture_of_its_own_has_a_plain_colour_before_each_variable(document):
    for section in sections.sections(sections.Run(document)):
        alone = plots.alone(section.svg)
        used = re.findall(r"(?:fill|stroke): ?var\(", alone)
        plain = re.findall(r"(?:fill|stroke): #[0-9a-f]{6}; (?:fill|stroke): ?var\(", alone)
        assert used and len(used) == len(plain), section.key


def test_a_rate_is_followed_where_99_per_cent_take_less_than_10_ms(document):
    figures = [one for one in document["figures"]
               if one["part"].startswith(sections.RATE_PART) and one["more"]["kind"] == C_ACTION]
    figures[-1]["more"]["p99_ms"] = 12.0
    followed = sections.followed(sections.Run(document), C_ACTION)
    assert followed == {one["more"]["rate"] for one in figures[:-1]}


def test_what_was_measured_amid_other_load_is_marked():
    def loads(rate, cores):
        return [(SimpleNamespace(per_second=rate + n, command="wrk", server="server"), cores) for n in range(3)]

    figures = [dataclasses.asdict(part_peers.figure(name, n, loads(rate, cores), loads(1000.0, 0.1), 2000))
               for name, rate, cores in (("steady", 500.0, 0.2), ("amid others", 250.0, 0.3))
               for n in part_peers.CONNECTIONS]
    steady, noisy = part_peers.rows(figures)
    assert steady == ["steady", *["501", "0.50 (0.50–0.50)"] * 3, "2"]
    assert noisy[:3] == ["amid others", "251 ~", "0.25 (0.25–0.25)"]
    assert len(part_peers.head()) == len(steady)


def scaled(document, kind, factor):
    changed = copy.deepcopy(document)
    for one in changed["figures"]:
        if one["part"] == "Activations per second" and one["more"]["kind"] == kind:
            one["samples"] = [sample * factor for sample in one["samples"]]
    return changed


def test_compare_tells_a_share_that_moved_and_only_that(tmp_path, document):
    old = written(tmp_path, document, "old.json")
    done = tool("compare.py", old, written(tmp_path, scaled(document, C_ACTION, 0.8)))
    assert done.returncode == 0, done.stderr
    moved = [line for line in done.stdout.splitlines() if "MOVED" in line]
    assert len(moved) == len(bench.CONNECTIONS)
    assert all("C action" in line and line.endswith("MOVED -20.0%") for line in moved)


def test_compare_takes_a_slower_machine_for_no_change(tmp_path, document):
    slower = document
    for kind in ALL:
        slower = scaled(slower, kind, 0.5)
    done = tool("compare.py", written(tmp_path, document, "old.json"), written(tmp_path, slower))
    assert done.returncode == 0
    assert "\n0 of " in done.stdout


def test_compare_tells_a_cold_start_that_moved_beside_the_least(tmp_path, document):
    changed = copy.deepcopy(document)
    for one in changed["figures"]:
        if one["name"] in (f"{C_ACTION}: exec to listening", f"{C_ACTION}: first /run after it"):
            one["samples"] = [sample * 2 for sample in one["samples"]]
    done = tool("compare.py", written(tmp_path, document, "old.json"), written(tmp_path, changed))
    (moved,) = [line for line in done.stdout.splitlines() if "MOVED" in line]
    assert "exec to listening" in moved and moved.endswith("MOVED +100.0%")


def test_compare_tells_a_language_that_moved_beside_native(tmp_path, document):
    changed = copy.deepcopy(document)
    for one in changed["figures"]:
        if one["name"] == f"{part_languages.RATE}: lua":
            one["samples"] = [sample * 0.7 for sample in one["samples"]]
    done = tool("compare.py", written(tmp_path, document, "old.json"), written(tmp_path, changed))
    (moved,) = [line for line in done.stdout.splitlines() if "MOVED" in line]
    assert "lua" in moved and moved.endswith("MOVED -30.0%")


def test_a_report_of_a_run_without_languages_is_one_section_shorter(tmp_path, document):
    document["figures"] = [one for one in document["figures"]
                           if one["part"] != part_languages.PART]
    assert re.findall(r'<section id="([^"]+)">', made(tmp_path, document).read_text()) == KEYS[:-1]


@pytest.fixture
def readme(tmp_path, monkeypatch):
    """A page with an empty block for the languages' figures."""
    path = tmp_path / "README.md"
    path.write_text(f"before\n{language_table.START}\n{language_table.END}\nbehind\n")
    monkeypatch.setattr(language_table, "PAGE", path)
    return path


def test_the_figures_of_languages_get_a_row_for_each_runtime(tmp_path, document, readme):
    assert "want " in language_table.main(["--check"])
    assert language_table.main([str(written(tmp_path, document))]) is None
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("\nbehind\n")
    assert "| native | 1,002 | 1,002 |\n| lua | 502 | 502 |\n| python |" in text
    assert "| ruby | not measured | not measured |" in text
    assert language_table.main(["--check"]) is None
    readme.write_text(text.replace("| ruby | not measured | not measured |\n", ""))
    assert "want " in language_table.main(["--check"])


def test_the_figures_of_another_run_leave_the_table_as_it_is(tmp_path, document, readme):
    document["figures"] = document["figures"][:3]
    before = readme.read_text()
    assert "no figures of languages" in language_table.main([str(written(tmp_path, document))])
    assert readme.read_text() == before


def test_every_runtime_is_measured():
    assert set(part_languages.ACTIONS) == part_languages.folders()
    for name, given in part_languages.ACTIONS.items():
        assert given is None or (ROOT / "actions" / given).is_file(), name


@pytest.mark.parametrize("quick, most", [(True, 10_000), (False, 1_000_000)])
def test_every_case_of_calls_is_measured_as_often_as_planned(monkeypatch, tmp_path, quick, most):
    monkeypatch.setattr(part_calls, "once", lambda argv, n: 5.0)
    makers = SimpleNamespace(bench=tmp_path, action=lambda name, kind: tmp_path / name)
    figures = []
    part_calls.calls(SimpleNamespace(makers=makers, add=figures.append,
                                     options=SimpleNamespace(quick=quick, build=tmp_path)))
    assert max(one.more["n"] for one in figures) == most
    for one in figures:
        wanted = 1 if quick else part_calls.ROUNDS_ON_ONE[one.more["n"]]
        assert len(one.samples) == wanted, one.name


def launcher_bench(tmp_path, figures):
    return SimpleNamespace(folder=tmp_path, add=figures.append,
                           options=SimpleNamespace(quick=True, build=tmp_path))


def only_python(monkeypatch, launcher):
    monkeypatch.setattr(part_launcher, "LINES", 100)
    monkeypatch.setattr(part_launcher, "launchers", lambda bench: {
        "Python": [sys.executable, str(launcher), str(bench.folder / "nothing.py")]})


def test_the_processor_time_of_a_launcher_is_measured(monkeypatch, tmp_path):
    figures = []
    only_python(monkeypatch, ROOT / "runtime/python/launcher.py")
    part_launcher.launcher(launcher_bench(tmp_path, figures))
    assert [one.name for one in figures] == ["Python"] and len(figures[0].samples) == 1


def test_a_launcher_that_leaves_a_line_out_is_not_measured(monkeypatch, tmp_path):
    lazy = tmp_path / "lazy.py"
    lazy.write_text("import sys\nfor line in list(sys.stdin)[1:]:\n    print('{}')\n")
    only_python(monkeypatch, lazy)
    with pytest.raises(Trouble, match="gave no 10 empty answers"):
        part_launcher.launcher(launcher_bench(tmp_path, []))


def test_compare_refuses_a_file_cut_short(tmp_path, document):
    cut = tmp_path / "cut.json"
    cut.write_text(whole(document)[:-100])
    done = tool("compare.py", cut, written(tmp_path, document))
    assert done.returncode == 1 and "is not whole" in done.stderr


def counted(name, count):
    return report.of_samples([count], part="Instructions per activation, user space", unit="",
                             name=name, command="valgrind")


def test_the_budget_names_what_is_counted():
    counted = {f"{case}: {C_ACTION}" for case in ("1 at a time", "16 at a time", "echo of 1 MB")}
    assert set(json.loads(budget.FILE.read_text())["limits"]) == counted


def test_the_budget_is_passed_only_by_what_takes_more_than_its_limit():
    limits = {name: entry["instructions"]
              for name, entry in json.loads(budget.FILE.read_text())["limits"].items()}
    assert limits
    assert not list(budget.passed([counted(*item) for item in limits.items()]))
    for name, limit in limits.items():
        more = limits | {name: limit + 1}
        (said,) = budget.passed([counted(*item) for item in more.items()])
        assert name in said and f"{limit + 1:,}" in said
        less = [counted(*item) for item in limits.items() if item[0] != name]
        assert list(budget.passed(less)) == [f"budget: '{name}' was not counted"]


def test_bench_sh_refuses_what_it_cannot_do_before_it_measures():
    for arguments, why in ((["--keep", "docs"], "--keep is for --report"),
                           (["--from", "x.json"], "--from is for --report and --compare"),
                           (["--compare", "/nonexistent.json"], "cannot read"),
                           (["--nonsense"], "unknown argument"), (["--from"], "needs a value")):
        done = subprocess.run([ROOT / "scripts/bench.sh", *arguments], capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 1 and why in done.stderr
