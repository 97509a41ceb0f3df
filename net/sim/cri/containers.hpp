// A simulated container runtime with the machine it runs on: sandboxes, containers and images, in virtual time.
//
// The machine outlives the runtime's process and every client: containers go on while nobody can be asked. Owned by a
// simulation, whose agenda moves it; everything is on that one thread.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "basis/agenda.hpp"
#include "basis/rng.hpp"
#include "net/cri/runtime.hpp"

namespace troupe::net::sim {

/// What becomes of a container once it is started.
struct container_life {
  std::optional<duration> runs;          ///< Until it ends by itself; nothing: for ever.
  int exit_code = 0;
  std::string reason = {};               ///< "" = Completed or Error by its code; "OOMKilled".
  bool heeds_term = true;                ///< Else it takes the whole grace period.
};

struct runtime_conditions {
  duration act_min = std::chrono::milliseconds(2), act_max = std::chrono::milliseconds(60);   ///< A call's whole time.
  unsigned lost_answers = 0;             ///< Percent of calls that are done and never answered: timeout after answer_limit.
  unsigned refusals = 0;                 ///< Percent of calls that are not done: internal.
  duration answer_limit = std::chrono::seconds(10);
  duration pull_time = std::chrono::milliseconds(300);
};

class container_machine {
 public:
  container_machine(agenda& on, rng dice, const wall_clock& calendar);
  ~container_machine();
  container_machine(const container_machine&) = delete;

  /// A client; any number, each ends by itself.
  std::unique_ptr<cri::runtime> connect();

  runtime_conditions now;
  std::string pod_network = "10.42.0";   ///< The first three numbers of its pods' addresses; 250 of them are given in turn.
  /// How a container goes; asked when it starts. Default: for ever.
  std::function<container_life(const cri::container_config&)> script;
  /// What exec_sync comes to; default: exit code 0.
  std::function<result<cri::exec_result>(const cri::container&, const std::vector<std::string>& command)> on_exec;
  /// Before a call takes effect: an error refuses it. `verb` as the port names it, `what` its id or name.
  std::function<std::optional<error>(std::string_view verb, const std::string& what)> fault;

  void kill_runtime();                   ///< Its process: calls fail, containers go on.
  void start_runtime();
  void hang(bool on);                    ///< Calls are neither done nor answered; they end by their limit.
  void reboot();                         ///< All containers end (255, Unknown), sandboxes are not ready.
  void kill_container(const std::string& id, int exit_code, const std::string& reason);
  void add_image(const std::string& name, std::uint64_t bytes = 1 << 20);   ///< Present.
  std::vector<cri::image> images() const;
  void offer_image(const std::string& name, const std::string& password = {});   ///< Can be pulled, by who has the password.

  // What there is, for invariants.
  const std::map<std::string, cri::sandbox>& sandboxes() const;
  const std::map<std::string, cri::container>& containers() const;
  std::size_t calls() const;

 private:
  friend class containers_client;
  struct inside;
  std::shared_ptr<inside> in_;
};

}  // namespace troupe::net::sim
