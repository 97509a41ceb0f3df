// A replicated store in the simulation, as etcd is one: it outlives the servers, several engines work on it at once, and
// what one is answered may overtake what its feed brings. Over an agenda and a seed; single-threaded.
//
// It promises what storage/engine.hpp says of a shared engine and storage/etcd/etcd.hpp of etcd's, with the same ways out
// when an answer is lost (docs/decisions/116): a private key is the fence, so the store uses revisions that no change shows.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "basis/agenda.hpp"
#include "basis/rng.hpp"
#include "storage/engine.hpp"
#include "storage/memory/ledger.hpp"

namespace troupe::storage::sim {

struct shared_config {
  duration way_min = 100us, way_max = 1500us;   ///< One way between a server and the store.
  duration feed_min = 100us, feed_max = 3ms;    ///< A change behind its commit, when nothing lags.
  duration notice_max = 500ms;                  ///< Until an engine's standing shows that the store is away, or back.
  duration operation_limit = 5s;                ///< As etcd_config's.
  std::size_t in_flight_operations_max = 4'096;
};

class shared_engine;

/// The store itself and the roads to it. Owned by the simulation; outlives its engines, as `when` outlives both.
class shared_store {
 public:
  shared_store(agenda& when, rng chance, shared_config config = {});
  ~shared_store();
  shared_store(const shared_store&) = delete;

  /// An engine of the server `who`; one server may have several, and have them again after a crash.
  std::unique_ptr<engine> open(const std::string& who);

  /// No leader: nothing is written, read or fed for anybody. What is under way is applied, now or later, or not.
  void lose_leader();
  void find_leader();
  bool leaderless() const { return leaderless_; }
  /// Nothing passes between `who` and the store, either way; what is under way is applied, now or later, or not.
  void cut_off(const std::string& who);
  void reconnect(const std::string& who);
  /// Changes reach `who` this much behind their commits, while answers come as ever.
  void lag(const std::string& who, duration least, duration most);
  /// The store's quota is used up: nothing but erasing, until there is room.
  void fill_up() { full_ = true; }
  void make_room() { full_ = false; }
  /// Somebody compacts everything up to the head: a feed that does not flow now cannot go on where it was.
  void compact();
  /// The server's process dies: no completion is called any more, what is under way is applied or not.
  void crash(const std::string& who);
  /// All is well again, for everybody.
  void heal();

  ledger& log() { return log_; }
  const ledger& log() const { return log_; }
  static constexpr const char* private_prefix = "troupe/";   ///< Such keys are shown to nobody.

 private:
  friend class shared_engine;
  struct road {
    bool cut = false;
    duration lag_min{}, lag_max{};
  };
  bool reachable(const std::string& who) { return !leaderless_ && !roads_[who].cut; }
  std::optional<record> standing_at(const std::string& key) const;
  outcome apply(const operation& what);
  void tell(const std::string& who);
  std::vector<shared_engine*> engines_of(const std::string& who) const;
  duration between(duration least, duration most);

  agenda* when_;
  rng chance_;
  shared_config config_;
  ledger log_{{.kept_revisions_min = 0}};
  bool leaderless_ = false, full_ = false;
  std::map<std::string, road> roads_;
  std::map<std::uint64_t, shared_engine*> order_;   ///< Every open engine, by age.
  std::uint64_t opened_ = 0;
};

}  // namespace troupe::storage::sim
