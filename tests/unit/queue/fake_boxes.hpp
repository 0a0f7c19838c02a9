// Mailboxes for the queue's tests: a LocalAgent whose writes and removals are pending until a
// checkpoint, and whose durable part outlives a crash. It checks the carrier's side of the bargain:
// a name that is there is written again only as a redo.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "queue/ports.hpp"
#include "tests/sim/lib/world.hpp"

namespace posthouse::queue::test {

// What is in the mailboxes; outlives the process.
struct Boxes {
  using Key = std::pair<std::string, std::string>;  // box, uid
  struct Change {
    Key key;
    bool removal = false;
    std::string text;
  };
  std::map<Key, std::string> cache;    // what readers see
  std::map<Key, std::string> durable;  // what a power cut leaves
  std::vector<Change> pending;

  void change(Key key, bool removal, std::string text) {
    apply(cache, Change{key, removal, text});
    pending.push_back(Change{std::move(key), removal, std::move(text)});
  }
  void harden(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) apply(durable, pending[i]);
    pending.erase(pending.begin(), pending.begin() + static_cast<std::ptrdiff_t>(count));
  }
  // A power cut that keeps the pending changes for which `keep` says so.
  void crash(const std::function<bool(std::size_t)>& keep) {
    for (std::size_t i = 0; i < pending.size(); ++i) {
      if (keep(i)) apply(durable, pending[i]);
    }
    pending.clear();
    cache = durable;
  }

 private:
  static void apply(std::map<Key, std::string>& to, const Change& change) {
    if (change.removal) {
      to.erase(change.key);
    } else {
      to[change.key] = change.text;
    }
  }
};

class FakeAgent final : public LocalAgent {
 public:
  FakeAgent(sim::World& world, Boxes& boxes) : world_(world), boxes_(boxes) {}

  net::Task<std::vector<LocalResult>> deliver(std::vector<LocalDelivery> deliveries) override {
    ++calls;
    largest = std::max(largest, deliveries.size());
    concurrent = std::max(concurrent, ++running_);
    co_await world_.timer().sleep_until(world_.now() + delay);
    std::vector<LocalResult> results;
    for (const LocalDelivery& delivery : deliveries) results.push_back(write(delivery));
    --running_;
    co_return results;
  }

  net::Task<std::vector<LeafId>> checkpoint() override {
    ++checkpoints;
    const std::size_t count = boxes_.pending.size();
    dirty = 0;
    std::vector<LeafId> failed = std::exchange(fail_next, {});
    co_await world_.timer().sleep_until(world_.now() + delay);
    boxes_.harden(count);
    co_return failed;
  }

  std::size_t dirty_files() const override { return dirty; }
  std::uint64_t dirty_bytes() const override { return dirty * 1000; }

  net::Task<base::Result<>> remove(std::string box, std::vector<std::string> uids) override {
    co_await world_.timer().sleep_until(world_.now() + delay);
    if (refuse_removals) co_return base::fail(std::errc::io_error, "unlink", box);
    for (const std::string& uid : uids) {
      if (boxes_.cache.contains({box, uid})) boxes_.change({box, uid}, true, "");
    }
    co_return base::Result<>();
  }

  std::function<bool(const LocalDelivery&)> defer;  // asked for each delivery, may be empty
  std::vector<LeafId> fail_next;                    // answer of the next checkpoint
  bool refuse_removals = false;
  base::Duration delay{300};
  std::size_t calls = 0;
  std::size_t largest = 0;
  std::size_t concurrent = 0;
  std::size_t checkpoints = 0;
  std::size_t dirty = 0;
  std::size_t redone = 0;

 private:
  LocalResult write(const LocalDelivery& delivery) {
    LocalResult result;
    if (defer && defer(delivery)) {
      result.outcome = LocalOutcome::deferred;
      result.detail = "as the test wishes";
      return result;
    }
    const Message& message = *delivery.message;
    const Leaf& leaf = message.leaves[delivery.leaf];
    const Boxes::Key key(leaf.box, leaf_uid(message, leaf));
    EXPECT_TRUE(message.content.text != nullptr) << "a delivery comes with its content";
    EXPECT_TRUE(delivery.redo || !boxes_.cache.contains(key)) << "delivered twice: " << key.second;
    boxes_.change(key, false, message.content.text ? *message.content.text : "");
    ++dirty;
    if (delivery.redo) {
      ++redone;
      boxes_.durable[key] = *message.content.text;  // a redo is durable at once
    }
    return result;
  }

  sim::World& world_;
  Boxes& boxes_;
  std::size_t running_ = 0;
};

}  // namespace posthouse::queue::test
