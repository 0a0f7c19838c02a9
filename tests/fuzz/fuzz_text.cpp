// base/: queue ids, base64, UTF-8, numbers, log lines. What parses must print as it was.
#include "base/assert.hpp"
#include "base/digest.hpp"
#include "base/ids.hpp"
#include "base/log_format.hpp"
#include "base/text.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace posthouse;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  if (const auto id = base::parse_message_id(text)) {
    PH_ASSERT(base::format_message_id(*id) == base::to_lower(text), "an id has one spelling");
  }
  if (const auto plain = base::base64_decode(text)) {
    PH_ASSERT(base::base64_encode(*plain) == text, "base64 has one spelling");
  }
  PH_ASSERT(base::base64_decode(base::base64_encode(text)) == text, "base64 round trip");
  PH_ASSERT(base::crc32c(text) == base::crc32c_portable(text), "both checksums agree");
  if (const auto number = base::parse_u64(text)) {
    PH_ASSERT(text.ends_with(std::to_string(*number)), "a number reads as written");
  }
  PH_ASSERT(base::is_utf8(base::printable(text)), "printable is ASCII");
  for (const auto format : {base::LogFormat::text, base::LogFormat::json}) {
    std::string line;
    base::append_log_line(
        line, format,
        {base::WallTime(), base::LogLevel::info, "fuzz", text, "event", {{"value", text}}});
    PH_ASSERT(base::is_utf8(line), "a log line is UTF-8");
    PH_ASSERT(line.find_first_of(std::string_view("\n\r\0\x1b\x7f", 5)) == std::string::npos,
              "a log line has no controls");
  }
  return 0;
}
