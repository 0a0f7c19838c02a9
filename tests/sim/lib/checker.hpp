// The ledger of a simulation: what clients were promised, what was found afterwards, and the
// promises that the two break (docs/testing.md). A message is known by a tag that the test puts
// into it; a recipient by the name of its mailbox. Plain data, one thread.
//
// Clients write promises as they see replies; after the run (or a crash and recovery) the test
// writes findings: mailboxes, queue, reports. broken() compares; new_findings() starts over.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace posthouse::sim {

class Ledger {
 public:
  // Promises. A message whose outcome the client never learned stays merely sent().
  void sent(const std::string& tag, std::vector<std::string> recipients, std::string_view content,
            bool null_sender = false);
  void acknowledged(const std::string& tag);  // 250 after the final dot
  void refused(const std::string& tag);       // 4xx or 5xx: nothing of it may ever be delivered
  void deleting(const std::string& mailbox, const std::string& tag);  // QUIT sent, no answer yet
  void deleted(const std::string& mailbox, const std::string& tag);   // +OK to QUIT

  // Findings.
  void new_findings();
  void found(const std::string& mailbox, const std::string& tag, std::string_view content);
  void queued(const std::string& recipient, const std::string& tag);
  void reported(const std::string& recipient, const std::string& tag);  // a failure DSN arrived

  // Every broken promise as a sentence; empty when all is well. With `at_rest`, no fault is left
  // and time has passed: what is still queued counts as broken.
  [[nodiscard]] std::vector<std::string> broken(bool at_rest = false) const;
  // Only what the findings themselves break: for a look at one mailbox, where others are not
  // missed.
  [[nodiscard]] std::vector<std::string> broken_by_findings() const;
  [[nodiscard]] std::size_t messages() const { return messages_.size(); }
  [[nodiscard]] std::size_t acknowledged_count() const;

 private:
  enum class Outcome : std::uint8_t { unknown, acknowledged, refused };
  struct Message {
    std::set<std::string> recipients;
    std::uint64_t content = 0;  // hash
    bool null_sender = false;
    Outcome outcome = Outcome::unknown;
  };
  struct Place {  // one recipient of one message
    unsigned found = 0, damaged = 0, queued = 0, reported = 0;
  };
  using Key = std::pair<std::string, std::string>;  // recipient, tag

  void check_message(const std::string& tag, const Message& message, bool at_rest,
                     std::vector<std::string>& out) const;
  void check_place(const Key& key, const Place& place, std::vector<std::string>& out) const;

  std::map<std::string, Message> messages_;
  std::set<Key> deleting_, deleted_;
  std::map<Key, Place> places_;
};

// The sentences joined by line ends, for EXPECT_EQ(…, "").
[[nodiscard]] std::string joined(const std::vector<std::string>& sentences);

}  // namespace posthouse::sim
