// How this server's etcd is called, and an etcd of one member for the time of a command: a reset, a restore, a migration.
#pragma once
#include <memory>

#include "actors/membership/keeper.hpp"
#include "storage/await.hpp"

namespace troupe::membership {

/// "https://10.0.0.1:2379"
std::string etcd_url(const std::string& host, std::uint16_t port);
/// Where this server's own etcd listens without TLS, for who may also read the client's key; "" when its path is relative or
/// too long for a socket.
std::string etcd_socket(const keeper_config& config);
/// Takes away the socket that an etcd which was killed left there: none starts over it. For who is about to start one.
void clear_socket(net::files& files, const keeper_config& config);
/// `initial` (the members of a cluster that begins, or that is joined) may be empty when there is data.
net::process_order etcd_order(const keeper_config& config, const std::string& name, const std::string& initial, const std::string& state);

/// Runs a program to its end and waits for it; `not_found` when there is none. Not on an actor's thread.
result<net::process_end> run_to_end(const rt::world& in, net::process_order order);

/// The one member `name` over the data in `config.folder` (made when empty), without its fellows. Blocks; for a thread of
/// one's own. Ends etcd when it goes.
class lone_etcd {
 public:
  enum class begins : std::uint8_t { with_its_data, without_fellows, empty };   ///< without_fellows: --force-new-cluster
  /// Waits until it answers. `unavailable` with etcd's last words when it ends or does not answer for a minute.
  static result<std::unique_ptr<lone_etcd>> start(const rt::world& in, const keeper_config& config, const std::string& name, begins how);
  ~lone_etcd();
  lone_etcd(const lone_etcd&) = delete;
  lone_etcd& operator=(const lone_etcd&) = delete;
  /// Its engine; goes before it.
  storage::engine& engine() { return *engine_; }

 private:
  struct for_start {};   ///< Only start() makes one.

 public:
  lone_etcd(for_start, const rt::world& in) : in_(in) {}

 private:
  result<void> wait();
  const rt::world& in_;
  std::unique_ptr<net::process> child_;
  storage::awaited<net::process_end> ended_;
  std::unique_ptr<storage::engine> engine_;
};

}  // namespace troupe::membership
