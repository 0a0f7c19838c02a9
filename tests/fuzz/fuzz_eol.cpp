// mail/eol: conversions in chunks against whole strings, and the counter against the conversions.
#include "base/assert.hpp"
#include "mail/eol.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace posthouse;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = fuzz::text_of(data, size);
  const std::uint8_t seed = fuzz::take_octet(text);
  mail::CrlfToLf to_lf;
  mail::LfToCrlf to_crlf;
  mail::EolCounter counter;
  std::string lf;
  std::string crlf;
  fuzz::in_chunks(text, seed, [&](std::string_view chunk) {
    to_lf.feed(chunk, lf);
    to_crlf.feed(chunk, crlf);
    counter.feed(chunk);
  });
  to_lf.finish(lf);
  PH_ASSERT(lf == mail::crlf_to_lf(text), "chunks do not change the LF form");
  PH_ASSERT(crlf == mail::lf_to_crlf(text), "chunks do not change the CRLF form");
  PH_ASSERT(counter.octets() == text.size(), "octets are counted");
  PH_ASSERT(counter.lf_size() == lf.size(), "the LF size is exact");
  PH_ASSERT(counter.crlf_size() == crlf.size(), "the CRLF size is exact");
  PH_ASSERT(mail::lf_to_crlf(crlf) == crlf, "the CRLF form is final");
  return 0;
}
