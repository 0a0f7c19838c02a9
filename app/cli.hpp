// The command line: one program, `posthouse COMMAND [-c FILE] …`.
#pragma once

namespace posthouse::app {

// Parses argv, runs the command, returns the exit status (sysexits(3)).
int run_cli(int argc, char** argv);

}  // namespace posthouse::app
