#!/usr/bin/env python3
"""POP3 on a large Maildir that Posthouse wrote, and the visit that finds nothing new.

  bench/pop.py [--messages 100000] [--size 4096] [--visits 200]

Fills one mailbox through SMTP, then prints: time of the first STAT after login, of LIST and UIDL;
processor microseconds per message for RETR of all (one at a time, and 16 at a time); processor
milliseconds per "nothing new" visit (login, STAT, LIST, UIDL, QUIT) to a mailbox of 100 messages.
Runs as root (processor time comes from a cgroup)."""
import argparse
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

from compare import LOAD, ROOT, Posthouse, build, free_port


class Mailbox(Posthouse):
    """The server of compare.py with its POP3 port open."""

    def __init__(self, base):
        super().__init__(base)
        self.pop_port = free_port()
        self.settings = f"pop_port {self.pop_port}\npop_cleartext true\n"


class Client:
    def __init__(self, port, user):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb", 1 << 20)
        self.line()
        self.ask(f"USER {user}")
        self.ask("PASS x")

    def line(self):
        line = self.file.readline()
        if not line.startswith(b"+OK"):
            raise SystemExit(f"POP3: {line!r}")
        return line

    def ask(self, command):
        self.socket.sendall(command.encode() + b"\r\n")
        return self.line()

    def body(self):
        lines = octets = 0
        for line in self.file:
            if line == b".\r\n":
                return lines, octets
            lines += 1
            octets += len(line)

    def timed(self, command, multiline):
        begin = time.perf_counter()
        first = self.ask(command)
        lines = self.body()[0] if multiline else 0
        return time.perf_counter() - begin, first, lines

    def quit(self):
        self.ask("QUIT")
        self.socket.close()


def fill(server, count, size):
    """`count` more messages for the only user."""
    done = subprocess.run([str(LOAD), "--port", str(server.port), "--sessions", "50", "--count",
                           str(count), "--size", str(size), "--users", "1"],
                          stdout=subprocess.PIPE)
    if done.returncode != 0:
        raise SystemExit("the mailbox could not be filled")


def retrieve(client, count, window):
    asked = got = 0
    octets = 0
    while got < count:
        batch = min(window - (asked - got), count - asked)
        if batch > 0:
            client.socket.sendall(b"".join(b"RETR %d\r\n" % (asked + i + 1) for i in range(batch)))
            asked += batch
        client.line()
        octets += client.body()[1]
        got += 1
    return octets


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100000)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--visits", type=int, default=200)
    parser.add_argument("--dir", default=str(ROOT / "build/bench"))
    options = parser.parse_args()
    build()
    pathlib.Path(options.dir).mkdir(parents=True, exist_ok=True)
    base = pathlib.Path(tempfile.mkdtemp(dir=options.dir))
    server = Mailbox(base)
    try:
        server.start()
        box = server.mail / "u0" / "new"

        def fill_to(count):
            have = len(list(box.iterdir())) if box.is_dir() else 0
            fill(server, count - have, options.size)
            while len(list(box.iterdir())) < count:
                time.sleep(0.2)
            time.sleep(3)

        fill_to(100)
        client = Client(server.pop_port, "u0")
        client.quit()
        before = server.cgroup.cpu_seconds()
        for _ in range(options.visits):
            client = Client(server.pop_port, "u0")
            for command, multi in (("STAT", False), ("LIST", True), ("UIDL", True)):
                client.timed(command, multi)
            client.quit()
        cpu = server.cgroup.cpu_seconds() - before
        print(f"visit, nothing new, 100 messages: {1e3 * cpu / options.visits:.3f} ms CPU")

        fill_to(options.messages)
        begin = time.perf_counter()
        client = Client(server.pop_port, "u0")
        login = time.perf_counter() - begin
        stat, first, _ = client.timed("STAT", False)
        count = int(first.split()[1])
        listing, _, listed = client.timed("LIST", True)
        uidl, _, uids = client.timed("UIDL", True)
        print(f"{count} messages: login to STAT {login + stat:.3f} s, LIST {listing:.3f} s, "
              f"UIDL {uidl:.3f} s")
        if not count == listed == uids == options.messages:
            raise SystemExit(f"counts differ: {count} {listed} {uids}")
        total = int(first.split()[2])
        for window in (1, 16):
            before = server.cgroup.cpu_seconds()
            begin = time.perf_counter()
            octets = retrieve(client, count, window)
            wall = time.perf_counter() - begin
            cpu = server.cgroup.cpu_seconds() - before
            print(f"RETR all, {window} at a time: {1e6 * cpu / count:.1f} us CPU each, "
                  f"{count / wall:.0f}/s, octets {'as STAT said' if octets >= total else 'WRONG'}")
        client.quit()
    finally:
        server.stop()
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
