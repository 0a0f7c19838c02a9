// mail/address: paths as MAIL and RCPT carry them, with whatever follows.
#include "base/assert.hpp"
#include "mail/address.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace posthouse;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  for (const auto kind : {mail::PathKind::reverse, mail::PathKind::forward}) {
    const auto path = mail::parse_path(text, kind);
    if (!path) {
      continue;
    }
    PH_ASSERT(path->consumed >= 2 && path->consumed <= mail::kMaxPath, "a path keeps its limit");
    PH_ASSERT(text[0] == '<' && text[path->consumed - 1] == '>', "a path is in brackets");
    PH_ASSERT(path->null == path->address.empty(), "only the null path has no address");
    PH_ASSERT(!path->null || kind == mail::PathKind::reverse, "no null forward-path");
    const auto again = mail::parse_path(text.substr(0, path->consumed), kind);
    PH_ASSERT(again && again->address == path->address, "what follows changes nothing");
    const std::string printed = "<" + path->address.text() + ">";
    if (printed.size() <= path->consumed) {
      const auto reprinted = mail::parse_path(printed, kind);
      PH_ASSERT(reprinted && reprinted->address == path->address, "path round trip");
    }
  }
  return 0;
}
