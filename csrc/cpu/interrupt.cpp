// Ctrl-C during a long call: what is Python's part in it.
#include "interrupt.h"

#include <dlfcn.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#else
#include <pthread.h>
#endif

namespace nvc3d {
namespace {

// Rare enough to cost nothing, often enough for a human.
constexpr auto interval = std::chrono::milliseconds(50);

thread_local Interruptible* innermost = nullptr;

// The functions of Python's stable ABI that are needed, from the process we were loaded into: the
// library is linked to no Python. All are null where there is none.
struct Python {
  int (*is_initialized)() = find<int (*)()>("Py_IsInitialized");
  int (*ensure)() = find<int (*)()>("PyGILState_Ensure");
  void (*release)(int) = find<void (*)(int)>("PyGILState_Release");
  int (*check_signals)() = find<int (*)()>("PyErr_CheckSignals");
  void (*fetch)(void**, void**, void**) = find<void (*)(void**, void**, void**)>("PyErr_Fetch");
  void (*restore)(void*, void*, void*) = find<void (*)(void*, void*, void*)>("PyErr_Restore");
  int (*add_pending_call)(int (*)(void*),
                          void*) = find<int (*)(int (*)(void*), void*)>("Py_AddPendingCall");
  void (*set_interrupt)() = find<void (*)()>("PyErr_SetInterrupt");

  bool usable() const {
    return is_initialized && ensure && release && check_signals && fetch && restore &&
           add_pending_call && set_interrupt && is_initialized();
  }

 private:
  template <class F>
  static F find(const char* name) {
    return reinterpret_cast<F>(dlsym(RTLD_DEFAULT, name));
  }
};

const Python& python() {
  static const Python functions;
  return functions;
}

// What a handler raised, until Python raises it again.
struct Raised {
  void *type = nullptr, *value = nullptr, *trace = nullptr;

  static int raise(void* self) {
    Raised* const raised = static_cast<Raised*>(self);
    python().restore(raised->type, raised->value, raised->trace);
    delete raised;
    return -1;
  }
};

// Only there does Python run handlers of signals.
bool is_main_thread() {
#ifdef __linux__
  return syscall(SYS_gettid) == getpid();
#else
  return pthread_main_np() == 1;
#endif
}

// Runs the handlers of what signals came; true where one raised.
bool run_handlers() {
  if (!python().usable() || !is_main_thread()) return false;
  const int state = python().ensure();
  bool raised = python().check_signals() != 0;
  if (raised) {
    Raised* const error = new Raised;
    python().fetch(&error->type, &error->value, &error->trace);
    if (python().add_pending_call(&Raised::raise, error) != 0) {
      // No room for it now: the next time, then.
      delete error;
      python().set_interrupt();
      raised = false;
    }
  }
  python().release(state);
  return raised;
}

}  // namespace

Interruptible::Interruptible() : outer_(innermost), due_(Clock::now() + interval) {
  innermost = this;
}

Interruptible::~Interruptible() { innermost = outer_; }

Interruptible* Interruptible::current() { return innermost; }

bool Interruptible::cancelled(void* call) {
  if (call == nullptr) return false;
  auto& self = *static_cast<Interruptible*>(call);
  if (self.interrupted()) return true;
  // The other threads of the call only look.
  if (std::this_thread::get_id() != self.thread_) return false;
  const Clock::time_point now = Clock::now();
  if (now < self.due_) return false;
  const bool raised = run_handlers();
  self.due_ = Clock::now() + interval;
  if (raised) self.interrupted_.store(true, std::memory_order_relaxed);
  return raised;
}

}  // namespace nvc3d
