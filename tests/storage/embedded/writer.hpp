// Keeps an engine busy with creations of unused keys; each acknowledged one is told.
#pragma once
#include <atomic>
#include <functional>
#include <string>

#include "storage/engine.hpp"

namespace troupe::storage::testing {

/// What storage_writer writes on its standard output, as it stands in memory.
struct acknowledgement {
  std::uint64_t number;
  revision at;
};
inline std::string writer_key(std::uint64_t number) { return "/k/" + std::to_string(number); }
/// Of a mixed writer's creations some hundred in a row are relaxed, then some durable.
inline bool is_relaxed(std::uint64_t number) { return number / 150 % 2 == 1; }

class steady_writer {
 public:
  steady_writer(engine& e, std::uint64_t first, std::function<void(std::uint64_t, revision)> acknowledged, bool mixed = false)
      : engine_(e), next_(first), acknowledged_(std::move(acknowledged)), mixed_(mixed) {}
  void next() {
    const auto number = next_++;
    std::vector<operation> batch(1);
    batch[0].key = writer_key(number);
    batch[0].value = bytes(std::string(200 + number * 37 % 1500, static_cast<char>('a' + number % 26)));
    batch[0].relaxed = mixed_ && is_relaxed(number);
    engine_.commit(std::move(batch), [this, number](committed_batch out) {
      const auto& said = out.outcomes.at(0);
      if (said.what != outcome::kind::committed) return;
      acknowledged_(number, said.at);
      if (!stop_) next();
    });
  }
  std::atomic<bool> stop_ = false;

 private:
  engine& engine_;
  std::atomic<std::uint64_t> next_;
  std::function<void(std::uint64_t, revision)> acknowledged_;
  const bool mixed_;
};

}  // namespace troupe::storage::testing
