// The directories and small files of the house: made and given their owners before the server drops
// its rights, and the pid file. Called by serve (and, for single files, by commands run as root).
#pragma once

#include <optional>
#include <string>

#include "app/privileges.hpp"
#include "base/result.hpp"
#include "conf/settings.hpp"

namespace posthouse::app {

// work_path (0711) with queue/, drop/ and run/ (0700), the drop directories of virtual domains.
// As root everything new, or still root's, is given to `owner`.
[[nodiscard]] base::Result<> prepare_places(const conf::Settings& settings,
                                            const std::optional<RunUser>& owner);

// The folder of the user file, for a house that has none yet.
[[nodiscard]] base::Result<> prepare_user_folder(const conf::Settings& settings);

// Gives `path` to the owner of the directory it is in, when we are root; for files that commands
// write.
[[nodiscard]] base::Result<> adopt_folder_owner(const std::string& path);

// work_path/run/posthouse.pid, written on construction and removed on destruction.
class PidFile {
 public:
  explicit PidFile(std::string path);
  ~PidFile();
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

 private:
  std::string path_;
};

}  // namespace posthouse::app
