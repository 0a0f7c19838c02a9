// The built-in user file: one user a line, `address:hash:label="value" …`, `#` comments. Reading
// gives entries and problems; editing replaces the file as a whole under a lock and keeps every
// other line, comments and broken ones too, octet by octet. Used by FileAccounts and by the
// `posthouse user` commands; everything here blocks and runs on the calling thread. After a failed
// edit the file holds the old content (or the new one, if only the last directory sync failed).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.hpp"
#include "base/result.hpp"
#include "mail/address.hpp"

namespace posthouse::accounts {

// LIMIT: octets of a user file; about half a million users.
inline constexpr std::uint64_t kMaxUserFile = 64ULL << 20;

// `quota`, `fwd` and whatever else stands behind the hash; kept as text.
struct Label {
  std::string name;   // letters, digits, '-', '_'
  std::string value;  // no control characters
  bool operator==(const Label&) const = default;
};

struct UserEntry {
  mail::Address address;
  std::string hash;  // crypt(5); empty or of an unknown method: nobody can log in
  std::vector<Label> labels;
  std::size_t line = 0;  // 1-based, 0 when not read from a file
};

struct UserProblem {
  std::size_t line = 0;
  bool skipped = false;  // true: the line counts for nothing; false: only a warning
  std::string text;
};

struct UserFile {
  std::vector<UserEntry> entries;  // no address twice (by Address::key()): the first line wins
  std::vector<UserProblem> problems;
};

[[nodiscard]] UserFile parse_user_file(std::string_view text);

// One line without its line end; parse_user_file() reads it back. The entry must be valid.
[[nodiscard]] std::string format_user(const UserEntry& entry);
// True when the entry can be written: an address without ':' and control characters, a hash
// without ':' and white space, well-formed labels.
[[nodiscard]] bool is_valid_user(const UserEntry& entry);

// Entries and problems of the file; one that does not exist is empty.
[[nodiscard]] base::Result<UserFile> load_user_file(base::Disk& disk, const std::string& path);

enum class UserEdit { done, exists, missing };

struct UserChange {
  std::optional<std::string> hash;
  std::vector<Label> set;           // replaces the value of a label or adds it
  std::vector<std::string> remove;  // names of labels
};

// Each takes `path`.lock for the time of the edit (EWOULDBLOCK: another edit is running) and
// answers invalid_argument for what is_valid_user() refuses. The new file has mode 0600.
[[nodiscard]] base::Result<UserEdit> add_user(base::Disk& disk, const std::string& path,
                                              const UserEntry& entry);
[[nodiscard]] base::Result<UserEdit> change_user(base::Disk& disk, const std::string& path,
                                                 const mail::Address& address,
                                                 const UserChange& change);
[[nodiscard]] base::Result<UserEdit> remove_user(base::Disk& disk, const std::string& path,
                                                 const mail::Address& address);

}  // namespace posthouse::accounts
