// Who exists and whether a password is right (authent_method file). Lookups are answered from an
// immutable table that follows the user file; password hashes run in their own bounded pool.
#pragma once

#include <memory>
#include <string>

#include "base/secret.hpp"
#include "mail/address.hpp"
#include "net/ports.hpp"

namespace posthouse::accounts {

enum class Lookup { exists, missing, unavailable };
enum class Verdict { accepted, refused, unavailable };

class Accounts {
 public:
  virtual ~Accounts() = default;
  // `address` canonical (main domain for its aliases). Never blocks; safe from any shard.
  [[nodiscard]] virtual Lookup lookup(const mail::Address& address) = 0;
  // Takes about the same time whether the user exists or not. Resumes on the caller's executor.
  [[nodiscard]] virtual net::Task<Verdict> verify(mail::Address address, base::Secret password) = 0;
};

}  // namespace posthouse::accounts
