// Password hashes in crypt(5) form by libxcrypt. Pure functions without state, safe from any
// thread; slow on purpose (tens of milliseconds, 16 MiB): call them on a pool thread or in a
// command, never on a shard.
#pragma once

#include <string>
#include <string_view>

#include "base/random.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace posthouse::accounts {

// LIMIT: octets of a password (libxcrypt's CRYPT_MAX_PASSPHRASE_SIZE is 512 with its NUL).
inline constexpr std::size_t kMaxPassword = 511;

// True for the methods that verify_hash() computes: yescrypt "$y$", bcrypt "$2a$ $2b$ $2y$",
// SHA-512 "$6$". Everything else in a user file is a locked account.
[[nodiscard]] bool is_accepted_hash(std::string_view hash);

// A new yescrypt hash with a salt from `random`. invalid_argument: the password is empty, too long
// or holds a NUL octet.
[[nodiscard]] base::Result<std::string> make_hash(const base::Secret& password,
                                                  base::Random& random);

// True when `password` gives `hash`. False for every hash that is_accepted_hash() refuses.
[[nodiscard]] bool verify_hash(std::string_view password, std::string_view hash);

// A valid yescrypt hash with make_hash()'s cost that no password is known for: verified for users
// that do not exist, so that they take as long as those that do.
[[nodiscard]] std::string_view dummy_hash();

}  // namespace posthouse::accounts
