// What is answered to a packet: from the zone, from the cache, or later from outside. Knows no socket of those who ask and no
// actor. Lives on the net shard.
#pragma once
#include <functional>
#include <memory>
#include <optional>

#include "actors/dns/cache.hpp"
#include "actors/dns/upstream.hpp"
#include "actors/dns/zone.hpp"

namespace troupe::dns {

class responder {
 public:
  responder(net::shard& on, zone names, std::unique_ptr<upstream> outside) : shard_(on), zone_(std::move(names)), outside_(std::move(outside)) {}

  using say = std::function<void(std::string packet)>;
  /// Calls `to` once, at once or later; never for what deserves no answer.
  void hear(std::string_view packet, bool by_tcp, say to);
  /// Before it, a name of the cluster that is not known may be one that is only not known yet: the answer is "later".
  void set_complete() { complete_ = true; }
  zone& names() { return zone_; }
  upstream& outside() { return *outside_; }
  /// How many questions, and how many of them were answered from outside and from the cache.
  struct figures { std::uint64_t questions = 0, outside = 0, cached = 0, failed = 0; };
  const figures& counted() const { return counted_; }

 private:
  struct asked;
  void send(const asked& by, const answer& what);
  void ask_outside(std::shared_ptr<asked> by, const std::string& name, answer so_far);

  net::shard& shard_;
  zone zone_;
  cache cache_;
  std::unique_ptr<upstream> outside_;
  figures counted_;
  bool complete_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace troupe::dns
