// The emulation's own part: it is compiled without sanitizers, and tells ThreadSanitizer, where
// that is loaded, what orders the accesses of the threads of a kernel, and nothing else does.
#include "runtime.h"

#include <link.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

// Of ThreadSanitizer, where it is loaded.
extern "C" {
__attribute__((weak)) void* __tsan_get_current_fiber();
__attribute__((weak)) void* __tsan_create_fiber(unsigned flags);
__attribute__((weak)) void __tsan_destroy_fiber(void* fiber);
__attribute__((weak)) void __tsan_switch_to_fiber(void* fiber, unsigned flags);
__attribute__((weak)) void __tsan_acquire(void* tag);
__attribute__((weak)) void __tsan_release(void* tag);
__attribute__((weak)) void __tsan_read_range(void* at, unsigned long size);
__attribute__((weak)) void __tsan_write_range(void* at, unsigned long size);
__attribute__((weak)) void AnnotateBenignRaceSized(const char*, int, void*, size_t, const char*);
}
#define EXPORTED extern "C" __attribute__((visibility("default")))

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulation {

int broken = 0;

namespace {

bool watched() { return __tsan_create_fiber != nullptr; }
void release(char& tag) {
  if (watched()) __tsan_release(&tag);
}
void acquire(char& tag) {
  if (watched()) __tsan_acquire(&tag);
}
void* new_identity() { return watched() ? __tsan_create_fiber(0) : nullptr; }
void become(void* identity) {
  constexpr unsigned without_order = 1;
  if (watched()) __tsan_switch_to_fiber(identity, without_order);
}
void* myself() { return watched() ? __tsan_get_current_fiber() : nullptr; }

unsigned from_environment(const char* name, unsigned otherwise) {
  const char* const text = std::getenv(name);
  return text ? static_cast<unsigned>(std::strtoul(text, nullptr, 10)) : otherwise;
}
std::mt19937 order{from_environment("NVC3D_EMULATION_SEED", 7)};
// Whether the accesses of one block come before those of the next. With that, what is reported is a
// race within a block; without, one between blocks, and nothing is said of shared memory, which
// they use in turn here.
bool blocks_in_order = from_environment("NVC3D_EMULATION_UNORDERED", 0) == 0;
bool hopper = from_environment("NVC3D_EMULATION_HOPPER", 0) != 0;

// Where to go on. ucontext makes a fiber; from then on, jumps do, which ask nothing of the system.
// The compiler's own jumps: no sanitizer stands between.
struct Place {
  void* jump[5];
  ucontext_t context{};
  bool begun = false;
};
[[noreturn]] __attribute__((noinline)) void jump(Place& to) {
  if (to.begun) __builtin_longjmp(to.jump, 1);
  setcontext(&to.context);
  std::abort();
}
__attribute__((noinline)) void go(Place& from, Place& to) {
  from.begun = true;
  if (__builtin_setjmp(from.jump)) return;
  jump(to);
}

struct Fiber {
  Place place;
  std::unique_ptr<char[]> stack{new char[size]};
  void* identity = new_identity();
  bool finished = false;
  const unsigned* waits = nullptr;  // for this count ...
  unsigned until = 0;               // ... to reach this value
  Where where;                      // it waits
  dim3 thread;
  static constexpr size_t size = 128 << 10;

  Fiber() = default;
  Fiber(const Fiber&) = delete;
  ~Fiber() {
    if (watched()) __tsan_destroy_fiber(identity);
  }
};

// The lanes of a mask, how many times they have met, and what they hand to each other.
struct Meeting {
  unsigned arrived = 0, met = 0;
  Where where;
  std::array<uint64_t, warp> value[2];  // used in turn: who is late may still read the last
  char tag[2];                          // in turn as well: one would order more than they promise
};

struct Block {
  std::vector<Fiber*> fibers;
  std::vector<std::map<unsigned, Meeting>> warps;  // by mask
  unsigned arrived = 0, met = 0, running = 0, votes = 0, result[2] = {};
  Where where;
  char tag[2];
  Place scheduler;
  std::string fault;
};

Block* block = nullptr;
Fiber* fiber = nullptr;
const Launch* running = nullptr;
char begin_of_launch, end_of_block, end_of_launch, end_of_stream;
thread_local volatile char in_shared_memory;  // makes sure that the memory below is there

// Shared arrays are the thread-local variables of this library: as many bytes, here.
struct SharedMemory {
  void* at = nullptr;
  size_t size = 0;

  SharedMemory() {
    in_shared_memory = 1;
    dl_iterate_phdr(
        [](dl_phdr_info* info, size_t, void* mine) {
          const auto here = reinterpret_cast<uintptr_t>(&order);
          bool inside = false;
          for (int i = 0; i < info->dlpi_phnum; ++i) {
            const auto& header = info->dlpi_phdr[i];
            inside |= header.p_type == PT_LOAD && here - info->dlpi_addr - header.p_vaddr <
                                                      static_cast<uintptr_t>(header.p_memsz);
          }
          for (int i = 0; inside && i < info->dlpi_phnum; ++i) {
            if (info->dlpi_phdr[i].p_type != PT_TLS) continue;
            static_cast<SharedMemory*>(mine)->at = info->dlpi_tls_data;
            static_cast<SharedMemory*>(mine)->size = info->dlpi_phdr[i].p_memsz;
          }
          return inside ? 1 : 0;
        },
        this);
  }
};

std::string text(const Where& where) {
  const std::string file = where.file_name();
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(where.line());
}

void wait_until(const unsigned* count, unsigned value, const Where& where) {
  fiber->waits = count;
  fiber->until = value;
  fiber->where = where;
  while (static_cast<int>(*count - value) < 0) go(fiber->place, block->scheduler);
  fiber->waits = nullptr;
}

// The first to arrive says where all must.
void require_same(unsigned arrived, Where& first, const Where& where, const char* who) {
  if (arrived == 0) {
    first = where;
  } else if (first.line() != where.line() || first.column() != where.column() ||
             std::strcmp(first.file_name(), where.file_name()) != 0) {
    fault("%s meet at different places: %s and %s", who, text(first).c_str(), text(where).c_str());
  }
}

void pass_barrier() {
  block->arrived = 0;
  block->result[block->met % 2] = block->votes;
  block->votes = 0;
  ++block->met;
}

// Gives which of its two places the lanes use this time.
unsigned meet_lanes(Meeting& meeting, unsigned mask, const Where& where, bool ordered) {
  require_same(meeting.arrived, meeting.where, where, "the lanes of a warp");
  const unsigned now = meeting.met, turn = now % 2;
  if (ordered) release(meeting.tag[turn]);
  if (++meeting.arrived == static_cast<unsigned>(std::popcount(mask))) {
    meeting.arrived = 0;
    ++meeting.met;
  }
  wait_until(&meeting.met, now + 1, where);
  if (ordered) acquire(meeting.tag[turn]);
  return turn;
}

Meeting& meeting_of(unsigned mask, const Where& where) {
  if (!(mask >> lane() & 1))
    fault("lane %u meets others under a mask without it, %x, at %s", lane(), mask,
          text(where).c_str());
  return block->warps[threadIdx.x / warp][mask];
}

void enter() {
  running->run();
  fiber->finished = true;
  go(fiber->place, block->scheduler);
}

void prepare(Fiber& f, unsigned thread) {
  f.thread = dim3(thread, 0, 0);
  f.finished = false;
  f.waits = nullptr;
  f.place.begun = false;
  getcontext(&f.place.context);
  f.place.context.uc_stack.ss_sp = f.stack.get();
  f.place.context.uc_stack.ss_size = Fiber::size;
  f.place.context.uc_link = nullptr;
  makecontext(&f.place.context, &enter, 0);
}

// Runs a thread until it waits.
void resume(Fiber& f, void* scheduler) {
  fiber = &f;
  threadIdx = f.thread;
  const bool first = !f.place.begun;
  become(f.identity);
  if (first) acquire(begin_of_launch);
  if (first && blocks_in_order) acquire(end_of_block);
  go(block->scheduler, f.place);
  if (f.finished) release(end_of_block);
  if (f.finished) release(end_of_launch);
  become(scheduler);
}

void wait_for_ever() {
  std::map<std::string, unsigned> waiting;
  for (const Fiber* f : block->fibers) waiting[text(f->where)] += !f->finished;
  block->fault = "the threads of a block wait for each other for ever:";
  for (const auto& [where, count] : waiting)
    if (count > 0) block->fault += " " + std::to_string(count) + " at " + where;
}

void run_block(void* scheduler) {
  const auto threads = static_cast<unsigned>(block->fibers.size());
  for (unsigned t = 0; t < threads; ++t) prepare(*block->fibers[t], t);
  // One warp at a time is held back until no other can go on: the worst that a race can meet.
  const auto warps = static_cast<unsigned>(block->warps.size());
  unsigned left = threads, held = warps;
  while (left > 0) {
    const unsigned shift = static_cast<unsigned>(order()) % threads;
    const bool backwards = order() & 1;
    bool progress = false;
    for (unsigned i = 0; i < threads; ++i) {
      const unsigned t = ((backwards ? threads - 1 - i : i) + shift) % threads;
      Fiber& f = *block->fibers[t];
      if (f.finished || t / warp == held) continue;
      if (f.waits && static_cast<int>(*f.waits - f.until) < 0) continue;
      progress = true;
      resume(f, scheduler);
      if (!block->fault.empty()) return;
      if (f.finished) {
        --left;
        // As on hardware, a thread that has left a block is not waited for.
        if (--block->running > 0 && block->arrived == block->running) pass_barrier();
      }
    }
    if (progress) {
      if (held == warps && warps > 1) held = static_cast<unsigned>(order()) % warps;
    } else if (held < warps) {
      held = warps;
    } else {
      return wait_for_ever();
    }
  }
}

using Fibers = std::vector<std::unique_ptr<Fiber>>;

// Fibers are kept for later blocks. Where blocks have no order, neighbours use different ones: a
// fiber's own accesses always have one.
std::vector<Fiber*> fibers_for(unsigned threads, std::vector<Fibers>& sets, unsigned number) {
  const unsigned several = watched() && !blocks_in_order ? std::max(2u, 1024 / threads) : 1;
  sets.resize(std::max<size_t>(sets.size(), std::min(several, 8u)));
  Fibers& fibers = sets[number % std::min(several, 8u)];
  while (fibers.size() < threads) fibers.push_back(std::make_unique<Fiber>());
  std::vector<Fiber*> found(threads);
  for (unsigned t = 0; t < threads; ++t) found[t] = fibers[t].get();
  return found;
}

// The order of the stream: what follows one another there.
void* stream() {
  static void* const identity = new_identity();
  return identity;
}

template <class Work>
void in_stream(const Work& work) {
  static char begin;
  void* const host = myself();
  release(begin);
  become(stream());
  acquire(begin);
  work();
  release(end_of_stream);
  become(host);
}

}  // namespace

unsigned meet_block(unsigned vote, const Where& where) {
  require_same(block->arrived, block->where, where, "the threads of a block");
  const unsigned now = block->met, turn = now % 2;
  block->votes += vote;
  release(block->tag[turn]);
  if (++block->arrived == block->running) pass_barrier();
  wait_until(&block->met, now + 1, where);
  acquire(block->tag[turn]);
  return block->result[turn];
}

void meet_warp(unsigned mask, const Where& where) {
  meet_lanes(meeting_of(mask, where), mask, where, true);
}

const uint64_t* exchange(unsigned mask, uint64_t value, const Where& where) {
  Meeting& meeting = meeting_of(mask, where);
  meeting.value[meeting.met % 2][lane()] = value;
  return meeting.value[meet_lanes(meeting, mask, where, false)].data();
}

void launch(unsigned blocks, unsigned threads, const Launch* kernel) {
  static std::vector<Fibers> sets;
  std::string failure;
  in_stream([&] {
    const SharedMemory shared;
    if (watched() && !blocks_in_order)
      AnnotateBenignRaceSized(__FILE__, __LINE__, shared.at, shared.size, "blocks take turns");
    release(begin_of_launch);
    std::vector<unsigned> numbers(blocks);
    std::iota(numbers.begin(), numbers.end(), 0);
    std::shuffle(numbers.begin(), numbers.end(), order);
    running = kernel;
    gridDim = dim3(blocks);
    blockDim = dim3(threads);
    for (const unsigned number : numbers) {
      // What nobody has written is not a number, and no index.
      std::memset(shared.at, 0xFF, shared.size);
      // On the heap, which ThreadSanitizer forgets: tags of one block must not order the next.
      const auto mine = std::make_unique<Block>();
      Block& here = *mine;
      here.fibers = fibers_for(threads, sets, number);
      here.running = threads;
      here.warps.resize((threads + warp - 1) / warp);
      block = &here;
      blockIdx = dim3(number, 0, 0);
      run_block(stream());
      block = nullptr;
      if (here.fault.empty()) continue;
      failure = std::move(here.fault);
      sets.clear();  // they stopped midway
      break;
    }
    acquire(end_of_launch);
    delete kernel;
  });
  if (!failure.empty()) throw std::runtime_error("emulation: " + failure);
}

void copy(void* to, const void* from, size_t size) {
  in_stream([&] {
    if (watched()) __tsan_read_range(const_cast<void*>(from), size);
    if (watched()) __tsan_write_range(to, size);
    std::memcpy(to, from, size);
  });
}

void fill(void* at, int value, size_t size) {
  in_stream([&] {
    if (watched()) __tsan_write_range(at, size);
    std::memset(at, value, size);
  });
}

void synchronize() { acquire(end_of_stream); }

void fault(const char* format, ...) {
  char message[500];
  va_list values;
  va_start(values, format);
  std::vsnprintf(message, sizeof(message), format, values);
  va_end(values);
  block->fault = message;
  jump(block->scheduler);
}

namespace {

// sum + a . b of eight, as tensor cores add: they align the products, which are exact, and the sum
// so far to the largest of them, cut what lies below, and round the result towards zero. Up to Ada
// they keep 24 bits behind the largest one's leading bit and add four products at a time; Hopper
// and Blackwell keep 25 and add eight. (Fasi et al., "Numerical behavior of NVIDIA tensor cores",
// 2021; Khattak and Mikaitis, "Accurate models of NVIDIA tensor cores", 2025.) Where they leave
// open what is largest before products are normalised, this is the coarser of the two readings.
float sum_as_tensor_cores(float sum, const float* a, const float* b) {
  const int step = hopper ? 8 : 4, bits = hopper ? 25 : 24;
  for (int k = 0; k < 8; k += step) {
    double terms[9] = {sum};
    for (int i = 0; i < step; ++i) terms[1 + i] = double{a[k + i]} * double{b[k + i]};
    double largest = 0, all = 0;
    for (int i = 0; i <= step; ++i) {
      largest = std::max(largest, std::abs(terms[i]));
      all += terms[i];
    }
    if (!std::isfinite(all)) return static_cast<float>(all);
    if (largest == 0) continue;
    // The largest power of two in it, and the last bit that is kept.
    const double power = std::bit_cast<double>(std::bit_cast<uint64_t>(largest) & 0x7FFull << 52);
    const double unit = power / static_cast<double>(1 << bits);
    int64_t units = 0;  // no more than 30 bits
    for (int i = 0; i <= step; ++i) units += static_cast<int64_t>(terms[i] / unit);
    const double kept = static_cast<double>(units) * unit;
    sum = static_cast<float>(kept);
    if (std::isfinite(sum) && std::abs(double{sum}) > std::abs(kept))
      sum = std::nextafter(sum, 0.0f);
  }
  return sum;
}

// Every lane's value.
std::array<float, warp> all_of(float value, const Where& where) {
  const uint64_t* const values = exchange(~0u, std::bit_cast<uint32_t>(value), where);
  std::array<float, warp> all;
  for (unsigned i = 0; i < warp; ++i)
    all[i] = std::bit_cast<float>(static_cast<uint32_t>(values[i]));
  return all;
}

}  // namespace

void multiply_add(float (&sum)[4], const float (&a)[4], const float (&b)[2], const Where& where) {
  for (const float value : {a[0], a[1], a[2], a[3], b[0], b[1]}) {
    // The hardware would read such a value without its last bits.
    if (std::bit_cast<uint32_t>(value) & 0x1FFF && value == value)
      fault("a tensor core got %a, which is not a TF32 number", double{value});
  }
  std::array<float, warp> of_a[4], of_b[2];
  for (int i = 0; i < 4; ++i) of_a[i] = all_of(a[i], where);
  for (int i = 0; i < 2; ++i) of_b[i] = all_of(b[i], where);
  const unsigned g = lane() / 4, t = lane() % 4;
  for (unsigned i = 0; i < 4; ++i) {
    float row[8], column[8];
    for (unsigned k = 0; k < 8; ++k) {
      row[k] = of_a[i / 2 + 2 * (k / 4)][4 * g + k % 4];
      column[k] = of_b[k / 4][4 * (2 * t + i % 2) + k % 4];
    }
    sum[i] = sum_as_tensor_cores(sum[i], row, column);
  }
}

}  // namespace emulation

// --- what tests call --------------------------------------------------------------------------

EXPORTED void emulate_seed(unsigned seed) { emulation::order.seed(seed); }
EXPORTED void emulate_fault(int number) { emulation::broken = number; }
EXPORTED void emulate_blocks_in_order(bool yes) { emulation::blocks_in_order = yes; }
// Tensor cores add as those of Hopper and later do, or as those before it.
EXPORTED void emulate_hopper(bool yes) { emulation::hopper = yes; }
EXPORTED float emulate_tensor_core(float sum, const float* a, const float* b) {
  return emulation::sum_as_tensor_cores(sum, a, b);
}
