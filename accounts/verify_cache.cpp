// The cache of verified logins; see verify_cache.hpp.
#include "accounts/verify_cache.hpp"

#include <array>

#include "base/secret.hpp"
#include "base/text.hpp"

namespace posthouse::accounts {

namespace {

std::string_view octets_of(const base::Sha256& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace

VerifyCache::VerifyCache(std::size_t capacity, base::Duration lifetime, base::Random& random)
    : capacity_(capacity), lifetime_(lifetime) {
  std::array<std::byte, 32> key{};
  random.fill(key);
  key_.assign(reinterpret_cast<const char*>(key.data()), key.size());
}

VerifyCache::~VerifyCache() { base::wipe(key_); }

// The user is part of the input, so that equal passwords of two users do not look equal.
base::Sha256 VerifyCache::mac_of(const Login& login) const {
  std::string text;
  text.reserve(login.user.size() + 1 + login.password.size());
  text += login.user;
  text += '\0';
  text += login.password;
  const base::Sha256 mac = base::hmac_sha256(key_, text);
  base::wipe(text);
  return mac;
}

bool VerifyCache::knows(const Login& login, base::MonoTime now) {
  if (capacity_ == 0) return false;
  const base::Sha256 mac = mac_of(login);
  const std::lock_guard lock(mutex_);
  const auto found = index_.find(login.user);
  if (found == index_.end()) return false;
  const auto entry = found->second;
  if (entry->until <= now || entry->hash != login.hash) {
    index_.erase(found);
    entries_.erase(entry);
    return false;
  }
  if (!base::equal_constant_time(octets_of(entry->mac), octets_of(mac))) return false;
  entries_.splice(entries_.begin(), entries_, entry);
  return true;
}

void VerifyCache::remember(const Login& login, base::MonoTime now) {
  if (capacity_ == 0) return;
  Entry fresh{std::string(login.user), std::string(login.hash), mac_of(login), now + lifetime_};
  const std::lock_guard lock(mutex_);
  if (const auto old = index_.find(login.user); old != index_.end()) {
    const auto entry = old->second;
    index_.erase(old);
    entries_.erase(entry);
  }
  if (entries_.size() >= capacity_) {
    index_.erase(entries_.back().user);
    entries_.pop_back();
  }
  entries_.push_front(std::move(fresh));
  index_.emplace(entries_.front().user, entries_.begin());
}

std::size_t VerifyCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace posthouse::accounts
