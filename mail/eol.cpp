// Owns the conversion between CRLF and LF. Pure; any thread.
#include "mail/eol.hpp"

#include <bit>
#include <cstring>

#include "mail/octet_masks.hpp"

namespace posthouse::mail {

namespace {

const char* find(const char* begin, const char* end, char c) {
  const void* const hit = std::memchr(begin, c, static_cast<std::size_t>(end - begin));
  return hit != nullptr ? static_cast<const char*>(hit) : end;
}

}  // namespace

void CrlfToLf::feed(std::string_view chunk, std::string& out) {
  if (chunk.empty()) {
    return;
  }
  const char* from = chunk.data();
  const char* const end = from + chunk.size();
  if (cr_ && *from != '\n') {
    out += '\r';
  }
  cr_ = false;
  for (const char* at = from; (at = find(at, end, '\r')) != end; ++at) {
    if (at + 1 == end || at[1] == '\n') {
      out.append(from, at);
      from = at + 1;
      cr_ = from == end;
    }
  }
  out.append(from, end);
}

void CrlfToLf::finish(std::string& out) {
  if (cr_) {
    out += '\r';
  }
  cr_ = false;
}

void LfToCrlf::feed(std::string_view chunk, std::string& out) {
  if (chunk.empty()) {
    return;
  }
  const char* from = chunk.data();
  const char* const end = from + chunk.size();
  for (const char* at = from; (at = find(at, end, '\n')) != end; ++at) {
    const bool after_cr = at == chunk.data() ? after_cr_ : at[-1] == '\r';
    if (!after_cr) {
      out.append(from, at);
      out += '\r';
      from = at;  // the LF goes out with the next piece
    }
  }
  out.append(from, end);
  after_cr_ = chunk.back() == '\r';
}

void EolCounter::feed(std::string_view chunk) {
  octets_ += chunk.size();
  std::uint64_t carry = after_cr_ ? 1 : 0;
  char tail[kBlock];
  while (!chunk.empty()) {
    const char* block = chunk.data();
    std::size_t size = kBlock;
    if (chunk.size() < kBlock) {
      size = chunk.size();
      std::memset(tail, 0, sizeof tail);
      std::memcpy(tail, block, size);
      block = tail;
    }
    const LineMasks masks = line_masks(block);
    const std::uint64_t crlf = masks.lf & (masks.cr << 1 | carry);
    crlf_ += static_cast<std::uint64_t>(std::popcount(crlf));
    bare_lf_ += static_cast<std::uint64_t>(std::popcount(masks.lf & ~crlf));
    carry = masks.cr >> (size - 1) & 1;
    chunk.remove_prefix(size);
  }
  after_cr_ = carry != 0;
}

std::string crlf_to_lf(std::string_view message) {
  std::string out;
  out.reserve(message.size());
  CrlfToLf converter;
  converter.feed(message, out);
  converter.finish(out);
  return out;
}

std::string lf_to_crlf(std::string_view message) {
  std::string out;
  out.reserve(message.size() + message.size() / 32 + 2);
  LfToCrlf().feed(message, out);
  return out;
}

}  // namespace posthouse::mail
