// `posthouse serve`: from configuration to running server, its signals, and the way down. Whatever
// is wrong before the ports are open ends here with one sentence and an exit status.
#include <fmt/core.h>
#include <pthread.h>

#include <unistd.h>

#include <atomic>
#include <csignal>

#include "app/commands.hpp"
#include "app/listeners.hpp"
#include "app/load_config.hpp"
#include "app/places.hpp"
#include "app/privileges.hpp"
#include "app/server.hpp"
#include "app/service.hpp"
#include "app/snapshot.hpp"
#include "base/log.hpp"
#include "conf/reload.hpp"

namespace posthouse::app {
namespace {

int fail(const std::string& sentence) {
  base::flush_log();
  fmt::print(stderr, "posthouse: {}\n", sentence);
  return kExitFailed;
}

base::LogOptions log_options(const conf::Settings& settings) {
  base::LogOptions options;
  options.level = static_cast<base::LogLevel>(settings.log_level);
  options.format = static_cast<base::LogFormat>(settings.log_format);
  options.file = settings.log_file;
  return options;
}

// Reads and checks the configuration. Null: the reasons were printed.
std::shared_ptr<const conf::Settings> read_settings(const std::string& option) {
  const conf::Loaded loaded =
      conf::load_file(conf::find_config(option), conf::system_environment());
  const auto diagnostics = check_everything(loaded);
  if (has_error(diagnostics)) {
    for (const auto& diagnostic : diagnostics) fmt::print(stderr, "{}\n", diagnostic.text());
    return nullptr;
  }
  base::configure_log(log_options(*loaded.settings));
  for (const auto& diagnostic : diagnostics) {
    base::log_event(base::LogLevel::info, "conf", "-", diagnostic.text());
  }
  return loaded.settings;
}

// Signals are taken by the main thread alone, with sigwait.
sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGHUP, SIGTERM, SIGINT, SIGUSR1}) sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return set;
}

// SIGHUP: a good configuration takes the place of the old one, a bad one changes nothing.
void reload(const std::string& option, std::shared_ptr<const conf::Settings>& settings,
            Server& server) {
  notify_service("RELOADING=1");
  const conf::Loaded loaded =
      conf::load_file(conf::find_config(option), conf::system_environment());
  const auto diagnostics = check_everything(loaded);
  for (const auto& diagnostic : diagnostics) {
    const bool error = diagnostic.severity == conf::Severity::error;
    base::log_event(error ? base::LogLevel::error : base::LogLevel::info, "conf", "-",
                    diagnostic.text());
  }
  if (has_error(diagnostics)) {
    base::log_event(base::LogLevel::error, "conf", "-",
                    "reload refused, the old configuration stays");
    notify_service("READY=1");
    return;
  }
  const conf::ReloadDiff diff = conf::compare(*settings, *loaded.settings);
  auto merged =
      std::make_shared<const conf::Settings>(conf::reloadable(*settings, *loaded.settings));
  auto snapshot = build_snapshot(merged);
  if (!snapshot) {
    base::log_event(base::LogLevel::error, "conf", "-",
                    "reload refused, the old configuration stays: " + snapshot.error().message());
    notify_service("READY=1");
    return;
  }
  base::configure_log(log_options(*merged));
  server.adopt(*snapshot);
  settings = std::move(merged);
  base::log_event(base::LogLevel::info, "conf", "-", "reloaded, " + diff.text());
  notify_service("READY=1");
}

void warn_about_root(const std::optional<RunUser>& user) {
  if (!user || user->uid != 0) return;
  base::log_event(base::LogLevel::error, "app", "-",
                  "the server runs as root; add a user `posthouse' or write run_user NAME");
}

// max_connections must fit into the descriptors there are; the rest keeps some for files.
std::shared_ptr<const conf::Settings> fit_connections(
    std::shared_ptr<const conf::Settings> settings) {
  constexpr std::uint64_t kForFiles = 1024 + 256;  // open mailbox files of a checkpoint, log, pools
  const std::uint64_t limit = raise_descriptor_limit();
  const std::uint64_t most = limit > kForFiles + 16 ? limit - kForFiles : 16;
  if (settings->max_connections <= most) return settings;
  base::log_event(base::LogLevel::error, "app", "-",
                  fmt::format("max_connections {} does not fit into {} descriptors; it is {} now",
                              settings->max_connections, limit, most));
  auto fitted = std::make_shared<conf::Settings>(*settings);
  fitted->max_connections = most;
  return fitted;
}

}  // namespace

int run_serve(const ServeOptions& options) {
  auto settings = read_settings(options.config);
  if (settings == nullptr) return kExitConfig;
  const sigset_t signals = block_signals();
  settings = fit_connections(settings);

  const auto snapshot = build_snapshot(settings);
  if (!snapshot) return fail(snapshot.error().message());
  const auto user = choose_run_user(*settings);
  if (!user) return fail(user.error().message());
  if (auto made = prepare_places(*settings, *user); !made) return fail(made.error().message());
  auto ports = bind_ports(*settings, (*snapshot)->tls != nullptr);
  if (!ports) return fail(ports.error().message());
  if (*user) {
    if (auto became = become(**user); !became) return fail(became.error().message());
  }
  warn_about_root(*user);

  std::atomic<bool> failed = false;
  const pthread_t main_thread = pthread_self();
  Server::Options server_options;
  server_options.on_fatal = [&failed, main_thread](const base::Error& error) {
    base::log_event(base::LogLevel::error, "queue", "-", "the log failed: " + error.message());
    failed = true;
    pthread_kill(main_thread, SIGUSR1);
  };
  Server server(*snapshot, std::move(server_options));
  if (auto recovered = server.recover(); !recovered) return fail(recovered.error().message());
  const PidFile pid_file(settings->work_path + "/run/posthouse.pid");
  server.serve(*std::move(ports));
  base::log_event(base::LogLevel::info, "app", "-", "ready");
  notify_service("READY=1");

  for (;;) {
    int number = 0;
    sigwait(&signals, &number);
    if (number == SIGHUP) {
      reload(options.config, settings, server);
    } else if (number != SIGUSR1 || failed) {
      break;
    }
  }
  notify_service("STOPPING=1");
  if (failed) {
    // What is on disk is known only after a restart (docs/spool.md): answer who waits, and go.
    const timespec half_a_second{0, 500'000'000};
    sigtimedwait(&signals, nullptr, &half_a_second);
    base::flush_log();
    _exit(kExitFailed);
  }
  server.shut_down();
  base::log_event(base::LogLevel::info, "app", "-", "stopped");
  base::flush_log();
  return kExitOk;
}

}  // namespace posthouse::app
