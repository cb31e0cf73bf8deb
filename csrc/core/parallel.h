// Threads for one piece of work: started, shared out by a counter, joined. No pool outlives a
// call, so a process that forks (data loaders do) never inherits a broken one.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

namespace taujp {

// Calls work(item, thread) for every item in [0, items), items in no particular order; the first
// exception is rethrown once all threads have stopped.
template <class Work>
void parallel(int64_t items, int threads, Work work) {
  threads = static_cast<int>(std::min<int64_t>(std::max(threads, 1), items));
  std::atomic<int64_t> next{0};
  std::vector<std::exception_ptr> failures(std::max(threads, 1));
  const auto run = [&](int thread) {
    try {
      for (int64_t item; (item = next.fetch_add(1)) < items;) work(item, thread);
    } catch (...) {
      failures[thread] = std::current_exception();
      next = items;
    }
  };
  std::vector<std::thread> others;
  for (int thread = 1; thread < threads; ++thread) others.emplace_back(run, thread);
  if (threads > 0) run(0);
  for (std::thread& other : others) other.join();
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

}  // namespace taujp
