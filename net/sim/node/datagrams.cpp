#include "net/sim/node/datagrams.hpp"

namespace troupe::net::sim {

class datagrams_twin::socket final : public datagram_socket {
 public:
  socket(datagrams_twin& of, endpoint at) : of_(of), doors_(of.doors_), at_(std::move(at)) {}
  ~socket() override { doors_->erase(at_); }
  void send(const endpoint& to, std::string_view data) override {
    if (auto& lost = of_.lost_[to]; lost > 0) return void(--lost);
    of_.shard_.post([doors = doors_, to, from = at_, text = std::string(data)] {
      if (const auto found = doors->find(to); found != doors->end()) {
        const auto call = found->second;   // it may end its socket
        call(from, text);
      }
    });
  }
  endpoint address() const override { return at_; }

 private:
  datagrams_twin& of_;
  std::shared_ptr<doors> doors_;
  endpoint at_;
};

result<std::unique_ptr<datagram_socket>> datagrams_twin::open(const endpoint& asked, received on_data) {
  if (!is_ip_address(asked.host)) return fail(errc::invalid, "\"" + asked.host + "\" is no address");
  endpoint at = asked;
  if (at.host == "0.0.0.0" || at.host == "::") at.host = host_;
  if (at.port == 0) at.port = next_port_++;
  if (!doors_->emplace(at, std::move(on_data)).second) return fail(errc::already_exists, to_string(at) + " is in use");
  return std::unique_ptr<datagram_socket>(std::make_unique<socket>(*this, std::move(at)));
}

}  // namespace troupe::net::sim
