// From files to assignments: follows includes, chooses the syntax by the file's name, keeps the
// limits, and collects what is wrong. Knows no setting. Used by load.cpp, the tests and the
// fuzzers, on the caller's thread; one Reader reads one configuration.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "conf/load.hpp"

namespace posthouse::conf {

// LIMIT: what a configuration may hold; each is far above any real one.
inline constexpr unsigned kMaxIncludeDepth = 8;
inline constexpr std::size_t kMaxConfigFiles = 1000;
inline constexpr std::size_t kMaxConfigOctets = 16 * 1024 * 1024;  // all files together
inline constexpr std::size_t kMaxLineOctets = 8192;
inline constexpr std::size_t kMaxAssignments = 500000;
inline constexpr std::size_t kMaxProblems = 1000;

// Reads a whole file. Tests and fuzzers give their own.
using FileReader = std::function<base::Result<std::string>(const std::string& path)>;
// The real file system; follows symbolic links, refuses what is not a regular file.
[[nodiscard]] base::Result<std::string> read_config_file(const std::string& path);

struct Reading {
  std::vector<Assignment> assignments;  // known and unknown settings, in the order written
  std::vector<Diagnostic> diagnostics;
};

class Reader {
 public:
  explicit Reader(FileReader files) : files_(std::move(files)) {}

  // The main file, or text that stands for it. A problem is reported, never thrown; false when the
  // file itself cannot be read.
  bool read_main_file(const std::string& path);
  void read_main_text(std::string_view text, const std::string& name);
  [[nodiscard]] Reading take() { return std::move(result_); }

  // For the two syntaxes. include() reads `file` at once, relative to the folder of where.file.
  void add(Assignment assignment);
  void report(Severity severity, const Origin& where, std::string message);
  void include(const std::string& file, const Origin& where);
  // True when reading should stop: too many assignments or problems.
  [[nodiscard]] bool full() const { return full_; }

 private:
  void read_text(std::string_view text, const std::string& name);

  FileReader files_;
  Reading result_;
  std::vector<std::string> open_;  // canonical paths of the files being read, outermost first
  std::size_t file_count_ = 0;
  std::size_t octets_ = 0;
  bool full_ = false;
};

// The second half of load_file() and load_text() (load.cpp): what was read becomes settings.
[[nodiscard]] Loaded finish_loading(Reading reading, const std::string& main_file,
                                    const Environment& environment);

// One text in each syntax; the settings go to reader.add(), problems to reader.report().
void read_dmail(std::string_view text, const std::string& file, Reader& reader);
void read_yaml(std::string_view text, const std::string& file, Reader& reader);

// True when the file's name says YAML (.yaml or .yml).
[[nodiscard]] bool is_yaml_name(std::string_view path);
// The folder that relative paths written in `file` count from; absolute.
[[nodiscard]] std::string folder_of(const std::string& file);
// What both syntaxes refuse in a word, so that either can be written as the other: control
// characters and octets that are not UTF-8. Empty when the word is fine.
[[nodiscard]] std::string word_problem(std::string_view word);

}  // namespace posthouse::conf
