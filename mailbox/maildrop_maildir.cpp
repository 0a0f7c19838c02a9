// A Maildir as a maildrop: sizes and uids come from the file names, so that a listing opens and
// stats nothing. Names are kept in one string, for a mailbox may hold 100,000 of them.
#include <algorithm>

#include "base/digest.hpp"
#include "mailbox/maildir.hpp"
#include "mailbox/maildrop_formats.hpp"
#include "mailbox/paths.hpp"

namespace posthouse::mailbox {
namespace {

constexpr std::size_t kMaxUid = 70;  // RFC 1939 7, UIDL

bool is_uidl(std::string_view uid) {
  return !uid.empty() && uid.size() <= kMaxUid &&
         std::all_of(uid.begin(), uid.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

// Entries of new/ and cur/ that are no messages.
bool is_no_file(const base::Error& error) {
  return error.code == std::errc::is_a_directory ||
         error.code == std::errc::too_many_symbolic_link_levels;
}

class MaildirDrop final : public Maildrop {
 public:
  MaildirDrop(Store& store, std::string path, std::unique_ptr<BoxLocks::Held> lock)
      : Maildrop(std::move(lock)), store_(store), path_(std::move(path)) {}

  base::Result<> load() {
    auto listed = list();
    if (!listed) return tl::unexpected(listed.error());
    entries_ = std::move(*listed);
    if (auto sized = find_sizes(); !sized) return sized;
    for (std::size_t i = 0; i < entries_.size(); ++i) check_uid(i);
    return {};
  }

  std::size_t count() const override { return entries_.size(); }
  std::uint64_t size(std::size_t index) const override { return entries_[index].size; }
  std::string_view uid(std::size_t index) const override {
    if (!odd_uids_.empty()) {
      const auto odd = odd_uids_.find(index);
      if (odd != odd_uids_.end()) return odd->second;
    }
    return uid_of(entries_[index]);
  }
  std::string removal_key(std::size_t index) const override {
    const bool shared =
        (index > 0 && uid_of(entries_[index - 1]) == uid_of(entries_[index])) ||
        (index + 1 < entries_.size() && uid_of(entries_[index + 1]) == uid_of(entries_[index]));
    return std::string(shared ? base_name(name_of(entries_[index])) : uid_of(entries_[index]));
  }

  base::Result<> remove(std::span<const std::size_t> indexes) override {
    for (const std::size_t index : indexes) {
      while (!entries_[index].gone) {
        const auto removed = store_.disk().remove(path_of(entries_[index]));
        if (removed) {
          entries_[index].gone = true;
        } else if (!is_missing(removed.error())) {
          return removed;
        } else if (auto searched = search_again(index); !searched) {
          return searched;
        }
      }
    }
    return {};
  }

 protected:
  base::Result<WireSource> source(std::size_t index) override {
    while (!entries_[index].gone) {
      const Entry& entry = entries_[index];
      auto file = store_.disk().open(path_of(entry), base::OpenMode::read);
      if (file) {
        WireSource source;
        source.file = std::move(*file);
        source.expected = entry.size;
        return source;
      }
      if (!is_missing(file.error())) return tl::unexpected(file.error());
      if (auto searched = search_again(index); !searched) return tl::unexpected(searched.error());
    }
    return base::fail(std::errc::no_such_file_or_directory, "read", path_);
  }

 private:
  struct Entry {
    std::uint32_t name = 0;  // offset in names_
    std::uint8_t name_size = 0;
    std::uint8_t uid_size = 0;
    bool in_cur = false;
    bool gone = false;       // removed by us or found removed
    std::uint64_t size = 0;  // with CRLF
  };

  std::string_view name_of(const Entry& entry) const {
    return std::string_view(names_).substr(entry.name, entry.name_size);
  }
  std::string_view uid_of(const Entry& entry) const {
    return std::string_view(names_).substr(entry.name, entry.uid_size);
  }
  std::string path_of(const Entry& entry) const {
    std::string path;
    path.reserve(path_.size() + 5 + entry.name_size);
    path += path_;
    path += entry.in_cur ? "/cur/" : "/new/";
    path += name_of(entry);
    return path;
  }

  // By uid, then by name up to the flags; 0: the same message.
  int compare(const Entry& a, const Entry& b) const {
    const int order = uid_of(a).compare(uid_of(b));
    return order != 0 ? order : base_name(name_of(a)).compare(base_name(name_of(b)));
  }

  // Everything there now in the order of compare(); appends to names_.
  base::Result<std::vector<Entry>> list() {
    std::vector<Entry> entries;
    // new/ first: a message that a reader moves meanwhile is then seen twice rather than never.
    for (const bool in_cur : {false, true}) {
      const auto names = store_.disk().list(path_ + (in_cur ? "/cur" : "/new"));
      if (!names) {
        if (is_missing(names.error())) continue;
        return tl::unexpected(names.error());
      }
      entries.reserve(entries.size() + names->size());
      for (const std::string& name : *names) {
        if (name.starts_with('.') || name.size() > UINT8_MAX) continue;
        if (names_.size() > UINT32_MAX - UINT8_MAX) return too_many();
        Entry& entry = entries.emplace_back();
        entry.name = static_cast<std::uint32_t>(names_.size());
        entry.name_size = static_cast<std::uint8_t>(name.size());
        entry.uid_size = static_cast<std::uint8_t>(uid_of_name(name).size());
        entry.in_cur = in_cur;
        names_ += name;
      }
    }
    // The place in cur/ is the younger one of a message seen twice.
    std::sort(entries.begin(), entries.end(), [this](const Entry& a, const Entry& b) {
      const int order = compare(a, b);
      return order != 0 ? order < 0 : a.in_cur > b.in_cur;
    });
    const auto twice =
        std::unique(entries.begin(), entries.end(),
                    [this](const Entry& a, const Entry& b) { return compare(a, b) == 0; });
    entries.erase(twice, entries.end());
    return entries;
  }

  static tl::unexpected<base::Error> too_many() {
    return base::fail(std::errc::value_too_large, "list", "too many messages");
  }

  // A foreign name may be no UIDL, or share its beginning with its neighbour; then a digest of the
  // whole name stands in.
  void check_uid(std::size_t index) {
    const Entry& entry = entries_[index];
    const bool twice = index > 0 && uid_of(entries_[index - 1]) == uid_of(entry);
    if (is_uidl(uid_of(entry)) && !twice) return;
    odd_uids_.emplace(index, base::hex(base::sha256(base_name(name_of(entry)))));
  }

  base::Result<> find_sizes() {
    for (Entry& entry : entries_) {
      if (const auto size = size_in_name(name_of(entry), 'W')) {
        entry.size = *size;
        continue;
      }
      const std::string key = path_ + "/" + std::string(base_name(name_of(entry)));
      if (const auto known = store_.sizes().find(key)) {
        entry.size = *known;
        continue;
      }
      auto counted = count_octets(path_of(entry));
      if (!counted) {
        if (!is_missing(counted.error()) && !is_no_file(counted.error())) {
          return tl::unexpected(counted.error());
        }
        entry.gone = true;  // taken between listing and reading
        continue;
      }
      entry.size = *counted;
      store_.sizes().add(key, *counted);
    }
    std::erase_if(entries_, [](const Entry& entry) { return entry.gone; });
    return {};
  }

  base::Result<std::uint64_t> count_octets(const std::string& path) {
    auto file = store_.disk().open(path, base::OpenMode::read);
    if (!file) return tl::unexpected(file.error());
    mail::EolCounter counter;
    std::string buffer(65536, '\0');
    for (std::uint64_t at = 0;;) {
      const auto got = (*file)->read_at(at, buffer);
      if (!got) return tl::unexpected(got.error());
      counter.feed(std::string_view(buffer).substr(0, *got));
      at += *got;
      if (*got < buffer.size()) return counter.crlf_size();
    }
  }

  // A message is not where it was: a reader moved or marked it (and probably others), or took it.
  // One new listing finds all of them; entry `index` is marked when it is not there.
  base::Result<> search_again(std::size_t index) {
    // Names of the first listing stay, their views are handed out.
    auto now = list();
    if (!now) return tl::unexpected(now.error());
    const std::string tried = path_of(entries_[index]);
    auto at = now->begin();
    for (Entry& entry : entries_) {
      at = std::lower_bound(at, now->end(), entry,
                            [this](const Entry& a, const Entry& b) { return compare(a, b) < 0; });
      if (at == now->end() || compare(*at, entry) != 0) {
        entry.gone = true;
        continue;
      }
      entry.name = at->name;
      entry.name_size = at->name_size;
      entry.in_cur = at->in_cur;
    }
    // Named by the directory but not to be opened: someone is racing us; once is enough.
    if (path_of(entries_[index]) == tried) entries_[index].gone = true;
    return {};
  }

  Store& store_;
  const std::string path_;
  std::string names_;
  std::vector<Entry> entries_;
  std::unordered_map<std::size_t, std::string> odd_uids_;
};

}  // namespace

base::Result<std::unique_ptr<Maildrop>> open_maildir_drop(Store& store, const std::string& path,
                                                          std::unique_ptr<BoxLocks::Held> lock) {
  auto drop = std::make_unique<MaildirDrop>(store, path, std::move(lock));
  if (auto loaded = drop->load(); !loaded) return tl::unexpected(loaded.error());
  return drop;
}

}  // namespace posthouse::mailbox
