// The rules of mailbox names (see naming.hpp). Pure functions, any thread; nothing to clean up.
#include "mailbox/naming.hpp"

#include <algorithm>
#include <array>

namespace posthouse::mailbox {
namespace {

// NAME_MAX is 255; room is kept for a temporary name (".NAME.tmp") and for side files.
constexpr std::size_t kMaxFileName = 240;

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '+' ||
         c == '-' || c == '=';
}

char hash_character(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '_'; }

// Path components without empty ones and ".": "a//b/./c/" and "a/b/c" are one directory. ".." is
// kept as it is written; a configuration that uses it is compared literally.
std::string normal_path(std::string_view path) {
  std::string out;
  if (path.starts_with('/')) out = "/";
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
    if (part.empty() || part == ".") continue;
    if (!out.empty() && !out.ends_with('/')) out += '/';
    out += part;
  }
  return out;
}

// A configured directory as one comparable path.
std::string absolute_path(const NameTable& table, std::string_view dir) {
  if (dir.starts_with('/')) return normal_path(dir);
  return normal_path(table.drop_path + "/" + std::string(dir));
}

// True when `path` is `dir` or lies below it; both normal.
bool is_within(std::string_view path, std::string_view dir) {
  if (!path.starts_with(dir)) return false;
  return path.size() == dir.size() || dir == "/" || path[dir.size()] == '/';
}

std::string name_prefix(const NameRules& rules, const NameDomain& domain) {
  if (!rules.drop_prefix || domain.prefix.empty()) return {};
  return domain.prefix + rules.separator;
}

// A directory clashes with a mailbox path when it equals it, lies inside it (the mailbox would be a
// folder holding other people's mailboxes) or when the path is inside a directory configured below
// the mailbox's own one.
bool clashes(std::string_view path, std::string_view own_dir, std::string_view other) {
  if (other == own_dir) return false;
  if (is_within(other, path)) return true;
  return is_within(other, own_dir) && is_within(path, other);
}

}  // namespace

std::string encode_file_name(std::string_view name) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  out.reserve(name.size());
  for (const char c : name) {
    if (is_plain(c) && !(c == '.' && out.empty())) {
      out += c;
      continue;
    }
    const auto octet = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[octet >> 4];
    out += kHex[octet & 15U];
  }
  return out;
}

std::string hash_directory(std::string_view local_key, unsigned hash_spool) {
  if (hash_spool == 0 || local_key.empty()) return {};
  if (hash_spool == 1) {
    unsigned sum = 0;
    for (const char c : local_key.substr(0, 5)) {
      sum += static_cast<unsigned char>(hash_character(c));
    }
    return {static_cast<char>('a' + sum % 26), '/'};
  }
  const char first = hash_character(local_key[0]);
  const char second = local_key.size() > 1 ? hash_character(local_key[1]) : first;
  return {first, '/', second, '/'};
}

bool domains_collide(const NameTable& table, const NameDomain& a, const NameDomain& b) {
  return absolute_path(table, a.drop_dir) == absolute_path(table, b.drop_dir) &&
         name_prefix(table.rules, a) == name_prefix(table.rules, b);
}

tl::expected<std::string, NameRefusal> mailbox_path(const NameTable& table,
                                                    std::string_view local_key,
                                                    const NameDomain& domain) {
  if (local_key.empty()) return tl::unexpected(NameRefusal::empty);
  const std::string prefix = name_prefix(table.rules, domain);
  // The encoding covers prefix and name as one string, so that it stays injective.
  const std::string full = prefix + std::string(local_key);
  const std::string name = encode_file_name(full);
  if (name.size() > kMaxFileName) return tl::unexpected(NameRefusal::too_long);

  static constexpr std::array<std::string_view, 4> kReserved = {".fwd", ".rsp", ".idx", ".lock"};
  if (std::any_of(kReserved.begin(), kReserved.end(),
                  [&](std::string_view end) { return name.ends_with(end); })) {
    return tl::unexpected(NameRefusal::reserved);
  }

  const std::string tail = hash_directory(local_key, table.rules.hash_spool) + name;
  const std::string own_dir = absolute_path(table, domain.drop_dir);
  const std::string whole = normal_path(own_dir + "/" + tail);
  for (const NameDomain& other : table.domains) {
    const std::string dir = absolute_path(table, other.drop_dir);
    if (clashes(whole, own_dir, dir)) return tl::unexpected(NameRefusal::directory);
    const std::string other_prefix = name_prefix(table.rules, other);
    // "dom1_bob" of the main domain would be bob of prefix dom1. The longer prefix owns the name.
    if (dir == own_dir && other_prefix.size() > prefix.size() && full.starts_with(other_prefix)) {
      return tl::unexpected(NameRefusal::other_domain);
    }
  }
  for (const std::string& directory : table.directories) {
    if (clashes(whole, own_dir, absolute_path(table, directory))) {
      return tl::unexpected(NameRefusal::directory);
    }
  }
  const std::string dir = normal_path(domain.drop_dir);
  return dir.empty() ? tail : dir + (dir.ends_with('/') ? "" : "/") + tail;
}

std::string_view describe(NameRefusal refusal) {
  switch (refusal) {
    case NameRefusal::empty:
      return "the local part is empty";
    case NameRefusal::too_long:
      return "the mailbox name would be too long for a file name";
    case NameRefusal::reserved:
      return "names ending in .fwd, .rsp, .idx or .lock are reserved";
    case NameRefusal::directory:
      return "the mailbox would be a configured directory";
    case NameRefusal::other_domain:
      return "the name belongs to another domain in this directory";
  }
  return "refused";
}

}  // namespace posthouse::mailbox
