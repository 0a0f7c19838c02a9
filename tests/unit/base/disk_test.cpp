// The real disk, in a temporary directory: every call, its errors, and the helpers on top.
#include "base/disk.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <numeric>

namespace posthouse::base {
namespace {

class DiskTest : public testing::Test {
 protected:
  DiskTest() {
    char name[] = "/tmp/posthouse-disk-XXXXXX";
    dir_ = ::mkdtemp(name);
  }
  ~DiskTest() override { std::filesystem::remove_all(dir_); }

  [[nodiscard]] std::string path(const std::string& name) const { return dir_ + "/" + name; }
  std::unique_ptr<File> create(const std::string& name) {
    auto file = disk_.open(path(name), OpenMode::create_new);
    EXPECT_TRUE(file) << file.error().message();
    return std::move(*file);
  }
  std::string content(const std::string& name) {
    return read_file(disk_, path(name), 100 << 20).value_or("(unreadable)");
  }

  Disk& disk_ = system_disk();
  std::string dir_;
};

TEST_F(DiskTest, WritesAndReadsAtOffsets) {
  auto file = create("a");
  ASSERT_TRUE(file->write_at(3, "world"));
  ASSERT_TRUE(file->write_at(0, "abc"));
  EXPECT_EQ(file->size().value(), 8U);
  std::string buffer(20, '-');
  EXPECT_EQ(file->read_at(2, std::span(buffer)).value(), 6U);
  EXPECT_EQ(buffer.substr(0, 7), "cworld-");
  EXPECT_EQ(file->read_at(8, std::span(buffer)).value(), 0U);
  EXPECT_TRUE(file->sync_data());
  ASSERT_TRUE(file->truncate(4));
  EXPECT_EQ(content("a"), "abcw");
}

TEST_F(DiskTest, WritesManyPartsInOrder) {
  std::vector<std::string> texts;
  std::vector<iovec> parts;
  std::string expected;
  for (int i = 0; i < 2500; ++i) {  // more than one pwritev takes
    texts.push_back(std::to_string(i) + (i % 7 == 0 ? "" : std::string(50, 'x')));
    expected += texts.back();
  }
  for (std::string& text : texts) {
    parts.push_back({text.data(), text.size()});
  }
  auto file = create("parts");
  ASSERT_TRUE(file->write_at(0, std::span<const iovec>(parts)));
  EXPECT_EQ(content("parts"), expected);
  ASSERT_TRUE(file->write_at(0, std::span<const iovec>()));
  ASSERT_TRUE(file->write_at(0, std::string_view()));
  EXPECT_EQ(content("parts"), expected);
}

// A write that reaches the file size limit is cut short by the kernel first and fails next: the
// part that fits must be in place and the error must be told.
TEST_F(DiskTest, ShortWriteGoesOnUntilTheError) {
  auto file = create("limited");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limited{1000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limited), 0);
  std::string one(600, 'a');
  std::string two(600, 'b');
  const std::array<iovec, 2> parts{{{one.data(), one.size()}, {two.data(), two.size()}}};
  const auto done = file->write_at(0, std::span<const iovec>(parts));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, std::errc::file_too_large);
  EXPECT_EQ(content("limited"), one + std::string(400, 'b'));
}

TEST_F(DiskTest, OpenModes) {
  EXPECT_EQ(disk_.open(path("x"), OpenMode::read).error().code,
            std::errc::no_such_file_or_directory);
  EXPECT_EQ(disk_.open(path("x"), OpenMode::read_write).error().code,
            std::errc::no_such_file_or_directory);
  EXPECT_TRUE(disk_.open(path("x"), OpenMode::create));
  EXPECT_TRUE(disk_.open(path("x"), OpenMode::create));
  EXPECT_EQ(disk_.open(path("x"), OpenMode::create_new).error().code, std::errc::file_exists);
  auto file = disk_.open(path("x"), OpenMode::read);
  ASSERT_TRUE(file);
  EXPECT_FALSE((*file)->write_at(0, "no"));
  struct stat info{};
  ASSERT_EQ(::stat(path("x").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(DiskTest, FinalSymbolicLinksAreNotFollowed) {
  create("target");
  ASSERT_EQ(::symlink("target", path("link").c_str()), 0);
  for (const OpenMode mode : {OpenMode::read, OpenMode::read_write, OpenMode::create}) {
    EXPECT_EQ(disk_.open(path("link"), mode).error().code,
              std::errc::too_many_symbolic_link_levels);
  }
  EXPECT_FALSE(disk_.lock(path("link")));
  EXPECT_FALSE(disk_.stat(path("link"))->is_regular);
}

TEST_F(DiskTest, RenamesLinksAndRemoves) {
  ASSERT_TRUE(create("a")->write_at(0, "A"));
  ASSERT_TRUE(create("b")->write_at(0, "B"));
  EXPECT_EQ(disk_.link(path("a"), path("b")).error().code, std::errc::file_exists);
  ASSERT_TRUE(disk_.link(path("a"), path("c")));
  EXPECT_EQ(disk_.stat(path("a"))->links, 2U);
  EXPECT_EQ(disk_.stat(path("a"))->inode, disk_.stat(path("c"))->inode);
  ASSERT_TRUE(disk_.rename(path("b"), path("a")));
  EXPECT_EQ(content("a"), "B");
  EXPECT_EQ(content("c"), "A");
  ASSERT_TRUE(disk_.remove(path("c")));
  EXPECT_EQ(disk_.remove(path("c")).error().code, std::errc::no_such_file_or_directory);
  EXPECT_NE(disk_.rename(path("q"), path("r")).error().message().find("/q to "), std::string::npos);
}

TEST_F(DiskTest, DirectoriesAndStat) {
  ASSERT_TRUE(disk_.make_dir(path("d")));
  ASSERT_TRUE(disk_.make_dir(path("d")));
  ASSERT_TRUE(disk_.open(path("d/f"), OpenMode::create));
  ASSERT_TRUE(disk_.make_dir(path("d/.hidden")));
  auto names = disk_.list(path("d")).value();
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{".hidden", "f"}));
  EXPECT_FALSE(disk_.list(path("d/f")));
  EXPECT_TRUE(disk_.sync_dir(path("d")));
  EXPECT_FALSE(disk_.sync_dir(path("nowhere")));
  EXPECT_FALSE(disk_.remove_dir(path("d")));
  ASSERT_TRUE(disk_.remove_dir(path("d/.hidden")));
  const FileInfo dir = disk_.stat(path("d")).value();
  EXPECT_TRUE(dir.is_dir);
  EXPECT_FALSE(dir.is_regular);
  ASSERT_TRUE(disk_.open(path("d/f"), OpenMode::read_write).value()->write_at(9, "x"));
  const FileInfo file = disk_.stat(path("d/f")).value();
  EXPECT_TRUE(file.is_regular);
  EXPECT_EQ(file.size, 10U);
  EXPECT_GT(file.mtime_ns, std::int64_t{1'600'000'000} * 1'000'000'000);
  EXPECT_GT(disk_.free_space(dir_).value(), 0U);
}

TEST_F(DiskTest, LockExcludesUntilReleased) {
  auto lock = disk_.lock(path("lock"));
  ASSERT_TRUE(lock);
  EXPECT_EQ(disk_.lock(path("lock")).error().code, std::errc::operation_would_block);
  lock->reset();
  EXPECT_TRUE(disk_.lock(path("lock")));
}

TEST_F(DiskTest, MakeDirsMakesParents) {
  ASSERT_TRUE(make_dirs(disk_, path("a/b/c/")));
  EXPECT_TRUE(disk_.stat(path("a/b/c"))->is_dir);
  ASSERT_TRUE(make_dirs(disk_, path("a/b/c")));
  ASSERT_EQ(::symlink("a", path("link").c_str()), 0);
  ASSERT_TRUE(make_dirs(disk_, path("link/b/d")));
  EXPECT_TRUE(disk_.stat(path("a/b/d"))->is_dir);
  create("file");
  EXPECT_EQ(make_dirs(disk_, path("file")).error().code, std::errc::not_a_directory);
  EXPECT_FALSE(make_dirs(disk_, path("file/x")));
  EXPECT_TRUE(make_dirs(disk_, "/"));
}

TEST_F(DiskTest, ReadFileKnowsItsLimit) {
  ASSERT_TRUE(create("f")->write_at(0, std::string(5000, 'x')));
  EXPECT_EQ(read_file(disk_, path("f"), 5000)->size(), 5000U);
  EXPECT_EQ(read_file(disk_, path("f"), 4999).error().code, std::errc::file_too_large);
  EXPECT_GT(read_file(disk_, "/proc/self/status", 100'000)->size(), 100U);  // says size 0
  EXPECT_EQ(read_file(disk_, "/proc/self/status", 10).error().code, std::errc::file_too_large);
}

TEST_F(DiskTest, ReplaceFileLeavesNothingElse) {
  ASSERT_TRUE(replace_file(disk_, path("conf"), "one"));
  create("conf.tmp");  // left by a crash
  ASSERT_TRUE(replace_file(disk_, path("conf"), "two"));
  EXPECT_EQ(content("conf"), "two");
  EXPECT_EQ(disk_.list(dir_)->size(), 1U);
  ASSERT_TRUE(disk_.make_dir(path("dir")));
  EXPECT_FALSE(replace_file(disk_, path("dir"), "x"));
  EXPECT_EQ(disk_.list(dir_)->size(), 2U);  // the temporary file is gone again
}

}  // namespace
}  // namespace posthouse::base
