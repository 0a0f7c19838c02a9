// The maildrops of the two formats; internal to mailbox/ (use Maildrop::open).
#pragma once

#include <memory>
#include <string>

#include "mailbox/maildrop.hpp"

namespace posthouse::mailbox {

[[nodiscard]] base::Result<std::unique_ptr<Maildrop>> open_maildir_drop(
    Store& store, const std::string& path, std::unique_ptr<BoxLocks::Held> lock);
[[nodiscard]] base::Result<std::unique_ptr<Maildrop>> open_mbox_drop(
    Store& store, const std::string& path, std::unique_ptr<BoxLocks::Held> lock);

}  // namespace posthouse::mailbox
