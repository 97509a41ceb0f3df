// A whole cluster in one process, in virtual time, from a seed: the product's own actors on simulated
// computers with simulated disks. Everything that is drawn is drawn from the seed, so a run repeats.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/client/messages.hpp"
#include "actors/node/node.hpp"
#include "actors/runtime/deterministic.hpp"
#include "net/sim/cri/containers.hpp"
#include "net/sim/network.hpp"
#include "storage/memory/ledger.hpp"
#include "storage/sim/etcd_group.hpp"
#include "storage/sim/shared.hpp"
#include "storage/sim/sim.hpp"

namespace troupe::harness {

class cluster {
 public:
  explicit cluster(std::uint64_t seed);
  ~cluster();

  /// A process of a computer: what a service manager keeps running.
  struct process {
    std::string name;
    net::sim::computer* on = nullptr;
    std::unique_ptr<net::sim::container_machine> machine;   ///< What containers run on, if any; outlives the process.
    std::unique_ptr<rt::world> world;
    std::vector<caf::strong_actor_ptr> actors;
    storage::sim::sim_engine* engine = nullptr;
    bool running = false, ready = false;
    unsigned starts = 0;
    std::string refused;                 ///< Why going on was useless, if it was.
    std::string waits;                   ///< What a server said last that it waits for.
  };

  /// Before the first server starts: all of them keep their objects in one store, an etcd of somebody else's.
  storage::sim::shared_store& share_store();
  /// Likewise: each of them keeps an etcd of its own. Who begins and who joins is told by `dress`.
  storage::sim::etcd_group& embed_etcd();
  /// What a server is told beside its name and token, each time it starts.
  std::function<void(const std::string& name, node::server_config&)> dress;
  /// `second` is an address that it has, too, and uses when it is told to.
  void add_server(const std::string& name, const std::string& address, const std::string& second = "");
  void add_agent(const std::string& name, const std::string& address, const std::string& node_name, const std::string& server = server_address);
  /// Before it first starts: its node runs containers, on what outlives its process. Pods there get addresses of `pod_network`,
  /// as in "10.42.7".
  net::sim::container_machine& equip(const std::string& name, const std::string& pod_network);
  void start(const std::string& name);
  /// Power off, or the process killed: nothing of it goes on, its disk stays as far as it was synced.
  void crash(const std::string& name, net::sim::loss how = net::sim::loss::chosen);

  const process& operator[](const std::string& name) const { return *processes_.at(name); }
  rt::deterministic& run() { return run_; }
  net::sim::network& net() { return *network_; }
  rng& dice() { return dice_; }
  /// Asks the API of a running server from inside, as an administrator. `done` gets nothing when the server died on it.
  using answered = std::function<void(const client::api_answer*)>;
  void call(const std::string& server, client::api_call what, answered done);
  /// The API of a running server from inside; null while there is none. Whoever asks says who he is.
  client::api_actor api(const std::string& server) const;
  /// Hears every line of the log as it is said, in the form of said().
  std::function<void(const std::string&)> listener;
  /// Lines of the log that begin with this event, as "event k=v k=v", in order.
  std::vector<std::string> said(const std::string& event) const;

  static constexpr const char* server_address = "10.0.0.1";
  static constexpr const char* password = "correct-horse-battery";

 private:
  void wire(process& p);
  void start_server(process& p);
  void start_agent(process& p);

  rng dice_;
  std::unique_ptr<storage::sim::shared_store> store_;   // outlives the actors, as do these
  std::unique_ptr<storage::sim::etcd_group> etcd_;
  std::map<std::string, std::unique_ptr<net::process_starter>> children_;
  rt::deterministic run_;
  std::unique_ptr<net::sim::network> network_;
  std::map<std::string, std::unique_ptr<process>> processes_;
  std::map<std::string, std::shared_ptr<storage::memory_disk>> disks_;
  std::map<std::string, std::string> node_names_, server_of_;
  std::vector<std::unique_ptr<rt::world>> past_worlds_;   // stale messages may still look at them
  std::vector<std::string> log_;
};

}  // namespace troupe::harness
