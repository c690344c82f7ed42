"""Control groups made by hand, in which a proxy runs with little memory or little processor time."""

import contextlib
import pathlib
import uuid

import pytest

from whisk import wait_until


def own_group(controller):
    """The folder of our own control group; (folder, version), None where it cannot be found."""
    names = {}
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, name = line.split(":", 2)
        names[controllers] = name
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        for controllers, name in names.items():
            if ((kind == "cgroup" and controller in controllers.split(",") and
                 controller in options.split(",")) or
                    (kind == "cgroup2" and controllers == "" and controller not in names)):
                part, mount = left.split(" ")[3:5]
                below = name[len(part.rstrip("/")):] if name.startswith(part) else ""
                return pathlib.Path(mount + below), 1 if kind == "cgroup" else 2
    return None



def settings(controller, limit, version):
    """What is written to limit a group: (file, text), the first is a must."""
    if controller == "memory":
        return {1: [("memory.limit_in_bytes", limit), ("memory.swappiness", 0)],
                2: [("memory.max", limit), ("memory.swap.max", 0)]}[version]
    period_us = 100000
    quota_us = int(limit * period_us)
    return {1: [("cpu.cfs_period_us", period_us), ("cpu.cfs_quota_us", quota_us)],
            2: [("cpu.max", f"{quota_us} {period_us}")]}[version]


class Group:
    """A control group, and the command that executes another one in it."""

    def __init__(self, folder):
        self.folder = folder
        self.wrapper = ("sh", "-c", f'echo $$ >{folder}/cgroup.procs && exec "$@"', "sh")

    def pids(self):
        return [int(pid) for pid in (self.folder / "cgroup.procs").read_text().split()]

    def n_oom_kills(self):
        """Processes that the kernel has killed for want of memory; None: this kernel does not say."""
        for name in ("memory.oom_control", "memory.events"):
            with contextlib.suppress(OSError):
                for line in (self.folder / name).read_text().splitlines():
                    key, _, number = line.partition(" ")
                    if key == "oom_kill":
                        return int(number)
        return None


@contextlib.contextmanager
def limited(controller, limit):
    """A Group below our own: bytes of memory, or a share of one processor. Skips where none can be made."""
    found = own_group(controller)
    if found is None:
        pytest.skip(f"no control group for {controller} is to be seen here")
    parent, version = found
    folder = parent / f"whiskloop-test-{uuid.uuid4().hex}"
    try:
        folder.mkdir()
        for number, (name, text) in enumerate(settings(controller, limit, version)):
            try:
                (folder / name).write_text(str(text))
            except OSError:
                if number == 0 or controller == "cpu":  # a kernel without swap lacks the other
                    raise
    except OSError as fault:
        if folder.exists():
            folder.rmdir()
        pytest.skip(f"no control group with a limit for {controller} can be made here: {fault}")
    group = Group(folder)
    try:
        yield group
    finally:
        wait_until(lambda: not group.pids(), "the group to be empty", 20)
        folder.rmdir()
