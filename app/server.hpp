// The running server: threads, pools, queue, accounts and listeners in their order of birth, and in
// reverse at the end. Made and driven by `serve` on the main thread; everything else happens on the
// shards' threads.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "app/listeners.hpp"
#include "app/snapshot.hpp"
#include "base/result.hpp"

namespace posthouse::app {

class Server {
 public:
  struct Options {
    std::size_t shards = 0;                            // 0: half the processors, at least 1
    std::function<void(const base::Error&)> on_fatal;  // the log failed for good; any thread
  };

  Server(std::shared_ptr<const Snapshot> snapshot, Options options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Recovers the queue and redoes what a crash left undone; nothing is served before it returned.
  [[nodiscard]] base::Result<> recover();
  // Begins to accept connections on the ports.
  void serve(std::vector<BoundPort> ports);
  // New connections get this snapshot; running sessions keep theirs.
  void adopt(std::shared_ptr<const Snapshot> snapshot);
  // No new connections; running transactions get 30 s, then the queue is brought to rest.
  void shut_down();

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace posthouse::app
