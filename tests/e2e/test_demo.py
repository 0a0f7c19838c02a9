"""./run --demo, as a new user would type it: both dialogues are printed and the status is 0; then
./run serves. Works on a copy of the checkout's scripts with the release program already built."""
import pathlib
import subprocess
import unittest

from harness import ROOT, main


class Demo(unittest.TestCase):
    def test_demo_twice(self):
        for _ in range(2):
            done = subprocess.run([str(ROOT / "run"), "--demo"], capture_output=True, text=True,
                                  timeout=280, cwd="/")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            for part in ("C: MAIL FROM:<bert@example.test>", "S: 250 2.0.0", "C: RETR",
                         "S: Subject: First light", "S: It works", "--- sent, stored"):
                self.assertIn(part, done.stdout)

    def test_usage(self):
        done = subprocess.run([str(ROOT / "run"), "--nonsense"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 64)
        self.assertTrue(pathlib.Path(ROOT / "var/dmail.conf").exists())


if __name__ == "__main__":
    main()
