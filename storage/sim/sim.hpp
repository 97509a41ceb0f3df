// The engine of the simulation: commits take seeded time, fail on script, and a crash loses what
// was not yet durable. Single-threaded over an agenda; a run depends on its seed only.
#pragma once
#include <deque>
#include <memory>

#include "basis/agenda.hpp"
#include "basis/rng.hpp"
#include "storage/engine.hpp"
#include "storage/memory/ledger.hpp"

namespace troupe::storage::sim {

struct sim_config {
  duration commit_min = 200us, commit_max = 2ms;  ///< Latency of a commit's sync.
  duration read_min = 20us, read_max = 200us;
};

enum class fault : std::uint8_t {
  none,             ///< All is well; heals leaderless and unavailable.
  leaderless,       ///< Standing says so; writes are unavailable, reads go on.
  unavailable,      ///< Writes are unavailable although standing says leading.
  outcome_unknown,  ///< Writes are applied or not, by a coin, and nobody is told which.
  disk_full,        ///< The next write closes the engine for good, as does every broken disk.
};

class sim_engine final : public engine {
 public:
  /// `disk` survives the engine; open a new one on it after a crash. `when` must outlive the engine.
  sim_engine(agenda& when, rng chance, std::shared_ptr<memory_disk> disk, sim_config config = {});
  /// Finishes what is in flight at once, unless crashed.
  ~sim_engine() override;

  /// The process dies: of the batches in flight a seeded number is on the disk, in order; the rest is
  /// lost; no completion is ever called. Every later call is swallowed.
  void crash();
  void set_fault(fault what);

  void commit(std::vector<operation> batch, commit_done done) override;
  void range(range_query what, range_done done) override;
  void changes_after(revision after, std::size_t limit, changes_done done) override;
  void compact(revision to, engine::done finished) override;
  void raise_revision(revision to, engine::done finished) override;
  void backup(std::string path, engine::done finished) override;
  void verify(engine::done finished) override;
  storage::status status() const override;
  void on_news(callback<void()> wake) override { wake_ = std::move(wake); }

 private:
  struct job {
    std::vector<operation> batch;  ///< Of a commit.
    commit_done committed;
    task work;                     ///< Of anything else.
  };
  void enter(job what, duration least, duration most);
  void run_next();
  committed_batch run_commit(std::vector<operation> batch);
  committed_batch refuse(std::size_t count, outcome::kind what, const char* note) const;
  template <class Done, class Work>
  void read(Done done, Work work);
  void become(standing now);

  agenda* when_;
  rng chance_;
  std::shared_ptr<memory_disk> disk_;
  sim_config config_;
  fault fault_ = fault::none;
  standing standing_ = standing::leading;
  callback<void()> wake_;
  std::deque<job> queue_;  ///< In the order of entry; jobs finish in it.
  agenda::entry due_{};
  mono_time free_at_{};
  bool waiting_ = false, crashed_ = false;
  std::deque<mono_time> due_times_;
};

}  // namespace troupe::storage::sim
