// Owns dot transparency. Pure; any thread. The decoder looks at 64 octets at a time: with one bit
// an octet, "CRLF", "LF without CR" and "CR without LF" are shifts and ands. Everything between two
// dots at line starts is copied at once.
#include "mail/dot_decoder.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/assert.hpp"
#include "mail/octet_masks.hpp"

namespace posthouse::mail {

// Scans text up to the next dot at a line start, or to the end; a dot at the very front is the
// caller's business. Returns the number of octets passed and leaves in state_ what was just before
// the next octet: line_start, text or text_cr.
std::size_t DotDecoder::pass_text(std::string_view input) {
  // Counters in locals: the compiler must not store them to memory for each block.
  std::uint64_t after_cr = state_ == State::text_cr ? 1 : 0;
  std::uint64_t odd = 0;  // bit i: octet i is an LF without CR, or follows a CR and is no LF
  std::uint64_t longest = longest_;
  std::uint64_t line_before = line_;  // octets of the present line in earlier input
  std::size_t line_begin = 0;         // where it begins or goes on in this input
  std::size_t passed = 0;
  bool dot = false;
  char tail[kBlock];
  while (passed < input.size() && !dot) {
    const char* block = input.data() + passed;
    std::size_t size = input.size() - passed;
    if (size < kBlock) {
      std::memset(tail, 0, sizeof tail);
      std::memcpy(tail, block, size);
      block = tail;
    } else {
      size = kBlock;
    }
    const LineMasks masks = line_masks(block);
    const std::uint64_t expected_lf = masks.cr << 1 | after_cr;
    for (std::uint64_t ends = masks.lf & expected_lf; ends != 0; ends &= ends - 1) {
      const std::size_t next = passed + static_cast<std::size_t>(std::countr_zero(ends)) + 1;
      longest = std::max<std::uint64_t>(longest, line_before + (next - line_begin) - 2);
      line_before = 0;
      line_begin = next;
      if (next < input.size() && input[next] == '.') {
        dot = true;
        size = next - passed;
        break;
      }
    }
    const std::uint64_t seen = ~std::uint64_t{0} >> (kBlock - size);
    odd |= (expected_lf ^ masks.lf) & seen;
    after_cr = masks.cr >> (size - 1) & 1;
    passed += size;
  }
  bare_ = bare_ || odd != 0;
  longest_ = longest;
  line_ = line_before + (passed - line_begin);
  // A line that has not begun yet was ended by CRLF just now: nothing else makes an empty one here.
  state_ = line_ == 0 ? State::line_start : after_cr != 0 ? State::text_cr : State::text;
  return passed;
}

void DotDecoder::append(std::string_view text, std::string& out) {
  octets_ += text.size();
  if (!discard_) {
    out += text;
  }
}

DotDecoder::Fed DotDecoder::feed(std::string_view input, std::string& out) {
  PH_ASSERT(state_ != State::finished, "DotDecoder fed after the end of the message");
  std::size_t at = 0;
  while (at < input.size()) {
    switch (state_) {
      case State::line_start:
        if (input[at] == '.') {
          state_ = State::dot;
          ++at;
          break;
        }
        [[fallthrough]];
      case State::text:
      case State::text_cr: {
        const std::size_t passed = pass_text(input.substr(at));
        append(input.substr(at, passed), out);
        at += passed;
        break;
      }
      case State::dot:
        if (input[at] == '\r') {
          state_ = State::dot_cr;
          ++at;
        } else {
          state_ = State::text;  // RFC 5321 4.5.2: the dot is deleted, the rest is the line
        }
        break;
      case State::dot_cr:
        if (input[at] == '\n') {
          state_ = State::finished;  // RFC 5321 4.1.1.4
          return {at + 1, true};
        }
        // A bare CR after the dot; the octet at hand may begin a true CRLF.
        bare_ = true;
        append("\r", out);
        ++line_;
        state_ = State::text;
        break;
      case State::finished:
        break;
    }
  }
  return {at, false};
}

void DotEncoder::feed(std::string_view chunk, std::string& out) {
  if (chunk.empty()) {
    return;
  }
  const char* from = chunk.data();
  const char* const end = from + chunk.size();
  const char* at = from;
  for (;;) {
    if (line_start_ && *at == '.') {
      out.append(from, at);
      out += '.';
      from = at;
    }
    line_start_ = false;
    const void* const hit = std::memchr(at, '\n', static_cast<std::size_t>(end - at));
    if (hit == nullptr) {
      break;
    }
    at = static_cast<const char*>(hit);
    const bool after_cr = at == chunk.data() ? after_cr_ : at[-1] == '\r';
    if (!after_cr && input_ == LineEnd::lf) {
      out.append(from, at);
      out += '\r';
      from = at;
    }
    line_start_ = after_cr || input_ == LineEnd::lf;
    if (++at == end) {
      break;
    }
  }
  out.append(from, end);
  after_cr_ = chunk.back() == '\r';
}

void DotEncoder::finish(std::string& out) {
  out += line_start_ ? ".\r\n" : "\r\n.\r\n";
  line_start_ = true;
  after_cr_ = false;
}

}  // namespace posthouse::mail
