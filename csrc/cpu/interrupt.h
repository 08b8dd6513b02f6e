// Ctrl-C during a long call.
//
// Python notes a signal when it comes, and runs its handlers between two instructions of its own: a
// call of ours is one of them, however long it takes. So a call lets the handlers run now and then.
// Where one raises, as that of Ctrl-C does, the kernels give up, and Python raises the same
// exception as soon as the call returns: nobody ever sees its unfinished outputs.
#pragma once

#include <atomic>
#include <chrono>
#include <thread>

namespace nvc3d {

// Lives as long as the call does, in its thread.
class Interruptible {
 public:
  Interruptible();
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

  // Of the call that this thread is in; nullptr outside of one.
  static Interruptible* current();

  // A Parallel::Poll.
  static bool cancelled(void* call);

  bool interrupted() const { return interrupted_.load(std::memory_order_relaxed); }

 private:
  using Clock = std::chrono::steady_clock;

  Interruptible* outer_;
  std::thread::id thread_ = std::this_thread::get_id();
  Clock::time_point due_;  // when the handlers may run next
  std::atomic<bool> interrupted_{false};
};

}  // namespace nvc3d
