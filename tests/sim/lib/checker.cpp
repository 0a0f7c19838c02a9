// Comparing promises with findings; see the header.
#include "tests/sim/lib/checker.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "base/assert.hpp"

namespace posthouse::sim {

namespace {

std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

}  // namespace

void Ledger::sent(const std::string& tag, std::vector<std::string> recipients,
                  std::string_view content, bool null_sender) {
  Message message;
  message.recipients.insert(recipients.begin(), recipients.end());
  message.content = hash_of(content);
  message.null_sender = null_sender;
  const bool fresh = messages_.emplace(tag, std::move(message)).second;
  PH_ASSERT(fresh, "a tag is used for two messages");
}

void Ledger::acknowledged(const std::string& tag) {
  messages_.at(tag).outcome = Outcome::acknowledged;
}

void Ledger::refused(const std::string& tag) { messages_.at(tag).outcome = Outcome::refused; }

void Ledger::deleting(const std::string& mailbox, const std::string& tag) {
  deleting_.emplace(mailbox, tag);
}

void Ledger::deleted(const std::string& mailbox, const std::string& tag) {
  deleted_.emplace(mailbox, tag);
}

void Ledger::new_findings() { places_.clear(); }

void Ledger::found(const std::string& mailbox, const std::string& tag, std::string_view content) {
  Place& place = places_[Key(mailbox, tag)];
  ++place.found;
  const auto message = messages_.find(tag);
  if (message != messages_.end() && message->second.content != hash_of(content)) ++place.damaged;
}

void Ledger::queued(const std::string& recipient, const std::string& tag) {
  ++places_[Key(recipient, tag)].queued;
}

void Ledger::reported(const std::string& recipient, const std::string& tag) {
  ++places_[Key(recipient, tag)].reported;
}

std::size_t Ledger::acknowledged_count() const {
  return static_cast<std::size_t>(std::count_if(
      messages_.begin(), messages_.end(),
      [](const auto& entry) { return entry.second.outcome == Outcome::acknowledged; }));
}

// What must be somewhere: every recipient of an acknowledged message.
void Ledger::check_message(const std::string& tag, const Message& message, bool at_rest,
                           std::vector<std::string>& out) const {
  for (const std::string& recipient : message.recipients) {
    const Key key(recipient, tag);
    const auto known = places_.find(key);
    const Place place = known == places_.end() ? Place() : known->second;
    const bool gone_by_request = deleted_.count(key) != 0 || deleting_.count(key) != 0;
    if (message.outcome == Outcome::acknowledged && !gone_by_request &&
        place.found + place.queued + place.reported == 0) {
      out.push_back(fmt::format("{} was acknowledged and is lost for {}", tag, recipient));
    }
    if (at_rest && place.queued > 0) {
      out.push_back(fmt::format("{} for {} is still queued with all faults gone", tag, recipient));
    }
  }
}

// What must not be where it was found.
void Ledger::check_place(const Key& key, const Place& place, std::vector<std::string>& out) const {
  const auto& [recipient, tag] = key;
  const auto complain = [&](std::string_view what) {
    out.push_back(fmt::format("{} for {}: {}", tag, recipient, what));
  };
  const auto known = messages_.find(tag);
  if (known == messages_.end()) {
    complain("nobody sent it");
    return;
  }
  const Message& message = known->second;
  if (message.recipients.count(recipient) == 0) complain("it was not sent there");
  if (message.outcome == Outcome::refused && place.found + place.reported > 0) {
    complain("it was refused and yet delivered or reported");
  }
  if (place.found > 1) complain(fmt::format("it is {} times in the mailbox", place.found));
  if (place.damaged > 0) complain("its content is not what was sent");
  if (place.found > 0 && deleted_.count(key) != 0) complain("it was deleted and came back");
  if (place.reported > 1) complain(fmt::format("{} reports of one failure", place.reported));
  if (place.reported > 0 && place.found > 0) complain("it was delivered and reported as failed");
  if (place.reported > 0 && message.null_sender) complain("a report to the null sender");
}

std::vector<std::string> Ledger::broken(bool at_rest) const {
  std::vector<std::string> out;
  for (const auto& [tag, message] : messages_) check_message(tag, message, at_rest, out);
  for (const auto& [key, place] : places_) check_place(key, place, out);
  return out;
}

std::vector<std::string> Ledger::broken_by_findings() const {
  std::vector<std::string> out;
  for (const auto& [key, place] : places_) check_place(key, place, out);
  return out;
}

std::string joined(const std::vector<std::string>& sentences) {
  std::string out;
  for (const std::string& sentence : sentences) out += sentence + "\n";
  return out;
}

}  // namespace posthouse::sim
