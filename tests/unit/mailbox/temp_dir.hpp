// A directory of its own for each test, removed at the end, and helpers to fill and read it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>

#include "mailbox/content.hpp"

namespace posthouse::mailbox {

class TempDir {
 public:
  TempDir() {
    std::string name =
        (std::filesystem::temp_directory_path() / "posthouse-mailbox-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "no temporary directory";
    path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_all(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

inline std::set<std::string> names_in(const std::string& path) {
  std::set<std::string> names;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(path, ignored)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

inline Delivery make_delivery(std::string path, std::string uid, std::string text) {
  Delivery delivery;
  delivery.path = std::move(path);
  delivery.uid = std::move(uid);
  delivery.recipient = "bob@example.org";
  delivery.reverse_path = "alice@example.net";
  delivery.arrival = base::WallTime(std::chrono::seconds(1795231454));
  delivery.text = std::make_shared<const std::string>(std::move(text));
  return delivery;
}

}  // namespace posthouse::mailbox
