"""Every client that users have sends or fetches through the running server: plain, STARTTLS/STLS and
implicit TLS. Each message is found again by its own token."""
import email
import os
import poplib
import shutil
import smtplib
import ssl
import subprocess
import unittest
import uuid

from harness import PASSWORD, Server, ServerCase, main


def message(token, to="anna@example.test"):
    return (f"From: Bert <bert@example.test>\r\nTo: <{to}>\r\nSubject: {token}\r\n"
            f"Message-ID: <{token}@client.test>\r\n\r\nLine one\r\n.dot line\r\n..two\r\n\r\nEnd\r\n")


class Clients(ServerCase):
    def setUp(self):
        self.token = uuid.uuid4().hex
        self.port = self.server.port
        self.before = {box: len(self.server.maildir_files(box)) for box in ("anna", "bert")}

    def run_client(self, *words, stdin=None, env=None):
        done = subprocess.run(words, input=stdin, text=True, capture_output=True, timeout=60, env=env)
        self.assertEqual(done.returncode, 0, f"{words}\n{done.stdout}\n{done.stderr}\n"
                         + self.server.read_log()[-3000:])
        return done.stdout

    def arrived(self, box="anna"):
        """The file that holds this test's token."""
        files = self.server.wait_messages(box, self.before[box] + 1)
        found = [f for f in files if self.token in f.read_text(errors="replace")]
        self.assertEqual(len(found), 1)
        text = found[0].read_bytes()
        self.assertNotIn(b"\r", text, "mailbox files have LF line ends")
        self.assertTrue(text.startswith(b"Return-Path: <bert@example.test>\n"), text[:200])
        self.assertEqual(text.count(b"\nDelivered-To: "), 1)
        self.assertIn(b"\nReceived: from ", text)
        return text

    # --- sending -------------------------------------------------------------------------------

    def test_curl_plain(self):
        path = self.server.dir / "m.eml"
        path.write_text(message(self.token), newline="")
        self.run_client("curl", "-sS", f"smtp://127.0.0.1:{self.port['smtp']}", "--mail-from",
                        "bert@example.test", "--mail-rcpt", "anna@example.test", "-T", str(path))
        self.assertIn(b"\n.dot line\n..two\n", self.arrived())

    def test_curl_starttls_with_password(self):
        path = self.server.dir / "m.eml"
        path.write_text(message(self.token), newline="")
        self.run_client("curl", "-sS", "--ssl-reqd", "--cacert", str(self.server.cert),
                        f"smtp://localhost:{self.port['submission']}", "-u",
                        f"bert@example.test:{PASSWORD}", "--mail-from", "bert@example.test",
                        "--mail-rcpt", "anna@example.test", "-T", str(path))
        self.assertIn(b"ESMTPSA", self.arrived())

    def test_curl_implicit_tls(self):
        path = self.server.dir / "m.eml"
        path.write_text(message(self.token), newline="")
        self.run_client("curl", "-sS", "--cacert", str(self.server.cert),
                        f"smtps://localhost:{self.port['submissions']}", "-u",
                        f"bert@example.test:{PASSWORD}", "--mail-from", "bert@example.test",
                        "--mail-rcpt", "anna@example.test", "-T", str(path))
        self.assertIn(b"ESMTPSA", self.arrived())

    def test_swaks(self):
        common = ["--from", "bert@example.test", "--to", "anna@example.test", "--data", "-",
                  "--server", "127.0.0.1"]
        self.run_client("swaks", *common, "--port", str(self.port["smtp"]), stdin=message(self.token))
        self.arrived()
        self.before["anna"] += 1
        for how in (["--tls", "--port", str(self.port["submission"])],
                    ["--tls-on-connect", "--port", str(self.port["submissions"])]):
            for mechanism in ("PLAIN", "LOGIN"):
                self.token = uuid.uuid4().hex
                self.run_client("swaks", *common, *how, "--auth", mechanism, "--auth-user",
                                "bert@example.test", "--auth-password", PASSWORD,
                                stdin=message(self.token))
                self.arrived()
                self.before["anna"] += 1

    def test_msmtp(self):
        for name, port, lines in (
                ("plain", "smtp", ["auth off", "tls off"]),
                ("starttls", "submission", ["auth on", "tls on", "tls_starttls on"]),
                ("tls", "submissions", ["auth on", "tls on", "tls_starttls off"])):
            with self.subTest(name):
                self.token = uuid.uuid4().hex
                rc = self.server.dir / f"msmtprc-{name}"
                rc.write_text("\n".join(
                    ["account default", "host localhost", f"port {self.port[port]}",
                     "from bert@example.test", "user bert@example.test", f"password {PASSWORD}",
                     f"tls_trust_file {self.server.cert}"] + lines) + "\n")
                rc.chmod(0o600)
                self.run_client("msmtp", "-C", str(rc), "anna@example.test",
                                stdin=message(self.token).replace("\r\n", "\n"))
                self.arrived()
                self.before["anna"] += 1

    def test_smtplib(self):
        context = ssl.create_default_context(cafile=str(self.server.cert))
        with smtplib.SMTP("127.0.0.1", self.port["smtp"]) as client:
            client.sendmail("bert@example.test", ["anna@example.test", "bert@example.test"],
                            message(self.token))
        self.arrived()
        self.server.wait_messages("bert", self.before["bert"] + 1)
        self.before["anna"] += 1
        self.token = uuid.uuid4().hex
        with smtplib.SMTP("localhost", self.port["submission"]) as client:
            client.starttls(context=context)
            client.login("bert@example.test", PASSWORD)
            client.sendmail("bert@example.test", ["anna@example.test"], message(self.token))
        self.arrived()
        self.before["anna"] += 1
        self.token = uuid.uuid4().hex
        with smtplib.SMTP_SSL("localhost", self.port["submissions"], context=context) as client:
            client.login("bert@example.test", PASSWORD)
            client.sendmail("bert@example.test", ["anna@example.test"], message(self.token))
        self.arrived()

    def test_smtplib_refusals(self):
        with smtplib.SMTP("127.0.0.1", self.port["smtp"]) as client:
            client.ehlo()
            client.mail("bert@example.test")
            self.assertEqual(client.rcpt("nobody@example.test")[0], 550)
            self.assertEqual(client.rcpt("x@elsewhere.test")[0], 550)
            self.assertEqual(client.rcpt("postmaster")[0], 250)
        with smtplib.SMTP("127.0.0.1", self.port["submission"]) as client:
            with self.assertRaises(smtplib.SMTPAuthenticationError) as caught:
                client.login("bert@example.test", "wrong")
            self.assertEqual(caught.exception.smtp_code, 535)

    # --- fetching ------------------------------------------------------------------------------

    def give(self, count=1):
        with smtplib.SMTP("127.0.0.1", self.port["smtp"]) as client:
            for _ in range(count):
                client.sendmail("bert@example.test", ["anna@example.test"], message(self.token))
        self.server.wait_messages("anna", self.before["anna"] + count)

    def test_poplib(self):
        self.give()
        context = ssl.create_default_context(cafile=str(self.server.cert))

        def plain():
            return poplib.POP3("127.0.0.1", self.port["pop"])

        def stls():
            client = poplib.POP3("localhost", self.port["pop"])
            client.stls(context)
            return client

        def implicit():
            return poplib.POP3_SSL("localhost", self.port["pops"], context=context)

        for connect in (plain, stls, implicit):
            with self.subTest(connect.__name__):
                client = connect()
                client.user("anna")
                client.pass_(PASSWORD)
                count, octets = client.stat()
                self.assertEqual(sum(int(l.split()[1]) for l in client.list()[1]), octets)
                found = 0
                for number in range(1, count + 1):
                    lines = client.retr(number)[1]
                    size = sum(len(l) + 2 for l in lines)
                    self.assertEqual(size, int(client.list(number).split()[2]))
                    text = b"\r\n".join(lines).decode()
                    if self.token in text:
                        found += 1
                        self.assertIn("\r\n.dot line\r\n..two\r\n", text)
                        self.assertEqual(email.message_from_string(text)["Subject"], self.token)
                self.assertEqual(found, 1)
                self.assertEqual(len({l.split()[1] for l in client.uidl()[1]}), count)
                client.quit()

    def test_poplib_delete(self):
        self.give(3)
        client = poplib.POP3("127.0.0.1", self.port["pop"])
        client.user("anna@example.test")
        client.pass_(PASSWORD)
        count = client.stat()[0]
        uids = {int(l.split()[0]): l.split()[1] for l in client.uidl()[1]}
        client.dele(1)
        client.quit()
        client = poplib.POP3("127.0.0.1", self.port["pop"])
        client.user("anna@example.test")
        client.pass_(PASSWORD)
        self.assertEqual(client.stat()[0], count - 1)
        self.assertEqual([l.split()[1] for l in client.uidl()[1]],
                         [uids[n] for n in range(2, count + 1)])
        second = poplib.POP3("127.0.0.1", self.port["pop"])
        second.user("anna@example.test")
        with self.assertRaises(poplib.error_proto) as caught:
            second.pass_(PASSWORD)
        self.assertIn(b"[IN-USE]", caught.exception.args[0])
        second.close()
        client.quit()

    def test_curl_pop3(self):
        self.give()
        for url, extra in ((f"pop3://127.0.0.1:{self.port['pop']}/", []),
                           (f"pop3://localhost:{self.port['pop']}/", ["--ssl-reqd"]),
                           (f"pop3s://localhost:{self.port['pops']}/", [])):
            listing = self.run_client("curl", "-sS", "--cacert", str(self.server.cert), *extra, url,
                                      "-u", f"anna@example.test:{PASSWORD}")
            numbers = [line.split()[0] for line in listing.split("\n") if line.strip()]
            texts = [self.run_client("curl", "-sS", "--cacert", str(self.server.cert), *extra,
                                     url + n, "-u", f"anna@example.test:{PASSWORD}") for n in numbers]
            self.assertEqual(sum(self.token in t for t in texts), 1)

    def test_fetchmail(self):
        for name, port, ssl_words in (("plain", "pop", "sslproto ''"),
                                      ("stls", "pop", "sslproto 'TLS1.2+' sslcertck"),
                                      ("pops", "pops", "ssl sslcertck")):
            with self.subTest(name):
                self.give()
                rc = self.server.dir / f"fetchmailrc-{name}"
                out = self.server.dir / f"fetched-{name}"
                host = "127.0.0.1" if name == "plain" else "localhost"
                rc.write_text(f"poll {host} service {self.port[port]} protocol pop3 "
                              f"user 'anna@example.test' password '{PASSWORD}' keep fetchall "
                              f"{ssl_words} sslcertfile '{self.server.cert}' "
                              f"mda 'cat >>{out}'\n")
                rc.chmod(0o600)
                env = dict(os.environ, FETCHMAILHOME=str(self.server.dir),
                           HOME=str(self.server.dir))
                self.run_client("fetchmail", "-f", str(rc), "--nosyslog", "--pidfile",
                                str(self.server.dir / f"pid-{name}"), env=env)
                self.assertIn(self.token, out.read_text(errors="replace"))
                self.before["anna"] += 1
                self.token = uuid.uuid4().hex

    def test_getmail(self):
        for name, retriever, port in (("plain", "SimplePOP3Retriever", "pop"),
                                      ("pops", "SimplePOP3SSLRetriever", "pops")):
            with self.subTest(name):
                self.give()
                home = self.server.dir / f"getmail-{name}"
                for part in ("", "box", "box/new", "box/cur", "box/tmp"):
                    (home / part).mkdir(mode=0o700)
                (home / "getmailrc").write_text(
                    f"[retriever]\ntype = {retriever}\nserver = 127.0.0.1\n"
                    f"port = {self.port[port]}\nusername = anna@example.test\n"
                    f"password = {PASSWORD}\n[destination]\ntype = Maildir\npath = {home}/box/\n"
                    "[options]\nread_all = true\ndelete = false\n")
                words = ["getmail", "--getmaildir", str(home)]
                if os.geteuid() == 0:  # getmail refuses to deliver as root
                    text = (home / "getmailrc").read_text()
                    (home / "getmailrc").write_text(
                        text.replace("/box/\n", "/box/\nuser = nobody\n"))
                    home.chmod(0o711)
                    for part in ("box", "box/new", "box/cur", "box/tmp"):
                        shutil.chown(home / part, "nobody")
                self.run_client(*words)
                texts = [p.read_text(errors="replace") for p in (home / "box/new").iterdir()]
                self.assertEqual(sum(self.token in t for t in texts), 1)
                self.before["anna"] += 1
                self.token = uuid.uuid4().hex


class NoTls(unittest.TestCase):
    """Without a certificate STARTTLS and STLS are not offered and the TLS ports stay closed."""

    def test_closed(self):
        server = Server(tls=False)
        try:
            server.start()
            with smtplib.SMTP("127.0.0.1", server.port["submission"]) as client:
                client.ehlo()
                self.assertFalse(client.has_extn("starttls"))
            client = poplib.POP3("127.0.0.1", server.port["pop"])
            self.assertNotIn("STLS", client.capa())
            client.quit()
            with self.assertRaises(ConnectionRefusedError):
                poplib.POP3_SSL("127.0.0.1", server.port["pops"])
        finally:
            server.close()


if __name__ == "__main__":
    main()
