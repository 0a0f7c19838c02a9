#!/usr/bin/env python3
"""Rules that a compiler does not check: file length, the g++ 12 coroutine rules, clocks and sleeps
only behind the ports. Usage: source_rules.py ROOT; prints FILE:LINE for each violation, exits 1."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
FOLDERS = "base conf mail net smtpd pop3d mailbox accounts forward queue deliver app".split()
MAX_LINES = 620
# Calls that only the named places may make: everyone else asks a port.
BANNED = [
    (r"\bsystem_clock::now|\bsteady_clock::now|\btime\(nullptr\)|\bgettimeofday\b", r"^base/"),
    # The log's writer, and a pool thread that waits for another program's lock.
    (r"\bsleep_for\b|\busleep\(|\bnanosleep\(", r"^base/log\.cpp|^mailbox/lock\.cpp"),
    (r"\brand\(\)|\bstd::random_device\b|\bmt19937\b", r"^$"),
    (r"\bsystem\(|\bpopen\(", r"^$"),
    (r"awaitable_operators", r"^$"),
    (r"\bstd::regex\b", r"^$"),
]


def strip_comments(text):
    """Comments and string contents blanked, line structure kept."""
    text = re.sub(r'R"\((.*?)\)"', lambda m: "\n" * m.group(0).count("\n"), text, flags=re.S)
    text = re.sub(r'"(\\.|[^"\\\n])*"', '""', text)
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.S)
    return re.sub(r"//[^\n]*", "", text)


def await_expressions(text):
    """(line, full expression) of every statement that holds co_await."""
    for match in re.finditer(r"co_await\b", text):
        start = max(text.rfind(c, 0, match.start()) for c in ";{}") + 1
        depth, i = 0, match.end()
        while i < len(text):
            c = text[i]
            if c in "([":
                depth += 1
            elif c in ")]":
                if depth == 0:
                    break
                depth -= 1
            elif c == ";" and depth == 0:
                break
            elif c == "{" and depth == 0:
                break
            i += 1
        yield text.count("\n", 0, match.start()) + 1, text[start:i]


def main():
    bad, seen, awaits = [], 0, 0
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.[ch]pp")):
            name = path.relative_to(root).as_posix()
            raw = path.read_text()
            text = strip_comments(raw)
            seen += 1
            lines = raw.count("\n")
            if lines > MAX_LINES:
                bad.append(f"{name}:{lines}: over {MAX_LINES} lines; one subject each")
            if not raw.startswith("//"):
                bad.append(f"{name}:1: the first comment says what the file owns")
            for pattern, where in BANNED:
                if re.search(where, name) and where != "^$":
                    continue
                for match in re.finditer(pattern, text):
                    bad.append(f"{name}:{text.count(chr(10), 0, match.start()) + 1}: "
                               f"{match.group(0)} belongs behind a port")
            for line, expression in await_expressions(text):
                awaits += 1
                before, inside = expression.split("co_await", 1)
                opened = re.search(r"\b(?:if|while|switch)\s*(\(.*)$", before, re.S)
                # Still inside the parentheses, and no variable is declared there.
                if opened and opened[1].count("(") > opened[1].count(")") and "=" not in opened[1]:
                    bad.append(f"{name}:{line}: co_await in a condition; name the value first")
                if "{" in inside:
                    bad.append(f"{name}:{line}: braces inside a co_await expression (g++ 12)")
                if re.search(r"\[[^\]\[]*[\w&=][^\]\[]*\]\s*\(", inside) and "->" in inside:
                    bad.append(f"{name}:{line}: capturing lambda inside a co_await expression")
    if seen < 50 or awaits < 20:
        bad.append(f"only {seen} files and {awaits} awaits found under {root}: wrong folder?")
    print("\n".join(bad) or f"{seen} files and {awaits} awaits keep the rules")
    return 1 if bad else 0


sys.exit(main())
