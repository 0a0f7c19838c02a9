// The log: formats, escaping, levels, files, reopening, a full buffer, and fork.
#include "base/log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "base/log_format.hpp"
#include "base/text.hpp"

namespace posthouse::base {
namespace {

std::string formatted(LogFormat format, std::string_view event,
                      std::initializer_list<LogField> fields) {
  std::string out;
  append_log_line(out, format,
                  {WallTime(Duration(0)), LogLevel::info, "smtpd", "c1", event, fields});
  return out;
}

TEST(LogFormat, Text) {
  EXPECT_EQ(formatted(LogFormat::text, "message accepted",
                      {{"size", std::uint64_t{4096}},
                       {"helo", "a b"},
                       {"empty", ""},
                       {"from", "a=\"b\""},
                       {"bad", std::string_view("x\r\n\0\x1b", 5)}}),
            "1970-01-01T00:00:00.000Z info smtpd c1 message accepted size=4096 helo=\"a b\" "
            "empty=\"\" from=\"a=\\\"b\\\"\" bad=\"x\\x0d\\x0a\\x00\\x1b\"");
}

TEST(LogFormat, Json) {
  EXPECT_EQ(formatted(LogFormat::json, "ready", {{"path", "a\\b\"\n"}, {"name", "\xc3\xbc"}}),
            "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\",\"module\":\"smtpd\","
            "\"id\":\"c1\",\"event\":\"ready\",\"path\":\"a\\\\b\\\"\\\\x0a\","
            "\"name\":\"\xc3\xbc\"}");
}

TEST(LogFormat, HidesWhatATerminalObeys) {
  const std::string line = formatted(
      LogFormat::text, "e", {{"v", "\xc3\xbc\xc2\x9b\xe2\x80\xae\xe2\x81\xa6\xe2\x82\xac"}});
  EXPECT_NE(line.find("v=\"\xc3\xbc\\xc2\\x9b\\xe2\\x80\\xae\\xe2\\x81\\xa6\xe2\x82\xac\""),
            std::string::npos)
      << line;
  EXPECT_NE(formatted(LogFormat::text, "e", {{"v", "\xc3\xbc\xff"}}).find("\\xc3\\xbc\\xff"),
            std::string::npos);
}

TEST(LogFormat, CutsLongValues) {
  const std::string line = formatted(LogFormat::text, "e", {{"v", std::string(5000, 'x')}});
  EXPECT_LT(line.size(), kMaxLogValue + 100);
  EXPECT_NE(line.find("xxx...\""), std::string::npos);
}

RC_GTEST_PROP(LogFormat, AnyValueStaysOneLineOfUtf8, (const std::string& value, bool json)) {
  const std::string line =
      formatted(json ? LogFormat::json : LogFormat::text, "e", {{"k", value}, {"l", value}});
  RC_ASSERT(is_utf8(line));
  for (const char c : line) {
    RC_ASSERT(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  }
}

class LogTest : public testing::Test {
 protected:
  LogTest() {
    char name[] = "/tmp/posthouse-log-XXXXXX";
    dir_ = ::mkdtemp(name);
    options_.file = dir_ + "/log";
  }
  ~LogTest() override {
    set_log_capture({});
    configure_log(LogOptions());
    std::filesystem::remove_all(dir_);
  }
  static std::vector<std::string> lines(const std::string& path) {
    std::ifstream in(path);
    std::vector<std::string> result;
    for (std::string line; std::getline(in, line);) {
      result.push_back(line);
    }
    return result;
  }

  std::string dir_;
  LogOptions options_;
};

TEST_F(LogTest, LevelsFilter) {
  std::vector<std::string> seen;
  set_log_capture([&](std::string_view line) { seen.emplace_back(line); });
  set_log_level(LogLevel::info);
  log_event(LogLevel::debug, "base", "-", "hidden");
  log_event(LogLevel::info, "base", "", "shown");
  EXPECT_FALSE(log_enabled(LogLevel::debug));
  set_log_level(LogLevel::error);
  log_event(LogLevel::info, "base", "-", "hidden");
  log_event(LogLevel::error, "base", "id7", "trouble", {{"code", std::uint64_t{5}}});
  set_log_level(LogLevel::debug);
  EXPECT_TRUE(log_enabled(LogLevel::debug));
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_TRUE(seen[0].ends_with(" info base - shown")) << seen[0];
  EXPECT_TRUE(seen[1].ends_with(" error base id7 trouble code=5")) << seen[1];
}

TEST_F(LogTest, LinesOfAllThreadsReachTheFileInOrder) {
  ASSERT_TRUE(configure_log(options_));
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (std::uint64_t i = 0; i < 500; ++i) {
        log_event(LogLevel::info, "base", std::to_string(t), "line", {{"i", i}});
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  flush_log();
  std::vector<unsigned> next(4, 0);
  const auto written = lines(options_.file);
  ASSERT_EQ(written.size(), 2000U);
  for (const std::string& line : written) {
    const auto words = split_words(line);
    auto& expected = next.at(*parse_u64(words.at(3)));
    EXPECT_EQ(words.at(5), "i=" + std::to_string(expected++));
  }
}

TEST_F(LogTest, ReopensAfterRotation) {
  ASSERT_TRUE(configure_log(options_));
  log_event(LogLevel::info, "base", "-", "before");
  flush_log();
  std::filesystem::rename(options_.file, dir_ + "/log.1");
  log_event(LogLevel::info, "base", "-", "between");
  ASSERT_TRUE(configure_log(options_));
  log_event(LogLevel::info, "base", "-", "after");
  flush_log();
  EXPECT_EQ(lines(dir_ + "/log.1").size(), 2U);
  EXPECT_EQ(lines(options_.file).size(), 1U);
}

TEST_F(LogTest, KeepsTheOldTargetWhenTheNewCannotBeOpened) {
  ASSERT_TRUE(configure_log(options_));
  LogOptions bad;
  bad.file = dir_ + "/missing/log";
  EXPECT_FALSE(configure_log(bad));
  log_event(LogLevel::info, "base", "-", "still here");
  flush_log();
  EXPECT_EQ(lines(options_.file).size(), 1U);
}

// A pipe that nobody reads stops the writer, so the buffer fills up: info lines are dropped at
// once, an error line waits until there is room, and the number of lost lines is told.
TEST_F(LogTest, FullBufferDropsInfoCountsItAndKeepsErrors) {
  const std::string pipe = dir_ + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  options_.file = pipe;
  ASSERT_TRUE(configure_log(options_));
  const std::string value(900, 'x');
  constexpr std::uint64_t kLines = 4000;  // 3.8 MB: more than the buffer, the batch and the pipe
  for (std::uint64_t i = 0; i < kLines; ++i) {
    log_event(LogLevel::info, "base", "-", "flood", {{"v", value}});
  }
  std::thread late([&] { log_event(LogLevel::error, "base", "-", "important", {{"v", value}}); });
  ASSERT_EQ(::fcntl(reader, F_SETFL, 0), 0);
  std::string text;
  char buffer[65536];
  std::uint64_t told = 0;
  // Read until the error line and the report were seen.
  while (told == 0 || text.find(" important ") == std::string::npos) {
    const ssize_t got = ::read(reader, buffer, sizeof buffer);
    ASSERT_GT(got, 0);
    text.append(buffer, static_cast<std::size_t>(got));
    const auto report = text.find("log lines lost count=");
    const auto end = text.find('\n', report);
    if (report != std::string::npos && end != std::string::npos) {
      told = *parse_u64(text.substr(report + 21, end - report - 21));
    }
  }
  late.join();
  std::uint64_t arrived = 0;
  for (const auto line : split(text, '\n')) {
    arrived += line.find(" flood ") != std::string::npos ? 1 : 0;
  }
  EXPECT_GT(told, 0U);
  EXPECT_LE(arrived + told, kLines);
  configure_log(LogOptions());
  ::close(reader);
}

TEST_F(LogTest, AForkedChildWritesItsOwnLinesOnly) {
  ASSERT_TRUE(configure_log(options_));
  log_event(LogLevel::info, "base", "-", "parent");
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    log_event(LogLevel::info, "base", "-", "child");
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  flush_log();
  auto written = lines(options_.file);
  ASSERT_EQ(written.size(), 2U);
}

}  // namespace
}  // namespace posthouse::base
