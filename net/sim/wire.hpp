// One simulated connection: two ends, and what is under way between them. Internal to net/sim.
#pragma once
#include <deque>
#include <memory>
#include <optional>

#include "net/sim/network.hpp"

namespace troupe::net::sim {

class core;

/// What the network knows of a computer. `life` counts its processes.
struct site {
  std::string name;
  std::vector<std::string> addresses;
  bool up = true;
  bool vanished = false;            ///< Down without a kernel that could answer.
  std::uint64_t life = 1;
  std::uint16_t next_port = 30000;
};

class wire : public std::enable_shared_from_this<wire> {
 public:
  wire(core& of, site& a, endpoint at_a, site& b, endpoint at_b);
  stream_ptr make_stream(int side);

  // For streams:
  void start(int side, stream_sink* sink);
  void write(int side, std::string_view data);
  std::size_t unsent(int side) const { return ends_[side].out_bytes; }
  void pause(int side) { ends_[side].paused = true; }
  void resume(int side);
  void close(int side);
  void let_go(int side);
  const endpoint& address(int side) const { return ends_[side].at; }

  // For the network:
  bool between(const site& a, const site& b) const;
  bool touches(const site& a) const { return ends_[0].home == &a || ends_[1].home == &a; }
  bool held() const { return alive(0) && alive(1); }
  void rise();                                   ///< What waited behind a partition arrives now.
  void cut(const error& why);                    ///< Both ends hear it, in a moment.
  void end_of(const site& gone, bool told);      ///< That end's process is no more.
  void watch_for_death();                        ///< Ends it if the path stays closed for dead_peer_after.

 private:
  enum class kind : std::uint8_t { data, fin, reset };
  struct segment {
    kind what;
    std::string data;
  };
  struct end {
    site* home = nullptr;
    std::uint64_t life = 0;
    endpoint at;
    stream_sink* sink = nullptr;
    std::deque<std::string> out, arrived;
    std::size_t out_bytes = 0, in_flight = 0;    ///< In flight: sent and not yet taken by the far sink.
    std::deque<segment> transit;
    unsigned stalled = 0;
    mono_time last_arrival{};
    std::optional<error> over;
    bool paused = false, closing = false, fin_sent = false, gone = false, told = false;
    bool above = false, pumping = false, waking = false;
  };

  bool alive(int side) const;
  void pump(int side);
  void pump_soon(int side);
  void transmit(int side, segment what);
  void arrive(int from);
  void deliver(int side);
  void deliver_soon(int side);
  void finish(int side, error why);
  template <class F>
  void later(duration after, F what);

  core& of_;
  end ends_[2];
};

}  // namespace troupe::net::sim
