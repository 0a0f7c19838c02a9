"""The dialogues of tests/dialogs, played to the running program over sockets."""
import re
import subprocess
import sys
import unittest

from harness import ROOT, Server, main

DIALOGS = ROOT / "tests/dialogs"


def option(path, name, default=""):
    match = re.search(rf"^{name}: (.*)$", path.read_text(), re.M)
    return match.group(1) if match else default


class Dialogs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("max_connections_per_ip 1000", users=("alice", "bob"),
                            domain="example.com")
        for user in ("alice", "bob"):
            cls.server.command("user", "passwd", f"{user}@example.com", "--password-stdin",
                               stdin="open sesame\n")
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def play(self, folder, port_of, at_least):
        played = {}
        for path in sorted((DIALOGS / folder).glob("*.dlg")):
            if option(path, "real") == "yes":
                played.setdefault(port_of(path), []).append(str(path))
        self.assertGreater(sum(len(files) for files in played.values()), at_least)
        for (port, extra), files in played.items():
            words = [sys.executable, str(DIALOGS / "run_dialogs.py"), "127.0.0.1", str(port), *extra]
            words += ["--set", "host=mail.example.com"]
            done = subprocess.run(words + files, capture_output=True, text=True, timeout=250)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_smtp(self):
        def port_of(path):
            if option(path, "tls") == "on":
                return self.server.port["submissions"], ("--implicit-tls",)
            kind = "submission" if option(path, "kind") == "submission" else "smtp"
            return self.server.port[kind], ()

        self.play("smtp", port_of, 20)

    def test_pop3(self):
        def port_of(path):
            if option(path, "tls") == "on":
                return self.server.port["pops"], ("--implicit-tls",)
            return self.server.port["pop"], ()

        self.play("pop3", port_of, 0)


if __name__ == "__main__":
    main()
