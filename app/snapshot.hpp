// Everything derived from one load of the configuration, immutable. A connection keeps the snapshot
// it began with; a reload publishes a new one (docs/testing.md).
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "accounts/login_name.hpp"
#include "base/result.hpp"
#include "conf/settings.hpp"
#include "forward/resolve.hpp"
#include "mailbox/naming.hpp"
#include "net/address.hpp"
#include "net/ports.hpp"
#include "smtpd/config.hpp"

namespace posthouse::app {

struct Snapshot {
  std::shared_ptr<const conf::Settings> settings;
  std::unique_ptr<const forward::Tables> tables;
  std::shared_ptr<net::TlsServer> tls;  // null: no certificate, no TLS anywhere
  net::AddressSet trusted;              // forward_from_ip
  accounts::LoginDomains logins;
  mailbox::NameTable names;
  smtpd::SessionConfig smtp;        // port 25
  smtpd::SessionConfig submission;  // 587 and 465

  // Absolute path of the mailbox of a routed target, or the reason why it cannot have one.
  [[nodiscard]] tl::expected<std::string, mailbox::NameRefusal> box_of(
      const forward::LocalTarget& target) const;
};

// Reads the certificates; an Error names the file and the reason.
[[nodiscard]] base::Result<std::shared_ptr<const Snapshot>> build_snapshot(
    std::shared_ptr<const conf::Settings> settings);

// The parts that name addresses and mailboxes only, for commands: no file is read.
[[nodiscard]] Snapshot naming_snapshot(std::shared_ptr<const conf::Settings> settings);

// The current snapshot; any thread.
class CurrentSnapshot {
 public:
  [[nodiscard]] std::shared_ptr<const Snapshot> get() const {
    const std::lock_guard lock(mutex_);
    return snapshot_;
  }
  void set(std::shared_ptr<const Snapshot> snapshot) {
    const std::lock_guard lock(mutex_);
    snapshot_.swap(snapshot);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_;
};

}  // namespace posthouse::app
