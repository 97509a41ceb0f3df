// UDP's twin: sockets of one test, which reach each other by address through a shard; what the test says is lost. One thread.
#pragma once
#include <map>
#include <string>

#include "net/datagram.hpp"
#include "net/shard.hpp"

namespace troupe::net::sim {

class datagrams_twin final : public datagrams {
 public:
  /// `host` is the address of sockets that are bound to all.
  datagrams_twin(shard& on, std::string host) : shard_(on), host_(std::move(host)) {}
  result<std::unique_ptr<datagram_socket>> open(const endpoint& at, received on_data) override;

  /// The next `count` datagrams to `to` do not arrive.
  void lose(const endpoint& to, int count) { lost_[to] = count; }
  std::size_t sockets() const { return doors_->size(); }

 private:
  class socket;
  using doors = std::map<endpoint, received>;
  shard& shard_;
  std::string host_;
  std::shared_ptr<doors> doors_ = std::make_shared<doors>();
  std::map<endpoint, int> lost_;
  std::uint16_t next_port_ = 40000;
};

}  // namespace troupe::net::sim
