// The fault model of the simulated disk, rule by rule (sim_disk.hpp), and replace_file() of base/
// cut at every operation with every loss.
#include "tests/sim/lib/sim_disk.hpp"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "base/disk.hpp"
#include "base/random.hpp"
#include "tests/sim/lib/disk_content.hpp"

namespace posthouse::sim {
namespace {

using base::OpenMode;

std::string content(base::Disk& disk, const std::string& path) {
  auto text = base::read_file(disk, path, 1 << 20);
  return text ? *text : fmt::format("<{}>", text.error().code.value());
}

bool exists(base::Disk& disk, const std::string& path) { return disk.stat(path).has_value(); }

std::set<std::string> names(base::Disk& disk, const std::string& path) {
  const auto list = disk.list(path);
  return list ? std::set<std::string>(list->begin(), list->end())
              : std::set<std::string>{"<error>"};
}

// A file whose name and content are durable.
void put(base::Disk& disk, const std::string& path, std::string_view text) {
  auto file = disk.open(path, OpenMode::create);
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->write_at(0, text));
  ASSERT_TRUE((*file)->sync_data());
  ASSERT_TRUE(disk.sync_dir(path.substr(0, std::max<std::size_t>(1, path.rfind('/')))));
}

void write(base::Disk& disk, const std::string& path, std::uint64_t offset, std::string_view text) {
  auto file = disk.open(path, OpenMode::read_write);
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->write_at(offset, text));
}

TEST(SimDisk, SyncedDataAndNameSurviveEveryLoss) {
  SimDisk disk;
  put(disk, "/a", "hello");
  EXPECT_EQ(disk.pending_items(), 0U);
  EXPECT_EQ(content(*disk.after_crash(LossPolicy::none()), "/a"), "hello");
}

TEST(SimDisk, DataWithoutNameAndNameWithoutData) {
  SimDisk disk;
  auto file = disk.open("/a", OpenMode::create_new);
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->write_at(0, "hello"));
  ASSERT_TRUE((*file)->sync_data());
  EXPECT_FALSE(exists(*disk.after_crash(LossPolicy::none()), "/a"));
  ASSERT_TRUE(disk.sync_dir("/"));
  ASSERT_TRUE((*file)->write_at(5, " world"));
  EXPECT_EQ(content(disk, "/a"), "hello world");
  EXPECT_EQ(content(*disk.after_crash(LossPolicy::none()), "/a"), "hello");
  EXPECT_EQ(content(*disk.after_crash(LossPolicy::all()), "/a"), "hello world");
}

TEST(SimDisk, SyncingTheDirectoryDoesNotSyncTheFile) {
  SimDisk disk;
  auto file = disk.open("/a", OpenMode::create_new);
  ASSERT_TRUE((*file)->write_at(0, "hello"));
  ASSERT_TRUE(disk.sync_dir("/"));
  EXPECT_EQ(content(*disk.after_crash(LossPolicy::none()), "/a"), "");
}

TEST(SimDisk, SectorsAreLostOneByOneAndSizeFollowsData) {
  SimDisk disk;
  put(disk, "/a", "");
  const std::string text = std::string(512, 'x') + std::string(512, 'y') + "z";
  write(disk, "/a", 0, text);
  ASSERT_EQ(disk.pending_items(), 3U);
  EXPECT_EQ(content(*disk.after_crash(LossPolicy::without(0)), "/a"),
            std::string(512, '\0') + std::string(512, 'y') + "z");
  EXPECT_EQ(content(*disk.after_crash(LossPolicy::without(2)), "/a"), text.substr(0, 1024));
  EXPECT_EQ(content(*disk.after_crash(LossPolicy::only(1)), "/a"),
            std::string(512, '\0') + std::string(512, 'y'));
}

TEST(SimDisk, EachVersionOfASectorMaySurvive) {
  SimDisk disk;
  put(disk, "/a", "....");
  write(disk, "/a", 0, "1");
  write(disk, "/a", 1, "2");
  ASSERT_EQ(disk.pending_items(), 2U);
  std::set<std::string> seen;
  for (const LossPolicy& policy : loss_policies(2)) {
    seen.insert(content(*disk.after_crash(policy), "/a"));
  }
  // The later version was written back with the earlier one in the same page.
  EXPECT_EQ(seen, (std::set<std::string>{"....", "1...", "12.."}));
}

TEST(SimDisk, TruncateIsPendingUntilSynced) {
  SimDisk disk;
  put(disk, "/a", "hello");
  auto file = disk.open("/a", OpenMode::read_write);
  ASSERT_TRUE((*file)->truncate(2));
  EXPECT_EQ(content(disk, "/a"), "he");
  EXPECT_EQ(content(*disk.after_crash(LossPolicy::none()), "/a"), "hello");
  ASSERT_TRUE((*file)->truncate(4));
  ASSERT_TRUE((*file)->sync_data());
  EXPECT_EQ(content(*disk.after_crash(LossPolicy::none()), "/a"), std::string("he\0\0", 4));
}

TEST(SimDisk, RenameIsOldOrNewNeverNeither) {
  SimDisk disk;
  put(disk, "/a", "new");
  put(disk, "/b", "old");
  ASSERT_TRUE(disk.rename("/a", "/b"));
  ASSERT_EQ(disk.pending_items(), 1U);
  const auto lost = disk.after_crash(LossPolicy::none());
  EXPECT_EQ(content(*lost, "/a"), "new");
  EXPECT_EQ(content(*lost, "/b"), "old");
  const auto kept = disk.after_crash(LossPolicy::all());
  EXPECT_EQ(names(*kept, "/"), std::set<std::string>{"b"});
  EXPECT_EQ(content(*kept, "/b"), "new");
  ASSERT_TRUE(disk.sync_dir("/"));
  EXPECT_EQ(content(*disk.after_crash(LossPolicy::none()), "/b"), "new");
}

TEST(SimDisk, RenameBetweenDirectoriesIsHardenedByTheTarget) {
  SimDisk disk;
  ASSERT_TRUE(base::make_dirs(disk, "/tmp"));
  ASSERT_TRUE(base::make_dirs(disk, "/new"));
  auto file = disk.open("/tmp/x", OpenMode::create_new);
  ASSERT_TRUE((*file)->write_at(0, "mail"));
  ASSERT_TRUE((*file)->sync_data());
  ASSERT_TRUE(disk.rename("/tmp/x", "/new/x"));
  ASSERT_TRUE(disk.sync_dir("/tmp"));
  EXPECT_FALSE(exists(*disk.after_crash(LossPolicy::none()), "/new/x"));
  ASSERT_TRUE(disk.sync_dir("/new"));
  EXPECT_EQ(disk.pending_items(), 0U);
  const auto after = disk.after_crash(LossPolicy::none());
  EXPECT_EQ(content(*after, "/new/x"), "mail");
  EXPECT_FALSE(exists(*after, "/tmp/x"));
}

TEST(SimDisk, LaterChangesOfANameNeedTheEarlierOnes) {
  SimDisk disk;
  put(disk, "/a", "first");
  ASSERT_TRUE(disk.rename("/a", "/b"));
  ASSERT_TRUE(disk.open("/a", OpenMode::create_new));
  ASSERT_EQ(disk.pending_items(), 2U);
  // Whatever is lost, the first file has a name.
  for (const LossPolicy& policy : loss_policies(2)) {
    const auto after = disk.after_crash(policy);
    EXPECT_TRUE(content(*after, "/a") == "first" || content(*after, "/b") == "first")
        << policy.text();
  }
  EXPECT_EQ(content(*disk.after_crash(LossPolicy::only(1)), "/b"), "first");
  EXPECT_EQ(names(*disk.after_crash(LossPolicy::without(0)), "/"), std::set<std::string>{"a"});
}

TEST(SimDisk, RemovalAndLinkArePending) {
  SimDisk disk;
  put(disk, "/a", "text");
  ASSERT_TRUE(disk.link("/a", "/b"));
  EXPECT_EQ(disk.stat("/a")->links, 2U);
  ASSERT_TRUE(disk.remove("/a"));
  EXPECT_EQ(names(disk, "/"), std::set<std::string>{"b"});
  EXPECT_EQ(names(*disk.after_crash(LossPolicy::none()), "/"), std::set<std::string>{"a"});
  EXPECT_EQ(names(*disk.after_crash(LossPolicy::only(0)), "/"), (std::set<std::string>{"a", "b"}));
  EXPECT_EQ(names(*disk.after_crash(LossPolicy::only(1)), "/"), std::set<std::string>{});
  EXPECT_EQ(content(*disk.after_crash(LossPolicy::all()), "/b"), "text");
}

TEST(SimDisk, EntriesOfALostDirectoryAreLost) {
  SimDisk disk;
  ASSERT_TRUE(disk.make_dir("/d"));
  put(disk, "/d/a", "text");
  EXPECT_FALSE(exists(*disk.after_crash(LossPolicy::none()), "/d"));
  ASSERT_TRUE(disk.sync_dir("/"));
  EXPECT_EQ(content(*disk.after_crash(LossPolicy::none()), "/d/a"), "text");
}

TEST(SimDisk, FailedSyncForgetsWhatWasPending) {
  for (const SyncFailure model : {SyncFailure::reads_new, SyncFailure::reads_old}) {
    SimDisk disk;
    disk.set_sync_failure(model);
    put(disk, "/a", "old");
    auto file = disk.open("/a", OpenMode::read_write);
    ASSERT_TRUE((*file)->write_at(0, "new"));
    disk.fail_at(disk.operations() + 1, EIO);
    const auto failed = (*file)->sync_data();
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code.value(), EIO);
    EXPECT_EQ(content(disk, "/a"), model == SyncFailure::reads_new ? "new" : "old");
    // The next sync has nothing to write, says so, and hardens nothing.
    EXPECT_TRUE((*file)->sync_data());
    EXPECT_EQ(content(*disk.after_crash(LossPolicy::all()), "/a"), "old");
  }
}

TEST(SimDisk, FailedSyncReadsBySeed) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SimDisk disk(seed);
    put(disk, "/a", "old");
    auto file = disk.open("/a", OpenMode::read_write);
    ASSERT_TRUE((*file)->write_at(0, "new"));
    disk.fail_at(disk.operations() + 1, EIO);
    ASSERT_FALSE((*file)->sync_data());
    seen.insert(content(disk, "/a"));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"new", "old"}));
}

TEST(SimDisk, FailedDirectorySyncForgetsNames) {
  SimDisk disk;
  put(disk, "/a", "text");
  ASSERT_TRUE(disk.rename("/a", "/b"));
  disk.fail_at(disk.operations() + 1, EIO);
  ASSERT_FALSE(disk.sync_dir("/"));
  EXPECT_TRUE(disk.sync_dir("/"));
  EXPECT_EQ(names(disk, "/"), std::set<std::string>{"b"});
  EXPECT_EQ(names(*disk.after_crash(LossPolicy::all()), "/"), std::set<std::string>{"a"});
}

TEST(SimDisk, ShortWriteAndFullDisk) {
  SimDisk disk;
  put(disk, "/a", "");
  auto file = disk.open("/a", OpenMode::read_write);
  disk.short_write_at(disk.operations() + 1, 3, ENOSPC);
  EXPECT_EQ((*file)->write_at(0, "hello").error().code.value(), ENOSPC);
  EXPECT_EQ(content(disk, "/a"), "hel");

  disk.set_capacity(1024);
  EXPECT_EQ(disk.free_space("/").value(), 512U);
  EXPECT_EQ((*file)->write_at(0, std::string(1100, 'x')).error().code.value(), ENOSPC);
  EXPECT_EQ((*file)->size().value(), 1024U);
  EXPECT_EQ(disk.free_space("/").value(), 0U);
  EXPECT_TRUE((*file)->write_at(100, "overwriting needs no room"));
  EXPECT_EQ(disk.open("/b", OpenMode::create).error().code.value(), ENOSPC);
  file->reset();
  ASSERT_TRUE(disk.remove("/a"));
  EXPECT_EQ(disk.free_space("/").value(), 1024U);
}

TEST(SimDisk, UnlinkedFileKeepsItsRoomWhileOpen) {
  SimDisk disk;
  disk.set_capacity(4096);
  put(disk, "/a", std::string(1000, 'x'));
  auto file = disk.open("/a", OpenMode::read);
  ASSERT_TRUE(disk.remove("/a"));
  EXPECT_EQ(disk.free_space("/").value(), 3072U);
  std::string out(4, '\0');
  EXPECT_EQ((*file)->read_at(998, out).value(), 2U);
  file->reset();
  EXPECT_EQ(disk.free_space("/").value(), 4096U);
}

TEST(SimDisk, HookFailsByNameAndReadsToo) {
  SimDisk disk;
  put(disk, "/a", "x");
  disk.set_fault_hook([](const DiskOp& op) {
    DiskFault fault;
    if (op.name == "read" && op.path == "/a") fault.error = EIO;
    return fault;
  });
  EXPECT_EQ(content(disk, "/a"), "<5>");
  disk.clear_faults();
  EXPECT_EQ(content(disk, "/a"), "x");
}

TEST(SimDisk, AfterTheCutNothingHappens) {
  SimDisk disk;
  put(disk, "/a", "old");
  auto file = disk.open("/a", OpenMode::read_write);
  int cuts = 0;
  disk.on_cut([&] { ++cuts; });
  disk.cut_at(disk.operations() + 2);
  ASSERT_TRUE((*file)->write_at(0, "new"));
  EXPECT_FALSE(disk.cut());
  EXPECT_EQ((*file)->sync_data().error().code.value(), EIO);
  EXPECT_TRUE(disk.cut());
  EXPECT_FALSE(disk.rename("/a", "/b"));
  EXPECT_FALSE(disk.list("/"));
  EXPECT_EQ(cuts, 1);
  // The interrupted sync may have written its sector.
  EXPECT_EQ(content(*disk.after_crash(LossPolicy::all()), "/a"), "new");
  disk.crash(LossPolicy::none());
  EXPECT_FALSE(disk.cut());
  EXPECT_EQ(content(disk, "/a"), "old");
  EXPECT_EQ((*file)->write_at(0, "x").error().code.value(), EIO) << "a handle outlived the crash";
}

TEST(SimDisk, KillKeepsTheCacheAndWhatIsPending) {
  SimDisk disk;
  put(disk, "/a", "old");
  write(disk, "/a", 0, "new");
  auto lock = disk.lock("/lock");
  ASSERT_TRUE(lock);
  EXPECT_EQ(disk.lock("/lock").error().code.value(), EWOULDBLOCK);
  const std::size_t pending = disk.pending_items();
  disk.kill();
  EXPECT_EQ(content(disk, "/a"), "new");
  EXPECT_EQ(disk.pending_items(), pending);
  auto again = disk.lock("/lock");
  EXPECT_TRUE(again) << "the lock died with its process";
  lock->reset();  // the dead process's handle must not free the new owner's lock
  EXPECT_FALSE(disk.lock("/lock"));
  again->reset();
  EXPECT_TRUE(disk.lock("/lock"));
  EXPECT_EQ(content(*disk.after_crash(LossPolicy::none()), "/a"), "old");
}

TEST(SimDisk, CountsAndNamesOperations) {
  SimDisk disk;
  put(disk, "/a", "x");
  ASSERT_TRUE(disk.rename("/a", "/b"));
  EXPECT_EQ(disk.log(), (std::vector<std::string>{"create /a", "write /a @0+1", "sync_data /a",
                                                  "sync_dir /", "rename /a -> /b"}));
  EXPECT_EQ(disk.operations(), 5U);
}

TEST(SimDisk, FlipBitDamagesForGood) {
  SimDisk disk;
  put(disk, "/a", "a");
  ASSERT_TRUE(disk.flip_bit("/a", 0, 1));
  EXPECT_EQ(content(disk, "/a"), "c");
  EXPECT_EQ(content(*disk.after_crash(LossPolicy::none()), "/a"), "c");
  EXPECT_FALSE(disk.flip_bit("/a", 9, 1));
}

TEST(SimDisk, RefusesWhatAFileSystemRefuses) {
  SimDisk disk;
  put(disk, "/a", "x");
  ASSERT_TRUE(disk.make_dir("/d"));
  put(disk, "/d/f", "x");
  const auto error = [](const auto& result) { return result ? 0 : result.error().code.value(); };
  EXPECT_EQ(error(disk.open("/a", OpenMode::create_new)), EEXIST);
  EXPECT_EQ(error(disk.open("/none/a", OpenMode::create)), ENOENT);
  EXPECT_EQ(error(disk.open("/none", OpenMode::read)), ENOENT);
  EXPECT_EQ(error(disk.link("/a", "/d/f")), EEXIST);
  EXPECT_EQ(error(disk.remove("/none")), ENOENT);
  EXPECT_EQ(error(disk.remove_dir("/d")), ENOTEMPTY);
  EXPECT_EQ(error(disk.rename("/a", "/d")), EISDIR);
  EXPECT_EQ(error(disk.rename("/d", "/d/sub")), EINVAL);
  EXPECT_EQ(error(disk.make_dir("/d")), 0);
  EXPECT_EQ(error(disk.make_dir("/a")), EEXIST);
}

TEST(SimDisk, LossPlanHasEveryKind) {
  EXPECT_EQ(loss_policies(0).size(), 1U);
  EXPECT_EQ(loss_policies(3).size(), 8U);
  EXPECT_EQ(loss_policies(20).size(), 2U + 40U + 200U);
  LossPlan plan;
  plan.each_limit = 10;
  EXPECT_EQ(loss_policies(1000, plan).size(), 2U + 20U + 200U);
}

// Cuts `replace` at every operation, with every loss; how often the file is neither old nor new, or
// not the new one although `replace` said so.
template <class Replace>
int broken_replacements(Replace replace, int& cut_points) {
  int broken = 0;
  for (std::uint64_t n = 1;; ++n) {
    SimDisk disk(n);
    const std::string old_text(1500, 'o');
    const std::string new_text(2500, 'n');
    put(disk, "/file", old_text);
    disk.cut_at(disk.operations() + n);
    const bool done = replace(disk, "/file", new_text);
    for (const LossPolicy& policy : loss_policies(disk.pending_items())) {
      const auto after = disk.after_crash(policy);
      const std::string left = content(*after, "/file");
      const bool allowed = left == new_text || (!done && left == old_text);
      if (!allowed) ++broken;
    }
    ++cut_points;
    if (!disk.cut()) return broken;
  }
}

TEST(SimDisk, ReplaceFileIsAtomicAtEveryCut) {
  int cut_points = 0;
  const auto replace = [](base::Disk& disk, const std::string& path, const std::string& text) {
    return base::replace_file(disk, path, text).has_value();
  };
  EXPECT_EQ(broken_replacements(replace, cut_points), 0);
  EXPECT_GE(cut_points, 5) << "create, write, sync, rename, directory sync, and no cut";
}

TEST(SimDisk, ReplacementWithoutAFlushIsFound) {
  int cut_points = 0;
  const auto no_file_sync = [](base::Disk& disk, const std::string& path, const std::string& text) {
    auto file = disk.open(path + ".new", OpenMode::create);
    return file && (*file)->write_at(0, text) && disk.rename(path + ".new", path) &&
           disk.sync_dir("/");
  };
  EXPECT_GT(broken_replacements(no_file_sync, cut_points), 0);
  const auto no_dir_sync = [](base::Disk& disk, const std::string& path, const std::string& text) {
    auto file = disk.open(path + ".new", OpenMode::create);
    return file && (*file)->write_at(0, text) && (*file)->sync_data() &&
           disk.rename(path + ".new", path);
  };
  EXPECT_GT(broken_replacements(no_dir_sync, cut_points), 0);
}

TEST(SimDisk, ContentsBehaveLikeAString) {
  base::SeededRandom random(7);
  for (int round = 0; round < 50; ++round) {
    Content content;
    Content copy;
    std::string model;
    std::string model_copy;
    for (int step = 0; step < 60; ++step) {
      const std::uint64_t offset = random.below(20'000);
      switch (random.below(4)) {
        case 0: {
          content.resize(offset);
          model.resize(offset, '\0');
          break;
        }
        case 1:
          copy = content;
          model_copy = model;
          break;
        default: {
          const char fill = static_cast<char>(random.below(3));
          const std::string text(random.below(9000), fill);
          content.write(offset, text);
          if (!text.empty()) {
            model.resize(std::max<std::size_t>(model.size(), offset + text.size()), '\0');
            model.replace(offset, text.size(), text);
          }
        }
      }
      ASSERT_EQ(content.text(0, 1 << 20), model);
      ASSERT_EQ(copy.text(0, 1 << 20), model_copy);
    }
  }
}

// Everything that a path leads to, with its content.
void snapshot(base::Disk& disk, const std::string& path, std::map<std::string, std::string>& out) {
  for (const std::string& name : names(disk, path)) {
    const std::string full = (path == "/" ? "" : path) + "/" + name;
    if (disk.stat(full)->is_dir) {
      out[full] = "<dir>";
      snapshot(disk, full, out);
    } else {
      out[full] = content(disk, full);
    }
  }
}

void random_operation(SimDisk& disk, base::Random& random) {
  const auto path = [&] {
    static const char* const kDirs[] = {"", "/d", "/e"};
    return fmt::format("{}/{}", kDirs[random.below(3)], random.below(4));
  };
  const std::string one = path();
  const std::string two = path();
  switch (random.below(6)) {
    case 0:
      (void)disk.remove(one);
      break;
    case 1:
      (void)disk.rename(one, two);
      break;
    case 2:
      (void)disk.link(one, two);
      break;
    case 3:
      if (auto file = disk.open(one, OpenMode::read_write))
        (void)(*file)->truncate(random.below(2000));
      break;
    default:
      if (auto file = disk.open(one, OpenMode::create)) {
        const std::string text(random.below(1500), static_cast<char>('a' + random.below(26)));
        (void)(*file)->write_at(random.below(1000), text);
        if (random.below(3) == 0) (void)(*file)->sync_data();
      }
  }
  if (random.below(8) == 0) (void)disk.sync_dir("/");
}

// Whatever was done, lost or failed before: what every sync covered survives every loss, and the
// surviving disk of any loss is whole (nothing pending, and a second crash changes nothing).
TEST(SimDisk, FullySyncedDisksSurviveAndLossesAreStable) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    base::SeededRandom random(seed);
    SimDisk disk(seed);
    ASSERT_TRUE(base::make_dirs(disk, "/d"));
    ASSERT_TRUE(base::make_dirs(disk, "/e"));
    for (int step = 0; step < 40; ++step) random_operation(disk, random);
    for (int i = 0; i < 10; ++i) {
      const auto lossy = disk.after_crash(LossPolicy::random(random.next_u64()));
      EXPECT_EQ(lossy->pending_items(), 0U);
      std::map<std::string, std::string> once, twice;
      snapshot(*lossy, "/", once);
      snapshot(*lossy->after_crash(LossPolicy::none()), "/", twice);
      EXPECT_EQ(once, twice);
    }
    std::map<std::string, std::string> before, kept, after;
    snapshot(disk, "/", before);
    snapshot(*disk.after_crash(LossPolicy::all()), "/", kept);
    EXPECT_EQ(before, kept) << "nothing lost is what the cache showed, seed " << seed;
    for (const auto& [path, text] : before) {
      if (text == "<dir>") continue;
      auto file = disk.open(path, OpenMode::read_write);
      ASSERT_TRUE(file);
      ASSERT_TRUE((*file)->sync_data());
    }
    for (const char* dir : {"/", "/d", "/e"}) ASSERT_TRUE(disk.sync_dir(dir));
    snapshot(*disk.after_crash(LossPolicy::none()), "/", after);
    EXPECT_EQ(before, after) << "seed " << seed;
  }
}

TEST(SimDisk, SameSeedSameDisk) {
  const auto play = [](std::uint64_t seed) {
    SimDisk disk(seed);
    for (int i = 0; i < 8; ++i) put(disk, fmt::format("/f{}", i), "x");
    std::string out;
    const auto listed = disk.list("/");
    for (const std::string& name : *listed) out += name;
    return out;
  };
  EXPECT_EQ(play(1), play(1));
  EXPECT_NE(play(1), play(2));
}

}  // namespace
}  // namespace posthouse::sim
