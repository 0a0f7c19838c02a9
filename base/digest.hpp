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
// Lower-case hexadecimal.
[[nodiscard]] std::string hex(std::string_view data);
[[nodiscard]] std::string hex(const Sha256& digest);

}  // namespace posthouse::base
