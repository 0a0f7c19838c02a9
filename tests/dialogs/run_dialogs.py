#!/usr/bin/env python3
"""Plays dialogue files to a real server over sockets.

    run_dialogs.py HOST PORT [--set NAME=VALUE]... [--implicit-tls] [--all] [--timeout S] FILE...

Only files with the option `real: yes` are played (--all: the others too, where they need nothing
that a real server cannot be told). `--set` gives values to {NAME} in the files. Prints one line a
file; exit status 0 when all that were played went as the file says, 1 otherwise.
The format is described in README.md; dialog.cpp is the other reader of it.
"""
import argparse
import base64
import re
import socket
import ssl
import sys

DIRECTIVE = re.compile(r"(C|C64|raw|S|E|T)(?:\*(\d+))?:(?: (.*))?$", re.S)
ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
DEFAULTS = {"host": "mx.example.com", "domain": "example.com", "alice": "alice@example.com",
            "bob": "bob@example.com", "password": "open sesame"}


class Difference(Exception):
    pass


def unescape(text):
    out = b""
    i = 0
    while i < len(text):
        if text[i] == "\\" and i + 1 < len(text):
            following = text[i + 1]
            digits = text[i + 2:i + 4]
            if following in ESCAPES:
                out += ESCAPES[following]
                i += 2
                continue
            if following == "x" and re.fullmatch("[0-9A-Fa-f]{2}", digits):
                out += bytes([int(digits, 16)])
                i += 4
                continue
        out += text[i].encode("utf-8")
        i += 1
    return out


def substitute(text, variables):
    return re.sub(r"\{([^{}]*)\}", lambda m: variables.get(m.group(1), m.group(0)), text)


def matches(pattern, line):
    parts = re.split(r"(\\\*|\*)", pattern)
    regex = "".join({"*": ".*", "\\*": r"\*"}.get(part, re.escape(part)) for part in parts)
    return re.fullmatch(regex, line, re.S) is not None


class Dialog:
    def __init__(self, path, variables):
        self.path = path
        self.options = {}
        self.lines = []  # (kind, text or octets, line number)
        with open(path, encoding="utf-8", newline="\n") as file:
            for number, raw in enumerate(file.read().split("\n"), 1):
                self.read_line(raw.rstrip("\r"), number, variables)

    def read_line(self, raw, number, variables):
        if not raw.strip() or raw.startswith("#"):
            return
        if raw.strip() in ("TLS", "CLOSE"):
            self.lines.append((raw.strip(), b"", number))
            return
        found = DIRECTIVE.match(raw)
        if not found:
            key, colon, value = raw.partition(":")
            if not colon or self.lines:
                sys.exit(f"{self.path}:{number}: neither a directive nor an option")
            self.options[key] = value.strip()
            return
        kind, times, text = found.group(1), int(found.group(2) or 1), found.group(3) or ""
        if kind == "C":
            octets = substitute(text, variables).encode("utf-8") + b"\r\n"
            self.lines.append(("send", octets * times, number))
        elif kind == "raw":
            self.lines.append(("send", unescape(substitute(text, variables)) * times, number))
        elif kind == "C64":
            octets = base64.b64encode(unescape(text)) + b"\r\n"
            self.lines.append(("send", octets * times, number))
        else:
            self.lines += [(kind, substitute(text, variables), number)] * times


class Client:
    def __init__(self, host, port, implicit_tls, timeout):
        self.socket = socket.create_connection((host, port), timeout)
        self.buffer = b""
        if implicit_tls:
            self.start_tls()

    def start_tls(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)

    def receive(self):
        """More octets; False at the end of the connection."""
        try:
            more = self.socket.recv(65536)
        except socket.timeout:
            raise Difference("the server says nothing") from None
        except OSError:
            more = b""
        self.buffer += more
        return bool(more)

    def line(self):
        while b"\r\n" not in self.buffer:
            if not self.receive():
                raise Difference(f"the server closed; before that: {self.buffer!r}")
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("latin-1")

    def send(self, octets):
        try:
            self.socket.sendall(octets)
        except OSError:
            pass  # the server has closed early; what it said before is still compared

    def expect_end(self):
        while self.receive():
            pass
        if self.buffer:
            raise Difference(f"unexpected before the end: {self.buffer!r}")

    def expect_silence(self):
        """Nothing more may come in answer; a short wait only, for most files end with a close."""
        self.socket.settimeout(0.05)
        try:
            self.receive()
        except Difference:
            pass
        if self.buffer:
            raise Difference(f"unexpected at the end: {self.buffer!r}")


def play(dialog, client):
    closed = False
    for kind, text, number in dialog.lines:
        try:
            if kind == "send":
                client.send(text)
            elif kind == "S":
                line = client.line()
                if not matches(text, line):
                    raise Difference(f"expected: {text}\n       got: {line}")
            elif kind == "TLS":
                if client.buffer:
                    raise Difference(f"unexpected before TLS: {client.buffer!r}")
                client.start_tls()
            elif kind == "CLOSE":
                client.expect_end()
                closed = True
        except Difference as difference:
            raise Difference(f"{dialog.path}:{number}: {difference}") from None
    if not closed:
        client.expect_silence()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--implicit-tls", action="store_true")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--timeout", type=float, default=20)
    args = parser.parse_args()
    variables = dict(DEFAULTS)
    variables.update(item.split("=", 1) for item in args.set)
    played = failed = 0
    for path in args.files:
        dialog = Dialog(path, variables)
        wanted = args.all or dialog.options.get("real") == "yes"
        if not wanted or any(kind == "T" for kind, _, _ in dialog.lines):
            continue
        played += 1
        client = Client(args.host, args.port, args.implicit_tls, args.timeout)
        try:
            play(dialog, client)
            print(f"ok     {path}")
        except (Difference, OSError) as trouble:
            failed += 1
            print(f"FAILED {path}\n  {trouble}")
        finally:
            client.socket.close()
    print(f"{played} played, {failed} failed")
    return 1 if failed or not played else 0


if __name__ == "__main__":
    sys.exit(main())
