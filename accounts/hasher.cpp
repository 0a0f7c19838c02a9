// Password hashes over libxcrypt's re-entrant functions; see hasher.hpp.
#include "accounts/hasher.hpp"

#include <crypt.h>

#include <array>
#include <cstring>
#include <memory>

#include "base/text.hpp"

namespace posthouse::accounts {

namespace {

constexpr const char* kYescrypt = "$y$";
// 0 is libxcrypt's default cost (N = 4096, r = 32): 16 MiB and some tens of milliseconds.
constexpr unsigned long kCost = 0;
constexpr std::size_t kSaltOctets = 16;

// libxcrypt's working area holds the password; it is wiped when it goes.
struct CryptArea {
  crypt_data data{};
  CryptArea() = default;
  CryptArea(const CryptArea&) = delete;
  CryptArea& operator=(const CryptArea&) = delete;
  ~CryptArea() { explicit_bzero(&data, sizeof data); }
};

// The hash of `password` with the method and salt of `setting`; empty when it cannot be computed.
std::string compute(std::string_view password, std::string_view setting) {
  const auto area = std::make_unique<CryptArea>();  // 32 KiB, too much for a pool thread's stack
  std::string phrase(password);
  const std::string terminated(setting);
  const char* hash = crypt_rn(phrase.c_str(), terminated.c_str(), &area->data, sizeof area->data);
  base::wipe(phrase);
  // Failure is a null pointer here; the "*0" tokens of the older functions are refused as well.
  return hash == nullptr || hash[0] == '*' ? std::string() : std::string(hash);
}

bool is_hashable(std::string_view password) {
  return password.size() <= kMaxPassword && password.find('\0') == std::string_view::npos;
}

}  // namespace

bool is_accepted_hash(std::string_view hash) {
  for (const std::string_view method : {"$y$", "$2a$", "$2b$", "$2y$", "$6$"}) {
    if (hash.starts_with(method)) return hash.size() > method.size();
  }
  return false;
}

base::Result<std::string> make_hash(const base::Secret& password, base::Random& random) {
  if (password.empty() || !is_hashable(password.view())) {
    return base::fail(std::errc::invalid_argument, "hash password",
                      "empty, longer than 511 octets, or with a NUL octet");
  }
  std::array<std::byte, kSaltOctets> salt{};
  random.fill(salt);
  std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> setting{};
  const char* made =
      crypt_gensalt_rn(kYescrypt, kCost, reinterpret_cast<const char*>(salt.data()),
                       static_cast<int>(salt.size()), setting.data(), setting.size());
  if (made == nullptr) return base::fail_errno(errno, "crypt_gensalt_rn");
  std::string hash = compute(password.view(), made);
  if (hash.empty()) return base::fail(std::errc::not_enough_memory, "crypt_rn");
  return hash;
}

bool verify_hash(std::string_view password, std::string_view hash) {
  if (!is_accepted_hash(hash) || !is_hashable(password)) return false;
  const std::string computed = compute(password, hash);
  return !computed.empty() && base::equal_constant_time(computed, hash);
}

std::string_view dummy_hash() {
  return "$y$j9T$I1A664sW/xI1fLzpc5lDg.$jtw62UrKQrJFLPsfRt35yiiBe351lHSLWIoP1hcwwVA";
}

}  // namespace posthouse::accounts
