// mail/dot_decoder against a plain octet-by-octet reading of RFC 5321, and through the encoder.
#include "base/assert.hpp"
#include "mail/dot_decoder.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace posthouse;

namespace {

struct Expected {
  std::string text;
  std::size_t consumed = 0;
  bool finished = false;
  bool bare = false;
};

// The same meaning as slowly and plainly as possible: lines end at CRLF and nowhere else.
Expected plainly(std::string_view input) {
  Expected result;
  std::size_t at = 0;
  while (at < input.size()) {
    const auto crlf = input.find("\r\n", at);
    std::string_view line = input.substr(at, crlf == std::string_view::npos ? crlf : crlf - at);
    if (crlf != std::string_view::npos && line == ".") {
      result.finished = true;
      result.consumed = crlf + 2;
      return result;
    }
    const std::string_view rest = line;
    if (line.starts_with('.')) {
      line.remove_prefix(1);
    }
    // A CR as the last octet so far may still become a line end.
    const bool open_cr = crlf == std::string_view::npos && rest.ends_with('\r');
    const auto judged = open_cr ? rest.substr(0, rest.size() - 1) : rest;
    result.bare = result.bare || judged.find_first_of("\r\n") != std::string_view::npos;
    if (open_cr && rest == ".\r") {
      line = {};  // held back: it may be the end
    }
    result.text += line;
    if (crlf == std::string_view::npos) {
      break;
    }
    result.text += "\r\n";
    at = crlf + 2;
  }
  result.consumed = input.size();
  return result;
}

void check_encoder(const std::string& message, std::uint32_t seed, mail::LineEnd form) {
  mail::DotEncoder encoder(form);
  std::string wire;
  fuzz::in_chunks(message, seed, [&](std::string_view chunk) { encoder.feed(chunk, wire); });
  encoder.finish(wire);
  mail::DotDecoder decoder;
  std::string back;
  const auto fed = decoder.feed(wire, back);
  PH_ASSERT(fed.finished && fed.consumed == wire.size(), "an encoded message ends at its end");
  std::string expected = form == mail::LineEnd::lf ? mail::lf_to_crlf(message) : message;
  if (!expected.empty() && !expected.ends_with("\r\n")) {
    expected += "\r\n";
  }
  PH_ASSERT(back == expected, "encoder and decoder cancel out");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input = fuzz::text_of(data, size);
  const std::uint8_t seed = fuzz::take_octet(input);
  const Expected expected = plainly(input);

  mail::DotDecoder decoder;
  std::string text;
  std::size_t consumed = 0;
  fuzz::in_chunks(input, seed, [&](std::string_view chunk) {
    if (!decoder.finished()) {
      consumed += decoder.feed(chunk, text).consumed;
    }
  });
  PH_ASSERT(text == expected.text, "the text is as the standard has it");
  PH_ASSERT(consumed == expected.consumed, "the end is where the standard has it");
  PH_ASSERT(decoder.finished() == expected.finished, "only CRLF.CRLF ends a message");
  PH_ASSERT(decoder.bare_newline() == expected.bare, "each bare CR and LF is noted");
  PH_ASSERT(decoder.octets() == text.size(), "octets are counted");

  check_encoder(text, seed, mail::LineEnd::crlf);
  check_encoder(text, seed, mail::LineEnd::lf);
  return 0;
}
