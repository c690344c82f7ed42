"""The table of settings, as --help-markdown prints it and docs/settings.md has it."""

import re
import subprocess

from whisk import PROGRAM, WAIT_S

ROW = re.compile(r"^\| `--([a-z-]+)` \| `\w+` \| (\S+)", re.M)  # a default's unit is no part of its value


def test_each_default_may_be_given_as_the_table_shows_it(folder):
    table = subprocess.run([PROGRAM, "--help-markdown"], capture_output=True, text=True, check=True,
                           timeout=WAIT_S).stdout
    action = folder / "action"
    action.write_text("#!/bin/sh\nwhile read -r line; do echo '{}'; done\n")
    action.chmod(0o755)
    rows = ROW.findall(table)
    assert len(rows) == table.count("\n| `--") > 60
    refused = {}
    for name, shown in rows:
        value = "" if shown == "-" else shown
        done = subprocess.run([PROGRAM, f"--{name}={value}", "invoke", action], capture_output=True,
                              text=True, timeout=WAIT_S, check=False)
        if done.stdout != "{}\n":
            refused[name] = done.stderr
    assert refused == {}
