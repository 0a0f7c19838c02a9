// A piece of blocking work made from a callable, for net::Blocking. Name the callable and the job
// on lines of their own before co_await (g++ 12 destroys capturing temporaries twice).
#pragma once

#include <utility>

#include "net/ports.hpp"

namespace posthouse::queue {

// Runs `work` on the pool's thread; what it captures by reference must live until then.
template <class Work>
class CallJob final : public net::Job {
 public:
  explicit CallJob(Work& work) : work_(work) {}
  void execute() noexcept override { work_(); }

 private:
  Work& work_;
};

}  // namespace posthouse::queue
