// A job: a plan at work on its own threads, while its owner looks on, waits or cancels.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "stream/rank_over_model.h"
#include "stream/tile_loop.h"
#include "stream/large_tensor.h"
#include "stream/work.h"

namespace taujp::stream {

class Job {
 public:
  explicit Job(Plan plan) : work_(std::move(plan)), foreman_([this] { run(); }) {}
  ~Job() {
    stop();
    foreman_.join();
  }
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  // True once all threads have stopped; raises the failure that stopped them.
  bool wait(double seconds) {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto patience = std::chrono::duration<double>(seconds);
    if (!ended_changed_.wait_for(lock, patience, [this] { return ended_; })) return false;
    if (failure_) std::rethrow_exception(failure_);
    return true;
  }

  // Cancels: returns once every thread has done the tile (or the large tensor) that it is at.
  void stop() {
    work_.stop = true;
    std::unique_lock<std::mutex> lock(mutex_);
    ended_changed_.wait(lock, [this] { return ended_; });
  }

  int64_t bytes_done() const { return work_.bytes_done; }
  int64_t bytes_total() const {
    int64_t bytes = 0;
    for (const Item& item : work_.plan.items) bytes += bytes_read(item);
    return bytes;
  }
  std::vector<Finished> take_finished() { return work_.ledger.take_finished(); }

 private:
  void run() {
    std::exception_ptr failure;
    try {
      if (work_.plan.recipe.over_model) rank_over_model(work_);
      merge_in_tiles(work_);
      merge_large_tensors(work_);
      if (!work_.stop) work_.check_inputs();
    } catch (...) {
      failure = std::current_exception();
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    failure_ = failure;
    ended_ = true;
    ended_changed_.notify_all();
  }

  Work work_;
  std::mutex mutex_;
  std::condition_variable ended_changed_;
  bool ended_ = false;
  std::exception_ptr failure_;
  std::thread foreman_;
};

}  // namespace taujp::stream
