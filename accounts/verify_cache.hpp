// Remembers verified logins for a while, so that a client that polls every minute does not cost a
// password hash each time. It never holds a password: only its HMAC under a key made at start and
// never stored. A refused password is not remembered. Safe from any thread; the lock is held for a
// map access only.
#pragma once

#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/digest.hpp"
#include "base/random.hpp"
#include "base/time.hpp"

namespace posthouse::accounts {

class VerifyCache {
 public:
  // `capacity` 0: remembers nothing.
  VerifyCache(std::size_t capacity, base::Duration lifetime, base::Random& random);
  VerifyCache(const VerifyCache&) = delete;
  VerifyCache& operator=(const VerifyCache&) = delete;
  ~VerifyCache();

  // A login to compare or to keep. `hash` is the user's present hash: an entry made under another
  // one (the password was changed) does not count.
  struct Login {
    std::string_view user;
    std::string_view hash;
    std::string_view password;
  };
  [[nodiscard]] bool knows(const Login& login, base::MonoTime now);
  // The least recently used entry makes room.
  void remember(const Login& login, base::MonoTime now);
  [[nodiscard]] std::size_t size() const;

 private:
  struct Entry {
    std::string user;
    std::string hash;
    base::Sha256 mac;
    base::MonoTime until;
  };
  [[nodiscard]] base::Sha256 mac_of(const Login& login) const;

  const std::size_t capacity_;
  const base::Duration lifetime_;
  std::string key_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> index_;  // keys live in entries_
};

}  // namespace posthouse::accounts
