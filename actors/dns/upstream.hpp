// Asks DNS servers outside of the cluster: each question once, whoever waits for it, from a port and with an id that nobody can
// foretell, at the next server when one is silent. Lives on the net shard; its callbacks too.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/dns/message.hpp"
#include "basis/rng.hpp"
#include "basis/task.hpp"
#include "net/datagram.hpp"
#include "net/dialer.hpp"
#include "net/shard.hpp"

namespace troupe::dns {

struct upstream_config {
  duration try_limit = std::chrono::seconds(2);      ///< One server's time to answer.
  unsigned tries_max = 3;
  std::size_t questions_max = 1000;                  ///< At once; more are refused.
};

/// The nameservers of a resolv.conf, at most three as resolv.conf(5) has it, without those in `not_these`: ourselves.
std::vector<endpoint> nameservers_of(std::string_view resolv_conf, const std::vector<std::string>& not_these);

class upstream {
 public:
  upstream(net::shard& on, net::datagrams& by, net::dialer& dialer, entropy& chance, upstream_config config = {});
  ~upstream();
  upstream(const upstream&) = delete;

  /// From the next question on; empty: every question fails.
  void use(std::vector<endpoint> servers);
  using answered = callback<void(result<reply>)>;
  /// Calls `done` once, later: what a server said (cut only when `by_tcp` was not asked for), or overloaded | timeout | unavailable.
  void ask(const std::string& name, std::uint16_t type, bool by_tcp, answered done);
  std::size_t waiting() const { return questions_.size(); }
  const std::vector<endpoint>& servers() const { return servers_; }

 private:
  struct question;
  using question_ptr = std::shared_ptr<question>;
  void attempt(const question_ptr& which);
  void attempt_udp(const question_ptr& which, const endpoint& to);
  void attempt_tcp(const question_ptr& which, const endpoint& to);
  void hear(const question_ptr& which, std::string_view packet);
  void settle(const question_ptr& which, result<reply> out);

  net::shard& shard_;
  net::datagrams& by_;
  net::dialer& dialer_;
  entropy& chance_;
  upstream_config config_;
  std::vector<endpoint> servers_;
  std::map<std::pair<std::string, std::uint32_t>, question_ptr> questions_;   ///< By name; type and way.
};

}  // namespace troupe::dns
