// The messages of one relay() between its caller and the client core: second transactions for
// recipients that were too many for the first (RFC 5321 4.5.3.1.10), and the 7-bit form of a
// message. Private to relay.cpp; one thread. No message that next() gave is lost here: finish()
// hands back whatever still waits.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "deliver/relay.hpp"

namespace posthouse::deliver {

class RelayMail {
 public:
  explicit RelayMail(RelayWork& work) : work_(work) {}
  RelayMail(const RelayMail&) = delete;
  RelayMail& operator=(const RelayMail&) = delete;

  [[nodiscard]] RelayWork& work() { return work_; }
  // What to send next: the rest of an earlier message, else a new one; nullptr when there is none.
  [[nodiscard]] const ClientMessage* next();
  [[nodiscard]] std::unique_ptr<BodySource> open_body(const ClientMessage& message);
  void on_result(MessageResult result);
  // The connection is over: what waited for a second transaction keeps its first outcome.
  void finish();
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  // The recipients of `original` that go again.
  struct Rest {
    const ClientMessage* original = nullptr;
    ClientMessage message;
    std::vector<std::size_t> positions;  // in the original
    MessageResult result;                // of the original, so far
  };
  void settle(MessageResult result);
  std::deque<std::unique_ptr<Rest>>::iterator find(const ClientMessage& message);

  RelayWork& work_;
  std::deque<std::unique_ptr<Rest>> waiting_;
  std::deque<std::unique_ptr<Rest>> under_way_;
  std::size_t count_ = 0;
};

struct SevenBit {
  std::optional<std::string> text;
  std::string why;  // not
};
// Reads all of `source`, at most `limit` octets, and converts it (mail/transfer_encoding).
[[nodiscard]] net::Task<> read_and_convert(BodySource& source, std::size_t limit, SevenBit& out);

}  // namespace posthouse::deliver
