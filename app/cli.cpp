// Declares the commands and their options with CLI11 and maps them to commands.hpp. The only file
// that knows CLI11.
#include "app/cli.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>

#include "app/commands.hpp"

namespace posthouse::app {
namespace {

using Run = std::function<int()>;

void add_config_option(CLI::App* command, std::string* target) {
  command->add_option("-c,--config", *target,
                      "configuration (else $POSTHOUSE_CONF, /etc/posthouse/dmail.conf, "
                      "/etc/dmail.conf)");
}

void add_serve(CLI::App& app, Run& run) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* command = app.add_subcommand(
      "serve", "run the server in the foreground; SIGHUP reloads, SIGTERM finishes and stops");
  add_config_option(command, &options->config);
  command->callback([options, &run] { run = [options] { return run_serve(*options); }; });
}

void add_check(CLI::App& app, Run& run) {
  auto options = std::make_shared<CheckOptions>();
  CLI::App* command = app.add_subcommand(
      "check", "read the configuration and everything it names; print every problem");
  add_config_option(command, &options->config);
  command->add_flag("--json", options->json, "one JSON object a problem");
  command->callback([options, &run] { run = [options] { return run_check(*options); }; });
}

void add_config(CLI::App& app, Run& run) {
  auto options = std::make_shared<ConfigOptions>();
  CLI::App* command =
      app.add_subcommand("config", "effective values and where each of them comes from");
  add_config_option(command, &options->config);
  command->add_option("setting", options->setting, "this setting only");
  command->add_option("--format", options->format, "write the whole configuration in this syntax")
      ->check(CLI::IsMember({"dmail", "yaml"}));
  command
      ->add_option("--docs", options->docs,
                   "describe every setting (text, markdown, or an example file)")
      ->expected(0, 1)
      ->default_str("text")
      ->check(CLI::IsMember({"text", "markdown", "example"}));
  command->add_flag("--all", options->all, "with the settings that keep their defaults");
  command->add_flag("--json", options->json, "one JSON object a setting");
  CLI::Option* docs = command->get_option("--docs");
  command->callback([options, docs, &run] {
    if (docs->count() > 0 && options->docs.empty()) options->docs = "text";
    run = [options] { return run_config(*options); };
  });
}

void add_user_action(CLI::App* user, UserOptions::Action action, const char* name, const char* help,
                     Run& run) {
  auto options = std::make_shared<UserOptions>();
  options->action = action;
  CLI::App* command = user->add_subcommand(name, help);
  add_config_option(command, &options->config);
  const bool is_list = action == UserOptions::Action::list;
  if (!is_list) {
    command
        ->add_option("address", options->address, "user@domain; a bare user is of the main domain")
        ->required();
  }
  if (is_list) command->add_flag("--json", options->json, "one JSON object a user");
  if (!is_list && action != UserOptions::Action::remove) {
    command->add_flag("--password-stdin", options->password_stdin,
                      "read the password from the first line of standard input");
  }
  CLI::Option* quota = nullptr;
  CLI::Option* fwd = nullptr;
  if (action == UserOptions::Action::add || action == UserOptions::Action::passwd) {
    quota = command->add_option("--quota", options->quota, "mailbox limit, e.g. 200M");
    fwd = command->add_option("--fwd", options->fwd, "forward to these addresses");
  }
  command->callback([options, quota, fwd, &run] {
    options->quota_given = quota != nullptr && quota->count() > 0;
    options->fwd_given = fwd != nullptr && fwd->count() > 0;
    run = [options] { return run_user(*options); };
  });
}

void add_user(CLI::App& app, Run& run) {
  CLI::App* user = app.add_subcommand("user", "the built-in user file");
  user->require_subcommand(1);
  using Action = UserOptions::Action;
  add_user_action(user, Action::add, "add", "add a user", run);
  add_user_action(user, Action::remove, "remove", "remove a user (the mailbox stays)", run);
  add_user_action(user, Action::passwd, "passwd", "set a new password", run);
  add_user_action(user, Action::list, "list", "list the users", run);
  add_user_action(user, Action::verify, "verify", "check a password; exit 1 when it is wrong", run);
}

}  // namespace

int run_cli(int argc, char** argv) {
  CLI::App app("Posthouse: a whole mail server for a domain", "posthouse");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string());
  Run run;
  add_serve(app, run);
  add_check(app, run);
  add_config(app, run);
  add_user(app, run);
  bool version_json = false;
  CLI::App* version = app.add_subcommand("version", "version, build and library versions");
  version->add_flag("--json", version_json, "as one JSON object");
  version->callback([&] { run = [&] { return run_version(version_json); }; });
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForVersion&) {
    return run_version(false);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  try {
    return run();
  } catch (const std::exception& error) {
    // Libraries may throw at start-up (docs/decisions/0005); the commands' own failures are values.
    std::fprintf(stderr, "posthouse: %s\n", error.what());
    return kExitFailed;
  }
}

}  // namespace posthouse::app
