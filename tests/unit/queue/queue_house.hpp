// What the queue's tests share: a simulated world with a disk and pools, spools on it, messages to
// put in, and a visitor that keeps what recovery shows.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "base/ids.hpp"
#include "queue/log_spool.hpp"
#include "queue/manager.hpp"
#include "tests/sim/lib/sim_blocking.hpp"
#include "tests/sim/lib/sim_disk.hpp"
#include "tests/sim/lib/world.hpp"

namespace posthouse::queue::test {

inline base::MessageId make_id(std::uint64_t n) {
  base::MessageId id;
  id.time_us = 1'700'000'000'000'000ULL + n;
  id.random = n * 0x9e3779b97f4a7c15ULL + 1;
  return id;
}

// Message number n with `leaves` leaves and a body of `size` octets that depends on n.
inline Message make_message(std::uint64_t n, std::size_t size = 100, std::uint32_t leaves = 1) {
  Message message;
  message.id = make_id(n);
  message.arrival = base::WallTime(base::Duration(1'700'000'000'000'000LL));
  message.envelope.reverse_path.local = "sender" + std::to_string(n);
  message.envelope.reverse_path.domain = "example.net";
  message.envelope.client = "192.0.2.7";
  message.envelope.helo = "mail.example.net";
  for (std::uint32_t i = 0; i < leaves; ++i) {
    Leaf leaf;
    leaf.number = i;
    leaf.rcpt.local = "user" + std::to_string(i);
    leaf.rcpt.domain = "example.org";
    leaf.target = leaf.rcpt;
    leaf.box = "user" + std::to_string(i);
    message.leaves.push_back(std::move(leaf));
  }
  std::string text = "Received: here\r\n\r\n#" + std::to_string(n) + " ";
  while (text.size() < size) text.push_back(static_cast<char>('a' + (text.size() + n) % 26));
  message.content.size = text.size();
  message.content.text = std::make_shared<const std::string>(std::move(text));
  return message;
}

inline Batch message_batch(const Message& message) {
  Batch batch;
  batch.records.push_back(encode_message(message, {}, false));
  return batch;
}

inline LeavesFinished finished(std::vector<std::uint64_t> numbers) {
  LeavesFinished record;
  for (const std::uint64_t n : numbers) {
    LeavesFinished::Item item;
    item.id = make_id(n);
    item.leaves.push_back(0);
    record.items.push_back(std::move(item));
  }
  return record;
}

inline Batch finished_batch(std::vector<std::uint64_t> numbers) {
  Batch batch;
  batch.frees = true;
  batch.records.push_back(encode_leaves_finished(finished(std::move(numbers))));
  return batch;
}

// Folds into an index and keeps the order of what it saw.
class Seen final : public RecordVisitor {
 public:
  base::Result<> on_record(const RecordView& record) override {
    ++records;
    if (record.type == RecordType::message) {
      auto message = decode_message(record.payload);
      EXPECT_TRUE(message.has_value());
      if (!message) return tl::unexpected(message.error());
      messages.push_back(message->message.id);
      texts[message->message.id] = std::string(message->text);
      refs[message->message.id] = record.ref;
    }
    if (record.type == RecordType::leaves_finished) {
      auto ended = decode_leaves_finished(record.payload);
      EXPECT_TRUE(ended.has_value());
      for (const auto& item : ended->items) {
        refs.erase(item.id);
        ended_ids.push_back(item.id);
      }
    }
    return {};
  }
  void on_damage(const Damage& damage) override { damages.push_back(damage); }

  [[nodiscard]] std::vector<RecordRef> live() const {
    std::vector<RecordRef> all;
    for (const auto& [id, ref] : refs) all.push_back(ref);
    return all;
  }
  [[nodiscard]] bool has(std::uint64_t n) const { return texts.contains(make_id(n)); }

  std::size_t records = 0;
  std::vector<base::MessageId> messages;
  std::vector<base::MessageId> ended_ids;
  std::map<base::MessageId, std::string> texts;
  std::map<base::MessageId, RecordRef> refs;  // not ended
  std::vector<Damage> damages;
};

inline LogSpoolOptions small_log() {
  LogSpoolOptions options;
  options.directory = "/spool/queue";
  options.segment_size = 16 * 1024;
  options.min_log = 64 * 1024;
  return options;
}

// One life of the program: a world with pools over a disk that may outlive it.
class House {
 public:
  explicit House(sim::SimDisk& d, std::uint64_t seed = 1)
      : disk(d), world(seed), log_pool(world), file_pool(world) {}
  ~House() { world.shutdown(); }

  std::unique_ptr<LogSpool> make_spool(LogSpoolOptions options = small_log()) {
    const LogSpoolDeps deps{world.executor(), disk, world.timer(), log_pool, file_pool};
    return std::make_unique<LogSpool>(deps, std::move(options));
  }
  // Recovers and begins with everything that was not ended.
  Seen open(Spool& spool) {
    Seen seen;
    const auto recovered = spool.recover(seen);
    EXPECT_TRUE(recovered.has_value()) << recovered.error().message();
    if (!recovered) return seen;
    const auto begun = spool.begin(seen.live(), {});
    EXPECT_TRUE(begun.has_value()) << begun.error().message();
    return seen;
  }
  base::Result<> commit(Spool& spool, Batch& batch) {
    auto result = world.run(spool.commit(batch));
    EXPECT_TRUE(result.has_value()) << "commit did not end";
    return result ? *result : base::fail(std::errc::timed_out, "commit");
  }
  base::Result<> commit(Spool& spool, const Message& message, RecordRef* ref = nullptr) {
    Batch batch = message_batch(message);
    auto result = commit(spool, batch);
    if (ref != nullptr) *ref = batch.records.front().ref;
    return result;
  }

  sim::SimDisk& disk;
  sim::World world;
  sim::SimBlocking log_pool;
  sim::SimBlocking file_pool;
};

}  // namespace posthouse::queue::test
