// An mbox file as a maildrop. Messages are read where the listing saw them as long as the file is
// the same; otherwise each is checked, and looked for by its uid when it moved.
#include "mailbox/maildrop_formats.hpp"
#include "mailbox/paths.hpp"

#include "base/digest.hpp"

namespace posthouse::mailbox {
namespace {

class MboxDrop final : public Maildrop {
 public:
  MboxDrop(Store& store, std::string path, std::unique_ptr<BoxLocks::Held> lock)
      : Maildrop(std::move(lock)), store_(store), path_(std::move(path)) {}

  base::Result<> load() {
    auto listing = store_.mbox().list(path_);
    if (!listing) return tl::unexpected(listing.error());
    info_ = listing->info;
    messages_ = std::move(listing->messages);
    return {};
  }

  std::size_t count() const override { return messages_.size(); }
  std::uint64_t size(std::size_t index) const override { return messages_[index].wire_octets; }
  std::string_view uid(std::size_t index) const override { return messages_[index].uid; }
  std::string removal_key(std::size_t index) const override { return messages_[index].uid; }

  bool must_settle() const override { return true; }
  base::Result<> settle() override {
    auto file = store_.disk().open(path_, base::OpenMode::read_write);
    if (file) return (*file)->sync_data();
    if (is_missing(file.error())) return {};
    return tl::unexpected(file.error());
  }

  base::Result<> remove(std::span<const std::size_t> indexes) override {
    std::vector<std::string> uids;
    for (const std::size_t index : indexes) uids.push_back(messages_[index].uid);
    return store_.mbox().remove(path_, uids);
  }

 protected:
  base::Result<WireSource> source(std::size_t index) override {
    const auto info = store_.disk().stat(path_);
    if (!info) return tl::unexpected(info.error());
    auto file = store_.disk().open(path_, base::OpenMode::read);
    if (!file) return tl::unexpected(file.error());
    const MboxMessage* message = &messages_[index];
    const bool same =
        info->inode == info_.inode && info->size == info_.size && info->mtime_ns == info_.mtime_ns;
    if (!same) {
      const auto there = still_there(**file, *message);
      if (!there) return tl::unexpected(there.error());
      if (!*there) {
        if (auto moved = find_moved(message->uid); !moved) return tl::unexpected(moved.error());
        message = &moved_;
        // The file may be another one than was opened above.
        file = store_.disk().open(path_, base::OpenMode::read);
        if (!file) return tl::unexpected(file.error());
      }
    }
    WireSource source;
    source.file = std::move(*file);
    source.begin = message->content;
    source.end = message->content_end;
    source.expected = message->content_end - message->content;
    source.unquote = true;
    return source;
  }

 private:
  base::Result<bool> still_there(base::File& file, const MboxMessage& message) {
    std::uint32_t crc = 0;
    std::string buffer;
    for (std::uint64_t at = message.content; at < message.content_end;) {
      buffer.resize(
          static_cast<std::size_t>(std::min<std::uint64_t>(65536, message.content_end - at)));
      const auto got = file.read_at(at, buffer);
      if (!got) return tl::unexpected(got.error());
      if (*got == 0) return false;
      crc = base::crc32c(std::string_view(buffer).substr(0, *got), crc);
      at += *got;
    }
    return crc == message.crc;
  }

  base::Result<> find_moved(const std::string& uid) {
    const auto listing = store_.mbox().list(path_);
    if (!listing) return tl::unexpected(listing.error());
    for (const MboxMessage& message : listing->messages) {
      if (message.uid != uid) continue;
      moved_ = message;
      return {};
    }
    return base::fail(std::errc::no_such_file_or_directory, "read", path_);
  }

  Store& store_;
  const std::string path_;
  base::FileInfo info_;
  std::vector<MboxMessage> messages_;
  MboxMessage moved_;
};

}  // namespace

base::Result<std::unique_ptr<Maildrop>> open_mbox_drop(Store& store, const std::string& path,
                                                       std::unique_ptr<BoxLocks::Held> lock) {
  auto drop = std::make_unique<MboxDrop>(store, path, std::move(lock));
  if (auto loaded = drop->load(); !loaded) return tl::unexpected(loaded.error());
  return drop;
}

}  // namespace posthouse::mailbox
