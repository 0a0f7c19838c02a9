// Bodies on their way in; see body_writer.hpp.
#include "queue/body_writer.hpp"

#include "queue/job.hpp"

namespace posthouse::queue {

bool BodyBudget::try_take(std::uint64_t octets) {
  const std::uint64_t before = used_.fetch_add(octets, std::memory_order_relaxed);
  if (before + octets <= limit_) return true;
  give_back(octets);
  return false;
}

BodyWriter::BodyWriter(BodyWriterDeps deps, BodyWriterOptions options, const base::MessageId& id)
    : deps_(deps),
      options_(std::move(options)),
      path_(options_.large_directory + "/" + base::format_message_id(id)) {}

BodyWriter::~BodyWriter() {
  deps_.budget.give_back(taken_);
  if (!has_file_) return;
  file_.reset();
  // What cannot be removed now has no record, and the next start removes it.
  static_cast<void>(deps_.disk.remove(path_));
}

bool BodyWriter::try_append(std::string_view chunk) {
  if (!status_) return true;
  if (buffer_.size() + chunk.size() > options_.in_memory || !deps_.budget.try_take(chunk.size())) {
    return false;
  }
  taken_ += chunk.size();
  size_ += chunk.size();
  buffer_.append(chunk);
  return true;
}

net::Task<> BodyWriter::append(std::string& chunk) {
  if (!try_append(chunk)) {
    size_ += chunk.size();
    buffer_.append(chunk);
    co_await write_out(false);
  }
  chunk.clear();
}

// Moves the buffer to the file, so that memory beyond the budget is held for one write only.
net::Task<> BodyWriter::write_out(bool last) {
  base::Result<> result;
  auto work = [&] { result = write_piece(last); };
  CallJob<decltype(work)> job(work);
  const bool ran = co_await deps_.pool.run(job);
  if (!ran) result = base::fail(std::errc::resource_unavailable_try_again, "write body", path_);
  if (!result) status_ = std::move(result);
  buffer_.clear();
  deps_.budget.give_back(taken_);
  taken_ = 0;
}

base::Result<> BodyWriter::write_piece(bool last) {
  if (!has_file_) {
    auto opened = deps_.disk.open(path_, base::OpenMode::create_new);
    if (!opened) return tl::unexpected(opened.error());
    file_ = std::move(*opened);
    has_file_ = true;
  }
  base::Result<> result;
  if (!buffer_.empty()) result = file_->write_at(written_, buffer_);
  if (!result) return result;
  written_ += buffer_.size();
  if (!last) return result;
  // Before the record that names it: body first, then its name, then the record.
  result = file_->sync_data();
  file_.reset();
  if (result) result = deps_.disk.sync_dir(options_.large_directory);
  return result;
}

net::Task<base::Result<Content>> BodyWriter::finish(std::string trace) {
  if (has_file_ && status_) co_await write_out(true);
  if (!status_) co_return tl::unexpected(status_.error());
  Content content;
  content.size = trace.size() + size_;
  if (has_file_) {
    content.large_file = path_;
    has_file_ = false;
  } else {
    trace.reserve(trace.size() + buffer_.size());
    trace.append(buffer_);
  }
  content.text = std::make_shared<const std::string>(std::move(trace));
  co_return content;
}

}  // namespace posthouse::queue
