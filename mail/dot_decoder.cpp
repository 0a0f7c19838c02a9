// Owns dot transparency. Pure; any thread. The decoder looks at 64 octets at a time: with one bit
// an octet, "LF without CR", "CR without LF" and "dot after CRLF" are shifts and ands, and only the
// last needs a closer look. Everything between two such dots is copied at once.
#include "mail/dot_decoder.hpp"

#include <bit>
#include <cstring>

#include "base/assert.hpp"
#include "mail/octet_masks.hpp"

namespace posthouse::mail {

// Scans text up to the next dot at a line start, or to the end. Returns the number of octets passed
// and leaves in state_ what was just before the next octet: line_start, text or text_cr.
std::size_t DotDecoder::pass_text(std::string_view input) {
  std::uint64_t after_cr = state_ == State::text_cr ? 1 : 0;
  std::uint64_t at_start = state_ == State::line_start ? 1 : 0;
  std::size_t passed = 0;
  std::size_t line_begin = 0;  // of the present line, within `input`
  char tail[kBlock];
  while (passed < input.size()) {
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
    const std::uint64_t crlf = masks.lf & expected_lf;
    const std::uint64_t dots = masks.dot & (crlf << 1 | at_start);
    if (dots != 0) {
      size = static_cast<std::size_t>(std::countr_zero(dots));
    }
    const std::uint64_t seen = size == kBlock ? ~std::uint64_t{0} : (std::uint64_t{1} << size) - 1;
    bare_ = bare_ || ((expected_lf ^ masks.lf) & seen) != 0;
    for (std::uint64_t ends = crlf & seen; ends != 0; ends &= ends - 1) {
      const std::size_t next = passed + static_cast<std::size_t>(std::countr_zero(ends)) + 1;
      const std::uint64_t length = line_ + (next - line_begin) - 2;
      longest_ = length > longest_ ? length : longest_;
      line_ = 0;
      line_begin = next;
    }
    passed += size;
    if (size != 0) {
      after_cr = masks.cr >> (size - 1) & 1;
      at_start = crlf >> (size - 1) & 1;
    }
    if (dots != 0) {
      break;
    }
  }
  line_ += passed - line_begin;
  state_ = at_start != 0 ? State::line_start : after_cr != 0 ? State::text_cr : State::text;
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
