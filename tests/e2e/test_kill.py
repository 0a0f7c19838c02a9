"""kill -9 in a loop under load from 50 connections: every message answered 250 is in its mailbox
afterwards, none twice; a POP3 reader deletes meanwhile, and what was deleted never comes back.
POSTHOUSE_KILL_ROUNDS sets the number of rounds (default 50)."""
import os
import poplib
import random
import signal
import socket
import threading
import time
import unittest

from harness import PASSWORD, Server, main

ROUNDS = int(os.environ.get("POSTHOUSE_KILL_ROUNDS", "50"))
CONNECTIONS = 50


class Ledger:
    """What the clients were promised. Tokens are unique; all methods are thread-safe."""

    def __init__(self):
        self.lock = threading.Lock()
        self.acknowledged, self.deleted, self.sent = set(), set(), 0

    def next(self):
        with self.lock:
            self.sent += 1
            return f"token-{self.sent:08d}"


def send_until_cut(port, ledger, stop):
    """One connection: messages one after another until the server dies or `stop` is set."""
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as s:
            s.settimeout(20)
            f = s.makefile("rwb")

            def ask(line, code):
                if line:
                    f.write(line + b"\r\n")
                    f.flush()
                while True:
                    answer = f.readline()
                    if not answer.endswith(b"\r\n"):
                        raise OSError("cut")
                    if answer[3:4] == b" ":
                        break
                if answer[:3] != code:
                    raise OSError(answer)

            ask(b"", b"220")
            ask(b"EHLO load.test", b"250")
            while not stop.is_set():
                token = ledger.next()
                ask(b"MAIL FROM:<bert@example.test>", b"250")
                ask(b"RCPT TO:<anna@example.test>", b"250")
                ask(b"DATA", b"354")
                body = b"X-Token: " + token.encode() + b"\r\n" + b"\r\nline of mail" * random.choice((1, 250))
                ask(body + b"\r\n.", b"250")
                with ledger.lock:
                    ledger.acknowledged.add(token)
    except OSError:
        pass


def read_and_delete(port, ledger, limit=40):
    """One POP3 visit that deletes up to `limit` messages; counts only what QUIT confirmed."""
    try:
        client = poplib.POP3("127.0.0.1", port, timeout=20)
        client.user("anna")
        client.pass_(PASSWORD)
        tokens = set()
        for number in range(1, min(client.stat()[0], limit) + 1):
            lines = client.retr(number)[1]
            tokens |= {l[9:].decode() for l in lines if l.startswith(b"X-Token: ")}
            client.dele(number)
        client.quit()
        with ledger.lock:
            again = tokens & ledger.deleted
            ledger.deleted |= tokens
        return again
    except (OSError, poplib.error_proto, EOFError):
        return set()


class Kill(unittest.TestCase):
    def test_no_acknowledged_message_is_lost_or_doubled(self):
        server = Server("max_connections_per_ip 1000\nlog_level error")
        ledger = Ledger()
        rng = random.Random(20261122)
        try:
            for _ in range(ROUNDS):
                server.start()
                stop = threading.Event()
                threads = [threading.Thread(target=send_until_cut,
                                            args=(server.port["smtp"], ledger, stop))
                           for _ in range(CONNECTIONS)]
                for t in threads:
                    t.start()
                again = read_and_delete(server.port["pop"], ledger)
                self.assertFalse(again, "deleted messages came back")
                time.sleep(rng.uniform(0.05, 0.6))
                server.stop(signal.SIGKILL)
                stop.set()
                for t in threads:
                    t.join(30)
            server.start()
            self.check(server, ledger)
        finally:
            server.close()

    def check(self, server, ledger):
        self.assertGreater(len(ledger.acknowledged), ROUNDS * 10)
        self.assertGreater(len(ledger.deleted), 0)
        end = time.monotonic() + 60
        while True:
            seen = []
            for path in server.maildir_files("anna"):
                with open(path, "rb") as file:
                    for line in file:
                        if line.startswith(b"X-Token: "):
                            seen.append(line[9:].strip().decode())
                            break
            missing = ledger.acknowledged - set(seen) - ledger.deleted
            if not missing or time.monotonic() > end:
                break
            time.sleep(0.2)
        print(f"{ledger.sent} sent, {len(ledger.acknowledged)} acknowledged, "
              f"{len(ledger.deleted)} deleted, {len(seen)} in the mailbox")
        self.assertFalse(missing, f"{len(missing)} acknowledged messages are missing")
        self.assertEqual(len(seen), len(set(seen)), "a message is there twice")
        self.assertFalse(set(seen) & ledger.deleted, "a deleted message is there again")


if __name__ == "__main__":
    main()
