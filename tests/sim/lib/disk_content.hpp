// The octets of one simulated file: chunks that copies of a disk share until one of them writes.
// Owned by the inodes of sim_disk; no faults and no locking here, operations cannot fail.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace posthouse::sim {

class Content {
 public:
  [[nodiscard]] std::uint64_t size() const { return size_; }
  // Overwrites and extends; a gap behind the old end reads as zeros.
  void write(std::uint64_t offset, std::string_view data);
  // Copies what lies in the file; the number of octets copied.
  std::size_t read(std::uint64_t offset, std::span<char> out) const;
  void resize(std::uint64_t length);
  [[nodiscard]] std::string text(std::uint64_t offset, std::uint64_t length) const;

 private:
  static constexpr std::uint64_t kChunk = 4096;
  std::string& own(std::uint64_t index);

  std::uint64_t size_ = 0;
  std::vector<std::shared_ptr<std::string>> chunks_;  // null: zeros
};

}  // namespace posthouse::sim
