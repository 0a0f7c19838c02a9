// Little-endian reading and writing of record payloads. Pure; any thread. A ByteReader never reads
// past its view: after the first value that does not fit, ok() is false and every later value is
// zero or empty.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.hpp"

namespace posthouse::queue {

// Longest text field of a record (addresses, box paths, uids): its length is written in two octets.
inline constexpr std::size_t kMaxField = 0xffff;

// Appends values to a string.
class ByteWriter {
 public:
  explicit ByteWriter(std::string& out) : out_(out) {}

  void u8(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void u16(std::uint16_t value) { number(value, 2); }
  void u32(std::uint32_t value) { number(value, 4); }
  void u64(std::uint64_t value) { number(value, 8); }
  // Length in two octets, then the octets. Callers bound their fields; a longer one is our own bug.
  void text(std::string_view value) {
    PH_ASSERT(value.size() <= kMaxField, "a text field of a record is at most 65535 octets");
    u16(static_cast<std::uint16_t>(value.size()));
    out_.append(value);
  }

 private:
  void number(std::uint64_t value, int octets) {
    char buffer[8];
    for (int i = 0; i < octets; ++i) buffer[i] = static_cast<char>((value >> (8 * i)) & 0xff);
    out_.append(buffer, static_cast<std::size_t>(octets));
  }

  std::string& out_;
};

// Takes values off the front of a view.
class ByteReader {
 public:
  explicit ByteReader(std::string_view in) : in_(in) {}

  [[nodiscard]] std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
  [[nodiscard]] std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  [[nodiscard]] std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  [[nodiscard]] std::uint64_t u64() { return number(8); }
  [[nodiscard]] std::string_view octets(std::size_t count) {
    if (!ok_ || in_.size() < count) {
      ok_ = false;
      return {};
    }
    const std::string_view taken = in_.substr(0, count);
    in_.remove_prefix(count);
    return taken;
  }
  [[nodiscard]] std::string_view text() { return octets(u16()); }

  [[nodiscard]] std::size_t remaining() const { return in_.size(); }
  [[nodiscard]] bool ok() const { return ok_; }
  // Everything fitted and nothing is left over.
  [[nodiscard]] bool complete() const { return ok_ && in_.empty(); }

 private:
  std::uint64_t number(std::size_t count) {
    const std::string_view taken = octets(count);
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < taken.size(); ++i) {
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(taken[i])) << (8 * i);
    }
    return value;
  }

  std::string_view in_;
  bool ok_ = true;
};

}  // namespace posthouse::queue
