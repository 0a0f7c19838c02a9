// Chunked copy-on-write file contents; see the header.
#include "tests/sim/lib/disk_content.hpp"

#include <algorithm>
#include <cstring>

namespace posthouse::sim {

std::string& Content::own(std::uint64_t index) {
  if (index >= chunks_.size()) chunks_.resize(index + 1);
  std::shared_ptr<std::string>& chunk = chunks_[index];
  if (!chunk) {
    chunk = std::make_shared<std::string>(kChunk, '\0');
  } else if (chunk.use_count() > 1) {
    chunk = std::make_shared<std::string>(*chunk);
  }
  return *chunk;
}

void Content::write(std::uint64_t offset, std::string_view data) {
  size_ = std::max(size_, offset + data.size());
  while (!data.empty()) {
    const std::uint64_t at = offset % kChunk;
    const std::size_t part =
        static_cast<std::size_t>(std::min<std::uint64_t>(data.size(), kChunk - at));
    const std::uint64_t index = offset / kChunk;
    const bool hole = index >= chunks_.size() || !chunks_[index];
    // Zero-filled spare segments should not cost memory.
    if (!hole || data.find_first_not_of('\0') < part) {
      std::memcpy(own(index).data() + at, data.data(), part);
    }
    data.remove_prefix(part);
    offset += part;
  }
}

std::size_t Content::read(std::uint64_t offset, std::span<char> out) const {
  if (offset >= size_) return 0;
  const std::size_t total =
      static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size_ - offset));
  std::size_t done = 0;
  while (done < total) {
    const std::uint64_t position = offset + done;
    const std::uint64_t at = position % kChunk;
    const std::size_t part =
        static_cast<std::size_t>(std::min<std::uint64_t>(total - done, kChunk - at));
    const std::uint64_t index = position / kChunk;
    if (index < chunks_.size() && chunks_[index]) {
      std::memcpy(out.data() + done, chunks_[index]->data() + at, part);
    } else {
      std::memset(out.data() + done, 0, part);
    }
    done += part;
  }
  return total;
}

void Content::resize(std::uint64_t length) {
  if (length < size_) {
    const std::uint64_t keep = (length + kChunk - 1) / kChunk;
    if (chunks_.size() > keep) chunks_.resize(keep);
    // Cut octets must read as zeros when the file grows again.
    const std::uint64_t tail = length % kChunk;
    if (tail != 0 && length / kChunk < chunks_.size() && chunks_[length / kChunk]) {
      std::string& chunk = own(length / kChunk);
      std::memset(chunk.data() + tail, 0, kChunk - tail);
    }
  }
  size_ = length;
}

std::string Content::text(std::uint64_t offset, std::uint64_t length) const {
  if (offset >= size_) return {};
  std::string out(static_cast<std::size_t>(std::min(length, size_ - offset)), '\0');
  read(offset, out);
  return out;
}

}  // namespace posthouse::sim
