"""--user, --no-new-privs and --rlimit-*: what an action may do, and what it may not."""

import io
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import zipfile

import pytest

import compilers
import samples
from archives import zipped
from whisk import REPO, all_pids, assert_error, installed_program, is_alive, open_program, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0,
                                reason="only root may run actions as another user")

# Run anything, for tests that look at the world from the inside.
EVALUATE = """
import errno, os, resource, subprocess, sys

def attempt(call):
    try:
        call()
        return "done"
    except OSError as fault:
        return errno.errorcode[fault.errno]

def main(args):
    return {"value": eval(args["do"])}
"""

SHELL = """#!/bin/bash
while read -r line; do
    echo "{\\"uid\\":$(id -u),\\"gid\\":$(id -g)}" >/dev/fd/3
done
"""


@pytest.fixture
def user(folder):
    """A user whom nobody else runs as, and who may pass through the folder of the case."""
    folder.chmod(0o711)
    return random.randrange(200000, 2000000000)


@pytest.fixture
def evaluating(proxy, user):
    """evaluating(*options): a proxy with --user and an action that evaluates what it is given."""
    def start(*options, **kwargs):
        one = proxy("--user", f"{user}:{user + 1}", *options, **kwargs)
        one.started(EVALUATE)
        one.value = lambda text: one.run({"do": text}).json["value"]
        return one
    return start


def refused_start(*options, wrapper=(), program=None, env=None):
    """What a proxy says that must not start, with these options."""
    ended = subprocess.run([*wrapper, program or open_program(), "--port", "0", *options],
                           capture_output=True, text=True, timeout=60, check=False,
                           env={**os.environ, **(env or {})})
    assert ended.returncode == 2, ended
    assert ended.stdout == ""
    return ended.stderr


# --- who it is ------------------------------------------------------------------------------------

def test_user_and_group(evaluating, user):
    """The action is the user and the group that were named, all of its ids, and in no other group."""
    one = evaluating(wrapper=("setpriv", "--groups", "7,8"))
    assert one.value("[os.getresuid(), os.getresgid(), os.getgroups()]") == [
        [user] * 3, [user + 1] * 3, []]
    status = dict(line.split(":", 1) for line in one.value(
        "open('/proc/self/status').read()").splitlines())
    assert status["NoNewPrivs"].strip() == "1"
    assert {status[name].strip() for name in ("CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    assert status["Umask"].strip() == "0022"


def test_user_of_a_bare_executable(proxy, user):
    """An action of one's own, which reopens its answers by path, runs as the user too."""
    one = proxy("--user", user)
    one.started(SHELL)
    assert one.run({}).json == {"uid": user, "gid": user}
    assert one.run({}).json == {"uid": user, "gid": user}


def test_user_by_name(proxy, folder):
    """A user may be named as /etc/passwd does; its group comes from there."""
    folder.chmod(0o711)
    one = proxy("--user", "nobody")
    one.started(EVALUATE)
    wanted = [int(subprocess.check_output(["id", flag, "nobody"])) for flag in ("-u", "-g")]
    assert one.run({"do": "[os.getuid(), os.getgid()]"}).json["value"] == wanted


def test_user_of_each_worker_and_restart(proxy, user):
    """Prelaunched, started side by side, and started again: each worker is the user."""
    one = proxy("--user", user, "--workers", 3)
    one.started(EVALUATE)
    for _ in range(6):
        assert one.run({"do": "os.getuid()"}).json["value"] == user
    assert_error(one.run({"do": "os._exit(3)"}), 400, "command exited")
    for _ in range(6):
        assert one.run({"do": "os.getuid()"}).json["value"] == user


def test_user_is_taken_without_prelaunch(evaluating, user):
    one = evaluating("--prelaunch=0")
    assert one.value("os.getuid()") == user


@pytest.mark.parametrize("how", ["text", "large text", "archive"])
def test_code_is_the_users(proxy, user, how):
    """Whatever way the code came, it lies in a folder of the user's, who may write beside it."""
    one = proxy("--user", user)
    if how == "text":
        one.started(EVALUATE)
    elif how == "large text":
        one.started(EVALUATE + "#" * 300000)
    else:
        one.started(zipped({"__main__.py": EVALUATE, "data/words": "a b c"}))
    ask = "[os.stat(p).st_uid for p in ('.', '__main__.py')]"
    assert one.run({"do": ask}).json["value"] == [user, user]
    assert one.run({"do": "open('beside', 'w').write('12345')"}).json["value"] == 5
    assert one.run({"do": "open('beside').read()"}).json["value"] == "12345"


# A compiler whose program tells who compiled it, within which bound, and who may write where.
TELLING = ("from=$(id -u):$(id -g):$(id -G) made=$(ulimit -n):$(ulimit -Hn)\n"
           "touch \"$src/beside\" \"$bin/beside\"\n"
           "grep -q 'NoNewPrivs:.*1' /proc/self/status\n" + compilers.PROGRAM)


@pytest.mark.parametrize("code", ["some text", zipped({"a.x": "some text"})],
                         ids=["text", "archive"])
@pytest.mark.parametrize("named_by", ["OW_COMPILER", "manifest"])
def test_compilers_run_as_the_user(proxy, folder, user, named_by, code):
    """A compiler does what a stranger's code has it do: it is the action's user, within its limits,
    and the folders that it reads and fills are that user's."""
    options = ["--user", user, "--rlimit-nofile", 77]
    compiler = compilers.write(folder, TELLING)
    if named_by == "OW_COMPILER":
        one = proxy(*options, env=compilers.image(compiler))
    else:
        home = folder / "runtimes" / "told"
        home.mkdir(parents=True)
        (home / "runtime.json").write_text(json.dumps({
            "name": "told", "entry": ["a.x", "exec"], "source": "a.x", "answers": "fd3",
            "compile": [compiler], "launch": ["{action}/exec"]}))
        one = proxy("--runtime-dir", home.parent, "--runtime", "told", *options)
    one.started(code)
    told = one.run({}).json
    assert told["from"] == f"{user}:{user}:{user}"
    assert told["made"] == "77:77"


@pytest.mark.parametrize("option, does, told", [
    (("--rlimit-fsize", 65536), "exec cat /dev/zero > \"$bin/exec\"",
     "the compiler wrote a file of more than 65536 bytes (--rlimit-fsize)"),
    (("--rlimit-cpu", 1), "while :; do :; done",
     "the compiler used more than 1 s of processor time (--rlimit-cpu)"),
], ids=["file", "processor"])
def test_a_compiler_that_passes_a_limit_is_told_which(proxy, folder, option, does, told):
    """The limits of the action hold for its compiler, and the reply names the option."""
    compiler = compilers.write(folder, does + "\n")
    assert_error(proxy(*option, env=compilers.image(compiler)).init("some text"), 502, told)


def test_a_compiler_that_may_not_be_run_is_told(proxy, folder, user):
    """A program that the user may not execute: the reply says so, nothing runs as root instead."""
    compiler = compilers.write(folder, compilers.program())
    os.chmod(compiler, 0o700)
    one = proxy("--user", user, env=compilers.image(compiler))
    assert_error(one.init("some text"), 502,
                 f"cannot run the compiler: {compiler}: Permission denied\n")


def test_an_interpreter_that_only_root_may_run_is_passed_over(proxy, folder, user):
    """PATH as root often has it, with folders of root's own in front."""
    mine = folder / "mine"
    mine.mkdir(mode=0o700)
    (mine / "python3").symlink_to("/bin/false")
    one = proxy("--user", user, env={"PATH": f"{mine}:/usr/bin:/bin"})
    one.started(samples.PYTHON_CODES["echo"])
    assert one.run({"a": 1}).json == {"a": 1}


def test_a_compiler_on_the_command_line_runs_as_the_user(folder, user):
    """-compile: the same, and the zip is written all the same."""
    compiler = compilers.write(folder, TELLING)
    done = subprocess.run([open_program(), "--user", str(user), "-compile", "main"], input=b"some text",
                          capture_output=True, timeout=60, check=True, cwd=folder,
                          env={"PATH": "/usr/bin:/bin", "OW_COMPILER": compiler,
                               "TMPDIR": str(folder)})
    program = zipfile.ZipFile(io.BytesIO(done.stdout)).read("exec").decode()
    assert f'"{user}:{user}:{user}"' in program


@pytest.mark.parametrize("of", ["exec.env", "exec"])
def test_what_a_compiler_links_to_is_not_looked_at_as_root(proxy, folder, user, of):
    """A link out of the folder: what the user may not read is neither told nor changed."""
    secret = folder / "secret"
    secret.write_text("SECRET")
    secret.chmod(0o600)
    compiler = compilers.write(folder, compilers.program() + f"ln -sf {secret} \"$bin/{of}\"\n")
    one = proxy("--user", user, env=compilers.image(compiler, OW_EXECUTION_ENV="mine",
                                                    OW_LOG_INIT_ERROR="1"))
    answer = one.init("some text")
    assert answer.status == 502
    assert "SECRET" not in answer.error + "".join(one.check_streams(1))
    assert secret.stat().st_mode & 0o777 == 0o600


def test_home_is_not_roots(evaluating):
    """HOME is a folder that the user may use, unless the container names another than root's."""
    assert evaluating(env={"HOME": "/root"}).value("os.environ['HOME']") == "/tmp"
    assert evaluating(env={"HOME": "/srv"}).value("os.environ['HOME']") == "/srv"


def test_failed_init_leaves_nothing(proxy, user):
    """What the user's files were is removed after a failed /init, and another one works."""
    one = proxy("--user", user)
    assert one.init("def main(args)\n  broken").status == 502
    assert one.init(b"PK\x03\x04 no zip").status == 502
    one.started(EVALUATE)
    wait_until(lambda: sorted(os.listdir(next(one.tmp.iterdir()))) == [".lock", "3"],
               "the failed ones to go")


# --- what it cannot reach -------------------------------------------------------------------------

def test_nothing_of_the_proxy_is_readable(evaluating, folder):
    """Memory, environment, descriptors and files of the proxy are closed to the action."""
    (folder / "secret").write_text("s")
    (folder / "secret").chmod(0o600)
    one = evaluating()
    for name in ("mem", "environ", "maps", "io", "syscall", "stack", "auxv"):
        assert one.value(f"attempt(lambda: open('/proc/{one.pid}/{name}').read(1))") in (
            "EACCES", "EPERM"), name
    for name in ("fd", "fdinfo", "map_files"):
        assert one.value(f"attempt(lambda: os.listdir('/proc/{one.pid}/{name}'))") in (
            "EACCES", "EPERM"), name
    for name in ("exe", "cwd", "root"):
        assert one.value(f"attempt(lambda: os.readlink('/proc/{one.pid}/{name}'))") == "EACCES"
    assert one.value(f"attempt(lambda: open('{folder}/secret'))") == "EACCES"
    assert one.value(f"attempt(lambda: os.listdir('{next(one.tmp.iterdir())}'))") == "EACCES"


def test_proxy_cannot_be_signalled(evaluating):
    one = evaluating()
    assert one.value(f"attempt(lambda: os.kill({one.pid}, 9))") == "EPERM"
    assert one.value(f"attempt(lambda: os.kill({one.pid}, 0))") == "EPERM"


def test_no_descriptor_of_the_proxy_is_there(evaluating):
    """Of all descriptors only the action's four are open; more than 1000 more can be had."""
    one = evaluating("--rlimit-nofile", 1024)
    targets = one.value("[os.readlink('/proc/self/fd/%s' % n) for n in os.listdir('/proc/self/fd')"
                        " if os.path.exists('/proc/self/fd/%s' % n)]")
    assert all(target.startswith(("pipe:", "/dev/null")) for target in targets), targets
    assert one.value("len([open('/dev/null') for _ in range(994)])") == 994


def test_no_setuid_program_helps(evaluating, folder):
    """A setuid program runs, and gives nothing."""
    program = folder / "id"
    shutil.copy(shutil.which("id"), program)
    program.chmod(0o4755)
    one = evaluating()
    assert one.value(f"subprocess.check_output(['{program}', '-u']).decode()") == one.value(
        "'%d\\n' % os.getuid()")


@pytest.mark.parametrize("option, wanted", [((), "0"), (("--no-new-privs",), "1")])
def test_setuid_programs_without_a_user(proxy, option, wanted):
    """Without --user an action keeps what it has with other proxies, unless it is told otherwise."""
    one = proxy(*option)
    one.started(EVALUATE)
    status = one.run({"do": "open('/proc/self/status').read()"}).json["value"]
    assert f"NoNewPrivs:\t{wanted}\n" in status


def test_proxy_of_the_same_user_is_not_readable(proxy, folder):
    """A container that runs as one user throughout: the proxy's memory is closed all the same."""
    folder.chmod(0o777)
    one = proxy(wrapper=("sh", "-c", "chown -R 54321 . && exec setpriv --reuid 54321 --regid 54321"
                         ' --clear-groups "$@"', "sh"))
    one.started(EVALUATE)
    assert one.run({"do": "os.getuid()"}).json["value"] == 54321
    for name in ("mem", "environ"):
        ask = f"attempt(lambda: open('/proc/{one.pid}/{name}'))"
        assert one.run({"do": ask}).json["value"] in ("EACCES", "EPERM")
    ask = f"attempt(lambda: os.listdir('/proc/{one.pid}/fd'))"
    assert one.run({"do": ask}).json["value"] in ("EACCES", "EPERM")


def test_capabilities_as_docker_leaves_them(proxy, user):
    """With no more than what Docker leaves root: everything works, stale answers included."""
    kept = "chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service"
    drop = "-all," + ",".join("+" + name for name in kept.split(","))
    one = proxy("--user", user, "--settle-time", 60000, "--init-timeout", 20000, wrapper=(
        "setpriv", "--bounding-set", drop, "--inh-caps", "-all", "--"))
    one.started(SHELL)  # it must be seen waiting: its time to settle is longer than /init may take
    assert one.run({}).json == {"uid": user, "gid": user}


def test_proxy_of_another_user_sees_its_workers(proxy, folder):
    """A proxy that is not root, and closed itself, still sees what its workers wait for."""
    folder.chmod(0o777)
    one = proxy("--settle-time", 60000, "--init-timeout", 20000, wrapper=(
        "sh", "-c", "chown -R 54321 . && exec setpriv --reuid 54321 --regid 54321 --clear-groups"
        ' "$@"', "sh"))
    one.started(SHELL)
    assert one.run({}).json == {"uid": 54321, "gid": 54321}


def test_many_containers_of_one_user(proxy, folder):
    """All containers of a user share the kernel's bound on pipes: past it, logs are the action's."""
    take_all = """
import fcntl, os, sys
try:
    for _ in range(200):
        end = os.pipe()[1]
        os.set_inheritable(end, True)
        fcntl.fcntl(end, 1031, 1 << 20)  # F_SETPIPE_SZ
except PermissionError:
    pass
os.execvp(sys.argv[1], sys.argv[1:])
"""
    folder.chmod(0o777)
    one = proxy(wrapper=(
        "sh", "-c", "chown -R 54322 . && exec setpriv --reuid 54322 --regid 54322 --clear-groups"
        ' "$@"', "sh", sys.executable, "-c", take_all))
    one.started(EVALUATE)
    assert one.run({"do": "os.getuid()"}).json["value"] == 54322
    assert one.check_streams(1) == ("", "")


# --- refused at the start -------------------------------------------------------------------------

def test_user_without_being_root():
    said = refused_start("--user", "1000", wrapper=(
        "setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups"))
    assert said == ("whiskloop: --user=1000: only a proxy that runs as root can run actions as "
                    "another user; this one runs as user 54321\n")


def test_user_without_the_capabilities():
    said = refused_start("--user", "1000", wrapper=("setpriv", "--bounding-set", "-all"))
    assert "root lacks these capabilities here, which that takes: SETUID SETGID CHOWN KILL" in said


@pytest.mark.parametrize("value", ["no-such-user", "1000:", ":1000", "-5", "4294967295"])
def test_user_that_is_none(value):
    assert refused_start(f"--user={value}").startswith(f"whiskloop: --user={value}: ")


# --- limits ---------------------------------------------------------------------------------------

LIMITS = {"as": 1 << 32, "nproc": 77, "nofile": 99, "fsize": 1 << 20, "cpu": 1000}


def test_limits_seen_from_inside(evaluating):
    """Each limit holds in the action, a prelaunched one and one that was started again."""
    one = evaluating(*[f"--rlimit-{name}={value}" for name, value in LIMITS.items()])
    ask = "[resource.getrlimit(getattr(resource, 'RLIMIT_' + n.upper()))[0] for n in %r]" % (
        list(LIMITS),)
    assert one.value(ask) == list(LIMITS.values())
    assert_error(one.run({"do": "os._exit(3)"}), 400, "command exited")
    assert one.value(ask) == list(LIMITS.values())


def test_file_size_limit(proxy):
    """In Python a file beyond the limit is an error of the action's; the next run is served."""
    one = proxy("--rlimit-fsize", 100000)
    one.started(EVALUATE)
    failed = one.run({"do": "open('big', 'w').write('x' * 200000)"})
    assert "File too large" in str(failed.json["error"])
    assert os.path.getsize(next(one.tmp.glob("*/*/bin/big"))) <= 100000
    assert one.run({"do": "1 + 1"}).json == {"value": 2}


def test_file_size_limit_of_a_bare_executable(proxy):
    """What does not handle the signal dies of it, and the answer says of what."""
    one = proxy("--rlimit-fsize", 100000)
    one.started("#!/bin/bash\nwhile read -r line; do\n"
                'if [[ $line == *big* ]]; then printf "%200000s" x >big; fi\n'
                "echo '{\"a\":1}' >&3\ndone\n")
    assert_error(one.run({"do": "big"}), 502,
                 "The action wrote more into one file than it may (--rlimit-fsize) and was aborted.")
    assert one.run({}).json == {"a": 1}


def test_processor_time_limit(proxy):
    """A worker that used up its time dies, the answer says of what; the next run is served."""
    one = proxy("--rlimit-cpu", 1)
    one.started("def main(args):\n    while args.get('spin'):\n        pass\n    return args\n")
    assert_error(one.run({"spin": True}), 502,
                 "The action used more processor time than one process may (--rlimit-cpu) and was "
                 "aborted.")
    assert one.run({"a": 1}).json == {"a": 1}


def test_address_space_limit(proxy):
    """In Python, memory beyond the limit is an error of the action's; the next run is served."""
    one = proxy("--rlimit-as", 1 << 30)
    one.started(EVALUATE)
    failed = one.run({"do": "len(bytearray(2 << 30))"})
    assert "MemoryError" in str(failed.json["error"]) or "MemoryError" in one.err_text()
    assert one.run({"do": "1 + 1"}).json == {"value": 2}


def test_fork_bomb_is_bounded(evaluating, user):
    """--rlimit-nproc bounds all processes of the user together; what was made goes with the worker."""
    one = evaluating("--rlimit-nproc", 20, "--workers", 1)
    made = one.value("(lambda made: [attempt(lambda: made.append(subprocess.Popen("
                     "['/bin/sleep', '1000']))) for _ in range(50)].count('EAGAIN'))([])")
    assert made >= 50 - 20
    processes = [pid for pid in all_pids() if owner(pid) == user]
    assert 2 <= len(processes) <= 20
    assert one.value("1 + 1") == 2
    assert_error(one.run({"do": "os._exit(3)"}), 400, "command exited")
    assert one.value("1 + 1") == 2
    wait_until(lambda: len([pid for pid in all_pids() if owner(pid) == user]) <= 1,
               "all that it started to be gone")


def test_processes_that_hide_from_the_proxy_go_with_the_worker(evaluating):
    """Each worker's processes are found by their oom_score_adj; those that change it, by the user."""
    one = evaluating("--workers", 1)
    pid = one.value("subprocess.Popen(['/bin/sh', '-c', 'echo 1000 >/proc/self/oom_score_adj; exec sleep 600'],"
                    " start_new_session=True).pid")
    score = pathlib.Path(f"/proc/{pid}/oom_score_adj")
    wait_until(lambda: score.read_text() == "1000\n", "it to change its score")
    assert_error(one.run({"do": "os._exit(3)"}), 400, "command exited")
    wait_until(lambda: not is_alive(pid), "it to be gone")


def owner(pid):
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None


def test_limit_beyond_the_containers_own(proxy):
    """A limit that cannot be set is told by /init: which one, why, and what is possible."""
    one = proxy("--rlimit-nofile", 2000, wrapper=(
        "setpriv", "--bounding-set", "-sys_resource", "prlimit", "--nofile=1000:1000"))
    assert_error(one.init(EVALUATE), 502,
                 "cannot start action: cannot set --rlimit-nofile=2000: Operation not permitted; "
                 "our own limit is 1000")


@pytest.mark.parametrize("how", ["TMPDIR", "--action-dir", "--action", "--runtime-dir", "launcher",
                                 "compiled launchers"])
def test_folder_that_the_user_cannot_reach(folder, how):
    """What is closed to the user is told at the start, by its name and by the option for it."""
    folder.chmod(0o755)
    closed = folder / "closed"
    within = closed / "a" / "b"
    within.mkdir(parents=True)
    options = ["--user", "54321:54321", "--action-dir", folder / "actions", how, within]
    more = {}
    if how == "TMPDIR":
        options, more = options[:2], {"env": {"TMPDIR": str(within)}}
    elif how == "--runtime-dir":
        shutil.copytree(REPO / "runtime", within, dirs_exist_ok=True)
    elif how == "launcher":
        shutil.copytree(REPO / "runtime", within, dirs_exist_ok=True)
        options[4] = "--runtime-dir"
        closed = within / "python/launcher.py"
    elif how == "compiled launchers":
        shutil.copytree(installed_program().parents[1], within, dirs_exist_ok=True)
        options[4:] = ["--runtime", "oneshot"]
        more = {"program": within / "bin/whiskloop"}
        closed = within / "libexec"
    closed.chmod(0o600)
    said = refused_start(*options, **more)
    assert f'user 54321 (--user) has no access to "{closed}", which is' in said
    assert how in said
