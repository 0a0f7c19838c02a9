#!/usr/bin/env python3
"""Checks every #include of the program against the picture of the house: a folder may include only
what CMakeLists.txt lists for it under USES, and only some folders may touch a foreign library.
Usage: include_rules.py ROOT; prints each violation as FILE:LINE and exits 1 when there is one."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
# Foreign headers that are not for everyone: prefix -> files allowed (regular expression on the path).
FOREIGN = {
    "boost/asio": r"^(net|app)/|^(smtpd|pop3d|queue|deliver|accounts)/[a-z_]*(driver|port|task|manager|spool|writer|agent|accounts|loop|recovery|cleaner)[a-z_]*\.",
    "boost/json": r"^app/",
    "openssl/": r"^base/digest\.cpp|^net/tls_[a-z_]+\.(cpp|hpp)",
    "yaml-cpp/": r"^conf/",
    "crypt.h": r"^accounts/",
    "ares.h": r"^net/dns_",
    "idn2.h": r"^mail/",
    "uninorm.h": r"^mail/",
    "CLI/": r"^app/",
}


def allowed_uses():
    """The USES lists of posthouse_module() calls, by folder."""
    text = (root / "CMakeLists.txt").read_text()
    rules = {}
    for call in re.finditer(r"posthouse_module\(([^)]*)\)", text):
        words = call.group(1).split()
        uses, inside = set(), False
        for word in words[1:]:
            if word in ("USES", "LINK", "ASIO"):
                inside = word == "USES"
            elif inside:
                uses.add(word)
        rules[words[0]] = uses | {words[0]}
    return rules


def main():
    rules, bad = allowed_uses(), []
    seen = 0
    for folder in rules:
        for path in sorted((root / folder).rglob("*.[ch]pp")):
            name = path.relative_to(root).as_posix()
            seen += 1
            for number, line in enumerate(path.read_text().splitlines(), 1):
                match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
                if not match:
                    continue
                target = match.group(2)
                first = target.split("/")[0]
                if match.group(1) == '"' and first not in rules:
                    bad.append(f"{name}:{number}: {target}: write it as \"folder/file.hpp\"")
                elif first in rules and first not in rules[folder]:
                    bad.append(f"{name}:{number}: {folder}/ may not include {first}/ (CMakeLists.txt)")
                for prefix, where in FOREIGN.items():
                    if target.startswith(prefix) and not re.search(where, name):
                        bad.append(f"{name}:{number}: <{target}> does not belong here")
    if seen < 50:
        bad.append(f"only {seen} source files found under {root}: wrong folder?")
    print("\n".join(bad) or f"{seen} files keep the include rules")
    return 1 if bad else 0


sys.exit(main())
