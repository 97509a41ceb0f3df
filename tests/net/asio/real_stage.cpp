#include "net/asio/real.hpp"
#include "net/tls/openssl.hpp"
#include "tests/net/stage.hpp"

namespace troupe::net::test {
namespace {
class real_stage final : public stage {
 public:
  shard& on() override { return *loop_; }
  dialer& dials() override { return *dialer_; }
  acceptor& accepts() override { return *acceptor_; }
  endpoint anywhere() const override { return {"127.0.0.1", 0}; }
  bool until(const std::function<bool()>& done) override { return loop_->run_until(done, patience); }
  void settle() override { loop_->run_until([] { return false; }, 30ms); }
  tls::provider& tls() override { return *tls_; }
  tls::issuer& issuer() override { return *issuer_; }
  wall_time calendar() const override { return system_wall_clock().now(); }

 private:
  std::unique_ptr<real::loop> loop_ = real::make_shard("test");
  std::unique_ptr<dialer> dialer_ = real::make_dialer(*loop_);
  std::unique_ptr<acceptor> acceptor_ = real::make_acceptor(*loop_);
  std::unique_ptr<tls::provider> tls_ = tls::make_openssl_provider();
  std::unique_ptr<tls::issuer> issuer_ = tls::make_openssl_issuer();
};
}  // namespace
std::unique_ptr<stage> make_real_stage() { return std::make_unique<real_stage>(); }
}  // namespace troupe::net::test
