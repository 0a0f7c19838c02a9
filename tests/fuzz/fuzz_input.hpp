// What the fuzz targets share: views of the input and a way to cut it into chunks. Each target
// defines LLVMFuzzerTestOneInput and checks what it promises with PH_ASSERT, so that a broken
// promise is found like a crash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace posthouse::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return size == 0 ? std::string_view()
                   : std::string_view(reinterpret_cast<const char*>(data), size);
}

// Takes the octet at the front of `text`, 0 when there is none.
inline std::uint8_t take_octet(std::string_view& text) {
  if (text.empty()) {
    return 0;
  }
  const auto octet = static_cast<std::uint8_t>(text.front());
  text.remove_prefix(1);
  return octet;
}

// Takes what precedes the next `separator` (or all), and the separator itself.
inline std::string_view take_until(std::string_view& text, char separator) {
  const auto end = text.find(separator);
  const auto part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}

// Calls `use(chunk)` for consecutive chunks of `text`, their sizes decided by `seed`: octet by
// octet for 0, else sizes from 1 to 97.
template <class Use>
void in_chunks(std::string_view text, std::uint32_t seed, Use&& use) {
  std::uint32_t state = seed;
  while (!text.empty()) {
    state = state * 1664525U + 1013904223U;
    const std::size_t wanted = seed == 0 ? 1 : 1 + (state >> 24) % 97;
    const std::size_t size = wanted < text.size() ? wanted : text.size();
    use(text.substr(0, size));
    text.remove_prefix(size);
  }
}

}  // namespace posthouse::fuzz
