// Checksums and digests against published vectors, and the two CRC implementations against each
// other.
#include "base/digest.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace posthouse::base {
namespace {

TEST(Crc32c, PublishedVectors) {  // RFC 3720 B.4 and the usual check value
  std::string rising;
  for (int i = 0; i < 32; ++i) {
    rising += static_cast<char>(i);
  }
  const std::string falling(rising.rbegin(), rising.rend());
  const std::pair<std::string, std::uint32_t> vectors[] = {{"", 0},
                                                           {"123456789", 0xe3069283},
                                                           {std::string(32, '\0'), 0x8a9136aa},
                                                           {std::string(32, '\xff'), 0x62a8ab43},
                                                           {rising, 0x46dd794e},
                                                           {falling, 0x113fdb5c}};
  for (const auto& [data, crc] : vectors) {
    EXPECT_EQ(crc32c(data), crc);
    EXPECT_EQ(crc32c_portable(data), crc);
  }
}

RC_GTEST_PROP(Crc32c, BothWaysAgreeAndContinue, (const std::string& a, const std::string& b)) {
  const std::string whole = a + b;
  RC_ASSERT(crc32c(whole) == crc32c_portable(whole));
  RC_ASSERT(crc32c(b, crc32c(a)) == crc32c(whole));
  RC_ASSERT(crc32c_portable(b, crc32c_portable(a)) == crc32c(whole));
}

TEST(Crc32c, BothWaysAgreeOnLongData) {
  std::string data(100'003, '\0');
  std::uint32_t state = 1;
  for (char& c : data) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  EXPECT_EQ(crc32c(data), crc32c_portable(data));
  const std::uint32_t before = crc32c(data);
  data[50'000] = static_cast<char>(data[50'000] ^ 1);
  EXPECT_NE(crc32c(data), before);
}

TEST(Sha256, PublishedVectors) {  // FIPS 180-2 B.1, B.2
  EXPECT_EQ(hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(HmacSha256, PublishedVectors) {  // RFC 4231 4.2, 4.3, 4.7
  EXPECT_EQ(hex(hmac_sha256(std::string(20, '\x0b'), "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex(hmac_sha256(std::string(131, '\xaa'),
                            "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  // An empty key with empty data, given as views without memory.
  EXPECT_EQ(hex(hmac_sha256({}, {})),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Hex, WritesLowerCase) { EXPECT_EQ(hex(std::string_view("\x00\x7f\xff", 3)), "007fff"); }

}  // namespace
}  // namespace posthouse::base
