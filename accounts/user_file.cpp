// Parser, writer and edits of the user file; see user_file.hpp.
#include "accounts/user_file.hpp"

#include <algorithm>
#include <functional>
#include <unordered_map>

#include "accounts/hasher.hpp"
#include "base/text.hpp"

namespace posthouse::accounts {

namespace {

bool is_label_char(char c) {
  const char lower = base::ascii_lower(c);
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool is_label_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, is_label_char);
}

// A quoted value at the start of `*rest` (behind the opening quote); consumes the closing quote.
bool take_quoted(std::string_view* rest, std::string* value) {
  while (!rest->empty()) {
    char c = rest->front();
    rest->remove_prefix(1);
    if (c == '"') return true;
    if (c == '\\') {
      if (rest->empty()) return false;
      c = rest->front();
      rest->remove_prefix(1);
    }
    *value += c;
  }
  return false;
}

// `label="value" label=value …`; false with `*why` at the first mistake.
bool parse_labels(std::string_view rest, std::vector<Label>* labels, std::string* why) {
  for (;;) {
    rest = base::trim(rest);
    if (rest.empty()) return true;
    Label label;
    const std::size_t equals = rest.find('=');
    label.name = rest.substr(0, equals);
    if (equals == std::string_view::npos || !is_label_name(label.name)) {
      *why = "expected label=\"value\" at \"" + base::printable(rest, 40) + '"';
      return false;
    }
    rest.remove_prefix(equals + 1);
    if (rest.starts_with('"')) {
      rest.remove_prefix(1);
      if (!take_quoted(&rest, &label.value)) {
        *why = "the value of " + label.name + " has no closing quote";
        return false;
      }
    } else {
      const std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
      label.value = rest.substr(0, end);
      rest.remove_prefix(end);
    }
    if (std::ranges::any_of(label.value, is_control)) {
      *why = "the value of " + label.name + " holds a control character";
      return false;
    }
    labels->push_back(std::move(label));
  }
}

bool is_hash_text(std::string_view hash) {
  return std::ranges::none_of(hash, [](char c) { return is_control(c) || c == ' ' || c == ':'; });
}

bool is_comment(std::string_view line) { return line.empty() || line.front() == '#'; }

// One line that is no comment; nullopt with `*why` when it is broken.
std::optional<UserEntry> parse_line(std::string_view line, std::string* why) {
  const std::size_t first = line.find(':');
  if (first == std::string_view::npos) {
    *why = "expected address:hash:labels, found no ':'";
    return std::nullopt;
  }
  UserEntry entry;
  auto address = mail::parse_address(base::trim(line.substr(0, first)));
  if (!address || address->domain.empty()) {
    *why = "\"" + base::printable(line.substr(0, first), 80) + "\" is no address user@domain";
    return std::nullopt;
  }
  entry.address = std::move(*address);
  const std::string_view behind = line.substr(first + 1);
  const std::size_t second = std::min(behind.find(':'), behind.size());
  entry.hash = base::trim(behind.substr(0, second));
  if (!is_hash_text(entry.hash)) {
    *why = "the password hash holds a space or control character";
    return std::nullopt;
  }
  if (second < behind.size() && !parse_labels(behind.substr(second + 1), &entry.labels, why)) {
    return std::nullopt;
  }
  return entry;
}

// Calls `visit(line, begin, end)` for each line; [begin, end) of the text includes the line end,
// `line` is trimmed.
void each_line(std::string_view text,
               const std::function<void(std::string_view, std::size_t, std::size_t)>& visit) {
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t lf = text.find('\n', begin);
    const std::size_t end = lf == std::string_view::npos ? text.size() : lf + 1;
    visit(base::trim(text.substr(begin, end - begin)), begin, end);
    begin = end;
  }
}

struct Range {
  std::size_t begin = 0;
  std::size_t end = 0;
  UserEntry entry;
};

// All lines of `address`, in order.
std::vector<Range> find_user(std::string_view text, const mail::Address& address) {
  std::vector<Range> found;
  const std::string key = address.key();
  each_line(text, [&](std::string_view line, std::size_t begin, std::size_t end) {
    if (is_comment(line)) return;
    std::string why;
    auto entry = parse_line(line, &why);
    if (entry && entry->address.key() == key) found.push_back({begin, end, std::move(*entry)});
  });
  return found;
}

// Locks, reads, lets `edit` change the text, and replaces the file when it did.
base::Result<UserEdit> edit_file(base::Disk& disk, const std::string& path,
                                 const std::function<UserEdit(std::string&)>& edit) {
  const auto lock = disk.lock(path + ".lock");
  if (!lock) return tl::unexpected(lock.error());
  auto text = base::read_file(disk, path, kMaxUserFile);
  if (!text) {
    if (text.error().code != std::errc::no_such_file_or_directory) {
      return tl::unexpected(text.error());
    }
    text = std::string();
  }
  const UserEdit outcome = edit(*text);
  if (outcome != UserEdit::done) return outcome;
  if (auto written = base::replace_file(disk, path, *text); !written) {
    return tl::unexpected(written.error());
  }
  return outcome;
}

void apply_change(const UserChange& change, UserEntry* entry) {
  if (change.hash) entry->hash = *change.hash;
  for (const std::string& name : change.remove) {
    std::erase_if(entry->labels, [&](const Label& l) { return base::iequals(l.name, name); });
  }
  for (const Label& label : change.set) {
    const auto old = std::ranges::find_if(
        entry->labels, [&](const Label& l) { return base::iequals(l.name, label.name); });
    if (old != entry->labels.end()) {
      old->value = label.value;
    } else {
      entry->labels.push_back(label);
    }
  }
}

tl::unexpected<base::Error> invalid(const std::string& path) {
  return base::fail(std::errc::invalid_argument, "edit user file", path);
}

}  // namespace

UserFile parse_user_file(std::string_view text) {
  UserFile file;
  std::unordered_map<std::string, std::size_t> seen;  // key -> line
  std::size_t number = 0;
  each_line(text, [&](std::string_view line, std::size_t, std::size_t) {
    ++number;
    if (is_comment(line)) return;
    std::string why;
    auto entry = parse_line(line, &why);
    if (!entry) {
      file.problems.push_back({number, true, std::move(why)});
      return;
    }
    entry->line = number;
    const auto [earlier, fresh] = seen.try_emplace(entry->address.key(), number);
    if (!fresh) {
      file.problems.push_back({number, true,
                               "user " + base::printable(entry->address.text()) +
                                   " is already in line " + std::to_string(earlier->second)});
      return;
    }
    if (!is_accepted_hash(entry->hash)) {
      file.problems.push_back({number, false,
                               "user " + base::printable(entry->address.text()) +
                                   " cannot log in: no yescrypt, bcrypt or SHA-512 hash; set one "
                                   "with posthouse user passwd"});
    }
    file.entries.push_back(std::move(*entry));
  });
  return file;
}

std::string format_user(const UserEntry& entry) {
  std::string line = entry.address.text() + ':' + entry.hash + ':';
  bool first = true;
  for (const Label& label : entry.labels) {
    if (!first) line += ' ';
    first = false;
    line += label.name;
    line += "=\"";
    for (const char c : label.value) {
      if (c == '"' || c == '\\') line += '\\';
      line += c;
    }
    line += '"';
  }
  return line;
}

bool is_valid_user(const UserEntry& entry) {
  const std::string address = entry.address.text();
  // A leading '#' would make the line a comment.
  if (entry.address.domain.empty() || address.find(':') != std::string::npos ||
      address.starts_with('#') || std::ranges::any_of(address, is_control) ||
      mail::parse_address(address) != entry.address || !is_hash_text(entry.hash)) {
    return false;
  }
  return std::ranges::all_of(entry.labels, [](const Label& label) {
    return is_label_name(label.name) && std::ranges::none_of(label.value, is_control);
  });
}

base::Result<UserFile> load_user_file(base::Disk& disk, const std::string& path) {
  auto text = base::read_file(disk, path, kMaxUserFile);
  if (text) return parse_user_file(*text);
  if (text.error().code == std::errc::no_such_file_or_directory) return UserFile{};
  return tl::unexpected(text.error());
}

base::Result<UserEdit> add_user(base::Disk& disk, const std::string& path, const UserEntry& entry) {
  if (!is_valid_user(entry)) return invalid(path);
  return edit_file(disk, path, [&](std::string& text) {
    if (!find_user(text, entry.address).empty()) return UserEdit::exists;
    if (!text.empty() && text.back() != '\n') text += '\n';
    text += format_user(entry) + '\n';
    return UserEdit::done;
  });
}

base::Result<UserEdit> change_user(base::Disk& disk, const std::string& path,
                                   const mail::Address& address, const UserChange& change) {
  bool valid = true;
  auto outcome = edit_file(disk, path, [&](std::string& text) {
    const auto found = find_user(text, address);
    if (found.empty()) return UserEdit::missing;
    Range line = found.front();
    apply_change(change, &line.entry);
    valid = is_valid_user(line.entry);
    if (!valid) return UserEdit::missing;
    text.replace(line.begin, line.end - line.begin, format_user(line.entry) + '\n');
    return UserEdit::done;
  });
  if (!valid) return invalid(path);
  return outcome;
}

base::Result<UserEdit> remove_user(base::Disk& disk, const std::string& path,
                                   const mail::Address& address) {
  return edit_file(disk, path, [&](std::string& text) {
    const auto found = find_user(text, address);
    if (found.empty()) return UserEdit::missing;
    // A second line of the same user would come to life if only the first went.
    for (auto line = found.rbegin(); line != found.rend(); ++line) {
      text.erase(line->begin, line->end - line->begin);
    }
    return UserEdit::done;
  });
}

}  // namespace posthouse::accounts
