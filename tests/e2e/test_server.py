"""Start, reload, stop, and what the administrator is told when something is wrong."""
import os
import poplib
import re
import signal
import smtplib
import socket
import subprocess
import time
import unittest

from harness import BIN, PASSWORD, Server, make_certificate, main


class Life(unittest.TestCase):
    def setUp(self):
        self.server = Server()

    def tearDown(self):
        self.server.close()

    def refused(self, pattern, code):
        """`serve` must end by itself with `code` and one sentence that matches `pattern`."""
        done = subprocess.run([BIN, "serve", "-c", str(self.server.conf)], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertRegex(done.stderr, pattern)

    def test_bad_configuration(self):
        number = len(self.server.settings.splitlines()) + 1
        self.server.write_conf("smtp_port ninety")
        self.refused(rf"dmail\.conf:{number}: error: .*smtp_port", 78)
        done = self.server.command("check", check=False)
        self.assertEqual(done.returncode, 78)
        self.assertRegex(done.stdout + done.stderr, rf"dmail\.conf:{number}: error: ")
        self.server.write_conf("smtp_prot 25")
        done = self.server.command("check", check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout + done.stderr, rf":{number}: warning: .*smtp_port")

    def test_port_in_use(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", self.server.port["pop"]))
            other.listen()
            self.refused(rf"127\.0\.0\.1:{self.server.port['pop']}.*in use", 1)

    def test_unreadable_certificate(self):
        self.server.cert.write_text("no certificate\n")
        self.refused(r"mail\.example\.test\.pem", 78)

    def test_key_readable_by_others(self):
        self.server.key.chmod(0o644)
        self.refused(r"mail\.example\.test\.key.*(others|600)", 78)

    def test_spool_owned_by_another_process(self):
        self.server.start()
        other = Server()
        try:
            other.settings = re.sub(r"work_path .*", f"work_path {self.server.work}", other.settings)
            other.write_conf()
            done = subprocess.run([BIN, "serve", "-c", str(other.conf)], capture_output=True,
                                  text=True, timeout=60)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertRegex(done.stderr, r"spool|queue.*(another|lock|process)")
        finally:
            other.close()

    def test_terminate_lets_a_transaction_finish(self):
        self.server.start()
        client = smtplib.SMTP("127.0.0.1", self.server.port["smtp"])
        client.ehlo()
        client.mail("bert@example.test")
        client.rcpt("anna@example.test")
        client.putcmd("DATA")
        self.assertEqual(client.getreply()[0], 354)
        self.server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        client.send(b"Subject: late\r\n\r\nstill accepted\r\n.\r\n")
        self.assertEqual(client.getreply()[0], 250)
        client.close()
        self.assertEqual(self.server.process.wait(40), 0)
        self.server.process = None
        self.server.start()
        self.server.wait_messages("anna", 1)

    def test_reload(self):
        self.server.start()
        old = smtplib.SMTP("127.0.0.1", self.server.port["smtp"])
        old.ehlo()
        self.server.write_conf("msg_max_size 5000")
        self.server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with smtplib.SMTP("127.0.0.1", self.server.port["smtp"]) as fresh:
                fresh.ehlo()
                if fresh.esmtp_features["size"] == "5000":
                    break
            time.sleep(0.1)
        else:
            self.fail("the new size is not offered\n" + self.server.read_log())
        # The session that began before keeps its settings.
        old.sendmail("bert@example.test", ["anna@example.test"], "Subject: x\r\n\r\n" + "y" * 6000)
        old.quit()
        # A bad configuration changes nothing and says so.
        self.server.write_conf("msg_max_size lots")
        self.server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 20
        while "reload refused" not in self.server.read_log() and time.monotonic() < end:
            time.sleep(0.1)
        self.assertRegex(self.server.read_log(), r"error: .*msg_max_size")
        with smtplib.SMTP("127.0.0.1", self.server.port["smtp"]) as fresh:
            fresh.ehlo()
            self.assertEqual(fresh.esmtp_features["size"], "5000")

    def test_user_added_while_running(self):
        self.server.start()
        self.server.add_user("carl@example.test", "another one")
        end = time.monotonic() + 20
        code = 0
        while code != 250 and time.monotonic() < end:
            with smtplib.SMTP("127.0.0.1", self.server.port["smtp"]) as client:
                client.ehlo()
                client.mail("bert@example.test")
                code = client.rcpt("carl@example.test")[0]
            time.sleep(0.1)
        self.assertEqual(code, 250)

    def test_certificate_reloaded_when_the_file_changes(self):
        self.server.start()

        def fingerprint():
            done = subprocess.run(["openssl", "s_client", "-connect",
                                   f"127.0.0.1:{self.server.port['submissions']}", "-quiet",
                                   "-showcerts"], input="QUIT\r\n", capture_output=True, text=True,
                                  timeout=30)
            done = subprocess.run(["openssl", "s_client", "-connect",
                                   f"127.0.0.1:{self.server.port['submissions']}"],
                                  input="QUIT\r\n", capture_output=True, text=True, timeout=30)
            match = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END", done.stdout, re.S)
            return match.group(0) if match else ""

        before = fingerprint()
        self.assertTrue(before)
        time.sleep(1.1)
        make_certificate(self.server.dir)
        end = time.monotonic() + 20
        while fingerprint() == before and time.monotonic() < end:
            time.sleep(0.3)
        self.assertNotEqual(fingerprint(), before)

    def test_mail_waits_over_a_restart_and_users_keep_it(self):
        self.server.start()
        with smtplib.SMTP("127.0.0.1", self.server.port["smtp"]) as client:
            client.sendmail("bert@example.test", ["anna@example.test"], "Subject: a\r\n\r\nb\r\n")
        self.server.stop(signal.SIGKILL)
        self.server.start()
        self.server.wait_messages("anna", 1)
        client = poplib.POP3("127.0.0.1", self.server.port["pop"])
        client.user("anna")
        client.pass_(PASSWORD)
        self.assertEqual(client.stat()[0], 1)
        client.quit()

    def test_file_modes(self):
        self.server.start()
        self.assertEqual(self.server.work.stat().st_mode & 0o777, 0o711)
        for name in ("queue", "drop"):
            self.assertEqual((self.server.work / name).stat().st_mode & 0o777, 0o700, name)
        self.assertEqual((self.server.work / "users").stat().st_mode & 0o777, 0o600)
        self.assertEqual(int((self.server.work / "run/posthouse.pid").read_text()),
                         self.server.process.pid)

    def test_config_round_trip_and_docs(self):
        text = self.server.command("config", "--format", "yaml").stdout
        path = self.server.dir / "dmail.yaml"
        path.write_text(text)
        done = subprocess.run([BIN, "config", "--format", "dmail", "-c", str(path)],
                              capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        again = self.server.dir / "again.conf"
        again.write_text(done.stdout)
        once = subprocess.run([BIN, "config", "--format", "yaml", "-c", str(again)],
                              capture_output=True, text=True, timeout=30).stdout
        self.assertEqual(once, text)
        self.assertIn("smtp_port", self.server.command("config", "--docs").stdout)
        self.assertRegex(self.server.command("config", "smtp_port").stdout,
                         rf"{self.server.port['smtp']}.*dmail\.conf:\d+")

    def test_usage_errors(self):
        for words in (["frobnicate"], ["user"], ["user", "add"], []):
            done = subprocess.run([BIN, *words], capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 64, words)
        self.assertEqual(subprocess.run([BIN, "--help"], capture_output=True).returncode, 0)

    def test_user_commands(self):
        add = self.server.command("user", "add", "anna@example.test", "--password-stdin",
                                  stdin="x\n", check=False)
        self.assertEqual(add.returncode, 1)
        self.assertIn("anna@example.test", self.server.command("user", "list").stdout)
        verify = ["user", "verify", "anna@example.test", "--password-stdin"]
        self.assertEqual(self.server.command(*verify, stdin=PASSWORD + "\n").returncode, 0)
        self.assertEqual(self.server.command(*verify, stdin="no\n", check=False).returncode, 1)
        self.server.command("user", "passwd", "anna@example.test", "--password-stdin", stdin="new\n")
        self.assertEqual(self.server.command(*verify, stdin="new\n").returncode, 0)
        self.server.command("user", "remove", "anna@example.test")
        self.assertNotIn("anna@example.test", self.server.command("user", "list").stdout)
        self.assertEqual(self.server.command("user", "remove", "anna@example.test",
                                             check=False).returncode, 1)
        self.assertNotIn("new", (self.server.work / "users").read_text())


@unittest.skipUnless(os.geteuid() == 0, "becoming run_user needs root")
class RunUser(unittest.TestCase):
    def test_becomes_run_user(self):
        server = Server("run_user nobody")
        try:
            server.start()
            with open(f"/proc/{server.process.pid}/status") as file:
                status = file.read()
            uid = re.search(r"Uid:\t(\d+)\t(\d+)\t(\d+)", status).groups()
            self.assertNotIn("0", uid)
            with smtplib.SMTP("127.0.0.1", server.port["smtp"]) as client:
                client.sendmail("bert@example.test", ["anna@example.test"], "Subject: a\r\n\r\nb")
            file = server.wait_messages("anna", 1)[0]
            self.assertEqual(str(file.stat().st_uid), uid[0])
            self.assertEqual(str((server.work / "users").stat().st_uid), uid[0])
        finally:
            server.close()


if __name__ == "__main__":
    main()
