"""Dovecot's POP3 and its own tools read a Maildir that Posthouse wrote: same messages, same sizes."""
import os
import poplib
import smtplib
import subprocess
import time
import unittest

from harness import PEERS, Server, free_ports, main, peer_command

DOVECOT = PEERS / "usr/sbin/dovecot"


class Dovecot(unittest.TestCase):
    def test_reads_the_maildir(self):
        self.assertTrue(DOVECOT.exists(), f"{DOVECOT} is missing: run ./test, which unpacks it")
        # Dovecot reads no mail as root, so the mailboxes belong to somebody else.
        server = Server("run_user nobody" if os.geteuid() == 0 else "")
        dovecot = None
        try:
            server.start()
            with smtplib.SMTP("127.0.0.1", server.port["smtp"]) as client:
                for number in range(20):
                    client.sendmail("bert@example.test", ["anna@example.test"],
                                    f"Subject: number {number}\r\n\r\n.\r\n"
                                    + "body line\r\n" * number)
            server.wait_messages("anna", 20)
            ours = poplib.POP3("127.0.0.1", server.port["pop"])
            ours.user("anna")
            ours.pass_("correct horse")
            expected = [b"\r\n".join(ours.retr(n)[1]) for n in range(1, 21)]
            sizes = [int(l.split()[1]) for l in ours.list()[1]]
            ours.quit()
            port = free_ports(1)[0]
            dovecot = self.start_dovecot(server, port)
            theirs = self.connect(port, server)
            self.assertEqual(theirs.stat()[0], 20)
            self.assertEqual([int(l.split()[1]) for l in theirs.list()[1]], sizes)
            got = [b"\r\n".join(theirs.retr(n)[1]) for n in range(1, 21)]
            self.assertEqual(sorted(got), sorted(expected))
            theirs.quit()
            # Dovecot has moved the files to cur/ and set flags: our UIDLs and sizes stay.
            again = poplib.POP3("127.0.0.1", server.port["pop"])
            again.user("anna")
            again.pass_("correct horse")
            self.assertEqual([int(l.split()[1]) for l in again.list()[1]], sizes)
            self.assertEqual([b"\r\n".join(again.retr(n)[1]) for n in range(1, 21)], expected)
            again.quit()
        finally:
            if dovecot is not None:
                dovecot.terminate()
                dovecot.wait(20)
            server.close()

    def start_dovecot(self, server, port):
        base = server.dir / "dovecot"
        base.mkdir(mode=0o755)
        owner = server.drop.stat()
        (base / "passwd").write_text(
            f"anna:{{PLAIN}}x:{owner.st_uid}:{owner.st_gid}::{base}::"
            f"userdb_mail=maildir:{server.drop}/anna\n")
        user = subprocess.run(["id", "-un"], capture_output=True, text=True).stdout.strip()
        group = subprocess.run(["id", "-gn"], capture_output=True, text=True).stdout.strip()
        (base / "dovecot.conf").write_text(f"""
base_dir = {base}/run
state_dir = {base}/state
log_path = {base}/log
protocols = pop3
ssl = no
listen = 127.0.0.1
disable_plaintext_auth = no
default_login_user = {"nobody" if os.geteuid() == 0 else user}
default_internal_user = {user}
default_internal_group = {group}
first_valid_uid = 0
first_valid_gid = 0
auth_mechanisms = plain
stats_writer_socket_path =
passdb {{
  driver = passwd-file
  args = {base}/passwd
}}
userdb {{
  driver = passwd-file
  args = {base}/passwd
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
""")
        (base / "run").mkdir()
        self.base = base
        return subprocess.Popen(peer_command(["/usr/sbin/dovecot", "-F", "-c",
                                              str(base / "dovecot.conf")]),
                                stdout=open(base / "out", "wb"), stderr=subprocess.STDOUT)

    def connect(self, port, server):
        end = time.monotonic() + 20
        while True:
            try:
                client = poplib.POP3("127.0.0.1", port)
                client.user("anna")
                client.pass_("x")
                return client
            except (OSError, poplib.error_proto, EOFError) as error:
                if time.monotonic() > end:
                    log = (self.base / "log").read_text() if (self.base / "log").exists() else ""
                    raise AssertionError(f"{error}\n{(self.base / 'out').read_text()}\n{log}")
                time.sleep(0.2)


if __name__ == "__main__":
    main()
