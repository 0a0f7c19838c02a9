// Maildir: delivery, repeated delivery after a crash, and removal by uid. One file a message, named
// "<uid>,S=<octets>,W=<octets with CRLF>[:2,<flags>]", written in tmp/ and renamed into new/.
// Called on threads of the mailbox pool; any number at once, for the same mailbox too. Nothing here
// is durable before the file and its directory are synced (checkpoint.hpp), unless said so.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.hpp"
#include "mailbox/content.hpp"

namespace posthouse::mailbox {

// A message in its mailbox. `file` stays open so that it can be synced whatever its name becomes.
struct Stored {
  std::unique_ptr<base::File> file;
  std::string name;          // path of the file
  std::uint64_t octets = 0;  // written
  std::uint64_t inode = 0;   // of an mbox file, which several messages share; else 0
  bool made = false;  // the mailbox was made for it: the names that lead there are not durable
};

// The part of a Maildir file name that never changes: up to the first comma, or to the colon of the
// flags when there is no comma.
[[nodiscard]] std::string_view uid_of_name(std::string_view name);

// The name without its flags: what stays the same when a reader moves or marks a message.
[[nodiscard]] std::string_view base_name(std::string_view name);

// Value of ",S=" or ",W=" in a file name; nullopt when missing or malformed.
[[nodiscard]] std::optional<std::uint64_t> size_in_name(std::string_view name, char field);

// Writes a new message. The Maildir is made when it does not exist. After an error nothing of the
// message is in new/.
[[nodiscard]] base::Result<Stored> deliver_maildir(base::Disk& disk, const Delivery& delivery);

// Delivers messages of one mailbox that may be there already (all with the same path): each is
// written anew, synced, and renamed over the name found in new/ or cur/ (whose flags it keeps),
// else into new/. On success all of it is durable but the path of the Maildir itself
// (directories_above in paths.hpp). Results in the order given.
[[nodiscard]] std::vector<base::Result<>> redo_maildir(base::Disk& disk,
                                                       std::span<const Delivery> deliveries);

// Unlinks the messages with these uids (or, where a comma is in it, this base_name()); missing ones
// are fine. The directories are not synced.
[[nodiscard]] base::Result<> remove_maildir(base::Disk& disk, const std::string& path,
                                            std::span<const std::string> uids);

}  // namespace posthouse::mailbox
