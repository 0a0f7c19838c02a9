// The program's entry: everything else is in posthouse_app, so that tests can link it.
#include "app/cli.hpp"

int main(int argc, char** argv) { return posthouse::app::run_cli(argc, argv); }
