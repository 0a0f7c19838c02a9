// mail/header_scanner: the scanner over any chunks agrees with itself and with the reader.
#include <utility>

#include "base/assert.hpp"
#include "mail/header_scanner.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace posthouse;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = fuzz::text_of(data, size);
  const std::uint8_t seed = fuzz::take_octet(text);
  mail::HeaderScanner whole;
  whole.feed(text);
  whole.finish();
  mail::HeaderScanner pieces;
  fuzz::in_chunks(text, seed, [&](std::string_view chunk) { pieces.feed(chunk); });
  pieces.finish();
  PH_ASSERT(whole.header_octets() == pieces.header_octets(), "the header ends at one place");
  for (std::size_t i = 0; i < mail::kKnownFields; ++i) {
    const auto field = static_cast<mail::KnownField>(i);
    PH_ASSERT(whole.count(field) == pieces.count(field), "chunks do not change the counts");
  }
  std::size_t expected_offset = 0;
  std::size_t fields = 0;
  mail::FieldReader reader(text);
  while (const auto field = reader.next()) {
    PH_ASSERT(field->offset == expected_offset && field->size > 0, "fields follow one another");
    expected_offset += field->size;
    fields += field->name.empty() ? 0 : 1;
    const std::string value = mail::unfold(field->value);
    PH_ASSERT(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos,
              "an unfolded value is one line");
  }
  PH_ASSERT(reader.body_offset() == whole.header_octets(), "reader and scanner see one header");
  std::size_t called = 0;
  mail::for_each_field(text, [&](std::string_view, std::string_view, std::size_t) { ++called; });
  PH_ASSERT(called == fields, "each field is visited once");
  return 0;
}
