#include "net/sim/network.hpp"
#include "tests/net/stage.hpp"

namespace troupe::net::test {
namespace {
class sim_stage final : public stage {
 public:
  shard& on() override { return near_.on(); }
  dialer& dials() override { return near_.dials(); }
  acceptor& accepts() override { return far_.accepts(); }
  endpoint anywhere() const override { return {"10.0.0.2", 0}; }
  bool until(const std::function<bool()>& done) override { return turn(done, agenda_.now() + 1h); }
  void settle() override { turn([] { return false; }, agenda_.now() + 30ms); }
  tls::provider& tls() override { return near_.tls(); }
  tls::issuer& issuer() override { return near_.issuer(); }
  wall_time calendar() const override { return near_.wall().now(); }

 private:
  bool turn(const std::function<bool()>& done, mono_time end) {
    while (!done()) {
      if (agenda_.run_one()) continue;
      const auto next = agenda_.next_due();
      if (!next || *next > end) {
        agenda_.advance_to(end);
        return done();
      }
      agenda_.advance_to(*next);
    }
    return true;
  }
  agenda agenda_;
  std::unique_ptr<sim::network> network_ = sim::make_network(agenda_, rng(7), *parse_rfc3339("2026-11-22T06:00:00Z"));
  sim::computer& near_ = network_->add("near", {"10.0.0.1"});
  sim::computer& far_ = network_->add("far", {"10.0.0.2"});
};
}  // namespace
std::unique_ptr<stage> make_sim_stage() { return std::make_unique<sim_stage>(); }
}  // namespace troupe::net::test
