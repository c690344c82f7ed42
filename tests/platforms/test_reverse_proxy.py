"""docs/platforms/reverse-proxy.md: configurations that nginx and HAProxy take, and true of the program."""

import re
import shutil
import subprocess

import pytest

from test_platforms import ROOT, settings

TEXT = (ROOT / "docs/platforms/reverse-proxy.md").read_text(encoding="utf-8")
NGINX = re.search(r"```nginx\n(.*?)```", TEXT, re.S)[1]
HAPROXY = re.search(r"```haproxy\n(.*?)```", TEXT, re.S)[1]
NGINX_IDLE_S = 60  # keepalive_timeout of an upstream


def checked(program, *arguments):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_nginx_takes_the_configuration(tmp_path):
    paths = "".join(f"{kind}_temp_path {tmp_path}/{kind};\n"
                    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    conf = tmp_path / "nginx.conf"
    conf.write_text(f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}"
                    f"{NGINX.replace('listen 80', f'listen unix:{tmp_path}/http')}}}\n")
    assert "warn" not in checked("nginx", "-t", "-c", conf)


def test_haproxy_takes_the_configuration(tmp_path):
    conf = tmp_path / "haproxy.cfg"
    conf.write_text(HAPROXY)
    assert "WARNING" not in checked("haproxy", "-c", "-f", conf)


def test_balancers_wait_longer_than_the_proxy():
    known = settings()
    for waits_s in (r"proxy_read_timeout (\d+)s", r"timeout server (\d+)s", r"timeout client (\d+)s"):
        assert int(re.search(waits_s, TEXT)[1]) * 1000 > int(known["WHISKLOOP_TIMEOUT"])
    assert int(known["WHISKLOOP_IDLE_TIMEOUT"]) > NGINX_IDLE_S * 1000
    assert int(re.search(r"client_max_body_size (\d+)m", TEXT)[1]) << 20 >= int(known["WHISKLOOP_RUN_MAX_BYTES"])


def test_no_balancer_repeats_what_may_have_begun():
    assert "proxy_next_upstream" not in NGINX  # its default repeats no POST that was sent
    assert re.findall(r"retry-on (.*)", HAPROXY) == ["conn-failure"]


def test_haproxy_notices_before_the_proxy_drains():
    delays = [int(ms) for ms in re.findall(r"--drain-delay (\d+)", TEXT)]
    intervals = [int(s) for s in re.findall(r"inter (\d+)s fall 1 ", HAPROXY)]
    assert len(delays) == len(intervals) == 2
    assert min(delays) > 2 * 1000 * max(intervals)


def test_nginx_passes_on_the_path_that_it_lets_in():
    """Not as the client wrote it: nginx lets "/run#/../init" in as /run."""
    assert re.findall(r"location = (\S+)", NGINX) == ["/run"]
    assert re.findall(r"proxy_pass http://hello(.*);", NGINX) == ["/run"]


def test_haproxy_asks_the_admin_listener_beside_a_unix_socket():
    """Without an address of its own, a check goes to the socket, which knows no /readyz."""
    checks = re.findall(r"server \S+ unix@\S+ (.*?)`", TEXT)
    port = re.search(r"--admin 127.0.0.1:(\d+)", TEXT)[1]
    assert [check.split()[:5] for check in checks] == [["check", "addr", "127.0.0.1", "port", port]]
