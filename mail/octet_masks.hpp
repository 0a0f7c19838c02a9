// Sixty-four octets at a time as bit masks, for the codecs of this folder (dot_decoder, eol).
// Bit i tells whether octet i of the block equals a character. Pure; internal to mail/.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace posthouse::mail {

inline constexpr std::size_t kBlock = 64;

struct LineMasks {
  std::uint64_t cr = 0;
  std::uint64_t lf = 0;
};

// Reads exactly kBlock octets at `data`.
[[nodiscard]] inline LineMasks line_masks(const char* data) {
  LineMasks masks;
#if defined(__SSE2__)
  const auto cr = _mm_set1_epi8('\r');
  const auto lf = _mm_set1_epi8('\n');
  const auto bits = [](__m128i equal, unsigned shift) {
    return static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(equal))) << shift;
  };
  for (unsigned i = 0; i < kBlock; i += 16) {
    const __m128i octets = _mm_loadu_si128(reinterpret_cast<const __m128i*>(data + i));
    masks.cr |= bits(_mm_cmpeq_epi8(octets, cr), i);
    masks.lf |= bits(_mm_cmpeq_epi8(octets, lf), i);
  }
#else
  for (unsigned i = 0; i < kBlock; ++i) {
    masks.cr |= static_cast<std::uint64_t>(data[i] == '\r') << i;
    masks.lf |= static_cast<std::uint64_t>(data[i] == '\n') << i;
  }
#endif
  return masks;
}

}  // namespace posthouse::mail
