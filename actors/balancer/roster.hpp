// Which server to use. No clock, no actor, no I/O; time is handed in and only compared with itself.
//
// Every agent puts the servers into an order of its own (a hash of node name and server), so that agents spread by
// themselves and choose alike after a restart. The fallback (the host of --server) comes last unless it is one of the
// servers. A server that leaves the list drains: no new dials, and after drain_max it is dismissed.
#pragma once
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "basis/clock.hpp"
#include "basis/ids.hpp"

namespace troupe::balancer {

struct close_relays { endpoint at; };        ///< Its clients shall come again.
struct use_server { endpoint at; };          ///< Where new dials go first from now on.
struct attend_server { endpoint at; };       ///< New in the roster: dial and probe it.
struct dismiss_server { endpoint at; };      ///< Its time is over: its relays end, nothing is dialled there any more.
struct doubt_list { std::string why; };      ///< One sentence on what was wrong with a list, and what is used of it.
using effect = std::variant<close_relays, use_server, attend_server, dismiss_server, doubt_list>;

struct roster_limits {
  std::size_t servers_max = 64;                              ///< A longer list is cut.
  duration drain_max = std::chrono::seconds(15);             ///< From leaving the list to the end of the last relay.
  duration return_after = std::chrono::seconds(5);           ///< So long a recovered server stands before old relays come back.
};

class roster {
 public:
  enum class health : std::uint8_t { unknown, ready, unready, lost };
  struct row {
    endpoint at;
    health state = health::unknown;
    mono_time since{};            ///< Of the state.
    std::string error;            ///< Why it was last unready or lost; kept when it recovers.
    bool fallback = false;        ///< Not of the list: the last resort.
    bool draining = false;
    bool owes = false;            ///< Lost while nobody else could serve: its relays close when somebody can.
    mono_time drained_at{};       ///< While draining, and for a fallback that was a server until lately.
    std::uint64_t weight = 0;     ///< Its place in this node's own order.
  };

  /// Knows the fallback only. `own` are addresses where this node itself listens for clients: never servers.
  roster(endpoint fallback, node_name self, mono_time now = {}, roster_limits limits = {});
  void refuse(const endpoint& own) { own_.push_back(own); }

  /// A newer list; an older or an equal generation, and an empty list, change nothing.
  std::vector<effect> replace(std::vector<endpoint> servers, std::uint64_t generation, mono_time now);
  std::vector<effect> recovered(const endpoint& at, mono_time now);
  std::vector<effect> unready(const endpoint& at, mono_time now, std::string why = {});   ///< New dials elsewhere, relays stay.
  /// Relays close on the edge only, and never without an alternative: then they close as soon as there is one.
  std::vector<effect> lost(const endpoint& at, mono_time now, std::string why = {});
  /// Time has passed: those that have drained go.
  std::vector<effect> pass(mono_time now);

  const endpoint& current() const { return order_.front(); }
  /// All servers that may be dialled, the best first: what a dial tries in turn. Never empty.
  const std::vector<endpoint>& order() const { return order_; }
  /// Servers whose relays should go home slowly, because this node's own choice serves again, or because they drain.
  std::vector<endpoint> strays(mono_time now) const;
  /// Why current() is the one, as words that follow its name.
  std::string reason() const;
  const std::vector<row>& rows() const { return rows_; }
  std::uint64_t generation() const { return generation_; }

 private:
  row* find(const endpoint& at);
  row made(endpoint at, mono_time now, bool fallback) const;
  std::vector<endpoint> sift(std::vector<endpoint> servers, std::string& doubt) const;
  std::vector<effect> change(const endpoint& at, health to, mono_time now, std::string why);
  void drain_missing(const std::vector<endpoint>& listed, mono_time now);
  void collect_debts(std::vector<effect>& into);
  void arrange(const endpoint& before, std::vector<effect>& into);
  bool alternative_to(const endpoint& at) const;
  std::uint64_t weight_of(const endpoint& at) const;

  std::vector<row> rows_;
  std::vector<endpoint> order_, own_;
  endpoint fallback_;
  node_name self_;
  roster_limits limits_;
  std::uint64_t generation_ = 0;
};

}  // namespace troupe::balancer
