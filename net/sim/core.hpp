// The inside of the simulated network. Internal to net/sim.
#pragma once
#include <map>
#include <set>
#include <unordered_map>

#include "net/sim/crypto.hpp"
#include "net/sim/wire.hpp"

namespace troupe::net::sim {

class core : public std::enable_shared_from_this<core> {
 public:
  core(agenda& on, rng chance) : agenda_(on), chance_(chance) {}

  mono_time now() const noexcept { return agenda_.now(); }
  /// Enters a task into the agenda; the answer cancels it. The task itself stays here, so that the network's end is the
  /// end of all that waits, in a moment when everything it touches still stands.
  std::uint64_t in(duration after, task what);
  void cancel(std::uint64_t which);
  void shut();
  duration latency(const site& a, const site& b);
  bool blocked(const site& a, const site& b) const;
  bool lost_dial(const site& a, const site& b);
  void add_wire(const std::shared_ptr<wire>& w, const site& a, const site& b);
  template <class F>
  void each_wire(F what) {
    std::erase_if(wires_, [](const auto& w) { return w.expired(); });
    const auto now = wires_;
    for (const auto& weak : now)
      if (const auto w = weak.lock()) what(*w);
  }
  /// The computer that a name or address means for `from`; null when there is none.
  site* resolve(const site& from, const std::string& host);

  struct listening {
    endpoint at;
    acceptor::accepted to;
    std::uint64_t life;
  };
  std::map<std::string, std::vector<std::shared_ptr<listening>>> listening_on;   ///< By computer.
  std::vector<std::unique_ptr<site>> sites;
  std::map<std::pair<std::string, std::string>, conditions> links;
  std::set<std::pair<std::string, std::string>> partitions;
  std::set<std::string> black_holes;
  conditions usual;
  key_book keys;

 private:
  static std::pair<std::string, std::string> pair_of(const site& a, const site& b);
  const conditions& between(const site& a, const site& b) const;
  rng& dice(const site& a, const site& b);

  agenda& agenda_;
  rng chance_;
  bool shut_ = false;
  std::uint64_t last_task_ = 0;
  std::map<std::uint64_t, std::pair<agenda::entry, task>> tasks_;
  std::map<std::pair<std::string, std::string>, rng> dice_;
  std::vector<std::weak_ptr<wire>> wires_;
};

/// What runs for one process of a site: falls silent when that process ends.
class sim_shard final : public shard {
 public:
  sim_shard(core& of, site& at) : of_(of), at_(at) {}
  void post(task what) override;
  timer_id after(duration wait, task what) override;
  void cancel(timer_id which) override;
  mono_time now() const override { return of_.now(); }
  void forget_all();

 private:
  core& of_;
  site& at_;
  timer_id last_ = 0;
  std::unordered_map<timer_id, std::uint64_t> due_;   ///< Looked up only.
};

std::unique_ptr<dialer> make_dialer(core& of, site& at);
std::unique_ptr<acceptor> make_acceptor(core& of, site& at);
std::unique_ptr<files> make_files();
std::unique_ptr<net::machine> make_facts(const site& of);

}  // namespace troupe::net::sim
