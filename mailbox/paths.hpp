// Small helpers on paths and directories shared by the mailbox formats. Mailbox pool threads.
#pragma once

#include <string>
#include <vector>

#include "base/disk.hpp"

namespace posthouse::mailbox {

[[nodiscard]] bool is_missing(const base::Error& error);  // ENOENT

// "/a/b" of "/a/b/c".
[[nodiscard]] std::string directory_of(const std::string& path);

// Makes the directory and its missing parents. Without syncs, unlike base::make_dirs: whoever makes
// a mailbox durable syncs every directory above it that this process did not sync before, whoever
// made it; one that a killed process made but never synced would be missed otherwise.
[[nodiscard]] base::Result<> make_path(base::Disk& disk, const std::string& path);

// The directories whose entries lead from `root` to the mailbox, nearest first; `root` is the last.
// When the mailbox is not below root: its parent alone.
[[nodiscard]] std::vector<std::string> directories_above(const std::string& path,
                                                         const std::string& root);

}  // namespace posthouse::mailbox
