// The part of a maildrop that both formats share (see maildrop.hpp).
#include "mailbox/maildrop.hpp"

#include "mailbox/maildrop_formats.hpp"

namespace posthouse::mailbox {

base::Result<std::unique_ptr<Maildrop>> Maildrop::open(Store& store, const std::string& path) {
  auto lock = store.box_locks().try_lock(path);
  if (!lock) return base::fail(std::errc::device_or_resource_busy, "lock", path);
  return store.options().format == Format::maildir ? open_maildir_drop(store, path, std::move(lock))
                                                   : open_mbox_drop(store, path, std::move(lock));
}

base::Result<bool> Maildrop::read(const Request& request, std::string* out) {
  const bool goes_on = cursor_ && cursor_index_ == request.index &&
                       cursor_->body_lines() == request.body_lines &&
                       cursor_->position() <= request.offset;
  if (!goes_on) {
    cursor_.reset();
    auto found = source(request.index);
    if (!found) return tl::unexpected(found.error());
    cursor_.emplace(std::move(*found), request.body_lines);
    cursor_index_ = request.index;
  }
  if (cursor_->position() < request.offset) {
    // Nobody asks for this in earnest; reading on to the place is good enough.
    std::string skipped;
    while (cursor_->position() < request.offset) {
      skipped.clear();
      const std::uint64_t left = request.offset - cursor_->position();
      const auto end =
          cursor_->read(static_cast<std::size_t>(std::min<std::uint64_t>(left, 65536)), &skipped);
      if (!end) return end;
      if (*end) break;
    }
  }
  auto end = cursor_->read(request.limit, out);
  if (!end || *end) cursor_.reset();
  return end;
}

}  // namespace posthouse::mailbox
