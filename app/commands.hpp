// The subcommands behind cli.cpp: plain options in, exit status out. Each one lives in its own
// cmd_*.cpp; they print to standard output and explain failures on standard error.
#pragma once

#include <string>

namespace posthouse::app {

// Exit statuses of sysexits(3) as the commands use them.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;  // the answer is "no", or something failed
inline constexpr int kExitUsage = 64;
inline constexpr int kExitUnavailable = 69;  // server not running
inline constexpr int kExitTempFail = 75;
inline constexpr int kExitConfig = 78;

struct CheckOptions {
  std::string config;
  bool json = false;
};
int run_check(const CheckOptions& options);

struct ConfigOptions {
  std::string config;
  std::string setting;  // empty: all
  std::string format;   // "", "dmail", "yaml"
  std::string docs;     // "", "text", "markdown", "example"
  bool all = false;
  bool json = false;
};
int run_config(const ConfigOptions& options);

struct UserOptions {
  enum class Action { add, remove, passwd, list, verify };
  Action action = Action::list;
  std::string config;
  std::string address;
  bool password_stdin = false;
  bool json = false;
  std::string quota;  // label value as typed; empty: not given
  std::string fwd;
  bool quota_given = false;
  bool fwd_given = false;
};
int run_user(const UserOptions& options);

struct ServeOptions {
  std::string config;
};
int run_serve(const ServeOptions& options);

int run_version(bool json);

}  // namespace posthouse::app
