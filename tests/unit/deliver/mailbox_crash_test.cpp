// Mailboxes under power failures: a run of deliveries, a checkpoint, more deliveries, a removal and
// a second checkpoint is cut at every disk operation, with many choices of what the disk kept; then
// the redo of everything not hardened must leave each message once, whole, and removed mail
// removed. The recovery itself is cut at every operation, too.
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "mailbox/checkpoint.hpp"
#include "mailbox/maildrop.hpp"
#include "mailbox/store.hpp"
#include "tests/sim/lib/sim_disk.hpp"

namespace posthouse::mailbox {
namespace {

class NoFileLocks final : public FileLocks {
 public:
  base::Result<std::unique_ptr<Held>> try_lock(const std::string&) override {
    return std::make_unique<Held>();
  }
};

constexpr const char* kRoot = "/spool/drop";

struct Mail {
  std::string box;
  std::string uid;
  std::string body;
};

// What the queue's log knows: everything here is durable from the start, as a crash leaves it.
struct Ledger {
  std::vector<bool> hardened;
  bool removal_recorded = false;
  bool removal_finished = false;
};

class Scene {
 public:
  Scene(base::Disk& disk, Format format, Ledger& ledger)
      : format_(format), disk_(disk), ledger_(ledger), store_(disk, locks_, options(format)) {
    ledger_.hardened.resize(mails().size());
  }

  static StoreOptions options(Format format) {
    StoreOptions options;
    options.format = format;
    options.root = kRoot;
    options.lock_wait = std::chrono::milliseconds(0);
    return options;
  }
  static const std::vector<Mail>& mails() {
    static const std::vector<Mail> list = {
        {"b/bob", "1.a-0", std::string(700, 'a') + "\r\nFrom x\r\n"},
        {"carol", "1.a-1", "short\r\n"},
        {"b/bob", "2.b-0", std::string(1200, 'b') + "\r\n\r\nend\r\n"},
        {"b/bob", "3.c-0", "\r\n\r\n"},
        {"dave", "3.c-1", std::string(600, 'd') + "\r\n"},
    };
    return list;
  }
  static constexpr std::size_t kRemoved = 0;      // hardened by then
  static constexpr std::size_t kRemovedSoon = 2;  // perhaps not

  Delivery delivery(std::size_t i) const {
    const Mail& mail = mails()[i];
    Delivery result;
    result.path = store_.path_of(mail.box);
    result.uid = mail.uid;
    result.recipient = mail.box + "@example.org";
    result.reverse_path = "alice@example.net";
    result.arrival = base::WallTime(std::chrono::seconds(1795231454));
    result.text = std::make_shared<const std::string>("Subject: x\r\n\r\n" + mail.body);
    return result;
  }
  std::string wire(std::size_t i) const {
    return "Return-Path: <alice@example.net>\r\nDelivered-To: " + mails()[i].box +
           "@example.org\r\nSubject: x\r\n\r\n" + mails()[i].body;
  }

  // Each step stops quietly where the power was cut.
  bool deliver(std::size_t i) {
    Delivery one = delivery(i);
    auto stored = store_.deliver(one);
    if (!stored) return false;
    dirty_.add(i, one.path, std::move(*stored));
    return true;
  }
  bool checkpoint() {
    CheckpointContext context{disk_, format_, kRoot};
    Checkpoint work(context, std::exchange(dirty_, {}), hardened_);
    std::vector<std::size_t> begun = std::exchange(written_, {});
    work.run();
    if (!work.finish(hardened_).empty() || !work.failed_mailboxes().empty()) return false;
    for (const std::size_t i : begun) ledger_.hardened[i] = true;
    return true;
  }
  bool remove() {
    ledger_.removal_recorded = true;
    const std::vector<std::string> uids = {mails()[kRemoved].uid, mails()[kRemovedSoon].uid};
    const std::string path = store_.path_of("b/bob");
    dirty_.add_removal(path);
    return store_.remove(path, uids).has_value();
  }
  void script() {
    for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
      if (!deliver(i)) return;
      written_.push_back(i);
    }
    if (!checkpoint()) return;
    for (std::size_t i = 2; i < mails().size(); ++i) {
      if (!deliver(i)) return;
      written_.push_back(i);
    }
    if (!remove() || !checkpoint()) return;
    ledger_.removal_finished = true;
  }

  // As the queue recovers: what was not hardened is redone, mailbox by mailbox; then the removal.
  bool recover() {
    std::map<std::string, std::vector<Delivery>> todo;
    for (std::size_t i = 0; i < mails().size(); ++i) {
      if (!ledger_.hardened[i]) todo[mails()[i].box].push_back(delivery(i));
    }
    for (const auto& [box, deliveries] : todo) {
      for (const auto& result : store_.redo(deliveries)) {
        if (!result) return false;
      }
      if (!store_.sync_above(deliveries.front().path)) return false;
    }
    if (ledger_.removal_recorded && !ledger_.removal_finished) {
      if (!remove() || !checkpoint()) return false;
    }
    return true;
  }

  // Everything in the mailboxes, by uid.
  std::map<std::string, std::string> contents() {
    std::map<std::string, std::string> found;
    for (const char* box : {"b/bob", "carol", "dave"}) {
      auto drop = Maildrop::open(store_, store_.path_of(box));
      EXPECT_TRUE(drop) << drop.error().message();
      if (!drop) continue;
      for (std::size_t i = 0; i < (*drop)->count(); ++i) {
        const std::string uid((*drop)->uid(i));
        Maildrop::Request request;
        request.index = i;
        std::string text;
        const auto end = (*drop)->read(request, &text);
        EXPECT_TRUE(end && *end);
        EXPECT_EQ(text.size(), (*drop)->size(i)) << uid;
        EXPECT_TRUE(found.emplace(uid, text).second) << uid << " twice";
      }
    }
    return found;
  }
  std::map<std::string, std::string> expected() const {
    std::map<std::string, std::string> result;
    for (std::size_t i = 0; i < mails().size(); ++i) {
      const bool gone = ledger_.removal_recorded && (i == kRemoved || i == kRemovedSoon);
      if (!gone) result.emplace(mails()[i].uid, wire(i));
    }
    return result;
  }

 private:
  const Format format_;
  base::Disk& disk_;
  Ledger& ledger_;
  NoFileLocks locks_;
  Store store_;
  DirtySet dirty_;
  std::vector<std::size_t> written_;
  HardenedPaths hardened_;
};

std::unique_ptr<sim::SimDisk> fresh_disk() {
  auto disk = std::make_unique<sim::SimDisk>(7);
  EXPECT_TRUE(base::make_dirs(*disk, kRoot));
  EXPECT_TRUE(disk->sync_dir(kRoot));
  return disk;
}

class MailboxCrash : public ::testing::TestWithParam<Format> {};
INSTANTIATE_TEST_SUITE_P(Formats, MailboxCrash, ::testing::Values(Format::maildir, Format::mbox),
                         [](const auto& param) {
                           return param.param == Format::maildir ? "maildir" : "mbox";
                         });

TEST_P(MailboxCrash, EveryCutIsRepaired) {
  for (std::uint64_t n = 1;; ++n) {
    const auto disk = fresh_disk();
    const std::uint64_t first = disk->operations();
    Ledger ledger;
    disk->cut_at(first + n);
    Scene(*disk, GetParam(), ledger).script();
    const bool was_cut = disk->cut();
    sim::LossPlan plan;
    plan.random_subsets = 20;
    plan.each_limit = 40;
    plan.seed = n;
    for (const sim::LossPolicy& policy : sim::loss_policies(disk->pending_items(), plan)) {
      const auto after = disk->after_crash(policy);
      Ledger known = ledger;
      Scene run(*after, GetParam(), known);
      ASSERT_TRUE(run.recover());
      ASSERT_EQ(run.contents(), run.expected()) << "cut at " << n << ", " << policy.text();
      // And it stays so when the power fails again at once.
      const auto again = after->after_crash(sim::LossPolicy::none());
      Scene later(*again, GetParam(), known);
      ASSERT_EQ(later.contents(), later.expected()) << "cut at " << n << ", " << policy.text();
    }
    if (!was_cut) {
      EXPECT_GT(n, 40u);  // the script really ran
      EXPECT_TRUE(ledger.removal_finished);
      break;
    }
  }
}

TEST_P(MailboxCrash, RecoveryMayBeCutAnywhereToo) {
  // A state in the middle: everything written, nothing of the second half hardened, half kept.
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    Ledger ledger;
    const auto disk = fresh_disk();
    {
      Scene run(*disk, GetParam(), ledger);
      for (std::size_t i = 0; i < Scene::mails().size(); ++i) ASSERT_TRUE(run.deliver(i));
      ledger.removal_recorded = true;
    }
    const auto crashed = disk->after_crash(sim::LossPolicy::random(seed));
    for (std::uint64_t n = 1;; ++n) {
      const auto first = crashed->after_crash(sim::LossPolicy::all());
      first->cut_at(n);
      Ledger known = ledger;
      const bool finished = Scene(*first, GetParam(), known).recover();
      const auto second = first->after_crash(sim::LossPolicy::random(seed * 1000 + n));
      Ledger later = ledger;
      Scene run(*second, GetParam(), later);
      ASSERT_TRUE(run.recover());
      ASSERT_EQ(run.contents(), run.expected()) << "seed " << seed << " cut at " << n;
      if (finished) break;
    }
  }
}

TEST_P(MailboxCrash, FailedSyncsAreReportedAndRedone) {
  // Every sync of the script fails once; the deliveries it concerned are then redone.
  for (std::uint64_t n = 1;; ++n) {
    const auto disk = fresh_disk();
    const std::uint64_t first = disk->operations();
    Ledger ledger;
    disk->fail_at(first + n, EIO);
    Scene run(*disk, GetParam(), ledger);
    run.script();
    const bool reached = disk->operations() >= first + n;
    disk->clear_faults();
    const auto after = disk->after_crash(sim::LossPolicy::random(n));
    Scene recovered(*after, GetParam(), ledger);
    ASSERT_TRUE(recovered.recover());
    ASSERT_EQ(recovered.contents(), recovered.expected()) << "operation " << n;
    if (!reached) break;
  }
}

// The planted bug: without the syncs of a redo, the crash behind it must be found to lose mail.
TEST_P(MailboxCrash, TheTestSeesAMissingSync) {
  const auto disk = fresh_disk();
  disk->set_fault_hook([](const sim::DiskOp&) { return sim::DiskFault{}; });
  Ledger ledger;
  Scene run(*disk, GetParam(), ledger);
  for (std::size_t i = 0; i < Scene::mails().size(); ++i) ASSERT_TRUE(run.deliver(i));
  EXPECT_EQ(run.contents(), run.expected());
  const auto after = disk->after_crash(sim::LossPolicy::none());
  Scene later(*after, GetParam(), ledger);
  EXPECT_NE(later.contents(), later.expected());
}

}  // namespace
}  // namespace posthouse::mailbox
