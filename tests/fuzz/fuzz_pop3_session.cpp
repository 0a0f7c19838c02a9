// The POP3 session core: any octets in any chunks end in replies, never in removal without QUIT;
// and how the octets are cut decides nothing.
#include <string>
#include <vector>

#include "base/assert.hpp"
#include "pop3d/session.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace posthouse;
using pop3d::Step;

namespace {

const std::vector<std::string>& wires() {
  static const std::vector<std::string> messages{"Subject: a\r\n\r\n.dot\r\nline\r\n", "\r\n",
                                                 "Subject: long\r\n\r\n" + std::string(70000, '.')};
  return messages;
}

const std::vector<pop3d::Listing>& listing() {
  static const std::vector<pop3d::Listing> table = [] {
    std::vector<pop3d::Listing> made;
    for (const std::string& wire : wires()) {
      made.push_back({wire.size(), "uid" + std::to_string(made.size())});
    }
    return made;
  }();
  return table;
}

// One run of a session over the input; answers every step at once.
class Run {
 public:
  Run(std::uint8_t flags, const pop3d::SessionOptions& options)
      : flags_(flags), session_(options) {}

  void feed(std::string_view octets) {
    if (over_) {
      return;
    }
    session_.on_bytes(octets);
    go_on();
  }
  void go_on() {
    bool more = true;
    while (more) {
      const Step step = session_.next();
      PH_ASSERT(session_.output().size() <= 4 * pop3d::kFlushAt, "output is bounded");
      more = perform(step);
    }
  }

  std::string out;
  bool shook_hands = false;
  bool removed = false;

 private:
  void write() {
    out += session_.output();
    session_.clear_output();
  }

  bool perform(const Step& step) {
    switch (step.kind) {
      case Step::Kind::read:
        write();
        return false;
      case Step::Kind::flush:
      case Step::Kind::wait:
        write();
        return true;
      case Step::Kind::start_tls:
        write();
        shook_hands = true;
        session_.on_tls(true);
        return true;
      case Step::Kind::login: {
        const pop3d::Credentials credentials = session_.credentials();
        // Good, refused, unavailable and in use, by the flags and the length of the password.
        const auto outcome = (flags_ & 8) != 0 ? credentials.password.view().size() % 4 : 0;
        session_.on_login(static_cast<pop3d::LoginOutcome>(outcome),
                          outcome == 0 ? &listing() : nullptr);
        return true;
      }
      case Step::Kind::fetch: {
        const std::string& wire = wires().at(step.index);
        PH_ASSERT(step.offset <= wire.size() && step.limit > 0, "a fetch inside the message");
        const std::string_view piece = std::string_view(wire).substr(step.offset, step.limit);
        session_.on_piece(pop3d::DropStatus::ok, piece, step.offset + piece.size() == wire.size());
        return true;
      }
      case Step::Kind::remove:
        PH_ASSERT(!session_.deleted().empty(), "a removal of nothing");
        PH_ASSERT(session_.deleted().back() < wires().size(), "a removal inside the mailbox");
        removed = true;
        session_.on_removed(pop3d::DropStatus::ok);
        return true;
      case Step::Kind::close:
        write();
        over_ = true;
        return false;
    }
    return false;
  }

  std::uint8_t flags_;
  pop3d::Session session_;
  bool over_ = false;
};

bool contains_quit(std::string_view input) {
  for (std::size_t i = 0; i + 4 <= input.size(); ++i) {
    const auto is = [&](std::size_t at, char c) { return (input[i + at] | 0x20) == c; };
    if (is(0, 'q') && is(1, 'u') && is(2, 'i') && is(3, 't')) {
      return true;
    }
  }
  return false;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input = fuzz::text_of(data, size);
  const std::uint8_t flags = fuzz::take_octet(input);
  const std::uint8_t seed = fuzz::take_octet(input);
  pop3d::SessionOptions options;
  options.tls_active = (flags & 1) != 0;
  options.tls_offered = (flags & 2) != 0;
  options.trusted_client = (flags & 4) != 0;

  Run whole(flags, options);
  whole.go_on();
  whole.feed(input);
  Run cut(flags, options);
  cut.go_on();
  fuzz::in_chunks(input, seed, [&](std::string_view chunk) { cut.feed(chunk); });

  PH_ASSERT(whole.out.starts_with("+OK "), "a session begins with the greeting");
  PH_ASSERT(whole.out.ends_with("\r\n"), "a reply ends with its line");
  PH_ASSERT(!whole.removed || contains_quit(input), "no removal without QUIT");
  // What follows STLS is dropped when it comes with it, so there the cut does decide.
  if (!whole.shook_hands && !cut.shook_hands) {
    PH_ASSERT(whole.out == cut.out, "the cut of the input decides nothing");
    PH_ASSERT(whole.removed == cut.removed, "the cut of the input removes nothing");
  }
  return 0;
}
