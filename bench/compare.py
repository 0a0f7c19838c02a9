#!/usr/bin/env python3
"""Posthouse beside Postfix on the same disk: accept, queue, deliver to Maildir.

  bench/compare.py [--rounds 3] [--sessions 1,20,100,400] [--size 4096] [--count 4000] [--peers posthouse,postfix]

Runs as root (Postfix needs it). Postfix comes from build/peers, where ./test unpacks it; it is not
installed. Peers alternate within each round; every message's id must be in its mailbox afterwards.
Printed: messages per second (accepted; until the last file was in place), processor milliseconds per
message (all processes of the server, from a cgroup), p50 and p99 of the final 250, and flushes of the
disk per message. Compare ratios within one run: the machine's speed drifts between runs."""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
USERS = 50
LOAD = ROOT / "build/bench/load"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Cgroup:
    """CPU time of a server and all its children, living and dead (cgroup v1 cpuacct or v2)."""

    def __init__(self, name):
        v1 = pathlib.Path("/sys/fs/cgroup/cpuacct")
        base = v1 if v1.is_dir() else pathlib.Path("/sys/fs/cgroup")
        self.v1 = v1.is_dir()
        self.path = base / f"posthouse-bench-{name}-{os.getpid()}"
        self.path.mkdir()

    def enter(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def cpu_seconds(self):
        if self.v1:
            return int((self.path / "cpuacct.usage").read_text()) / 1e9
        text = (self.path / "cpu.stat").read_text()
        return int(re.search(r"usage_usec (\d+)", text).group(1)) / 1e6

    def pids(self):
        return [int(p) for p in (self.path / "cgroup.procs").read_text().split()]

    def close(self):
        for how in (signal.SIGTERM, signal.SIGKILL):
            for _ in range(100):
                pids = self.pids()
                if not pids:
                    break
                for pid in pids:
                    try:
                        os.kill(pid, how)
                    except ProcessLookupError:
                        pass
                time.sleep(0.1)
        self.path.rmdir()


class Peer:
    def __init__(self, base):
        self.dir = base / self.name
        self.mail = self.dir / "mail"
        self.mail.mkdir(parents=True)
        self.port = free_port()
        self.cgroup = Cgroup(self.name)

    def spawn(self, words, **more):
        log = open(self.dir / "log", "ab")
        return subprocess.Popen(words, preexec_fn=self.cgroup.enter, stdout=log, stderr=log,
                                stdin=subprocess.DEVNULL, start_new_session=True, **more)

    def wait(self):
        for _ in range(400):
            try:
                with socket.create_connection(("127.0.0.1", self.port), 2) as s:
                    s.settimeout(5)
                    if s.recv(100).startswith(b"220"):
                        return
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"{self.name} does not answer:\n" + (self.dir / "log").read_text()[-3000:])

    def folders(self):
        return [self.mail / f"u{i}" / part for i in range(USERS) for part in ("new", "cur")]

    def clear(self):
        for folder in self.folders():
            if folder.is_dir():
                for entry in os.scandir(folder):
                    os.unlink(entry.path)

    def stop(self):
        self.cgroup.close()


class Posthouse(Peer):
    name = "posthouse"
    settings = "pop_port 0\n"

    def start(self):
        binary = ROOT / "build/release/posthouse"
        conf = self.dir / "dmail.conf"
        conf.write_text(f"""host_name mx.bench.test
host_domain local.test
work_path {self.dir}/spool
drop_path {self.mail}
listen 127.0.0.1
smtp_port {self.port}
submission_port 0
submissions_port 0
{self.settings}pops_port 0
max_connections 20000
max_connections_per_ip 20000
log_level error
""")
        for i in range(USERS):
            subprocess.run([binary, "user", "add", f"u{i}@local.test", "--password-stdin", "-c",
                            conf], input="x\n", text=True, check=True, stdout=subprocess.DEVNULL)
        self.spawn([str(binary), "serve", "-c", str(conf)])
        self.wait()


class Postfix(Peer):
    name = "postfix"
    # Any two system accounts will do for an unpacked Postfix that runs beside others.
    owner, group = "daemon", "mail"

    def start(self):
        peers = ROOT / "build/peers/root"
        if not (peers / "usr/sbin/postfix").exists():
            raise SystemExit("build/peers has no Postfix: run ./test once, which unpacks it")
        conf = self.dir / "etc"
        for part in ("etc", "spool", "data"):
            (self.dir / part).mkdir()
        shutil.chown(self.dir / "data", self.owner)
        shutil.chown(self.mail, self.owner)
        for i in range(USERS):
            for part in ("", "new", "cur", "tmp"):
                (self.mail / f"u{i}" / part).mkdir(mode=0o700)
                shutil.chown(self.mail / f"u{i}" / part, self.owner)
        lib = peers / "usr/lib/postfix"
        for script in ("postfix-script", "post-install", "postfix-wrapper", "postmulti-script",
                       "postfix-tls-script"):
            found = [p for p in (lib / script, lib / "sbin" / script) if p.exists()]
            assert found, script
        (conf / "main.cf").write_text(f"""compatibility_level = 3.6
queue_directory = {self.dir}/spool
data_directory = {self.dir}/data
command_directory = {peers}/usr/sbin
daemon_directory = {lib}/sbin
shlib_directory = {lib}
meta_directory = {peers}/etc/postfix
sendmail_path = {peers}/usr/sbin/sendmail
mailq_path = {peers}/usr/bin/mailq
newaliases_path = {peers}/usr/bin/newaliases
import_environment = LD_LIBRARY_PATH MAIL_CONFIG MAIL_LOGTAG POSTLOG_SERVICE POSTLOG_HOSTNAME PATH TZ LANG=C
mail_owner = {self.owner}
setgid_group = {self.group}
myhostname = mx.bench.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = local.test
virtual_mailbox_base = {self.mail}
virtual_mailbox_maps = inline:{{ {", ".join(f"{{ u{i}@local.test = u{i}/ }}" for i in range(USERS))} }}
virtual_minimum_uid = 1
virtual_uid_maps = static:{shutil.os.stat(self.mail).st_uid}
virtual_gid_maps = static:{shutil.os.stat(self.mail).st_gid or 1}
virtual_mailbox_limit = 0
alias_maps =
alias_database =
disable_dns_lookups = yes
smtp_host_lookup = native
maillog_file_prefixes = /var, /tmp, {self.dir}
maillog_file = {self.dir}/maillog
""")
        services = ["pickup unix n - n 60 1 pickup", "cleanup unix n - n - 0 cleanup",
                    "qmgr unix n - n 300 1 qmgr", "rewrite unix - - n - - trivial-rewrite",
                    "bounce unix - - n - 0 bounce", "defer unix - - n - 0 bounce",
                    "trace unix - - n - 0 bounce", "verify unix - - n - 1 verify",
                    "flush unix n - n 1000? 0 flush", "proxymap unix - - n - - proxymap",
                    "proxywrite unix - - n - 1 proxymap", "smtp unix - - n - - smtp",
                    "error unix - - n - - error", "retry unix - - n - - error",
                    "virtual unix - n n - - virtual", "anvil unix - - n - 1 anvil",
                    "tlsmgr unix - - n 1000? 1 tlsmgr", "scache unix - - n - 1 scache",
                    "postlog unix-dgram n - n - 1 postlogd"]
        (conf / "master.cf").write_text(f"127.0.0.1:{self.port} inet n - n - - smtpd\n"
                                        + "\n".join(services) + "\n")
        for name in ("dynamicmaps.cf",):
            (conf / name).write_text("")
        env = dict(os.environ, LD_LIBRARY_PATH=str(lib), MAIL_CONFIG=str(conf),
                   PATH=f"{peers}/usr/sbin:{os.environ['PATH']}")
        # postfix-script makes the queue directories with their owners, then starts master.
        done = subprocess.run([str(peers / "usr/sbin/postfix"), "-c", str(conf), "check"], env=env,
                              capture_output=True, text=True)
        (self.dir / "check.log").write_text(done.stdout + done.stderr)
        self.spawn([str(lib / "sbin/master"), "-c", str(conf), "-d"], env=env)
        self.wait()


def disk_flushes(path):
    """Completed flush requests of the block device that holds `path`."""
    device = os.stat(path).st_dev
    for line in open("/proc/diskstats"):
        f = line.split()
        if (int(f[0]), int(f[1])) == (os.major(device), os.minor(device)):
            return int(f[18]) if len(f) > 18 else 0
    return 0


def one_run(peer, sessions, per_session, options, first_id):
    peer.clear()
    os.sync()
    flushes, cpu = disk_flushes(peer.dir), peer.cgroup.cpu_seconds()
    begin = time.time()
    done = subprocess.run([str(LOAD), "--port", str(peer.port), "--sessions", str(sessions),
                           "--per-session", str(per_session), "--count", str(options.count),
                           "--size", str(options.size), "--first-id", str(first_id)],
                          stdout=subprocess.PIPE, text=True)
    result = json.loads(done.stdout)
    end = time.time() + 120
    while time.time() < end:
        if sum(len(os.listdir(f)) for f in peer.folders() if f.is_dir()) >= options.count:
            break
        time.sleep(0.05)
    time.sleep(2.6)  # a checkpoint of the mailboxes belongs to the work
    ids, last = [], begin
    for folder in peer.folders():
        if not folder.is_dir():
            continue
        for entry in os.scandir(folder):
            last = max(last, entry.stat().st_ctime)
            with open(entry.path, "rb") as f:
                ids.append(int(re.search(rb"X-Bench-Id: (\d+)", f.read(2048)).group(1)))
    result["correct"] = sorted(ids) == list(range(first_id, first_id + options.count))
    result["e2e_rate"] = options.count / max(0.001, last - begin)
    result["cpu_ms"] = 1e3 * (peer.cgroup.cpu_seconds() - cpu) / options.count
    result["flushes"] = (disk_flushes(peer.dir) - flushes) / options.count
    return result


def build():
    LOAD.parent.mkdir(parents=True, exist_ok=True)
    source = ROOT / "bench/load/load.cpp"
    if not LOAD.exists() or LOAD.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["g++", "-O2", "-std=c++20", str(source), "-o", str(LOAD)], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sessions", default="1,20,100,400")
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--peers", default="posthouse,postfix")
    parser.add_argument("--dir", default=str(ROOT / "build/bench"), help="must be on the disk to measure")
    options = parser.parse_args()
    build()
    pathlib.Path(options.dir).mkdir(parents=True, exist_ok=True)
    base = pathlib.Path(tempfile.mkdtemp(dir=options.dir))
    base.chmod(0o755)
    known = {"posthouse": Posthouse, "postfix": Postfix}
    peers = []
    good = True
    try:
        for name in options.peers.split(","):
            peers.append(known[name](base))
            peers[-1].start()
        next_id = 1
        print(f"{'sessions':>8} {'msgs/session':>12} {'peer':>10} {'accepted/s':>10} {'in box/s':>9} "
              f"{'CPU ms':>7} {'p50 ms':>7} {'p99 ms':>8} {'flushes':>7} correct")
        for sessions in [int(s) for s in options.sessions.split(",")]:
            for per_session in (1, 0):
                results = {p.name: [] for p in peers}
                for number in range(options.rounds):
                    turn = number % len(peers)
                    for peer in peers[turn:] + peers[:turn]:
                        results[peer.name].append(
                            one_run(peer, sessions, per_session, options, next_id))
                        next_id += options.count
                middle = {}
                for peer in peers:
                    rows = results[peer.name]
                    m = {k: statistics.median(r[k] for r in rows)
                         for k in ("rate", "e2e_rate", "cpu_ms", "p50_ms", "p99_ms", "flushes")}
                    middle[peer.name] = m
                    correct = sum(r["correct"] for r in rows)
                    good = good and correct == len(rows)
                    print(f"{sessions:8} {per_session or 'all':>12} {peer.name:>10} {m['rate']:10.0f} "
                          f"{m['e2e_rate']:9.0f} {m['cpu_ms']:7.3f} {m['p50_ms']:7.2f} "
                          f"{m['p99_ms']:8.2f} {m['flushes']:7.2f} {correct}/{len(rows)}", flush=True)
                if len(middle) == 2:
                    a, b = middle["posthouse"], middle["postfix"]
                    print(f"{'':32}ratio: {a['e2e_rate'] / b['e2e_rate']:.1f} times the rate, "
                          f"CPU 1/{b['cpu_ms'] / a['cpu_ms']:.1f}", flush=True)
    finally:
        for peer in peers:
            peer.stop()
        shutil.rmtree(base, ignore_errors=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
