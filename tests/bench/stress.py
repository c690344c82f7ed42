#!/usr/bin/python3
"""stress - run the plans of jmeter/ against servers of our own, and make the table of the results.

Run by scripts/jmeter.sh, which builds what this starts and installs JMeter.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import contestants
import jtl
import servers
from contestants import C_ACTION, PYTHON_ACTION, ROOT, SPAWNING
from servers import Trouble, init_body, kill_all

PLANS = ROOT / "jmeter"
# Labels of HelloStress.jmx, the property that each one's port goes into, and who stands behind it.
HELLO_TARGETS = {"a process for each request": ("spawn_port", SPAWNING),
                 "resident, C": ("resident_port", C_ACTION),
                 "resident, Python": ("python_port", PYTHON_ACTION)}
LOOK_S = 0.1         # between two looks whether JMeter and the targets still run
RUN_MAX_S = 1800
END_S = 10           # for a JMeter that was asked to end
XSTREAM = pathlib.Path("/usr/share/java/xstream.jar")
DEBIAN_JMETER = pathlib.Path("/usr/share/jmeter/bin/ApacheJMeter.jar")
COLUMNS = ["-Jjmeter.save.saveservice.output_format=csv",
           "-Jjmeter.save.saveservice.print_field_names=true",
           "-Jjmeter.save.saveservice.assertion_results_failure_message=true",
           "-Jjmeter.save.saveservice.timestamp_format=ms"]

# JMeter 2.13 is of 2015 and allows XStream no types; Debian's XStream since denies what was not
# allowed, so no plan can be loaded. This class takes the place of the one that denies. The plans
# are ours; a plan of somebody else's should not be loaded like this.
ALLOWS = """package com.thoughtworks.xstream.security;
public class NoTypePermission implements TypePermission {
    public static final TypePermission NONE = new NoTypePermission();
    public boolean allows(Class type) { return true; }
    public int hashCode() { return 1; }
    public boolean equals(Object other) { return other != null && other.getClass() == getClass(); }
}
"""


@dataclasses.dataclass
class Results:
    """What one plan gave."""

    rows: list
    command: str
    samples: list


# ---- JMeter itself ----


def mended(folder):
    """A class path on which Debian's JMeter 2.13 can load a plan."""
    source = folder / "src/com/thoughtworks/xstream/security/NoTypePermission.java"
    classes = folder / "classes"
    source.parent.mkdir(parents=True)
    classes.mkdir()
    source.write_text(ALLOWS)
    argv = ["javac", "-nowarn", "-cp", str(XSTREAM), "-d", str(classes), str(source)]
    if shutil.which("javac") is None:
        raise Trouble("javac is not installed: apt-get install openjdk-17-jdk-headless")
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Trouble(f"'{shlex.join(argv)}' failed: {done.stderr[:500]}")
    return f"{classes}:{XSTREAM}"


def jmeter(folder):
    """(command, environment): $JMETER as it is, or Debian's with its mend."""
    asked = os.environ.get("JMETER")
    found = shutil.which(asked or "jmeter")
    if found is None:
        raise Trouble(f"JMETER={asked}: there is no such program" if asked else
                      "JMeter is not installed: apt-get install jmeter jmeter-http jmeter-java")
    environment = {**os.environ, "JVM_ARGS": os.environ.get("JVM_ARGS", "-Xms512m -Xmx512m")}
    if not asked and DEBIAN_JMETER.exists():
        environment["JAVA_CLASSPATH"] = mended(folder)
    return found, environment


def end(process):
    """End JMeter, and the Java that its shell script may have started: they share a group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(END_S)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def watch(process, targets):
    """Wait for JMeter's end; a target that ends before it is trouble."""
    give_up_at = time.monotonic() + RUN_MAX_S
    while process.poll() is None:
        for name, server in targets.items():
            if server.process.poll() is not None:
                raise Trouble(f"the target '{name}' died while JMeter ran, exit status "
                              f"{server.process.returncode}: '{server.command}'")
        if time.monotonic() > give_up_at:
            raise Trouble(f"JMeter has not ended after {RUN_MAX_S} s")
        time.sleep(LOOK_S)


def run(plan, properties, targets, folder):
    """Run a plan. Returns (the file of its results, the command)."""
    program, environment = jmeter(folder)
    results, log = folder / "results.jtl", folder / "jmeter.log"
    argv = [program, "-n", "-t", str(PLANS / plan), "-l", str(results), "-j", str(log), *COLUMNS,
            *[f"-J{name}={value}" for name, value in properties.items()]]
    with open(folder / "jmeter.out", "w+b") as out:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                   env=environment, cwd=folder, start_new_session=True)
        try:
            watch(process, targets)
        finally:
            end(process)
        out.seek(0)
        said = out.read().decode(errors="replace")
    # 2.13 ends with 0 also when it could not load the plan.
    if process.returncode != 0 or "Error in NonGUIDriver" in said:
        raise Trouble(f"JMeter ended with {process.returncode}: {said[-1000:]}")
    return results, shlex.join(argv)


# ---- the two plans ----


def hello(makers, folder, threads, loops, payload, keepalive=True):
    """HelloStress.jmx: the old way and the resident actions, one after the other."""
    targets = {label: makers.hello(kind) for label, (_, kind) in HELLO_TARGETS.items()}
    properties = {"threads": threads, "loops": loops, "payload": payload,
                  "keepalive": "true" if keepalive else "false", "host": servers.HOST}
    for label, (name, _) in HELLO_TARGETS.items():
        properties[name] = targets[label].port
    results, command = run("HelloStress.jmx", properties, targets, folder)
    samples = jtl.read(results)
    jtl.check(samples, {label: threads * loops for label in targets}, results)
    return Results(jtl.rows(samples, targets), command, samples)


def mixed(makers, folder, loops):
    """MixedLoad.jmx: two sizes, failures, and a replacement in the middle."""
    threads, large_threads, think_ms = 20, 4, 10
    large_loops = max(loops // 4, 1)
    action = PLANS / "mixed.py"
    second = folder / "mixed.py"
    second.write_text(action.read_text().replace("VERSION = 1", "VERSION = 2"))
    body = folder / "replacement.json"
    body.write_bytes(init_body(second))
    server = makers.proxy("python", "--allow-reinit")
    client, _ = server.start()
    client.close()
    server.init(action)
    properties = {"host": servers.HOST, "port": server.port, "threads": threads, "loops": loops,
                  "large_threads": large_threads, "large_loops": large_loops, "think": think_ms,
                  # A thread thinks for half as much again on average, and waits a little.
                  "publish_after": loops * think_ms, "replacement": body}
    results, command = run("MixedLoad.jmx", properties, {"the proxy": server}, folder)
    samples = jtl.read(results)
    failing = threads * loops // 100
    jtl.check(samples, {"small": threads * loops - failing, "failing": failing,
                        "large": large_threads * large_loops, "publish": 1,
                        "first of the new version": 1}, results)
    check_middle(samples)
    return Results(jtl.rows(samples, ["small", "large", "failing"]), command, samples)


def check_middle(samples):
    """That the replacement met load: without it, nothing was shown."""
    publish = next(sample for sample in samples if sample.label == "publish")
    small = [sample for sample in samples if sample.label == "small"]
    before = sum(sample.at_ms < publish.at_ms for sample in small)
    after = sum(sample.at_ms > publish.at_ms + publish.elapsed_ms for sample in small)
    if before == 0 or after == 0:
        raise Trouble(f"the replacement did not come in the middle: {before} activations before, "
                      f"{after} behind it")


def read_options():
    parser = argparse.ArgumentParser(prog="jmeter.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--threads", type=int, default=100)
    parser.add_argument("--loops", type=int, default=100)
    parser.add_argument("--payload", type=int, default=0)
    parser.add_argument("--new-connections", action="store_true")
    parser.add_argument("--plan", choices=("hello", "mixed", "both"), default="both")
    parser.add_argument("--port", type=int)
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    if min(options.threads, options.loops) < 1 or options.payload < 0:
        parser.error("--threads and --loops: want at least 1, --payload at least 0")
    if options.port is not None:
        if not 1 <= options.port <= 65500:
            parser.error(f"--port {options.port}: want 1 to 65500")
        servers.take_ports(options.port)
    return options


def show(title, results):
    """Print a plan's table. Returns it for the file."""
    print(f"{title}\n" + "\n".join(jtl.table(results.rows)) + "\n")
    return {"title": title, "command": results.command,
            "rows": [dataclasses.asdict(row) for row in results.rows]}


def run_plans(options, folder):
    """The plans that were asked for; their tables, once all of them went well."""
    makers = contestants.Contestants(options.build.resolve(), folder / "actions")
    makers.clear()
    tables = []
    if options.plan in ("hello", "both"):
        (folder / "hello").mkdir()
        tables.append(show(f"{options.threads} threads x {options.loops} requests",
                           hello(makers, folder / "hello", options.threads, options.loops,
                                 options.payload, not options.new_connections)))
        kill_all()
    if options.plan in ("mixed", "both"):
        (folder / "mixed").mkdir()
        tables.append(show("mixed load, a replacement in the middle",
                           mixed(makers, folder / "mixed", options.loops)))
    return tables


def main():
    options = read_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="whiskloop-jmeter.") as name:
        try:
            tables = run_plans(options, pathlib.Path(name))
            if options.out is not None:
                fresh = options.out.with_name(options.out.name + ".new")
                fresh.write_text(json.dumps(tables, indent=1) + "\n")
                fresh.replace(options.out)
        except (Trouble, OSError) as fault:
            print(f"jmeter.sh: {fault}", file=sys.stderr)
            return 1
        finally:
            kill_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
