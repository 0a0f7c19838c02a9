// authent_method file: accounts from the built-in user file. Lookups read an immutable table that
// is replaced when the file changes; passwords are hashed on a bounded pool. One object for the
// whole server; lookup(), verify() and reload() may be called from every shard. After an error on
// the file every answer is `unavailable` until the file can be read again.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "accounts/accounts.hpp"
#include "accounts/verify_cache.hpp"
#include "base/disk.hpp"
#include "net/ports.hpp"

namespace posthouse::accounts {

struct UserTable;  // file_accounts.cpp

class FileAccounts final : public Accounts {
 public:
  // What it works with; all outlive it.
  struct Ports {
    base::Disk* disk = nullptr;
    const base::Clock* clock = nullptr;
    base::Random* random = nullptr;
    net::Blocking* hashing = nullptr;  // one thread, 64 waiting (docs/architecture.md)
  };
  struct Options {
    std::string path;                  // user_file
    std::size_t cache_entries = 1000;  // authent_cache; 0: none
    base::Duration cache_lifetime = std::chrono::seconds(300);
  };

  // Reads the file; what is wrong with it is logged.
  FileAccounts(const Ports& ports, Options options);
  ~FileAccounts() override;

  // Never blocks, except that at most once a second one caller looks at the file's inode and, when
  // it is another one, reads it; before it answers `missing`, every 10 ms.
  [[nodiscard]] Lookup lookup(const mail::Address& address) override;
  [[nodiscard]] net::Task<Verdict> verify(mail::Address address, base::Secret password) override;

  // Looks at the file now and takes a changed one as it is (SIGHUP).
  void reload();

 private:
  struct Identity {
    std::uint64_t size = 0;
    std::int64_t mtime_ns = 0;
    std::uint64_t inode = 0;
    bool operator==(const Identity&) const = default;
  };
  [[nodiscard]] std::shared_ptr<const UserTable> table() const;
  void publish(std::shared_ptr<const UserTable> table);
  void refresh(base::Duration max_age);
  void check_file(bool take_at_once);
  void load(const Identity& identity);
  void set_unavailable(const base::Error& error);
  [[nodiscard]] Lookup find(const std::string& key) const;

  const Ports ports_;
  const Options options_;
  VerifyCache cache_;

  mutable std::mutex table_mutex_;  // held for a pointer copy only
  std::shared_ptr<const UserTable> table_;

  std::atomic<base::Duration::rep> checked_at_{0};  // monotonic microseconds
  std::mutex check_mutex_;                          // guards what follows
  std::optional<Identity> loaded_;                  // of the table in use
  std::optional<Identity> changing_;                // seen since changing_since_, not taken yet
  base::MonoTime changing_since_{};
  bool existed_ = false;
};

}  // namespace posthouse::accounts
