// Line ends: messages travel and are spooled with CRLF and lie in mailboxes with LF.
// All classes here are incremental: any split of the input gives the same result. Pure, any
// thread, no allocation but the growth of the caller's string. Nothing fails.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace posthouse::mail {

enum class LineEnd : std::uint8_t { crlf, lf };

[[nodiscard]] constexpr std::string_view line_end_text(LineEnd end) {
  return end == LineEnd::crlf ? "\r\n" : "\n";
}

// CRLF becomes LF; every other octet stays, a bare CR or LF too.
class CrlfToLf {
 public:
  // Appends the converted form of `chunk` to `out`; a CR at its end waits for the next chunk.
  void feed(std::string_view chunk, std::string& out);
  // After the last chunk: appends the CR that waited, and is ready for the next message.
  void finish(std::string& out);

 private:
  bool cr_ = false;
};

// Each LF that no CR precedes becomes CRLF; every other octet stays.
class LfToCrlf {
 public:
  void feed(std::string_view chunk, std::string& out);
  void reset() { after_cr_ = false; }

 private:
  bool after_cr_ = false;
};

// Sizes a message would have with either line end, without converting it.
class EolCounter {
 public:
  void feed(std::string_view chunk);
  [[nodiscard]] std::uint64_t octets() const { return octets_; }          // as fed
  [[nodiscard]] std::uint64_t lines() const { return crlf_ + bare_lf_; }  // LF octets seen
  // Octets that CrlfToLf and LfToCrlf would make of what was fed.
  [[nodiscard]] std::uint64_t lf_size() const { return octets_ - crlf_; }
  [[nodiscard]] std::uint64_t crlf_size() const { return octets_ + bare_lf_; }

 private:
  std::uint64_t octets_ = 0;
  std::uint64_t crlf_ = 0;
  std::uint64_t bare_lf_ = 0;
  bool after_cr_ = false;
};

// Whole messages at once.
[[nodiscard]] std::string crlf_to_lf(std::string_view message);
[[nodiscard]] std::string lf_to_crlf(std::string_view message);

}  // namespace posthouse::mail
