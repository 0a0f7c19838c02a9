// Owns CRC-32C and the cryptographic digests; the only file of base/ that touches libcrypto.
// Pure; any thread.
#include "base/digest.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstring>

#include "base/assert.hpp"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace posthouse::base {

namespace {

// Slicing by eight: table[k][b] is the checksum of octet b followed by k zero octets.
using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr CrcTables make_tables() {
  constexpr std::uint32_t kReversedCastagnoli = 0x82f63b78;
  CrcTables tables{};
  for (std::uint32_t octet = 0; octet < 256; ++octet) {
    std::uint32_t crc = octet;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? kReversedCastagnoli : 0);
    }
    tables[0][octet] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t octet = 0; octet < 256; ++octet) {
      const std::uint32_t before = tables[k - 1][octet];
      tables[k][octet] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}
constexpr CrcTables kTables = make_tables();

std::uint32_t step(std::uint32_t crc, char octet) {
  return (crc >> 8) ^ kTables[0][(crc ^ static_cast<std::uint8_t>(octet)) & 0xff];
}

std::uint32_t crc_by_table(std::uint32_t crc, const char* data, std::size_t size) {
  for (; size >= 8; size -= 8, data += 8) {
    const auto at = [data](int i) { return static_cast<std::uint8_t>(data[i]); };
    crc ^= static_cast<std::uint32_t>(at(0)) | static_cast<std::uint32_t>(at(1)) << 8 |
           static_cast<std::uint32_t>(at(2)) << 16 | static_cast<std::uint32_t>(at(3)) << 24;
    crc = kTables[7][crc & 0xff] ^ kTables[6][crc >> 8 & 0xff] ^ kTables[5][crc >> 16 & 0xff] ^
          kTables[4][crc >> 24] ^ kTables[3][at(4)] ^ kTables[2][at(5)] ^ kTables[1][at(6)] ^
          kTables[0][at(7)];
  }
  for (; size > 0; --size, ++data) {
    crc = step(crc, *data);
  }
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc_by_sse42(std::uint32_t crc, const char* data,
                                                             std::size_t size) {
  std::uint64_t wide = crc;
  for (; size >= 8; size -= 8, data += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, data, sizeof word);
    wide = _mm_crc32_u64(wide, word);
  }
  crc = static_cast<std::uint32_t>(wide);
  for (; size > 0; --size, ++data) {
    crc = _mm_crc32_u8(crc, static_cast<std::uint8_t>(*data));
  }
  return crc;
}
#endif

using CrcFunction = std::uint32_t (*)(std::uint32_t, const char*, std::size_t);

CrcFunction best_crc() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("sse4.2")) {
    return crc_by_sse42;
  }
#endif
  return crc_by_table;
}

const unsigned char* octets(std::string_view data) {
  return reinterpret_cast<const unsigned char*>(data.data());
}

}  // namespace

std::uint32_t crc32c(std::string_view data, std::uint32_t seed) {
  static const CrcFunction function = best_crc();
  return ~function(~seed, data.data(), data.size());
}

std::uint32_t crc32c_portable(std::string_view data, std::uint32_t seed) {
  return ~crc_by_table(~seed, data.data(), data.size());
}

namespace {

template <class Digest>
Digest digest_of(const EVP_MD* kind, std::string_view data) {
  Digest digest{};
  unsigned length = 0;
  const int done =
      EVP_Digest(data.data(), data.size(), reinterpret_cast<unsigned char*>(digest.data()), &length,
                 kind, nullptr);
  PH_ASSERT(done == 1 && length == digest.size(), "libcrypto computed no digest");
  return digest;
}

template <class Digest>
Digest hmac_of(const EVP_MD* kind, std::string_view key, std::string_view data) {
  Digest digest{};
  unsigned length = 0;
  // HMAC() takes a null key as "the former key"; an empty view may have a null pointer.
  const void* const key_data = key.empty() ? "" : key.data();
  const auto* const done =
      HMAC(kind, key_data, static_cast<int>(key.size()), octets(data), data.size(),
           reinterpret_cast<unsigned char*>(digest.data()), &length);
  PH_ASSERT(done != nullptr && length == digest.size(), "libcrypto computed no HMAC");
  return digest;
}

}  // namespace

Sha256 sha256(std::string_view data) { return digest_of<Sha256>(EVP_sha256(), data); }

Sha256 hmac_sha256(std::string_view key, std::string_view data) {
  return hmac_of<Sha256>(EVP_sha256(), key, data);
}

Md5 md5(std::string_view data) { return digest_of<Md5>(EVP_md5(), data); }

Md5 hmac_md5(std::string_view key, std::string_view data) {
  return hmac_of<Md5>(EVP_md5(), key, data);
}

Sha256 pbkdf2_sha256(std::string_view password, std::string_view salt, std::uint32_t iterations) {
  PH_ASSERT(iterations > 0, "PBKDF2 needs an iteration");
  Sha256 digest{};
  // A null password would be counted with strlen().
  const char* const text = password.empty() ? "" : password.data();
  const int done = PKCS5_PBKDF2_HMAC(text, static_cast<int>(password.size()), octets(salt),
                                     static_cast<int>(salt.size()), static_cast<int>(iterations),
                                     EVP_sha256(), static_cast<int>(digest.size()),
                                     reinterpret_cast<unsigned char*>(digest.data()));
  PH_ASSERT(done == 1, "libcrypto computed no PBKDF2");
  return digest;
}

std::string hex(std::string_view data) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(data.size() * 2);
  for (const char c : data) {
    const auto value = static_cast<std::uint8_t>(c);
    out += kDigits[value >> 4];
    out += kDigits[value & 0xf];
  }
  return out;
}

std::string hex(const Sha256& digest) { return hex(digest_view(digest)); }

std::string hex(const Md5& digest) { return hex(digest_view(digest)); }

}  // namespace posthouse::base
