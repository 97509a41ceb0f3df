// A simulated network of computers, driven by an agenda and a seed: what a cluster is tested on.
// Each computer offers the same ports as the real world; nothing above them can tell the difference.
//
// Owned by a simulation, which also turns the agenda; everything lives on that one thread. The
// network must outlive whatever was made from it.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "basis/agenda.hpp"
#include "basis/rng.hpp"
#include "net/dialer.hpp"
#include "net/host/host.hpp"
#include "net/listener.hpp"
#include "net/shard.hpp"
#include "net/tls/issuer.hpp"
#include "net/tls/tls.hpp"

namespace troupe::net::sim {

/// How two computers reach each other.
struct conditions {
  duration latency_min = std::chrono::microseconds(300), latency_max = std::chrono::milliseconds(2);  ///< One way.
  unsigned lost_dials = 0;         ///< Percent of dials that are never answered.
  unsigned cut_connections = 0;    ///< Percent of connections that break at some moment of cut_within.
  duration cut_within = std::chrono::seconds(60);
  unsigned stalls = 0;             ///< Percent of deliveries that take stall_for longer (and all behind them).
  duration stall_for = std::chrono::milliseconds(200);
};

inline constexpr duration loopback_latency = std::chrono::microseconds(20);
inline constexpr duration dead_peer_after = std::chrono::seconds(60);   ///< As TCP's keep-alive, 30 s and 3 x 10 s.
inline constexpr duration dial_retry = std::chrono::seconds(1);         ///< A lost opening packet is sent again.
inline constexpr std::size_t window_bytes = 256 * 1024;                 ///< Under way per direction.

/// How others notice that a computer has gone.
enum class loss : std::uint8_t {
  reset,     ///< The process died: connections end at once, dials are refused.
  silent,    ///< The machine vanished: nothing answers, connections end by dead_peer_after.
  chosen,    ///< One of both, by the seed.
};

/// One computer: a process with its ports, and the disk that outlives the process.
class computer {
 public:
  virtual ~computer() = default;
  virtual const std::string& name() const = 0;
  virtual bool up() const = 0;
  virtual shard& on() = 0;
  virtual dialer& dials() = 0;
  virtual acceptor& accepts() = 0;
  virtual files& disk() = 0;
  virtual net::machine& facts() = 0;
  virtual const wall_clock& wall() const = 0;     ///< The network's calendar plus this computer's skew.
  virtual entropy& chance() = 0;
  virtual tls::provider& tls() = 0;
  virtual tls::issuer& issuer() = 0;
  virtual void set_skew(duration ahead) = 0;
};

class network {
 public:
  virtual ~network() = default;
  /// A computer with these addresses (the first is its default) and `name` as its host name, which others resolve.
  virtual computer& add(const std::string& name, const std::vector<std::string>& addresses) = 0;
  virtual computer& find(const std::string& name) = 0;      ///< CHECKs that there is one.

  virtual void set_conditions(const conditions& all) = 0;
  virtual void set_conditions(const std::string& a, const std::string& b, const conditions& between) = 0;
  /// Nothing passes between the two, either way, until heal. What was under way waits.
  virtual void partition(const std::string& a, const std::string& b) = 0;
  virtual void heal(const std::string& a, const std::string& b) = 0;
  virtual void heal() = 0;                                  ///< All partitions and black holes.
  /// Nothing passes to or from it.
  virtual void black_hole(const std::string& name) = 0;
  /// Ends its process: what it posted and timed never runs, its streams fall silent, its files stay. Call it before
  /// destroying what the process held.
  virtual void crash(const std::string& name, loss how) = 0;
  virtual void restart(const std::string& name) = 0;
  /// Connections that both ends still hold.
  virtual std::size_t connections() const = 0;
};

/// `calendar` is what wall clocks show at the agenda's beginning.
std::unique_ptr<network> make_network(agenda& on, rng chance, wall_time calendar);

}  // namespace troupe::net::sim
