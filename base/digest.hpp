// CRC32C and cryptographic digests. Only digest.cpp touches libcrypto.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace posthouse::base {

// CRC-32C (Castagnoli), continuing from `seed` (0 to begin). Uses SSE4.2 where the CPU has it.
[[nodiscard]] std::uint32_t crc32c(std::string_view data, std::uint32_t seed = 0);
// The same by tables alone, for CPUs without the instruction; exposed so that tests compare both.
[[nodiscard]] std::uint32_t crc32c_portable(std::string_view data, std::uint32_t seed = 0);

using Sha256 = std::array<std::byte, 32>;
[[nodiscard]] Sha256 sha256(std::string_view data);
[[nodiscard]] Sha256 hmac_sha256(std::string_view key, std::string_view data);
// MD5 only for protocols that name it (CRAM-MD5, APOP): it proves nothing about untrusted data.
using Md5 = std::array<std::byte, 16>;
[[nodiscard]] Md5 md5(std::string_view data);
[[nodiscard]] Md5 hmac_md5(std::string_view key, std::string_view data);
// PBKDF2 with HMAC-SHA-256 and one block of output (RFC 8018 5.2; Hi() of RFC 5802 2.2).
// `iterations` is at least 1; each costs about half a microsecond.
[[nodiscard]] Sha256 pbkdf2_sha256(std::string_view password, std::string_view salt,
                                   std::uint32_t iterations);
// The octets of a digest.
template <std::size_t kSize>
[[nodiscard]] std::string_view digest_view(const std::array<std::byte, kSize>& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}
// Lower-case hexadecimal.
[[nodiscard]] std::string hex(std::string_view data);
[[nodiscard]] std::string hex(const Sha256& digest);
[[nodiscard]] std::string hex(const Md5& digest);

}  // namespace posthouse::base
