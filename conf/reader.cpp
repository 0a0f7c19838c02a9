// Files, includes and limits of a configuration. An unreadable file is one diagnostic; what was
// read before it stays.
#include "conf/reader.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/text.hpp"
#include "conf/values.hpp"

namespace posthouse::conf {
namespace {

namespace fs = std::filesystem;

// Closes a descriptor at the end of its block.
struct Descriptor {
  int fd = -1;
  explicit Descriptor(int value) : fd(value) {}
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

std::string canonical(const std::string& path) {
  std::error_code failed;
  const auto absolute = fs::absolute(fs::path(path), failed);
  if (failed) return path;
  const auto result = fs::weakly_canonical(absolute, failed);
  return failed ? absolute.lexically_normal().string() : result.string();
}

// The folder as it should stand in messages: "" for a file named without one.
std::string shown_folder(const std::string& file) {
  const auto slash = file.rfind('/');
  return slash == std::string::npos ? std::string() : file.substr(0, slash + 1);
}

}  // namespace

base::Result<std::string> read_config_file(const std::string& path) {
  // O_NONBLOCK: a FIFO in place of the file must not hang the start; refused below.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.fd < 0) return base::fail_errno(errno, "open", path);
  struct stat facts{};
  if (::fstat(file.fd, &facts) != 0) return base::fail_errno(errno, "fstat", path);
  if (S_ISDIR(facts.st_mode)) return base::fail_errno(EISDIR, "read", path);
  if (!S_ISREG(facts.st_mode)) return base::fail_errno(EINVAL, "read", path);
  std::string text;
  char buffer[16384];
  while (true) {
    const ssize_t got = ::read(file.fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::fail_errno(errno, "read", path);
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > kMaxConfigOctets) return base::fail_errno(EFBIG, "read", path);
  }
}

bool is_yaml_name(std::string_view path) {
  for (const std::string_view end : {".yaml", ".yml"}) {
    if (path.size() > end.size() && base::iequals(path.substr(path.size() - end.size()), end)) {
      return true;
    }
  }
  return false;
}

std::string folder_of(const std::string& file) {
  std::error_code failed;
  const auto path = fs::absolute(fs::path(file), failed);
  const auto folder = (failed ? fs::path(file) : path).lexically_normal().parent_path().string();
  return folder.empty() ? "/" : folder;
}

std::string word_problem(std::string_view word) {
  for (const char c : word) {
    const auto octet = static_cast<unsigned char>(c);
    if ((octet < 0x20 && c != '\t') || octet == 0x7f) {
      return fmt::format("a value may not hold the control character \\x{:02x}; remove it", octet);
    }
  }
  if (!base::is_utf8(word)) {
    return fmt::format("{} is not UTF-8; save the file in UTF-8", in_quotes(word));
  }
  return {};
}

void Reader::add(Assignment assignment) {
  if (full_) return;
  if (result_.assignments.size() >= kMaxAssignments) {
    report(Severity::error, assignment.origin,
           fmt::format("more than {} settings; split the configuration", kMaxAssignments));
    full_ = true;
    return;
  }
  result_.assignments.push_back(std::move(assignment));
}

void Reader::report(Severity severity, const Origin& where, std::string message) {
  if (full_) return;
  if (result_.diagnostics.size() + 1 >= kMaxProblems) {
    full_ = true;
    result_.diagnostics.push_back(Diagnostic{
        Severity::error, where, "too many problems; the rest of the configuration was not read"});
    return;
  }
  result_.diagnostics.push_back(Diagnostic{severity, where, std::move(message)});
}

bool Reader::read_main_file(const std::string& path) {
  const auto text = files_(path);
  if (!text) {
    report(Severity::error, Origin{path, 1},
           fmt::format("cannot read the configuration: {}; write one, or name another with -c FILE",
                       text.error().code.message()));
    return false;
  }
  read_main_text(*text, path);
  return true;
}

void Reader::read_main_text(std::string_view text, const std::string& name) {
  open_.push_back(canonical(name));
  read_text(text, name);
  open_.pop_back();
}

void Reader::read_text(std::string_view text, const std::string& name) {
  ++file_count_;
  octets_ += text.size();
  if (octets_ > kMaxConfigOctets) {
    report(Severity::error, Origin{name, 1},
           fmt::format("the configuration is larger than {} MB; split off what is not one",
                       kMaxConfigOctets / kMega));
    full_ = true;
    return;
  }
  if (text.substr(0, 3) == "\xef\xbb\xbf") text.remove_prefix(3);  // byte order mark of editors
  const auto nul = text.find('\0');
  if (nul != std::string_view::npos) {
    const auto line =
        1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(nul), '\n');
    report(Severity::error, Origin{name, static_cast<unsigned>(line)},
           "the file holds a NUL octet, so it is not text in UTF-8; save it as such");
    return;
  }
  if (is_yaml_name(name)) {
    read_yaml(text, name, *this);
  } else {
    read_dmail(text, name, *this);
  }
}

void Reader::include(const std::string& file, const Origin& where) {
  if (full_) return;
  const std::string path =
      !file.empty() && file.front() == '/' ? file : shown_folder(where.file) + file;
  const std::string identity = canonical(path);
  std::string wrong = word_problem(file);
  if (file.empty()) {
    wrong = "write the name of a file, for example `include more.conf'";
  } else if (open_.size() > kMaxIncludeDepth) {
    wrong = fmt::format("files are nested deeper than {}; include it further up", kMaxIncludeDepth);
  } else if (file_count_ >= kMaxConfigFiles) {
    wrong = fmt::format("more than {} files; join some", kMaxConfigFiles);
  } else if (std::find(open_.begin(), open_.end(), identity) != open_.end()) {
    wrong = "that file is being read already (a loop); remove this line";
  }
  if (!wrong.empty()) {
    report(Severity::error, where, fmt::format("include {}: {}", in_quotes(file), wrong));
    full_ = full_ || file_count_ >= kMaxConfigFiles;  // a thousand times the same would not help
    return;
  }
  const auto text = files_(path);
  if (!text) {
    report(Severity::error, where,
           fmt::format("include {}: cannot read {}: {}; write the file or remove this line",
                       in_quotes(file), path, text.error().code.message()));
    return;
  }
  open_.push_back(identity);
  read_text(*text, path);
  open_.pop_back();
}

}  // namespace posthouse::conf
