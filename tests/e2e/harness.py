"""Starts the real program with a configuration of its own on free loopback ports, and ends it by pid.
Used by every test in this folder; needs the environment variable POSTHOUSE_BIN."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

BIN = os.environ.get("POSTHOUSE_BIN", "posthouse")
ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / "build" / "peers" / "root"
PASSWORD = "correct horse"


def free_ports(count):
    """Distinct free TCP ports on loopback (held together, then let go)."""
    held = []
    for _ in range(count):
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
        held.append(s)
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def peer_command(words):
    """A command line that runs a program of build/peers as if it were installed: in a mount namespace
    of its own, with the unpacked files laid over /usr."""
    script = f"mount -t overlay overlay -o lowerdir={PEERS}/usr:/usr /usr && exec \"$@\""
    own = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    return own + ["sh", "-c", script, "sh", *words]


def make_certificate(folder, name="mail.example.test"):
    """Self-signed certificate and key for `name` and localhost; returns (cert, key)."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                    "-addext", f"subjectAltName=DNS:{name},DNS:localhost,IP:127.0.0.1",
                    "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    key.chmod(0o600)
    return cert, key


class Server:
    """One Posthouse for `domain` with these users, all with the password PASSWORD."""

    def __init__(self, extra="", users=("anna", "bert"), tls=True, domain="example.test"):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="posthouse-e2e-"))
        self.dir.chmod(0o711)
        names = ["smtp", "submission", "submissions", "pop", "pops"]
        self.port = dict(zip(names, free_ports(len(names))))
        self.conf = self.dir / "dmail.conf"
        self.work = self.dir / "spool"
        self.drop = self.work / "drop"
        self.process = None
        self.log = self.dir / "server.log"
        lines = [f"host_name mail.{domain}", f"host_domain {domain}",
                 f"sysadmin {users[0]}@{domain}", f"work_path {self.work}", "listen 127.0.0.1"]
        lines += [f"{n}_port {p}" for n, p in self.port.items()]
        if tls:
            self.cert, self.key = make_certificate(self.dir)
            lines += [f"tls_cert {self.cert}", f"tls_key {self.key}"]
        self.settings = "\n".join(lines) + "\n"
        self.write_conf(extra)
        for user in users:
            self.add_user(f"{user}@{domain}")

    def write_conf(self, extra=""):
        self.conf.write_text(self.settings + extra + "\n")

    def command(self, *words, stdin=None, check=True):
        done = subprocess.run([BIN, *words, "-c", str(self.conf)], input=stdin, text=True,
                              capture_output=True, timeout=60)
        if check and done.returncode != 0:
            raise AssertionError(f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def add_user(self, address, password=PASSWORD):
        self.command("user", "add", address, "--password-stdin", stdin=password + "\n")

    def start(self, wait=True):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([BIN, "serve", "-c", str(self.conf)], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"server ended {self.process.returncode}:\n{self.read_log()}")
            try:
                with socket.create_connection(("127.0.0.1", self.port["smtp"]), 5) as s:
                    s.settimeout(10)
                    if s.recv(200).startswith(b"220"):
                        return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("server is not ready:\n" + self.read_log())

    def read_log(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def stop(self, how=signal.SIGTERM, seconds=40):
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("server did not stop:\n" + self.read_log())
        finally:
            self.process = None
        return code

    def close(self):
        """Ends the server and removes its folder; a sanitizer report in the log is a failure."""
        try:
            if self.process is not None:
                self.stop()
        finally:
            text = self.read_log()
            shutil.rmtree(self.dir, ignore_errors=True)
        for word in ("AddressSanitizer", "runtime error:", "ThreadSanitizer", "LeakSanitizer"):
            if word in text:
                raise AssertionError(text)

    def maildir_files(self, box):
        """Every message file of a Maildir, new and cur."""
        found = []
        for part in ("new", "cur"):
            folder = self.drop / box / part
            if folder.is_dir():
                found += [p for p in folder.iterdir() if p.is_file()]
        return found

    def wait_messages(self, box, count, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            files = self.maildir_files(box)
            if len(files) >= count:
                return files
            time.sleep(0.02)
        raise AssertionError(f"{box}: {len(self.maildir_files(box))} of {count} messages\n"
                             + self.read_log())


class ServerCase(unittest.TestCase):
    """A test class with one server for all its tests."""
    extra = ""
    users = ("anna", "bert")

    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.extra, cls.users)
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()


def main():
    """Runs the module's tests; a run without tests is a failure."""
    program = unittest.main(module="__main__", exit=False, verbosity=2, argv=sys.argv)
    result = program.result
    if result.testsRun == 0:
        print("no test ran")
        sys.exit(1)
    sys.exit(0 if result.wasSuccessful() else 1)
