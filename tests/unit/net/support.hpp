// Helpers of the net tests: running a coroutine to its end, a blocking TCP client, certificates.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/asio_listener.hpp"
#include "net/shard.hpp"
#include "net/socket_fd.hpp"
#include "net/task.hpp"

namespace posthouse::net::test {

// Runs `task` on a shard and waits for its result.
template <class T>
T run_task(const Executor& executor, Task<T> task) {
  std::optional<T> result;
  std::promise<void> done;
  Task<> storing = store_result(std::move(task), result);
  spawn(executor, std::move(storing), "test", [&done] { done.set_value(); });
  done.get_future().wait();
  return std::move(result.value());
}

template <class T>
T run_task(Shards& shards, std::size_t index, Task<T> task) {
  return run_task(shards.executor(index), std::move(task));
}

void run_task(Shards& shards, std::size_t index, Task<> task);

// A listener on loopback whose accepted streams can be taken by the test.
class LoopbackServer {
 public:
  explicit LoopbackServer(std::size_t shard_count = 1);
  ~LoopbackServer();

  // Connects a client and returns the server's side of it; `shard` gets where it lives.
  std::unique_ptr<Stream> accept(UniqueFd& client, std::optional<Executor>* shard = nullptr);
  [[nodiscard]] std::uint16_t port() const { return listener_->local().port; }
  Shards& shards() { return shards_; }

 private:
  struct Accepted;
  Shards shards_;
  std::shared_ptr<Accepted> accepted_;
  std::unique_ptr<Listener> listener_;
};

UniqueFd connect_to(const Endpoint& endpoint);
UniqueFd connect_to(std::uint16_t port);
// Blocking; until `size` octets or the end.
std::string receive(int fd, std::size_t size);
std::string receive_all(int fd);
void send_all(int fd, std::string_view data);

// A new self-signed P-256 certificate for these DNS names.
struct TestCertificate {
  std::string certificate;  // PEM
  std::string key;          // PEM
};
TestCertificate make_certificate(const std::vector<std::string>& names);

// A directory that is removed at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  [[nodiscard]] std::string path(const std::string& name) const { return (root_ / name).string(); }
  // Written to a temporary name and renamed, mode 0600.
  std::string write(const std::string& name, const std::string& content) const;

 private:
  std::filesystem::path root_;
};

}  // namespace posthouse::net::test
